"""How well the embedded captioner sees and reads: `python -m benchmarks.embedded`.

Without arguments it judges pictures that it draws itself (`lettered.py`). `--labels FILE` judges
pictures of yours: a JSON object of path (beside the file) to {"words", "kinds", "colours",
"verdict"}, all optional, as in `Labelled`. `--page FOLDER PICTURE...` writes a page with each
picture beside its captions. Needs the extra `embedded`.
"""

import argparse
import html
import io
import json
import statistics
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.phrasebook import load_phrases
from app.captioning.embedded.realise import realise
from app.captioning.styles.loader import load_styles
from app.types import Draft, Style
from app.validation.verdict import validate_draft
from app.vision.analyse import analyse
from app.vision.features import Features
from app.vision.ocr import Reader
from testing.labelled_pictures import Labelled, labelled_set

LONGEST_EDGE_PX = 1200
NEAR_WORD = 1
"""A quoted word counts as right if it differs by so many letters from one that is there."""


@dataclass
class Tally:
    """What was right and what was not, over a set of pictures."""

    pictures: int = 0
    words: int = 0
    missed: list[str] = field(default_factory=list)
    quoted: int = 0
    false_quotes: list[str] = field(default_factory=list)
    kinds: int = 0
    wrong_kinds: list[str] = field(default_factory=list)
    colours: int = 0
    wrong_colours: list[str] = field(default_factory=list)
    wrong_verdicts: list[str] = field(default_factory=list)
    captions: int = 0
    broken: list[str] = field(default_factory=list)
    look_s: list[float] = field(default_factory=list)
    read_s: list[float] = field(default_factory=list)


class Eye:
    """Looks and reads in this process, as the children do."""

    def __init__(self) -> None:
        self._reader = Reader()
        self.look_s = self.read_s = 0.0

    def see(self, picture: Image.Image) -> Features:
        """The sight of a picture, normalised first."""
        jpeg = normalised(picture)
        started = time.process_time()
        sight = analyse(jpeg)
        self.look_s, self.read_s = time.process_time() - started, 0.0
        if not sight.may_hold_text:
            return sight
        started = time.process_time()
        with Image.open(io.BytesIO(jpeg)) as opened:
            rgb = opened.convert("RGB")
        blocks = self._reader.blocks(rgb, is_sparse=sight.is_sparse)
        self.read_s = time.process_time() - started
        return sight.with_text(blocks)


def normalised(picture: Image.Image) -> bytes:
    """As the server would send it on: upright, opaque, at most 1200 px, JPEG."""
    upright = ImageOps.exif_transpose(picture).convert("RGBA")
    upright.thumbnail((LONGEST_EDGE_PX, LONGEST_EDGE_PX))
    flat = Image.new("RGBA", upright.size, "white")
    flat.alpha_composite(upright)
    encoded = io.BytesIO()
    flat.convert("RGB").save(encoded, "JPEG", quality=82)
    return encoded.getvalue()


def judge_all(pictures: Iterable[Labelled]) -> Tally:
    """Look at every picture, caption it in every style and locale, and count."""
    eye, tally = Eye(), Tally()
    eye.see(Image.new("RGB", (64, 64), "red"))
    for labelled in pictures:
        sight = eye.see(labelled.picture)
        tally.pictures += 1
        tally.look_s.append(eye.look_s)
        if eye.read_s:
            tally.read_s.append(eye.read_s)
        _count(tally, labelled, sight)
        _count_captions(tally, labelled, sight)
    return tally


def _count(tally: Tally, labelled: Labelled, sight: Features) -> None:
    if sight.verdict != labelled.verdict:
        tally.wrong_verdicts.append(f"{labelled.name}: {sight.verdict} ({sight.reason})")
        return
    if sight.verdict != "picture":
        return
    if labelled.kinds:
        tally.kinds += 1
        kind = "layers" if sight.layers and sight.kind != "cutout" else sight.kind
        if kind not in labelled.kinds and sight.kind not in labelled.kinds:
            tally.wrong_kinds.append(f"{labelled.name}: {sight.kind}")
    if labelled.colours:
        tally.colours += 1
        shares = sight.subject.colours if sight.subject else sight.colours
        names = [share.colour for share in shares]
        inks = {block.ink for block in sight.text} if sight.kind == "shapes" else set()
        if not {*names[:1], *inks} & set(labelled.colours):
            tally.wrong_colours.append(f"{labelled.name}: {names}")
    if labelled.words:
        read = set(_plain(" ".join(block.text for block in sight.text)))
        tally.words += len(labelled.words)
        for word in labelled.words:
            if not set(_plain(word)) <= read:
                tally.missed.append(f"{labelled.name}: {word}")


