"""Sets the probability from which each concept is named, on labelled pictures.

    python -m scripts.concept_thresholds FOLDER... [--raise-only] [--write] [--errors]

Each folder has pictures and their `labels.jsonl`, as `testing/picture_labels.py` describes them.

The pictures are halved by the hash of their name. One half sets the threshold of each concept, the
other measures it: a concept is named only if it was right in MIN_PRECISION of its pictures in both.
Where the measure fails, the threshold is raised in steps; a concept that fails at the last is never
named. Concepts with few pictures are measured together. The report has the figures of the measuring
half alone, by the part of a file's name before its first hyphen. With `--raise-only` the thresholds
that there are stay, and those of concepts that are named wrongly in too many pictures of the
setting half are raised above these: for new pictures without those that set the thresholds before.
This raises the thresholds of `product_thresholds.toml` as well.
`--errors` lists what was named wrongly, `--write` writes the thresholds to `app/vision`.
Needs the extra `embedded`.
"""

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from app.vision.concepts import ConceptTable, Threshold, load_concepts
from app.vision.recogniser import Recogniser, decode
from testing.embedded_evaluation import normalise
from testing.picture_labels import LabelledPicture, read_folder

MIN_PRECISION = 0.98
MIN_THRESHOLD = 0.4
"""Below, the classifier is undecided, however often it was right."""
MARGIN = 0.03
"""Above the last wrong picture of the half that sets the threshold."""
STEPS = (0.0, 0.1, 0.2, 0.3)
"""By which a threshold is raised where the measure fails."""
MIN_PICTURES = 4
"""Right pictures in each half from which on a concept has a threshold of its own."""
MIN_SHARED_THRESHOLD = 0.65
"""Of concepts with fewer pictures."""
MIN_SHARED_PRECISION = 0.85
"""Of those, together, before the ones that were wrong are raised."""
MAX_THRESHOLD = 0.92
"""The classifier is never surer: it was trained with smoothed labels."""
_TOP = Path(__file__).resolve().parent.parent
_OUTPUT = _TOP / "app" / "vision" / "concept_thresholds.toml"
_PRODUCTS_OUTPUT = _OUTPUT.with_name("product_thresholds.toml")


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture, classified."""

    label: LabelledPicture
    totals: Mapping[str, float]
    """The probability of each concept."""
    means: Mapping[str, float] = field(default_factory=dict)
    """The mean of both classifiers, of the concepts that both know."""


def read_pictures(folders: Sequence[Path]) -> list[Picture]:
    """The pictures of the folders, each classified."""
    table, recogniser, pictures = load_concepts(), Recogniser(), []
    for labelled in (picture for folder in folders for picture in read_folder(folder)):
        with Image.open(labelled.path) as opened:
            image = decode(io.BytesIO(normalise(opened)))
        probabilities = recogniser.classify(image)
        totals = table.sum_classes(probabilities.classes)
        pictures.append(Picture(labelled, totals, table.average(probabilities)))
    return pictures


class Calibration:
    """The thresholds, set concept by concept, those below a concept before it."""

    def __init__(
        self,
        table: ConceptTable,
        pictures: Sequence[Picture],
        lowest: float = MIN_THRESHOLD,
        lowest_specific: float = MIN_SHARED_THRESHOLD,
    ) -> None:
        self._table = table
        self._lowest = lowest
        self._lowest_specific = lowest_specific
        self._setting = [picture for picture in pictures if picture.label.sets_thresholds]
        self._measuring = [picture for picture in pictures if not picture.label.sets_thresholds]
        self.thresholds: dict[str, Threshold] = {}
        self._rare: list[str] = []
        self.notes: list[str] = []
        """For the report."""

    def run(self) -> dict[str, Threshold]:
        """The thresholds of all concepts that can be named."""
        order = sorted(
            self._table.concepts, key=lambda name: (-len(self._table.generals_of(name)), name)
        )
        for name in order:
            self._calibrate(name)
        self._calibrate_rare()
        return {
            name: self.thresholds[name] for name in self._table.concepts if name in self.thresholds
        }

    def _calibrate(self, name: str) -> None:
        setting, measuring = (self._judge(name, half) for half in (self._setting, self._measuring))
        lowest = find_threshold(setting, self._lowest)
        rights = [
            sum(right for total, right in half if total >= lowest) for half in (setting, measuring)
        ]
        if min(rights) < MIN_PICTURES:
            self._rare.append(name)
            return
        measured = measure(measuring, lowest)
        if measured is not None and measured.threshold <= MAX_THRESHOLD:
            self.thresholds[name] = measured

    def _calibrate_rare(self) -> None:
        """Concepts with few pictures: each above every picture in which it was not.

        They are measured together, with the thresholds of the setting half. That must be right in
        MIN_SHARED_PRECISION; those that were wrong there are then raised above it.
        """
        judged = {
            name: [self._judge(name, half) for half in (self._setting, self._measuring)]
            for name in self._rare
        }
        lowest = {
            name: max(_above_wrong(setting), self._find_shared_floor(name))
            for name, (setting, _) in judged.items()
        }
        named = [
            is_right
            for name, (_, measuring) in judged.items()
            for total, is_right in measuring
            if total >= lowest[name]
        ]
        share = sum(named) / max(len(named), 1)
        self.notes.append(f"rare concepts before raising: {sum(named)} of {len(named)} right")
        if share < MIN_SHARED_PRECISION:
            return
        for name, (_, measuring) in judged.items():
            threshold = max(lowest[name], _above_wrong(measuring))
            if threshold <= MAX_THRESHOLD:
                self.thresholds[name] = Threshold(round(threshold, 3), 1.0, sum(named))

    def _find_shared_floor(self, name: str) -> float:
        has_general = self._table.concepts[name].general is not None
        return self._lowest_specific if has_general else MIN_SHARED_THRESHOLD

    def _judge(self, name: str, pictures: Sequence[Picture]) -> list[tuple[float, bool]]:
        """The probability of a concept, and whether it is there, where it would be named."""
        below = [other for other in self.thresholds if name in self._table.generals_of(other)]
        return [
            (picture.totals[name], name in picture.label.true)
            for picture in pictures
            if name not in picture.label.unchecked
            and not any(
                picture.totals[other] >= self.thresholds[other].threshold for other in below
            )
        ]


def raise_thresholds(
    table: ConceptTable, pictures: Sequence[Picture]
) -> tuple[ConceptTable, list[str]]:
    """The table with thresholds above what the setting half names wrongly, and what was raised."""
    setting = [picture for picture in pictures if picture.label.sets_thresholds]
    notes: list[str] = []
    thresholds = _raise(
        table.thresholds, [(p.totals, find_named(table, p), find_wrong(table, p)) for p in setting]
    )
    products = _raise(
        table.product_thresholds,
        [(p.means, find_named(table, p), find_wrong(table, p)) for p in setting],
    )
    for before, after in ((table.thresholds, thresholds), (table.product_thresholds, products)):
        notes += [
            f"raised: {name} from {row.threshold} to {after[name].threshold}"
            if name in after
            else f"struck: {name}, from {row.threshold}"
            for name, row in before.items()
            if after.get(name) != row
        ]
    return replace(table, thresholds=thresholds, product_thresholds=products), notes


def _raise(
    before: Mapping[str, Threshold],
    pictures: Sequence[tuple[Mapping[str, float], Sequence[str], Sequence[str]]],
) -> dict[str, Threshold]:
    """The thresholds, raised, from each picture's probabilities, what is named, what wrongly."""
    thresholds = dict(before)
    for name, row in before.items():
        wrong = [
            values[name]
            for values, _, errors in pictures
            if name in errors and values[name] >= row.threshold
        ]
        named = sum(name in names for _, names, _ in pictures)
        if len(wrong) <= (1 - MIN_PRECISION) * named:
            continue
        threshold = round(max(wrong) + MARGIN, 3)
        if threshold > MAX_THRESHOLD:
            del thresholds[name]
        else:
            thresholds[name] = replace(row, threshold=threshold)
    return thresholds


