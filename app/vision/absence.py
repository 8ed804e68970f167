"""Which concepts are surely absent from an image, although nothing else may be surely there.

A concept is absent where no view of the image supports it more than most images of other things do:
its support lies below a quantile of theirs, the threshold in `absence_thresholds.toml`. The
quantile is one for all concepts, and so low that of images of one thing hardly any has less support
for that thing (split conformal prediction: the guarantee comes from labelled images, not from the
classifier). `scripts/absence_thresholds.py` sets the thresholds and measures them.
"""

import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from app.vision.concepts import ConceptTable, Probabilities, load_concepts
from app.vision.features import Sighting
from app.vision.likenesses import TOY

CENTRE_SHARE = 0.6
"""Of each side, for the view of what may be too small in the whole image."""
CLEAR_MIN_PROBABILITY, PLAIN_CLEAR_MIN_PROBABILITY = 0.15, 0.3
"""Of the main concept. On a plain background stand the drawings that pass for photographs: those
of 66 that were doubted otherwise have 0.28 at most, and so has a sixth of the pictures of shops."""
MIN_PROBABILITY = 1e-6
"""Below, the logarithm says nothing more."""


@dataclass(frozen=True, slots=True)
class AbsenceThreshold:
    """Below which support a concept is surely absent, and what that was measured on."""

    support: float
    """The logarithm to base 10 of a probability."""
    others: int
    """Images of other things whose quantile it is."""
    images: int
    """Images of this concept that were at hand."""


def make_views(image: Image.Image) -> Iterator[Image.Image]:
    """The views in which a concept is looked for: what one misses, another one may show."""
    width, height = image.size
    yield image
    yield ImageOps.mirror(image)
    if width != height:
        yield _crop_centre(image, min(width, height), min(width, height))
        yield ImageOps.pad(image, (max(width, height),) * 2, color=_mean_of_corners(image))
    yield _crop_centre(image, round(width * CENTRE_SHARE), round(height * CENTRE_SHARE))


def _crop_centre(image: Image.Image, width: int, height: int) -> Image.Image:
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + max(width, 1), top + max(height, 1)))


def _mean_of_corners(image: Image.Image) -> tuple[int, ...]:
    corners = np.asarray(image)[[0, 0, -1, -1], [0, -1, 0, -1]]
    return tuple(corners.mean(axis=0).astype(int).tolist())


def weigh_support(views: Sequence[Probabilities]) -> dict[str, float]:
    """The support of each concept: the logarithm of its highest probability in any view."""
    table = load_concepts()
    support = np.max([_weigh_view(table, view) for view in views], axis=0)
    return dict(zip(table.concepts, support.tolist(), strict=True))


def _weigh_view(table: ConceptTable, view: Probabilities) -> NDArray[np.float32]:
    totals: NDArray[np.float32] = table.sums @ view.classes
    products: NDArray[np.float32] = table.product_sums @ view.products
    weighed: NDArray[np.float32] = np.log10(
        np.maximum(np.maximum(totals, products), MIN_PROBABILITY)
    )
    return weighed


def find_main(views: Sequence[Probabilities]) -> Sighting:
    """The most general concept with the highest mean probability in the views, and that mean.

    A toy is none: it may be called what it is a model of.
    """
    table = load_concepts()
    means: NDArray[np.float32] = table.sums @ np.mean([view.classes for view in views], axis=0)
    sightings = [
        Sighting(name, min(float(mean), 1.0))
        for name, mean in zip(table.concepts, means, strict=True)
        if table.concepts[name].general is None and name != TOY
    ]
    return max(sightings, key=lambda sighting: sighting.probability)


def is_clear(main: Sighting, *, is_plain: bool) -> bool:
    """Whether the image is recognisable as anything, so that the absence of something says more
    than that nothing was recognised. `is_plain`: on a plain background."""
    return main.probability >= (PLAIN_CLEAR_MIN_PROBABILITY if is_plain else CLEAR_MIN_PROBABILITY)


def find_absent(support: Mapping[str, float]) -> frozenset[str]:
    """The concepts that are surely absent from a clear image."""
    return frozenset(
        name for name, row in load_absence_thresholds().items() if support[name] < row.support
    )


@functools.cache
def load_absence_thresholds() -> Mapping[str, AbsenceThreshold]:
    """The thresholds of the package. Raises KeyError for one of an unknown concept."""
    text = (resources.files("app.vision") / "absence_thresholds.toml").read_text(encoding="utf-8")
    thresholds = {name: AbsenceThreshold(**row) for name, row in tomllib.loads(text).items()}
    if unknown := thresholds.keys() - load_concepts().concepts.keys():
        raise KeyError(f"thresholds of unknown concepts: {sorted(unknown)}")
    return thresholds