def _count_captions(tally: Tally, labelled: Labelled, sight: Features) -> None:
    if sight.verdict != "picture":
        return
    true = _plain(" ".join(labelled.words))
    for locale, style, text in captions(sight):
        tally.captions += 1
        draft = Draft(text, "embedded", cut=len(text) < style.min_chars)
        verdict = validate_draft(draft, style=style, locale=locale)
        if verdict.violations or verdict.caption != text:
            tally.broken.append(f"{labelled.name} {locale} {style.name}: {text}")
        if locale == "en" and style.name == "detailed":
            for word in _plain(" ".join(_quotations(text))):
                tally.quoted += 1
                if not any(_is_near(word, one) for one in true):
                    tally.false_quotes.append(f"{labelled.name}: {word}")


def captions(sight: Features) -> Iterator[tuple[str, Style, str]]:
    """Locale, style and caption for every combination."""
    for locale, phrases in load_phrases().items():
        for style in load_styles().values():
            yield locale, style, realise(sight, DraftRequest(style, locale, 256), phrases).text


def _quotations(text: str) -> list[str]:
    return [part.split("”")[0] for part in text.split("“")[1:]]


def _plain(text: str) -> list[str]:
    """Words in small letters without punctuation, accents kept."""
    folded = unicodedata.normalize("NFC", text).casefold()
    words = ("".join(c for c in word if c.isalnum() or c in "-%") for word in folded.split())
    return [word for word in words if word]


def _is_near(one: str, other: str) -> bool:
    """At most NEAR_WORD letters differ, for words of five letters and more."""
    if one == other or min(len(one), len(other)) < 5:
        return one == other or (other.startswith(one) and len(one) >= 5)
    if abs(len(one) - len(other)) > NEAR_WORD:
        return False
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1] <= NEAR_WORD


def from_file(labels: Path) -> Iterator[Labelled]:
    """The pictures of a file of labels."""
    for name, truth in json.loads(labels.read_text("utf-8")).items():
        with Image.open(labels.parent / name) as picture:
            picture.load()
        yield Labelled(
            name,
            picture,
            words=tuple(str(truth.get("words", "")).split()),
            kinds=tuple(truth.get("kinds", ())),
            colours=tuple(truth.get("colours", ())),
            verdict=truth.get("verdict", "picture"),
        )


def report(tally: Tally) -> str:
    """The figures, and everything that was wrong, a line each."""
    read_s = tally.read_s or [0.0]
    lines = [
        f"pictures            {tally.pictures}",
        f"words found         {tally.words - len(tally.missed)} of {tally.words}",
        f"false quotes        {len(tally.false_quotes)} of {tally.quoted} quoted words",
        f"kind right          {tally.kinds - len(tally.wrong_kinds)} of {tally.kinds}",
        f"colour right        {tally.colours - len(tally.wrong_colours)} of {tally.colours}",
        f"verdict wrong       {len(tally.wrong_verdicts)}",
        f"captions that break our own rules  {len(tally.broken)} of {tally.captions}",
        f"looking             {_time(tally.look_s)}",
        f"reading             {_time(read_s)}",
    ]
    for title, wrong in (
        ("missed word", tally.missed),
        ("false quote", tally.false_quotes),
        ("wrong kind", tally.wrong_kinds),
        ("wrong colour", tally.wrong_colours),
        ("wrong verdict", tally.wrong_verdicts),
        ("broken", tally.broken),
    ):
        lines += [f"  {title}: {one}" for one in wrong]
    return "\n".join(lines)


def _time(taken_s: list[float]) -> str:
    median, most = (round(1000 * one) for one in (statistics.median(taken_s), max(taken_s)))
    return f"median {median} ms, most {most} ms of processor time"


def write_page(folder: Path, pictures: Iterable[Path]) -> Path:
    """One HTML page of pictures beside their captions; the pictures are copied into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    eye, rows = Eye(), []
    for number, path in enumerate(pictures):
        with Image.open(path) as picture:
            picture.load()
        sight = eye.see(picture)
        copy = f"{number:03}.jpg"
        (folder / copy).write_bytes(normalised(picture))
        said = [f"<b>{html.escape(path.name)}</b> {sight.verdict} {sight.reason} {sight.kind}"]
        if sight.verdict == "picture":
            for locale, style, text in captions(sight):
                if locale == "en" or style.name == "concise":
                    label = f"{locale} {style.name}"
                    said.append(f"<i>{label} ({len(text)})</i> {html.escape(text)}")
        rows.append(f'<tr><td><img src="{copy}"><td>' + "<br>".join(said))
    page = folder / "index.html"
    rules = (
        "<style>body{font:15px sans-serif}img{max-width:300px;max-height:300px;background:#eee}"
        "td{vertical-align:top;padding:8px;border-top:1px solid #999}</style>"
    )
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>Captions</title>{rules}"
        f"<table>{''.join(rows)}</table>",
        encoding="utf-8",
    )
    return page


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Judge the embedded captioner.")
    parser.add_argument("--labels", type=Path, help="a JSON file of your own labels")
    parser.add_argument("--page", type=Path, metavar="FOLDER", help="write a page into it")
    parser.add_argument("pictures", type=Path, nargs="*", help="pictures of the page")
    given = parser.parse_args()
    if given.page:
        print(write_page(given.page, given.pictures))
        return 0
    tally = judge_all(from_file(given.labels) if given.labels else labelled_set())
    print(report(tally))
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
