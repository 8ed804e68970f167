"""Sets the probability from which each concept is named, on labelled pictures.

    python -m scripts.concept_thresholds FOLDER... [--write] [--errors]

Each folder has pictures and `labels.jsonl`, one object a line: `file`, and `objects` (a list of
everything that can be seen), `path` (a name that says what the picture shows), or both.
`concept_labels.toml` says which concepts the words of labels mean; what no label says is not there.

The pictures are halved by the hash of their name. One half sets the threshold of each concept, the
other measures it: a concept is named only if it was right in MIN_PRECISION of its pictures in both.
Where the measure fails, the threshold is raised in steps; a concept that fails at the last is never
named. Concepts with few pictures are measured together. The report has the figures of the measuring
half alone, by the part of a file's name before its first hyphen. `--errors` lists what was named
wrongly, `--write` writes `app/vision/concept_thresholds.toml`. Needs the extra `embedded`.
"""

import argparse
import hashlib
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageOps

from app.vision.concepts import ConceptTable, Threshold, load_concepts
from app.vision.recogniser import DECODED_PX, Recogniser

MIN_PRECISION = 0.98
MIN_THRESHOLD = 0.4
"""Below, the classifier is undecided, however often it was right."""
MARGIN = 0.03
"""Above the last wrong picture of the half that sets the threshold."""
STEPS = (0.0, 0.1, 0.2, 0.3)
"""By which a threshold is raised where the measure fails."""
MIN_PICTURES = 4
"""Right pictures in each half from which on a concept has a threshold of its own."""
MIN_SHARED_THRESHOLD = 0.55
"""Of concepts with fewer pictures."""
MIN_SHARED_PRECISION = 0.85
"""Of those, together, before the ones that were wrong are raised."""
MAX_THRESHOLD = 0.92
"""The classifier is never surer: it was trained with smoothed labels."""
_TOP = Path(__file__).resolve().parent.parent
_OUTPUT = _TOP / "app" / "vision" / "concept_thresholds.toml"
_LABELS = _TOP / "scripts" / "concept_labels.toml"
_MAX_WORDS = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """One labelled picture."""

    name: str
    true: frozenset[str]
    """The concepts that are in it, with the more general ones."""
    unchecked: frozenset[str]
    """Concepts that may be in it: its label is only the more general word."""
    totals: Mapping[str, float]
    """The probability of each concept."""

    @property
    def sets_thresholds(self) -> bool:
        """Whether it belongs to the half that sets the thresholds."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 0


class Labels:
    """Finds the concepts that the words of a label mean."""

    def __init__(self, table: ConceptTable) -> None:
        self._table = table
        words = {name.replace("_", " "): name for name in table.concepts}
        self._concepts = words | tomllib.loads(_LABELS.read_text(encoding="utf-8"))

    def find(self, row: Mapping[str, object]) -> tuple[frozenset[str], frozenset[str]]:
        """The concepts in a picture, and those that may be in it."""
        objects = row.get("objects")
        texts = [row.get("path", ""), *(objects if isinstance(objects, list) else ())]
        found = {concept for text in texts for concept in self._read(str(text))}
        named = {concept.removesuffix("*") for concept in found}
        true = named | {general for name in named for general in self._table.generals_of(name)}
        open_ended = {concept.removesuffix("*") for concept in found if concept.endswith("*")}
        unchecked = {
            name
            for name in self._table.concepts
            if name not in true and not open_ended.isdisjoint(self._table.generals_of(name))
        }
        return frozenset(true), frozenset(unchecked)

    def _read(self, text: str) -> Iterator[str]:
        """The concepts of the longest runs of words that mean one."""
        words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
        while words:
            for length in range(min(_MAX_WORDS, len(words)), 0, -1):
                concept = self._lookup(" ".join(words[:length]))
                if concept:
                    yield concept
                    break
            words = words[length if concept else 1 :]

    def _lookup(self, phrase: str) -> str | None:
        for form in (phrase, phrase.removesuffix("s"), phrase.removesuffix("es")):
            if form in self._concepts:
                return str(self._concepts[form])
        return None


def read_pictures(folders: Sequence[Path]) -> list[Picture]:
    """The pictures of the folders, each classified."""
    table, recogniser = load_concepts(), Recogniser()
    labels, pictures = Labels(table), []
    for folder in folders:
        lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
        for row in map(json.loads, filter(None, lines)):
            with Image.open(folder / row["file"]) as opened:
                opened.draft("RGB", (DECODED_PX, DECODED_PX))
                image = ImageOps.exif_transpose(opened).convert("RGB")
            image.thumbnail((DECODED_PX, DECODED_PX))
            totals = table.sum_classes(recogniser.classify(image))
            pictures.append(Picture(row["file"], *labels.find(row), totals))
    return pictures


class Calibration:
    """The thresholds, set concept by concept, those below a concept before it."""

    def __init__(self, table: ConceptTable, pictures: Sequence[Picture]) -> None:
        self._table = table
        self._setting = [picture for picture in pictures if picture.sets_thresholds]
        self._measuring = [picture for picture in pictures if not picture.sets_thresholds]
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
        lowest = find_threshold(setting, MIN_THRESHOLD)
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
        lowest = {name: _above_wrong(setting) for name, (setting, _) in judged.items()}
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

    def _judge(self, name: str, pictures: Sequence[Picture]) -> list[tuple[float, bool]]:
        """The probability of a concept, and whether it is there, where it would be named."""
        below = [other for other in self.thresholds if name in self._table.generals_of(other)]
        return [
            (picture.totals[name], name in picture.true)
            for picture in pictures
            if name not in picture.unchecked
            and not any(
                picture.totals[other] >= self.thresholds[other].threshold for other in below
            )
        ]


def _above_wrong(verdicts: Sequence[tuple[float, bool]]) -> float:
    """A threshold above every picture in which a concept was not."""
    wrong = [total for total, is_right in verdicts if not is_right]
    return max(MIN_SHARED_THRESHOLD, max(wrong, default=0.0) + MARGIN)


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
        if picture.sets_thresholds:
            continue
        named = [
            name
            for name, total in picture.totals.items()
            if name in table.thresholds and total >= table.thresholds[name].threshold
        ]
        generals = {general for name in named for general in table.generals_of(name)}
        named = [name for name in named if name not in generals]
        wrong = [name for name in named if name not in picture.true | picture.unchecked]
        verdict = "wrong" if wrong else "right" if named else "silent"
        counts.setdefault(picture.name.split("-")[0], Counter())[verdict] += 1
        if wrong and lists_errors:
            probabilities = ", ".join(f"{name} {picture.totals[name]:.2f}" for name in wrong)
            yield f"wrong: {picture.name}: {probabilities}; {', '.join(sorted(picture.true))}"
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
    parser.add_argument("--write", action="store_true", help="write the thresholds")
    parser.add_argument("--errors", action="store_true", help="list what is named wrongly")
    arguments = parser.parse_args()
    pictures, table = read_pictures(arguments.folders), load_concepts()
    calibration = Calibration(table, pictures)
    thresholds = calibration.run()
    print(*calibration.notes, sep="\n")
    for line in report(
        replace(table, thresholds=thresholds), pictures, lists_errors=arguments.errors
    ):
        print(line)
    if arguments.write:
        _OUTPUT.write_text(format_thresholds(thresholds), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