def find_named(table: ConceptTable, picture: Picture) -> list[str]:
    """What is named in a picture, without what is only the general concept of something else."""
    named = [
        name
        for name in table.concepts
        if _passes(name, table.thresholds, picture.totals)
        or _passes(name, table.product_thresholds, picture.means)
    ]
    generals = {general for name in named for general in table.generals_of(name)}
    return [name for name in named if name not in generals]


def _passes(name: str, thresholds: Mapping[str, Threshold], values: Mapping[str, float]) -> bool:
    return name in thresholds and values.get(name, 0.0) >= thresholds[name].threshold


def find_wrong(table: ConceptTable, picture: Picture) -> list[str]:
    """What is named in a picture and is not there."""
    there = picture.label.true | picture.label.unchecked
    return [name for name in find_named(table, picture) if name not in there]


def _above_wrong(verdicts: Sequence[tuple[float, bool]]) -> float:
    """A threshold above every picture in which a concept was not."""
    wrong = [total for total, is_right in verdicts if not is_right]
    return max(wrong, default=0.0) + MARGIN


def find_threshold(verdicts: Sequence[tuple[float, bool]], lowest: float) -> float:
    """The lowest probability from which on MIN_PRECISION of the pictures are right."""
    right = wrong = 0
    best = 1.0
    for total, is_right in sorted(verdicts, reverse=True):
        if total < lowest:
            break
        right, wrong = right + is_right, wrong + (not is_right)
        if right >= MIN_PRECISION * (right + wrong) and is_right:
            best = total
    wrong_below = [total for total, is_right in verdicts if not is_right and total < best]
    return round(max(lowest, min(best, max(wrong_below, default=0.0) + MARGIN)), 3)


