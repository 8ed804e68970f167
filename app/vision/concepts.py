"""The concepts that can be named: which classes of the classifier each one sums, and from which
probability on it is named.

`concepts.toml` is written by hand, `concept_thresholds.toml` by `scripts/concept_thresholds.py`,
which measures on labelled pictures.
"""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.vision.features import Sighting

_PACKAGE = "app.vision"
PICTURED_KINDS = frozenset({"animal", "electronics", "food", "tableware", "toy"})
"""A face beside one of these is often a picture on it, or is the thing itself: a screen, a mug, a
panda, a doll."""
PICTURED_MIN_PROBABILITY = 0.6
MIN_CLASS_PROBABILITY = 0.06
"""Of a concept's most probable class. Hundreds of classes add up to an animal where none of them
has more than a few hundredths: a family on a log had 0.84, its first class, a wombat, 0.04."""
CLOTHES, CLOTHES_MIN_PROBABILITY = "garment", 0.1
"""Each of 120 people on a plain background wore something as probable as this; a face on a mug, on
a screen or on a fish does not."""
STATUE_CLASSES = ("altar", "breastplate", "cuirass", "megalith", "pedestal", "stupa", "throne",
                  "totem_pole")  # fmt: skip
"""What the classifier takes a statue for."""
STATUE_MIN_PROBABILITY = 0.08
"""Two thirds of the statues with a clear face have more, and none of 228 people has over 0.04."""
MAX_SIGHTINGS = 5
"""A picture in which more is certain has not been seen."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which probability on a concept is named, and what that was measured on."""

    threshold: float
    """0 to 1."""
    precision: float
    """Share of the pictures with at least that probability in which it was there, 0 to 1, among
    pictures that did not set the threshold."""
    pictures: int
    """How many such pictures there were."""


@dataclass(frozen=True, slots=True)
class Concept:
    """Something that a caption can name by one word."""

    name: str
    kind: str
    general: str | None
    """The concept that is named where only that is certain."""
    classes: frozenset[int]
    """Outputs of the classifier, with those of every concept below this one."""


@dataclass(frozen=True, slots=True)
class ConceptTable:
    """All concepts, in the order of `concepts.toml`."""

    concepts: Mapping[str, Concept]
    thresholds: Mapping[str, Threshold]
    """Without the concepts that are never named."""
    statue_classes: tuple[int, ...]
    sums: NDArray[np.float32]
    """1 where a concept (row) sums a class (column)."""

    def find_sightings(self, probabilities: NDArray[np.float32]) -> tuple[Sighting, ...]:
        """What is certain to be in a picture, the surest first, from the classes' probabilities."""
        totals = self.sum_classes(probabilities)
        certain = {
            name
            for name, threshold in self.thresholds.items()
            if totals[name] >= threshold.threshold
        }
        generals = {general for name in certain for general in self.generals_of(name)}
        found = [Sighting(name, min(totals[name], 1.0)) for name in certain - generals]
        found.sort(key=lambda sighting: (-sighting.probability, sighting.concept))
        return tuple(found[:MAX_SIGHTINGS])

    def sum_classes(self, probabilities: NDArray[np.float32]) -> dict[str, float]:
        """The probability of each concept; 0 where it is spread over many classes."""
        totals = self.sums @ probabilities
        totals[(self.sums * probabilities).max(axis=1) < MIN_CLASS_PROBABILITY] = 0
        return dict(zip(self.concepts, totals.tolist(), strict=True))

    def may_picture_faces(self, probabilities: NDArray[np.float32]) -> bool:
        """Whether a face in the picture may be no person's."""
        classes = frozenset[int]().union(
            *(
                concept.classes
                for concept in self.concepts.values()
                if concept.kind in PICTURED_KINDS
            )
        )
        pictured = probabilities[sorted(classes)]
        is_pictured = (
            pictured.sum() >= PICTURED_MIN_PROBABILITY and pictured.max() >= MIN_CLASS_PROBABILITY
        )
        is_statue = probabilities[list(self.statue_classes)].sum() >= STATUE_MIN_PROBABILITY
        return bool(is_pictured or is_statue)

    def may_show_clothes(self, probabilities: NDArray[np.float32]) -> bool:
        """Whether the picture may show somebody who wears something."""
        classes = sorted(self.concepts[CLOTHES].classes)
        return float(probabilities[classes].sum()) >= CLOTHES_MIN_PROBABILITY

    def generals_of(self, name: str) -> tuple[str, ...]:
        """The concepts above a concept, the nearest first."""
        general = self.concepts[name].general
        return () if general is None else (general, *self.generals_of(general))


@functools.cache
def load_concepts() -> ConceptTable:
    """The table of the package. Raises KeyError or ValueError for an unknown name in it."""
    classes = _load_class_names()
    rows = _load_toml("concepts.toml")
    own = {name: _find_classes(row["classes"], classes) for name, row in rows.items()}
    concepts = {
        name: Concept(
            name,
            kind=row["kind"],
            general=row.get("general"),
            classes=frozenset[int]().union(
                *(own[other] for other in rows if _is_below(other, name, rows))
            ),
        )
        for name, row in rows.items()
    }
    sums = np.zeros((len(concepts), len(classes)), np.float32)
    for index, concept in enumerate(concepts.values()):
        sums[index, sorted(concept.classes)] = 1
    thresholds = {
        name: Threshold(**row) for name, row in _load_toml("concept_thresholds.toml").items()
    }
    if unknown := thresholds.keys() - concepts.keys():
        raise KeyError(f"thresholds of unknown concepts: {sorted(unknown)}")
    statue_classes = tuple(map(classes.index, STATUE_CLASSES))
    return ConceptTable(concepts, thresholds, statue_classes, sums)


def _load_toml(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((resources.files(_PACKAGE) / name).read_text(encoding="utf-8"))


def _load_class_names() -> list[str]:
    text = (resources.files(_PACKAGE) / "imagenet_classes.txt").read_text(encoding="utf-8")
    return [line.split()[1] for line in text.splitlines() if not line.startswith("#")]


def _find_classes(entries: list[str], classes: list[str]) -> frozenset[int]:
    """The numbers of classes that are given by name, or as `first..last`."""
    found: set[int] = set()
    for entry in entries:
        first, _, last = entry.partition("..")
        found.update(range(classes.index(first), classes.index(last or first) + 1))
    return frozenset(found)


def _is_below(name: str, general: str, rows: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a concept is the other one, or below it."""
    while name != general:
        if "general" not in rows[name]:
            return False
        name = rows[name]["general"]
    return True
