"""Sets the support below which each concept is surely absent, on labelled pictures.

    python -m scripts.absence_thresholds FOLDER... [--measure FOLDER...] [--write] [--errors]

Each folder has pictures and their `labels.jsonl`, as `testing/picture_labels.py` describes them. A
picture whose label names one thing is a picture of that thing; every picture is one without what
its label does not name. Those from which nothing is called absent (drawings, pages, unclear
pictures) are left out.

The threshold of a concept is a quantile of its support in pictures without it. The quantile is the
same for all concepts: the highest of LEVELS with which at most MAX_DOUBTED of the pictures of one
thing would have too little support for it, counted as in split conformal prediction. Below its own
pictures a concept then has its threshold by MARGIN, so that none of these is doubted.

The pictures of `--measure` set nothing. The report says how many of them would be doubted, and how
often a concept that is not there, of those that captions can claim, is found to be absent.
`--errors` lists what would be doubted, `--write` writes `app/vision/absence_thresholds.toml`.
Needs the extra `embedded`.
"""

import argparse
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.verification.claim_words import LANGUAGES, load_claim_words
from app.vision.absence import (
    AbsenceThreshold,
    find_main,
    is_clear,
    make_views,
    weigh_support,
)
from app.vision.analyse import analyse
from app.vision.concepts import ConceptTable, load_concepts
from app.vision.recogniser import Recogniser, decode
from testing.embedded_evaluation import normalise
from testing.picture_labels import LabelledPicture, read_folder

LEVELS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85)
"""Above, hardly more is found, and other pictures than the labelled ones have no margin."""
MAX_DOUBTED = 0.01
MARGIN = 0.3
"""Of the logarithm to base 10: half of the probability."""
MAX_SUPPORT = -1.3
"""What has a probability of a twentieth is not called absent: animals, of 400 classes, have a fifth
in the quantile."""
MIN_OTHERS = 200
"""Pictures without a concept that it takes to know its quantile."""
_OUTPUT = Path(__file__).resolve().parent.parent / "app" / "vision" / "absence_thresholds.toml"


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture, and the support of each concept in it."""

    label: LabelledPicture
    support: Mapping[str, float]

    @property
    def subject(self) -> str | None:
        """The thing that it is a picture of; None where its label names several, people or none."""
        generals = load_concepts().generals_of
        general = {name for thing in self.label.true for name in generals(thing)}
        things = self.label.true - general
        return next(iter(things)) if len(things) == 1 and not self.label.people else None


def read_pictures(folders: Sequence[Path]) -> list[Picture]:
    """The pictures of the folders from which something may be absent."""
    recogniser, pictures = Recogniser(), []
    for label in (picture for folder in folders for picture in read_folder(folder)):
        with Image.open(label.path) as opened:
            jpeg = normalise(opened)
        features = analyse(jpeg)
        if not features.may_show_things:
            continue
        views = list(map(recogniser.classify, make_views(decode(io.BytesIO(jpeg)))))
        if is_clear(find_main(views), is_plain=features.background is not None):
            pictures.append(Picture(label, weigh_support(views)))
    return pictures


def is_without(table: ConceptTable, picture: Picture, name: str) -> bool:
    """Whether a concept is not in a picture, nor anything that it may be called."""
    there = picture.label.true | picture.label.unchecked
    return name not in there and there.isdisjoint(table.generals_of(name))


def set_thresholds(
    table: ConceptTable, pictures: Sequence[Picture]
) -> tuple[dict[str, AbsenceThreshold], float]:
    """The thresholds, and the level of their quantile."""
    others = {
        name: [p.support[name] for p in pictures if is_without(table, p, name)]
        for name in table.concepts
    }
    own = {name: [p.support[name] for p in pictures if p.subject == name] for name in others}
    known = [name for name in others if len(others[name]) >= MIN_OTHERS]
    level = _find_level({name: others[name] for name in known}, own)
    thresholds = {}
    for name in known:
        below_own = min(own[name], default=0.0) - MARGIN
        support = min(_quantile(others[name], level), below_own, MAX_SUPPORT)
        thresholds[name] = AbsenceThreshold(round(support, 3), len(others[name]), len(own[name]))
    return thresholds, level


def _find_level(others: Mapping[str, list[float]], own: Mapping[str, list[float]]) -> float:
    pictures = sum(len(own[name]) for name in others)
    best = 0.0
    for level in LEVELS:
        limits = {name: _quantile(others[name], level) for name in others}
        doubted = sum(support < limits[name] for name in others for support in own[name])
        if doubted + 1 <= MAX_DOUBTED * (pictures + 1):
            best = level
    return best


def _quantile(values: Sequence[float], level: float) -> float:
    return float(np.quantile(values, level))


def report(
    table: ConceptTable,
    thresholds: Mapping[str, AbsenceThreshold],
    pictures: Sequence[Picture],
    *,
    lists_errors: bool,
) -> Iterator[str]:
    """How many pictures would be doubted, and how many concepts that are not there are absent."""
    claimed = _find_claimed() & thresholds.keys()
    of_one = [(p, p.subject) for p in pictures if p.subject in claimed]
    doubted = [(p, s) for p, s in of_one if s and p.support[s] < thresholds[s].support]
    lies = [
        p.support[name] < thresholds[name].support
        for p in pictures
        for name in sorted(claimed)
        if is_without(table, p, name)
    ]
    yield (
        f"{len(pictures)} pictures: {len(doubted)} of {len(of_one)} pictures of one thing doubted, "
        f"{sum(lies)} of {len(lies)} things that are not there absent"
        f" ({sum(lies) / max(len(lies), 1):.1%})"
    )
    if lists_errors:
        for picture, subject in doubted:
            yield f"doubted: {picture.label.path.name}: {subject}"


def _find_claimed() -> set[str]:
    """The concepts that a caption can claim."""
    words = [load_claim_words(language) for language in LANGUAGES]
    return {name for each in words if each for names in each.nouns.values() for name in names}


def format_thresholds(thresholds: Mapping[str, AbsenceThreshold]) -> str:
    """The text of `app/vision/absence_thresholds.toml`."""
    lines = [
        "# Below which support (log10 of a probability) each concept is surely absent, how many",
        "# images of other things set it, and how many images of it were at hand.",
        "# Written by `python -m scripts.absence_thresholds`, not by hand.",
        *(
            f"{name} = {{ support = {row.support}, others = {row.others}, images = {row.images} }}"
            for name, row in thresholds.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="Set below which support a concept is absent.")
    parser.add_argument("folders", type=Path, nargs="+", help="pictures and their labels.jsonl")
    parser.add_argument("--measure", type=Path, nargs="*", default=[], help="folders to measure")
    parser.add_argument("--write", action="store_true", help="write the thresholds")
    parser.add_argument("--errors", action="store_true", help="list what would be doubted")
    arguments = parser.parse_args()
    table, pictures = load_concepts(), read_pictures(arguments.folders)
    thresholds, level = set_thresholds(table, pictures)
    print(f"quantile: {level}")
    for folders in (arguments.folders, *([folder] for folder in arguments.measure)):
        looked_at = pictures if folders == arguments.folders else read_pictures(folders)
        print(*report(table, thresholds, looked_at, lists_errors=arguments.errors), sep="\n")
    if arguments.write:
        _OUTPUT.write_text(format_thresholds(thresholds), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
