"""Scores what the recogniser names in labelled pictures: right, wrong, or nothing.

A picture is wrong if anything that is named in it is not there, also one person where there are
several, or two where there is one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from app.vision.features import Features
from testing.embedded_evaluation import InProcessVision
from testing.picture_labels import LabelledPicture, read_folder

Verdict = Literal["right", "wrong", "silent"]


@dataclass(frozen=True, slots=True)
class Score:
    """What was named in one picture."""

    picture: LabelledPicture
    verdict: Verdict
    wrong: tuple[str, ...]
    """What was named and is not there."""


def evaluate_folders(folders: Iterable[Path]) -> Iterator[Score]:
    """Looks at every picture of the folders as the server does, without reading its text."""
    vision = InProcessVision(reads_text=False)
    for folder in folders:
        for picture in read_folder(folder):
            with Image.open(picture.path) as image:
                image.load()
            yield score(picture, vision.analyse(image))


def score(picture: LabelledPicture, features: Features) -> Score:
    """What was named in a picture, against its label."""
    named = [sighting.concept for sighting in features.sightings]
    wrong = [name for name in named if name not in picture.true | picture.unchecked]
    is_some = features.faces == 1 and not features.are_all_faces
    if (
        features.faces
        and min(features.faces, 2) != picture.people
        and not (is_some and picture.people)
    ):
        people = "a person" if features.faces == 1 else f"{features.faces} people"
        there = ("nobody", "one person", "several people")[picture.people]
        wrong.append(f"{people} ({there})")
    if wrong:
        return Score(picture, "wrong", tuple(wrong))
    return Score(picture, "right" if named or features.faces else "silent", ())


def format_scores(scores: Iterable[Score]) -> str:
    """A line for each folder, each of its halves and each source, and one for each error."""
    scores = list(scores)
    lines = []
    for folder in dict.fromkeys(score.picture.path.parent for score in scores):
        own = [score for score in scores if score.picture.path.parent == folder]
        lines.append(_format_counts(folder.name, own))
        for half, title in ((True, "half that sets thresholds"), (False, "other half")):
            part = [score for score in own if score.picture.sets_thresholds is half]
            lines.append(_format_counts(f"  {title}", part))
        for source in dict.fromkeys(score.picture.source for score in own):
            part = [score for score in own if score.picture.source == source]
            lines.append(_format_counts(f"    {source}", part))
        lines += [
            f"  wrong: {score.picture.path.name}: {', '.join(score.wrong)}"
            for score in own
            if score.wrong
        ]
    return "\n".join(lines)


def _format_counts(title: str, scores: list[Score]) -> str:
    counts = Counter(score.verdict for score in scores)
    verdicts: tuple[Verdict, ...] = ("right", "wrong", "silent")
    shares = "  ".join(
        f"{verdict} {counts[verdict]} ({counts[verdict] / max(len(scores), 1):.1%})"
        for verdict in verdicts
    )
    return f"{title:<30} {len(scores):>4} pictures  {shares}"
