"""The Payload hook fills alt texts and never touches what a person wrote."""

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
NONE = {"alt": None, "altSource": None, "altLocale": None, "altReviewedAt": None}
MACHINES = {**NONE, "alt": "An old text.", "altSource": "altwright", "altLocale": "en"}

Saved = dict[str, Any]


def uploaded(data: bytes, mimetype: str = "image/jpeg", **more: str) -> Saved:
    """`req.file` as Payload hands it to hooks."""
    inside = base64.b64encode(data).decode()
    return {"data": inside, "mimetype": mimetype, "name": "mug.jpg", "size": len(data), **more}


def create(data: Saved | None = None, **more: object) -> Saved:
    """A save that makes a document; without `file` a picture is uploaded with it."""
    return {"operation": "create", "data": data or {}, "file": uploaded(jpeg()), **more}


def update(original: Saved, data: Saved | None = None, **more: object) -> Saved:
    """A save that changes `original`; nothing is uploaded unless `file` says so."""
    return {"operation": "update", "originalDoc": {"id": 7, **original}, "data": data or {}, **more}


def save(url: str, *saves: Saved, **options: object) -> list[Saved]:
    """What is stored of each save, with what was logged under `warnings`."""
    told = subprocess.run(
        [require_program("node", "nodejs"), str(SAVES), str(HOOK), str(NODE_MODULES)],
        input=json.dumps({"options": {"url": url, **options}, "saves": saves}),
        env={k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return [{"warnings": each["warnings"], **each["data"]} for each in json.loads(told.stdout)]


@pytest.fixture
def proxy(altwright: Altwright, make_fault_proxy: Callable[[str], FaultProxy]) -> FaultProxy:
    """A proxy in front of the server: it sees what the hook asks."""
    return make_fault_proxy(altwright.url)


def test_an_upload_fills_the_four_fields(altwright: Altwright, proxy: FaultProxy) -> None:
    """Of each locale with its own text; no person has reviewed it."""
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
    asked = [seen.json() for seen in proxy.requests]
    assert [each["locale"] for each in asked] == ["en", "de", "en-US"]
    assert [each.get("context") for each in asked] == [None, None, "Harbour mug"]


def test_a_decorative_picture_gets_an_empty_text_with_a_source(altwright: Altwright) -> None:
    """Empty on purpose can be told from missing."""
    blank = uploaded(jpeg_of(Image.new("RGB", (400, 300), "white")))
    [told] = save(altwright.url, create(file=blank))
    assert (told["alt"], told["altSource"]) == ("", "altwright")


def test_what_a_person_types_is_theirs(proxy: FaultProxy) -> None:
    """At the upload, later, in the place of a machine's text, by emptying it: asked is nobody."""
    typed = save(
        proxy.url,
        create({"alt": "My mug"}, locale="de"),
        update(NONE, {"alt": "My mug"}),
        update(MACHINES, {**MACHINES, "alt": "My mug"}),
        update(MACHINES, {"alt": ""}),
        update(MACHINES, {"alt": "My other mug"}, file=uploaded(jpeg())),
    )
    assert [each["alt"] for each in typed] == ["My mug", "My mug", "My mug", "", "My other mug"]
    assert [each["altLocale"] for each in typed] == ["de", "en", "en", "en", "en"]
    for each in typed:
        assert each["altSource"] == "person"
        age = datetime.now(UTC) - datetime.fromisoformat(each["altReviewedAt"])
        assert timedelta(0) <= age < timedelta(minutes=1)
    assert proxy.requests == []


REVIEWED = {**MACHINES, "altReviewedAt": "2026-01-01T00:00:00.000Z"}
PERSONS = {**REVIEWED, "altSource": "person"}


@pytest.mark.parametrize(
    "original",
    [
        PERSONS,
        REVIEWED,
        {**PERSONS, "alt": ""},
        {"alt": "From before these fields were"},
        {**NONE, "alt": "From before these fields were"},
    ],
)
def test_a_new_file_leaves_a_persons_text_alone(proxy: FaultProxy, original: Saved) -> None:
    """Typed, reviewed, emptied or of unknown origin."""
    for sent in ({}, original):
        [told] = save(proxy.url, update(original, sent, file=uploaded(jpeg())))
        assert told == {**sent, "warnings": []}
    assert proxy.requests == []


def test_a_save_without_a_file_asks_nobody(proxy: FaultProxy) -> None:
    """Whatever the text is; a copy of a document keeps its text, too."""
    credit = {"credit": "Jane"}
    told = save(
        proxy.url,
        update(MACHINES, credit),
        update(NONE, credit),
        update(MACHINES, {"altReviewedAt": "2026-01-01T00:00:00.000Z"}),
        create(MACHINES, originalDoc=MACHINES, file=None),
    )
    assert [each.pop("warnings") for each in told] == [[]] * 4
    assert told == [credit, credit, {"altReviewedAt": "2026-01-01T00:00:00.000Z"}, MACHINES]
    assert proxy.requests == []


def test_a_machines_text_follows_its_picture(altwright: Altwright) -> None:
    """A new file brings a new text; one that has none takes the old one away."""
    captioned, drawing = save(
        altwright.url,
        update(MACHINES, file=uploaded(jpeg())),
        update(MACHINES, file=uploaded(b"<svg/>", "image/svg+xml")),
    )
    assert captioned["altSource"] == "altwright"
    assert captioned["alt"] not in (None, MACHINES["alt"])
    assert drawing == {**NONE, "warnings": []}


def test_an_upload_succeeds_without_its_caption_and_says_why(proxy: FaultProxy) -> None:
    """Fields that stay empty are the list of what a person has to look at."""
    proxy.then(problem(422, "caption_uncertain"), problem(401, "unauthorized"))
    told = save(proxy.url, create(), create(), create(file=uploaded(b"no picture")))
    for each, said in zip(told, ["caption_uncertain", "unauthorized", "image"], strict=True):
        [warning] = each.pop("warnings")
        assert warning.startswith("no alt text for mug.jpg: ")
        assert said in warning
        assert each == NONE


def test_an_upload_waits_no_longer_than_it_was_told(proxy: FaultProxy) -> None:
    """Neither for an answer nor for the end of a wait that outlives its patience."""
    proxy.then(problem(429, "rate_limited", retry_after="600")).always(hang)
    began_s = time.monotonic()
    told = save(proxy.url, create(), create(), timeoutMs=1000)
    assert time.monotonic() - began_s < 20
    assert [each["alt"] for each in told] == [None, None]
    assert "rate_limited" in told[0]["warnings"][0]
    assert "no answer" in told[1]["warnings"][0]


def test_whoever_sets_the_fields_themselves_is_left_alone(proxy: FaultProxy) -> None:
    """An import, a bulk job, and a save of all locales at once."""
    theirs = {**MACHINES, "altSource": "altwright", "alt": "From the import."}
    told = save(
        proxy.url,
        update(NONE, theirs),
        create({"title": "a"}, context={"skipAlt": True}),
        create({"alt": {"en": "a", "de": "b"}}, locale="all"),
    )
    assert [each.pop("warnings") for each in told] == [[]] * 3
    assert told == [theirs, {"title": "a"}, {"alt": {"en": "a", "de": "b"}}]
    assert proxy.requests == []


def test_large_pictures_are_shrunk_with_payloads_own_sharp(
    proxy: FaultProxy, tmp_path: Path
) -> None:
    """Upright; and where Payload keeps uploads in files, from there."""
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
    for seen in proxy.requests:
        sent = str(seen.json()["image_url"]).partition(",")[2]
        with Image.open(io.BytesIO(base64.b64decode(sent))) as image:
            assert image.size == (1040, 1200)
    assert len(proxy.requests) == 2


def jpeg_of(image: Image.Image, **more: Any) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", **more)
    return out.getvalue()
