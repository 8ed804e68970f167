"""What the hooks in a real Payload do with texts of people, callers and machines."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from testing.images import jpeg, photograph_like
from testing.servers.fault_proxy import FaultProxy
from tests.templates.payload_server import (
    Document,
    PayloadSite,
    multipart,
    shown,
    upload,
)

NEW = photograph_like((640, 480))


@pytest.fixture
def captioned(site: PayloadSite) -> Document:
    """A document with a machine's text in English."""
    doc = site.create(file=upload(jpeg()))
    site.run()
    found: Document = site.read(doc)
    assert found["altSource"] == "ai"
    return found


def now_like(moment: str) -> bool:
    """Whether it is the present."""
    age = datetime.now(UTC) - datetime.fromisoformat(moment)
    return timedelta(0) <= age < timedelta(minutes=5)


def test_a_typed_text_is_a_persons_and_is_not_captioned(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """At the upload, and later."""
    typed = site.create(data={"alt": "My mug"}, file=upload(jpeg()))
    later = site.update(site.create(file=upload(jpeg())), {"alt": "My mug"}, locale="de")
    site.run()
    for doc, locale in [(typed, "en"), (later, "de")]:
        saved = shown(site.read(doc, locale))
        assert now_like(saved.pop("altReviewedAt"))
        assert saved == {"alt": "My mug", "altSource": "human", "altLocale": locale}
    assert len(payload_captions.requests) == 1  # English of the second


def test_an_edited_text_says_that_a_machine_wrote_it_first(
    site: PayloadSite, captioned: Document
) -> None:
    """The model stays; editing it once more changes nothing of that."""
    for text in ("My mug", "My blue mug"):
        site.update(captioned, {"alt": text})
        saved = site.read(captioned)
        assert (saved["alt"], saved["altSource"]) == (text, "human-edited-ai")
        assert saved["altModel"] == "stub"
        assert now_like(saved["altReviewedAt"])


def test_a_text_that_is_emptied_on_purpose_stays_empty(
    site: PayloadSite, captioned: Document
) -> None:
    """Also when the picture is replaced, and in a backfill."""
    site.update(captioned, {"alt": ""})
    assert site.read(captioned)["altSource"] == "human"
    site.update(captioned, file=upload(NEW))
    site.run()
    site.local("backfill", collection="media", pendingMs=0, only=["en"])
    saved = site.read(captioned)
    assert (saved["alt"], saved["altSource"]) == ("", "human")


def test_an_approval_leaves_the_word(site: PayloadSite, captioned: Document) -> None:
    """The text is still the machine's; the date says that a person has read it."""
    site.update(captioned, {"altReviewedAt": "2026-01-01T00:00:00.000Z"})
    saved = site.read(captioned)
    assert (saved["alt"], saved["altSource"]) == (captioned["alt"], "ai")
    assert saved["altReviewedAt"].startswith("2026-01-01")


@pytest.mark.parametrize(
    "sent",
    [
        {"alt": "From the import", "altSource": "ai"},
        {"alt": "From the import", "altSource": "human"},
        {"altSource": "decorative"},
        {"altSource": "uncertain"},
        {
            "alt": "Theirs",
            "altSource": "human-edited-ai",
            "altReviewedAt": "2026-01-01T00:00:00.000Z",
        },
    ],
)
def test_a_source_that_the_caller_sets_is_not_touched(
    site: PayloadSite, payload_captions: FaultProxy, captioned: Document, sent: Document
) -> None:
    """With an upload and without; no caption is asked for."""
    payload_captions.requests.clear()
    created = site.create(data=sent, file=upload(jpeg()))
    blank = site.create(data={"altSource": "failed"}, file=upload(jpeg()))
    updated = site.update(blank, sent)
    site.run()
    for doc in (created, updated):
        saved = shown(site.read(doc))
        assert saved.items() >= sent.items()
    assert payload_captions.requests == []


def test_a_program_that_replaces_a_machines_text_keeps_the_word(
    site: PayloadSite, captioned: Document
) -> None:
    """Although it is the stored one; what was approved was another text. A form is a person's."""
    site.update(captioned, {"altReviewedAt": "2026-01-01T00:00:00.000Z"})
    site.update(captioned, {"alt": "By a newer model", "altSource": "ai"})
    saved = site.read(captioned)
    assert (saved["alt"], saved["altSource"]) == ("By a newer model", "ai")
    assert saved["altReviewedAt"] is None

    form = {"alt": "My mug", "altSource": "ai", "altLocale": "en", "altReviewedAt": None}
    site.update(captioned, form)
    assert site.read(captioned)["altSource"] == "human-edited-ai"


def test_a_caller_may_ask_for_a_caption(site: PayloadSite, captioned: Document) -> None:
    """By the word `pending`, in any locale."""
    site.update(captioned, {"altSource": "pending"}, locale="de")
    site.run()
    assert site.read(captioned, "de")["altSource"] == "ai"
    assert shown(site.read(captioned)) == shown(captioned)


def test_an_import_can_switch_the_hooks_off(site: PayloadSite) -> None:
    """By its context."""
    doc = site.create(data={"alt": "a"}, file=upload(jpeg()), context={"skipAlt": True})
    assert shown(doc) == {"alt": "a"}
    assert site.jobs() == []


def test_an_unchanged_default_counts_as_unset(site: PayloadSite) -> None:
    """It is captioned; a text that differs from it is a person's."""
    unset = site.create("plainMedia", file=upload(jpeg()))
    sent = site.create("plainMedia", {"alt": "Image"}, file=upload(jpeg()))
    typed = site.create("plainMedia", {"alt": "My mug"}, file=upload(jpeg()))
    site.run()
    words = [site.read(doc, collection="plainMedia")["altSource"] for doc in (unset, sent, typed)]
    assert words == ["ai", "ai", "human"]


def in_three_languages(site: PayloadSite, captioned: Document) -> None:
    site.update(captioned, {"altSource": "pending"}, locale="de")
    site.update(captioned, {"alt": "Ma tasse"}, locale="fr")
    site.run()
    reviewed = {"altReviewedAt": "2026-01-01T00:00:00.000Z"}
    site.update(captioned, reviewed)
    site.update(captioned, reviewed, locale="de")


def test_a_new_file_clears_the_machines_texts_of_all_languages(
    site: PayloadSite, captioned: Document
) -> None:
    """And the review dates; a person's text stays, to be read again."""
    in_three_languages(site, captioned)
    site.update(captioned, file=upload(NEW, "new.jpg"), locale="fr")
    assert shown(site.read(captioned)) == {"altSource": "pending"}
    assert shown(site.read(captioned, "de")) == {"altSource": "pending"}
    french = {"alt": "Ma tasse", "altSource": "human", "altLocale": "fr"}
    assert shown(site.read(captioned, "fr")) == french
    site.run()
    texts = [site.read(captioned, locale)["alt"] for locale in ("en", "de", "fr")]
    assert texts[0] not in (None, captioned["alt"])
    assert texts[1] not in (None, texts[0])
    assert texts[2] == "Ma tasse"


def test_equal_bytes_and_a_focal_point_clear_nothing(
    site: PayloadSite, captioned: Document, payload_captions: FaultProxy
) -> None:
    """Although Payload writes the file anew for both."""
    in_three_languages(site, captioned)
    before = [shown(site.read(captioned, locale)) for locale in ("en", "de", "fr")]
    payload_captions.requests.clear()
    site.update(captioned, file=upload(jpeg(), "renamed.jpg"))
    path = f"/api/media/{captioned['id']}"
    assert site.http.patch(path, **multipart(jpeg(), {})).status_code == 200
    edits = "uploadEdits[focalPoint][x]=10&uploadEdits[focalPoint][y]=20"
    whole = "&".join(
        f"uploadEdits[crop][{name}]={value}"
        for name, value in [("x", 0), ("y", 0), ("width", 100), ("height", 100), ("unit", "%25")]
    )
    sizes = "uploadEdits[widthInPixels]=640&uploadEdits[heightInPixels]=480"
    for query in (edits, f"{edits}&{whole}&{sizes}"):
        moved = site.http.patch(f"{path}?{query}", json={"credit": "moved"})
        assert moved.status_code == 200
    assert moved.json()["doc"]["focalX"] == 10
    site.run()
    assert [shown(site.read(captioned, locale)) for locale in ("en", "de", "fr")] == before
    assert payload_captions.requests == []


def test_a_focal_point_of_a_converted_file_clears_nothing(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """Payload converts the stored file once more, so that its bytes change."""
    doc = site.create("converted", file=upload(NEW))
    site.run()
    before = shown(site.read(doc, collection="converted"))
    payload_captions.requests.clear()
    site.update(doc, file=upload(NEW), collection="converted")
    site.update(doc, {"focalX": 20, "focalY": 30}, collection="converted")
    site.run()
    assert shown(site.read(doc, collection="converted")) == before
    assert payload_captions.requests == []


def test_a_crop_that_cuts_is_a_new_picture(site: PayloadSite, captioned: Document) -> None:
    """The old text may describe what was cut off."""
    crop = "&".join(
        f"uploadEdits[{name}]={value}"
        for name, value in [
            ("crop][x", 10),
            ("crop][y", 10),
            ("crop][width", 50),
            ("crop][height", 50),
            ("crop][unit", "%25"),
            ("widthInPixels", 320),
            ("heightInPixels", 240),
        ]
    )
    cut = site.http.patch(f"/api/media/{captioned['id']}?{crop}", json={})
    assert cut.json()["doc"]["width"] == 320
    assert shown(site.read(captioned)) == {"altSource": "pending"}
    site.run()
    assert site.read(captioned)["altSource"] in ("ai", "decorative")


def test_a_text_with_a_new_file_is_a_persons(site: PayloadSite, captioned: Document) -> None:
    """It describes the new picture, so no machine wrote it first."""
    site.update(captioned, {"alt": "My other mug"}, file=upload(NEW))
    saved = site.read(captioned)
    assert (saved["alt"], saved["altSource"]) == ("My other mug", "human")


def test_a_text_that_was_changed_without_the_hooks_is_a_persons(
    site: PayloadSite, captioned: Document
) -> None:
    """In the database; altSource still says that a machine wrote it."""
    with site.connect() as connection:
        connection.execute(
            sa.text("UPDATE media_locales SET alt = 'By hand' WHERE _parent_id = :id"),
            {"id": captioned["id"]},
        )
    site.update(captioned, file=upload(NEW))
    assert site.read(captioned)["alt"] == "By hand"


def test_a_form_that_was_opened_before_the_caption_came_does_not_remove_it(
    site: PayloadSite,
) -> None:
    """Only what was typed in the form counts."""
    opened = site.create(file=upload(jpeg()))
    form = {**site.http.get(f"/api/media/{opened['id']}").json(), "credit": "Jane"}
    site.run()
    written = shown(site.read(opened))
    path = f"/api/media/{opened['id']}"
    assert site.http.patch(path, json=form).status_code == 200
    saved = site.read(opened)
    assert (shown(saved), saved["credit"]) == (written, "Jane")

    assert site.http.patch(path, json={**form, "alt": "My mug"}).status_code == 200
    assert site.read(opened)["alt"] == "My mug"
    assert site.read(opened)["altSource"] == "human-edited-ai"

    site.http.patch(path, json={**form, "credit": "Joe"})
    saved = site.read(opened)
    assert (saved["alt"], saved["credit"]) == ("My mug", "Joe")


def test_a_form_marks_a_picture_as_decorative(site: PayloadSite, captioned: Document) -> None:
    """The text goes, and the decision stays: a person made it, so it has a review date."""
    form = site.http.get(f"/api/media/{captioned['id']}").json()
    decision = {"alt": "", "altSource": "decorative"}
    site.http.patch(f"/api/media/{captioned['id']}", json={**form, **decision})
    saved = site.read(captioned)
    assert (saved["alt"], saved["altSource"]) == ("", "decorative")
    assert now_like(saved["altReviewedAt"])
    site.update(captioned, file=upload(NEW))
    site.run()
    assert site.read(captioned)["altSource"] == "decorative"


def test_a_copy_of_a_document_keeps_its_text(
    site: PayloadSite, captioned: Document, payload_captions: FaultProxy
) -> None:
    """Nothing is asked for it."""
    payload_captions.requests.clear()
    copy = site.local("duplicate", collection="media", id=captioned["id"])
    site.run()
    assert shown(site.read(copy)) == shown(captioned)
    assert payload_captions.requests == []


def test_a_caller_who_selects_fields_gets_a_caption_too(site: PayloadSite) -> None:
    """What the caller wants to see is no part of the decision."""
    doc = site.create(file=upload(jpeg()), select={"credit": True})
    site.run()
    assert site.read(doc)["altSource"] == "ai"


def test_a_file_that_is_sent_with_all_locales_clears_each_of_them(
    site: PayloadSite, captioned: Document
) -> None:
    """Payload ignores texts in such a save; the picture is new for every locale."""
    in_three_languages(site, captioned)
    site.update(captioned, file=upload(NEW), locale="all")
    words = [site.read(captioned, locale)["altSource"] for locale in ("en", "de", "fr")]
    assert words == ["pending", "pending", "human"]
    site.run()
    assert site.read(captioned, "de")["altSource"] == "ai"
