"""The Payload hook fills alt texts and never changes a person's text."""

import base64
import io
import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from testing.images import data_url, jpeg
from testing.requirements import NODE_MODULES, require_node_package, require_program
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy, hang, problem

TOP = Path(__file__).parents[2]
HOOK = TOP / "openapi/templates/payload-alt.mjs"
SAVES = Path(__file__).with_name("payload_saves.mjs")
EMPTY = {"alt": None, "altSource": None, "altLocale": None, "altReviewedAt": None}
MACHINE_TEXT = {**EMPTY, "alt": "An old text.", "altSource": "altwright", "altLocale": "en"}

Saved = dict[str, Any]


def uploaded(data: bytes, mimetype: str = "image/jpeg", **more: str) -> Saved:
    """`req.file` as Payload passes it to hooks."""
    encoded = base64.b64encode(data).decode()
    return {"data": encoded, "mimetype": mimetype, "name": "mug.jpg", "size": len(data), **more}


def create(data: Saved | None = None, **more: object) -> Saved:
    """A save that creates a document, with an uploaded image unless `file` says otherwise."""
    return {"operation": "create", "data": data or {}, "file": uploaded(jpeg()), **more}


def update(original: Saved, data: Saved | None = None, **more: object) -> Saved:
    """A save that changes `original`; without `file` nothing is uploaded."""
    return {"operation": "update", "originalDoc": {"id": 7, **original}, "data": data or {}, **more}


