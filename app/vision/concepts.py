"""The concepts that can be named: which classes each one sums, and from which probability on it is
named.

`concepts.toml` and `product_classes.toml` are written by hand, `concept_thresholds.toml` and
`product_thresholds.toml` by `scripts/concept_thresholds.py` and `scripts/product_weights.py`, which
measure on labelled pictures. A concept is named where the classifier of ImageNet is sure of it, or
where the mean of both classifiers is high.
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
from app.vision.likenesses import TOY, TOY_MIN_PROBABILITY, Likenesses
from app.vision.product_classifier import load_product_classes

_PACKAGE = "app.vision"
PICTURED_KINDS = frozenset({"animal", "electronics", "food", "tableware", "toy"})
"""A face beside one of these is often a picture on it, or is the thing itself: a screen, a mug, a
panda, a doll."""
PICTURED_MIN_PROBABILITY = 0.6
MIN_CLASS_PROBABILITY = 0.06
"""Of a concept's most probable class. Hundreds of classes add up to an animal where none of them
has more than a few hundredths: a family on a log had 0.84, its first class, a wombat, 0.04."""
DEVICE, DEVICE_MIN_CLASS_PROBABILITY = "electronic_device", 0.2
"""Of its most probable class. Two of four drawn black panels with text had less, and none of seven
devices that were rightly named."""
CLOTHES = "garment"
NO_MODEL = "bicycle"
"""The vehicle that shops sell. Another one on a plain background is a model or a toy as often."""
STATUE_CLASSES = ("altar", "breastplate", "cuirass", "megalith", "pedestal", "stupa", "throne",
                  "totem_pole")  # fmt: skip
"""What the classifier takes a statue for."""
STATUE_MIN_PROBABILITY = 0.08
"""Two thirds of the statues with a clear face have more, and none of 228 people has over 0.04."""
FIGURE_CLASSES = ("band_aid", "comic_book", "nipple", "pencil_sharpener", "soap_dispenser",
                  "toyshop")  # fmt: skip
"""What the classifier takes a figure of smooth plastic or a doll for."""
FIGURE_MIN_PROBABILITY = 0.15
"""Of 62 pictures of people with a face none has over 0.06; some figures have 0.17 to 0.5."""
RIVAL_MIN_PROBABILITY = 0.9
"""In the classifier of products, of another thing: a football boot is no fashion accessory."""
CARRIERS = frozenset({
    "bag", "book", "bottle", "carton", "cosmetics", "cushion", "handbag", "mug", "sweatshirt",
    "t_shirt", "tablet", "top",
})  # fmt: skip
"""Products that animals are printed on."""
CARRIER_MIN_PROBABILITY = 0.4
"""In the classifier of products. Of 15 pictures of animals none had over 0.02; packs of animal feed
have 0.5 to 1."""
COMPANY_CLASS, COMPANY_MIN_PROBABILITY = "barbershop", 0.3
"""A place where somebody is served by somebody else: one face there leaves another one unseen."""
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
class Probabilities:
    """What both classifiers make of one image, 0 to 1."""

    classes: NDArray[np.float32]
    """Of the classes in `imagenet_classes.txt`."""
    products: NDArray[np.float32]
    """Of the classes in `product_classes.toml`."""


@dataclass(frozen=True, slots=True)
class ConceptTable:
    """All concepts, in the order of `concepts.toml`."""

    concepts: Mapping[str, Concept]
    thresholds: Mapping[str, Threshold]
    """Without the concepts that are never named by the first classifier."""
    product_thresholds: Mapping[str, Threshold]
    """Of the mean of both classifiers, for concepts that both know."""
    statue_classes: tuple[int, ...]
    figure_classes: tuple[int, ...]
    company_class: int
    carriers: tuple[int, ...]
    """Outputs of the classifier of products."""
    likenesses: Likenesses
    sums: NDArray[np.float32]
    """1 where a concept (row) sums a class of ImageNet (column)."""
    product_sums: NDArray[np.float32]
    """1 where a concept (row) sums a class of products (column)."""

    def find_sightings(self, probabilities: Probabilities) -> tuple[Sighting, ...]:
        """What is certain to be in a picture, the surest first."""
        totals = self.sum_classes(probabilities.classes)
        means = self.average(probabilities)
        certain = {
            name
            for thresholds, values in ((self.thresholds, totals), (self.product_thresholds, means))
            for name, threshold in thresholds.items()
            if values[name] >= threshold.threshold
        }
        generals = {general for name in certain for general in self.generals_of(name)}
        found = [
            Sighting(name, min(max(totals[name], means.get(name, 0.0)), 1.0))
            for name in certain - generals
        ]
        found = [row for row in found if not self._is_denied(row.concept, probabilities)]
        toys = self.likenesses.weigh_toys(probabilities.classes)
        kinds = {self.concepts[sighting.concept].kind for sighting in found}
        if toys >= TOY_MIN_PROBABILITY and self.concepts[TOY].kind not in kinds:
            found.append(Sighting(TOY, min(toys, 1.0)))
        found.sort(key=lambda sighting: (-sighting.probability, sighting.concept))
        return tuple(found[:MAX_SIGHTINGS])

    def _is_denied(self, name: str, probabilities: Probabilities) -> bool:
        """Whether it may be a likeness, or the classifier of products knows better: what an animal
        is printed on, or that a thing which both know is another one."""
        products, kind = probabilities.products, self.concepts[name].kind
        if self.likenesses.may_be_likeness(kind, probabilities.classes):
            return True
        if name == DEVICE:
            device = probabilities.classes[sorted(self.concepts[name].classes)]
            if device.max() < DEVICE_MIN_CLASS_PROBABILITY:
                return True
        if kind == "animal":
            return bool(products[list(self.carriers)].sum() >= CARRIER_MIN_PROBABILITY)
        numbers = {other: number for number, other in enumerate(self.concepts)}
        most_general = numbers[(name, *self.generals_of(name))[-1]]
        surest = int(products.argmax())
        is_another = (
            self.product_sums[:, surest].any() and not self.product_sums[most_general, surest]
        )
        is_known = self.product_sums[numbers[name]].any()
        return bool(is_known and is_another and products[surest] >= RIVAL_MIN_PROBABILITY)

    def sum_classes(self, classes: NDArray[np.float32]) -> dict[str, float]:
        """The probability of each concept in the first classifier; 0 where it is spread over many
        classes."""
        return dict(zip(self.concepts, self._sum(classes).tolist(), strict=True))

    def average(self, probabilities: Probabilities) -> dict[str, float]:
        """The mean of both classifiers, of the concepts that both know."""
        products = self.product_sums @ probabilities.products
        means = (self._sum(probabilities.classes) + products) / 2
        is_known: NDArray[np.bool_] = np.asarray(
            self.product_sums.any(axis=1) & self.sums.any(axis=1)
        )
        return {
            name: float(mean)
            for name, mean, known in zip(self.concepts, means, is_known, strict=True)
            if known
        }

    def _sum(self, classes: NDArray[np.float32]) -> NDArray[np.float32]:
        totals: NDArray[np.float32] = self.sums @ classes
        totals[(self.sums * classes).max(axis=1) < MIN_CLASS_PROBABILITY] = 0
        return totals

    def may_picture_faces(self, classes: NDArray[np.float32]) -> bool:
        """Whether a face in the picture may be no person's."""
        pictured_classes = frozenset[int]().union(
            *(
                concept.classes
                for concept in self.concepts.values()
                if concept.kind in PICTURED_KINDS
            )
        )
        pictured = classes[sorted(pictured_classes)]
        is_pictured = (
            pictured.sum() >= PICTURED_MIN_PROBABILITY and pictured.max() >= MIN_CLASS_PROBABILITY
        )
        is_statue = classes[list(self.statue_classes)].sum() >= STATUE_MIN_PROBABILITY
        is_figure = classes[list(self.figure_classes)].sum() >= FIGURE_MIN_PROBABILITY
        is_likeness = self.likenesses.may_show_face(classes)
        return bool(is_pictured or is_statue or is_figure or is_likeness)

    def shows_company(self, classes: NDArray[np.float32]) -> bool:
        """Whether somebody whose face is seen is hardly alone there."""
        return bool(classes[self.company_class] >= COMPANY_MIN_PROBABILITY)

    def is_often_a_model(self, name: str) -> bool:
        """Whether what looks like this on a plain background is often a small copy of it."""
        return self.concepts[name].kind == "vehicle" and name != NO_MODEL

    def weigh_clothes(self, classes: NDArray[np.float32]) -> float:
        """The probability that something is worn, however many garments it is spread over."""
        return float(classes[sorted(self.concepts[CLOTHES].classes)].sum())

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
    return ConceptTable(
        concepts,
        thresholds=_load_thresholds("concept_thresholds.toml", concepts),
        product_thresholds=_load_thresholds("product_thresholds.toml", concepts),
        statue_classes=tuple(map(classes.index, STATUE_CLASSES)),
        figure_classes=tuple(map(classes.index, FIGURE_CLASSES)),
        company_class=classes.index(COMPANY_CLASS),
        carriers=tuple(map(list(load_product_classes()).index, sorted(CARRIERS))),
        likenesses=Likenesses.of(classes),
        sums=sums,
        product_sums=_sum_products(rows),
    )


def _sum_products(rows: Mapping[str, Mapping[str, Any]]) -> NDArray[np.float32]:
    named = load_product_classes().values()
    if unknown := set(named) - rows.keys() - {""}:
        raise KeyError(f"product classes of unknown concepts: {sorted(unknown)}")
    return np.array(
        [[bool(each) and _is_below(each, name, rows) for each in named] for name in rows],
        np.float32,
    )


def _load_thresholds(file: str, concepts: Mapping[str, Concept]) -> dict[str, Threshold]:
    thresholds = {name: Threshold(**row) for name, row in _load_toml(file).items()}
    if unknown := thresholds.keys() - concepts.keys():
        raise KeyError(f"thresholds of unknown concepts: {sorted(unknown)}")
    return thresholds


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