def measure(verdicts: Sequence[tuple[float, bool]], lowest: float) -> Threshold | None:
    """The precision from a threshold on, or from the first step above it at which it suffices."""
    for threshold in (lowest + step for step in STEPS):
        named = [is_right for total, is_right in verdicts if total >= threshold]
        if named and sum(named) >= MIN_PRECISION * len(named):
            return Threshold(round(threshold, 3), round(sum(named) / len(named), 4), len(named))
    return None


def report(
    table: ConceptTable, pictures: Sequence[Picture], *, lists_errors: bool
) -> Iterator[str]:
    """How many pictures of the measuring half are named right, wrong and not at all."""
    counts: dict[str, Counter[str]] = {}
    for picture in pictures:
        if picture.label.sets_thresholds:
            continue
        named, wrong = find_named(table, picture), find_wrong(table, picture)
        verdict = "wrong" if wrong else "right" if named else "silent"
        counts.setdefault(picture.label.source, Counter())[verdict] += 1
        if wrong and lists_errors:
            probabilities = ", ".join(f"{name} {picture.totals[name]:.2f}" for name in wrong)
            there = ", ".join(sorted(picture.label.true))
            yield f"wrong: {picture.label.path.name}: {probabilities}; {there}"
    for group, count in counts.items():
        total = count.total()
        shares = ", ".join(
            f"{verdict} {count[verdict]} ({count[verdict] / total:.1%})"
            for verdict in ("right", "wrong", "silent")
        )
        yield f"{group}: {total} pictures, {shares}"


def format_thresholds(thresholds: Mapping[str, Threshold]) -> str:
    """The text of `app/vision/concept_thresholds.toml`."""
    lines = [
        "# From which probability on each concept is named, and what that was measured on.",
        "# Written by `python -m scripts.concept_thresholds`, not by hand.",
        *(
            f"{name} = {{ threshold = {row.threshold}, precision = {row.precision}, "
            f"pictures = {row.pictures} }}"
            for name, row in thresholds.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description="Set the thresholds of concepts.")
    parser.add_argument("folders", type=Path, nargs="+", help="pictures and their labels.jsonl")
    parser.add_argument("--raise-only", action="store_true", help="lower and add no threshold")
    parser.add_argument("--write", action="store_true", help="write the thresholds")
    parser.add_argument("--errors", action="store_true", help="list what is named wrongly")
    arguments = parser.parse_args()
    pictures, table = read_pictures(arguments.folders), load_concepts()
    if arguments.raise_only:
        table, notes = raise_thresholds(table, pictures)
    else:
        calibration = Calibration(table, pictures)
        table, notes = replace(table, thresholds=calibration.run()), calibration.notes
    print(*notes, sep="\n")
    for line in report(table, pictures, lists_errors=arguments.errors):
        print(line)
    if arguments.write:
        _OUTPUT.write_text(format_thresholds(table.thresholds), encoding="utf-8")
        _PRODUCTS_OUTPUT.write_text(format_thresholds(table.product_thresholds), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