def save(url: str, *saves: Saved, **options: object) -> list[Saved]:
    """Run the hook on each save. Returns what is stored, and the log under `warnings`."""
    completed = subprocess.run(
        [require_program("node", "nodejs"), str(SAVES), str(HOOK), str(NODE_MODULES)],
        input=json.dumps({"options": {"url": url, **options}, "saves": saves}),
        env={k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return [{"warnings": each["warnings"], **each["data"]} for each in json.loads(completed.stdout)]


@pytest.fixture
def proxy(altwright: Altwright, make_fault_proxy: Callable[[str], FaultProxy]) -> FaultProxy:
    """A proxy in front of the server, which records the hook's requests."""
    return make_fault_proxy(altwright.url)


def test_an_upload_fills_the_four_fields(altwright: Altwright, proxy: FaultProxy) -> None:
    """Each locale gets its own text, without a review date."""
    english, german, credited = save(
        proxy.url,
        create(),
        create(locale="de"),
        create({"alt": "", "altSource": None, "credit": "Harbour mug"}, locale="en_US"),
    )
    expected = altwright.caption(data_url(jpeg())).json()["caption"]
    filled = {"altSource": "altwright", "altLocale": "en", "altReviewedAt": None}
    assert english == {"alt": expected, "warnings": [], **filled}
    assert german["altLocale"] == "de"
    assert german["alt"] not in ("", expected)
    assert credited["alt"]
    assert credited["credit"] == "Harbour mug"
    requests = [request.json() for request in proxy.requests]
    assert [each["locale"] for each in requests] == ["en", "de", "en-US"]
    assert [each.get("context") for each in requests] == [None, None, "Harbour mug"]


def test_a_decorative_image_gets_an_empty_text_with_a_source(altwright: Altwright) -> None:
    """A text that is empty on purpose can be saved from a missing one."""
    blank = uploaded(jpeg_of(Image.new("RGB", (400, 300), "white")))
    [saved] = save(altwright.url, create(file=blank))
    assert (saved["alt"], saved["altSource"]) == ("", "altwright")


def test_a_typed_text_belongs_to_the_person(proxy: FaultProxy) -> None:
    """At the upload, later, replacing or emptying a machine's text; no caption is requested."""
    typed = save(
        proxy.url,
        create({"alt": "My mug"}, locale="de"),
        update(EMPTY, {"alt": "My mug"}),
        update(MACHINE_TEXT, {**MACHINE_TEXT, "alt": "My mug"}),
        update(MACHINE_TEXT, {"alt": ""}),
        update(MACHINE_TEXT, {"alt": "My other mug"}, file=uploaded(jpeg())),
    )
    assert [each["alt"] for each in typed] == ["My mug", "My mug", "My mug", "", "My other mug"]
    assert [each["altLocale"] for each in typed] == ["de", "en", "en", "en", "en"]
    for each in typed:
        assert each["altSource"] == "person"
        age = datetime.now(UTC) - datetime.fromisoformat(each["altReviewedAt"])
        assert timedelta(0) <= age < timedelta(minutes=1)
    assert proxy.requests == []


REVIEWED = {**MACHINE_TEXT, "altReviewedAt": "2026-01-01T00:00:00.000Z"}
PERSON_TEXT = {**REVIEWED, "altSource": "person"}


@pytest.mark.parametrize(
    "original",
    [
        PERSON_TEXT,
        REVIEWED,
        {**PERSON_TEXT, "alt": ""},
        {"alt": "From before these fields were"},
        {**EMPTY, "alt": "From before these fields were"},
    ],
)
def test_a_new_file_does_not_change_a_persons_text(proxy: FaultProxy, original: Saved) -> None:
    """Typed, reviewed, emptied or of unknown origin."""
    for sent in ({}, original):
        [saved] = save(proxy.url, update(original, sent, file=uploaded(jpeg())))
        assert saved == {**sent, "warnings": []}
    assert proxy.requests == []


def test_a_save_without_a_file_requests_no_caption(proxy: FaultProxy) -> None:
    """Whatever the text is; a copied document keeps its text too."""
    credit = {"credit": "Jane"}
    saved = save(
        proxy.url,
        update(MACHINE_TEXT, credit),
        update(EMPTY, credit),
        update(MACHINE_TEXT, {"altReviewedAt": "2026-01-01T00:00:00.000Z"}),
        create(MACHINE_TEXT, originalDoc=MACHINE_TEXT, file=None),
    )
    assert [each.pop("warnings") for each in saved] == [[]] * 4
    assert saved == [credit, credit, {"altReviewedAt": "2026-01-01T00:00:00.000Z"}, MACHINE_TEXT]
    assert proxy.requests == []


def test_a_machines_text_is_replaced_with_its_image(altwright: Altwright) -> None:
    """A new file brings a new text, or removes the old one."""
    captioned, drawing = save(
        altwright.url,
        update(MACHINE_TEXT, file=uploaded(jpeg())),
        update(MACHINE_TEXT, file=uploaded(b"<svg/>", "image/svg+xml")),
    )
    assert captioned["altSource"] == "altwright"
    assert captioned["alt"] not in (None, MACHINE_TEXT["alt"])
    assert drawing == {**EMPTY, "warnings": []}


def test_an_upload_without_a_caption_succeeds_and_logs_why(proxy: FaultProxy) -> None:
    """The fields stay empty, so that a person can find them."""
    proxy.then(problem(422, "caption_uncertain"), problem(401, "unauthorized"))
    saved = save(proxy.url, create(), create(), create(file=uploaded(b"no picture")))
    for each, reason in zip(saved, ["caption_uncertain", "unauthorized", "image"], strict=True):
        [warning] = each.pop("warnings")
        assert warning.startswith("no alt text for mug.jpg: ")
        assert reason in warning
        assert each == EMPTY


def test_an_upload_waits_at_most_its_timeout(proxy: FaultProxy) -> None:
    """Neither for a response nor for a Retry-After that is longer."""
    proxy.then(problem(429, "rate_limited", retry_after="600")).always(hang)
    started_s = time.monotonic()
    saved = save(proxy.url, create(), create(), timeoutMs=1000)
    assert time.monotonic() - started_s < 20
    assert [each["alt"] for each in saved] == [None, None]
    assert "rate_limited" in saved[0]["warnings"][0]
    assert "no response" in saved[1]["warnings"][0]


def test_saves_that_set_the_fields_themselves_are_not_changed(proxy: FaultProxy) -> None:
    """An import, a bulk job, and a save of all locales."""
    theirs = {**MACHINE_TEXT, "altSource": "altwright", "alt": "From the import."}
    saved = save(
        proxy.url,
        update(EMPTY, theirs),
        create({"title": "a"}, context={"skipAlt": True}),
        create({"alt": {"en": "a", "de": "b"}}, locale="all"),
    )
    assert [each.pop("warnings") for each in saved] == [[]] * 3
    assert saved == [theirs, {"title": "a"}, {"alt": {"en": "a", "de": "b"}}]
    assert proxy.requests == []


def test_large_images_are_shrunk_with_payloads_sharp(proxy: FaultProxy, tmp_path: Path) -> None:
    """The result is upright. Uploads in temporary files are read from there."""
    require_node_package("sharp")
    exif = Image.Exif()
    exif[0x0112] = 6
    large = jpeg_of(Image.effect_noise((3000, 2600), 90), quality=95, exif=exif)
    assert len(large) > 5_632 * 1024
    (tmp_path / "upload").write_bytes(large)
    in_file = uploaded(b"", tempFilePath=str(tmp_path / "upload"))
    shrunk, in_file_shrunk, without = save(
        proxy.url,
        create(file=uploaded(large), sharp=True),
        create(file=in_file, sharp=True),
        create(file=uploaded(large)),
    )
    assert shrunk["altSource"] == in_file_shrunk["altSource"] == "altwright"
    [warning] = without["warnings"]
    assert "too large to send" in warning
    for request in proxy.requests:
        sent = str(request.json()["image_url"]).partition(",")[2]
        with Image.open(io.BytesIO(base64.b64decode(sent))) as image:
            assert image.size == (1040, 1200)
    assert len(proxy.requests) == 2


def jpeg_of(image: Image.Image, **more: Any) -> bytes:
    """The image as a JPEG file."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", **more)
    return out.getvalue()
