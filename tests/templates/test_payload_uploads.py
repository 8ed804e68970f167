"""An upload to a real Payload never waits for its caption; a job brings it."""

import asyncio
import io
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from testing.images import data_url, jpeg, photograph_like
from testing.requirements import require_node_package, require_program
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import (
    Action,
    FaultProxy,
    RecordedRequest,
    forward,
    problem,
)
from tests.templates.payload_server import (
    PayloadSite,
    caption_of,
    describe,
    environment,
    install,
    multipart,
    shown,
    upload,
)


@pytest.mark.slow
def test_the_template_compiles_under_strict_typescript(tmp_path: Path) -> None:
    """With every strict option, before and after Payload has generated the site's types."""
    compiler = require_node_package("typescript") / "bin/tsc"
    payload = require_node_package("payload") / "bin.js"
    folder = install(tmp_path / "site")
    for words in ([compiler, "-p", "."], [payload, "generate:types"], [compiler, "-p", "."]):
        completed = subprocess.run(
            [require_program("node", "nodejs"), *map(str, words)],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
    assert (folder / "payload-types.ts").exists()


def test_an_upload_is_saved_as_pending_and_a_job_brings_its_caption(
    site: PayloadSite, payload_captions: FaultProxy, altwright: Altwright
) -> None:
    """By the real server, in the locale of the upload; the site's hooks then run once more."""
    payload_captions.always(forward)
    doc = site.create(file=upload(jpeg()))
    assert shown(doc) == {"altSource": "pending"}
    assert [job["input"]["id"] for job in site.jobs()] == [doc["id"]]
    site.run()
    expected = altwright.caption(data_url(jpeg())).json()["caption"]
    assert shown(site.read(doc)) == {
        "alt": expected,
        "altSource": "ai",
        "altLocale": "en",
        "altModel": "embedded",
    }
    assert shown(site.read(doc, "de")) == {}
    assert site.jobs() == []
    assert site.local("announced") == [str(doc["id"])] * 2


def test_an_upload_over_rest_is_captioned_in_its_locale(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """With the context that the site gives, and with blank fields as a form sends them."""
    blank = {"alt": "", "altSource": None, "altReviewedAt": None, "credit": "Harbour mug"}
    created = site.http.post("/api/media?locale=de", **multipart(jpeg(), blank))
    assert created.status_code == 201
    doc = created.json()["doc"]
    site.run()
    german = site.read(doc, "de")
    assert (german["altSource"], german["altLocale"]) == ("ai", "de")
    [request] = payload_captions.requests
    asked = request.form()
    assert (asked["locale"], asked["style"], asked["context"]) == ("de", "concise", "Harbour mug")


@pytest.mark.parametrize("collection", ["plainMedia", "converted", "stored", "drafts"])
def test_every_kind_of_upload_collection_is_captioned(site: PayloadSite, collection: str) -> None:
    """The site's own alt field, converted files, a storage without a disk, versions."""
    data = {"credit": "A", "_status": "published"} if collection == "drafts" else {"credit": "A"}
    doc = site.create(collection, data, file=upload(photograph_like((640, 480))))
    site.run()
    captioned = site.read(doc, collection=collection)
    assert captioned["altSource"] == "ai"
    site.update(captioned, {"credit": "B"}, collection=collection)
    again = site.read(doc, collection=collection)
    assert again["credit"] == "B"
    assert shown(again) == shown(captioned)


def test_a_draft_is_captioned_and_its_published_version_too(site: PayloadSite) -> None:
    """The job writes to the latest version, which is the one that is edited."""
    draft = site.create("drafts", {"_status": "draft"}, file=upload(jpeg()), draft=True)
    site.run()
    latest = site.local("findByID", collection="drafts", id=draft["id"], draft=True)
    assert (latest["altSource"], latest["_status"]) == ("ai", "draft")
    site.update(latest, {"_status": "published"}, collection="drafts")
    assert shown(site.read(draft, collection="drafts")) == shown(latest)


def test_files_that_are_no_pictures_are_not_captioned(site: PayloadSite) -> None:
    """An SVG and a text; neither is pending."""
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    for data, name, mimetype in [
        (drawing, "a.svg", "image/svg+xml"),
        (b"words", "a.txt", "text/plain"),
    ]:
        doc = site.create(file=upload(data, name, mimetype))
        assert shown(doc) == {}
    assert site.jobs() == []


def test_a_decorative_picture_has_an_empty_text_with_its_word(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """It can be told from one whose text is missing."""
    payload_captions.always(forward)
    blank = upload(jpeg_of(Image.new("RGB", (400, 300), "white")))
    doc = site.create(file=blank)
    site.run()
    saved = site.read(doc)
    assert (saved["alt"], saved["altSource"]) == ("", "decorative")


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("caption_uncertain", "uncertain"),
        ("caption_refused", "rejected"),
        ("caption_rejected", "rejected"),
        ("image_corrupt", "failed"),
    ],
)
def test_a_final_problem_ends_the_job_with_its_word(
    site: PayloadSite, payload_captions: FaultProxy, code: str, word: str
) -> None:
    """One request, no text, and the reason."""
    payload_captions.then(problem(422, code))
    doc = site.create(file=upload(jpeg()))
    site.run()
    saved = shown(site.read(doc))
    assert saved.pop("altReasons").startswith(f"{code}: ")
    assert saved == {"altSource": word}
    assert (len(payload_captions.requests), site.jobs()) == (1, [])


def test_a_retry_after_delays_the_job_and_not_the_document(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """It is longer than the backoff, so it counts."""
    payload_captions.then(problem(429, "rate_limited", retry_after="600"))
    doc = site.create(file=upload(jpeg()))
    before = datetime.now(UTC)
    site.run()
    [job] = site.jobs()
    assert datetime.fromisoformat(job["waitUntil"]) >= before + timedelta(seconds=600)
    assert shown(site.read(doc)) == {"altSource": "pending"}
    site.local("due")
    site.run()
    assert site.read(doc)["altSource"] == "ai"
    assert site.jobs() == []


def test_after_its_last_attempt_a_document_is_failed(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """Not before; a wrong key fails no document, because it says nothing about one."""
    for status, code, word in [(503, "overloaded", "failed"), (401, "unauthorized", "pending")]:
        payload_captions.reset()
        payload_captions.always(problem(status, code))
        doc = site.create(file=upload(jpeg()))
        words = []
        for _ in range(3):
            site.local("due")
            site.local("run")
            words.append(site.read(doc)["altSource"])
        assert words == ["pending", "pending", word]
        site.local("due")
        site.local("run")
        assert len(payload_captions.requests) == 3
        site.local("clear")


def test_two_uploads_of_one_name_at_once_both_succeed(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """Payload itself refuses the second one, where both look for a free name."""
    payload_captions.always(problem(503, "overloaded"))

    def post(number: int) -> int:
        data = jpeg((200 + number, 150))
        return site.http.post("/api/media", **multipart(data, {}, "same.jpg")).status_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(post, range(4))) == [201] * 4


def test_uploads_and_queries_go_on_while_the_server_hangs(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """Twelve jobs wait for an answer with a pool of five connections; no query waits for them."""
    may_answer = threading.Event()
    payload_captions.always(hold(may_answer))
    docs = [site.create(file=upload(jpeg((300 + each, 200)), f"h{each}.jpg")) for each in range(12)]
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(site.local, "run")
        while payload_captions.in_flight < 12:
            assert not running.done()
            time.sleep(0.02)
        for doc in docs[:4]:
            site.read(doc)
            site.update(doc, {"credit": "while it hangs"})
        site.create(file=upload(jpeg(), "one-more.jpg"))
        assert not running.done()
        assert payload_captions.in_flight == 12
        may_answer.set()
        running.result()
    assert {site.read(doc)["altSource"] for doc in docs[3:5]} == {"pending"}


def test_a_person_who_types_while_the_server_is_asked_keeps_the_text(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """The answer is dropped. An edit of another field is kept, and the answer is written."""
    doc = site.create(file=upload(jpeg()))
    payload_captions.then(during(lambda: site.update(doc, {"alt": "My mug"})))
    site.run()
    saved = site.read(doc)
    assert (saved["alt"], saved["altSource"]) == ("My mug", "human")

    other = site.create(file=upload(jpeg(), "other.jpg"))
    payload_captions.then(during(lambda: site.update(other, {"credit": "Jane"})))
    site.run()
    saved = site.read(other)
    assert (saved["credit"], saved["altSource"]) == ("Jane", "ai")


def test_an_answer_for_a_picture_that_was_replaced_is_dropped(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """The new picture's own job brings its text."""
    doc = site.create(file=upload(jpeg()))
    new = photograph_like((640, 480))
    payload_captions.then(during(lambda: site.update(doc, file=upload(new, "new.jpg"))))
    site.run()
    site.run()
    assert site.read(doc)["alt"] == caption_of(new, "en")
    assert len(payload_captions.requests) == 2


def test_a_deleted_document_ends_its_job(site: PayloadSite, payload_captions: FaultProxy) -> None:
    """Before the request, and during it."""
    before = site.create(file=upload(jpeg((320, 200)), "before.jpg"))
    site.local("delete", collection="media", id=before["id"])
    during_it = site.create(file=upload(jpeg(), "during.jpg"))
    delete = during(lambda: site.local("delete", collection="media", id=during_it["id"]))
    payload_captions.then(delete)
    site.run()
    assert (len(payload_captions.requests), site.jobs()) == (1, [])


def test_large_pictures_are_shrunk_before_they_are_sent(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """With Payload's sharp, to what the model is shown."""
    large = jpeg_of(Image.effect_noise((2400, 1800), 90).convert("RGB"))
    assert len(large) > 1024 * 1024
    doc = site.create(file=upload(large))
    site.run()
    assert site.read(doc)["altSource"] == "ai"
    [request] = payload_captions.requests
    assert len(request.body) < 1024 * 1024


def test_editors_and_jobs_at_once_lose_no_persons_text(site: PayloadSite) -> None:
    """Every other document is typed into while the jobs write."""
    docs = [site.create(file=upload(jpeg((300 + each, 220)), f"r{each}.jpg")) for each in range(16)]
    with ThreadPoolExecutor(3) as threads:
        running = threads.submit(site.run)
        typed = [
            threads.submit(site.update, doc, {"alt": f"Mine {doc['id']}"}) for doc in docs[::2]
        ]
        for each in typed:
            each.result()
        running.result()
    assert [site.read(doc)["alt"] for doc in docs[::2]] == [
        f"Mine {doc['id']}" for doc in docs[::2]
    ]
    assert {site.read(doc)["altSource"] for doc in docs[::2]} <= {"human", "human-edited-ai"}
    assert {site.read(doc)["altSource"] for doc in docs[1::2]} <= {"ai", "decorative"}


def hold(may_answer: threading.Event) -> Action:
    """Hang until the event, and then refuse."""

    async def act(
        proxy: FaultProxy, request: RecordedRequest, writer: asyncio.StreamWriter
    ) -> None:
        while not may_answer.is_set() and not writer.is_closing():
            await asyncio.sleep(0.02)
        await problem(503, "overloaded")(proxy, request, writer)

    return act


def during(edit: object) -> Action:
    """Answer a request after `edit` was made."""

    async def act(
        proxy: FaultProxy, request: RecordedRequest, writer: asyncio.StreamWriter
    ) -> None:
        assert callable(edit)
        await asyncio.to_thread(edit)
        await describe(proxy, request, writer)

    return act


def jpeg_of(image: Image.Image) -> bytes:
    """A picture as a file."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()
