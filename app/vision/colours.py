"""Colour names that a shopper would use, found in a perceptual space.

Distances are taken in OKLab (Björn Ottosson, 2020, https://bottosson.github.io/posts/oklab/):
there, equal steps look about equal. Every name stands for several hand-picked anchors, because a
"blue" is blue over a wide range of lightness while "navy" is not.
"""

import numpy as np
from numpy.typing import NDArray

from app.vision.colour_names import ANCHORS, NAMES, ColourShare

Pixels = NDArray[np.float32]
"""Height x width x 3, OKLab: lightness 0..1, then green-red and blue-yellow, about -0.3..0.3."""

FAMILIES: tuple[frozenset[str], ...] = (
    frozenset({"navy", "blue", "light blue"}),
    frozenset({"green", "dark green", "light green"}),
    frozenset({"red", "dark red"}),
    frozenset({"black", "dark grey"}),
    frozenset({"dark grey", "grey"}),
    frozenset({"grey", "light grey"}),
    frozenset({"light grey", "white"}),
    frozenset({"white", "off-white"}),
    frozenset({"off-white", "beige"}),
    frozenset({"beige", "light brown"}),
    frozenset({"light brown", "brown"}),
    frozenset({"yellow", "light yellow"}),
    frozenset({"yellow", "gold"}),
    frozenset({"orange", "gold"}),
    frozenset({"teal", "turquoise"}),
    frozenset({"purple", "lavender"}),
    frozenset({"green", "olive"}),
    frozenset({"orange", "brown"}),
    frozenset({"orange", "light brown"}),
    frozenset({"black", "navy"}),
)
"""Names that light and shade turn into one another on a single surface."""

ACHROMATIC = frozenset({"black", "dark grey", "grey", "light grey", "white"})

GREYS_ONLY = 0.018
"""OKLab chroma below which a colour reads as grey. JPEG's chroma rounding stays under 0.012."""

# Hue tells names apart better than lightness does: "blue" in the shade is still called blue.
_WEIGHTS = np.array([0.8, 1.5, 1.5], dtype=np.float32)

_SLICE = 4096

_GRAIN = 128
"""Steps per unit of OKLab in which pixels are told apart for naming: about two sRGB levels."""


def to_oklab(rgb: NDArray[np.uint8]) -> Pixels:
    """sRGB bytes (... x 3) as OKLab (... x 3)."""
    steps = np.arange(256, dtype=np.float32) / 255
    linear = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)
    # Plane by plane: what is summed over the three values, here and later, is three times as fast.
    light = linear.astype(np.float32)
    planes = [light[np.ascontiguousarray(rgb[..., channel])] for channel in range(3)]
    roots = [np.cbrt(plane) for plane in _mixed(planes, _RGB_TO_LMS)]
    return np.moveaxis(np.stack(_mixed(roots, _LMS_TO_LAB)), 0, -1)


def _mixed(planes: list[Pixels], matrix: Pixels) -> list[Pixels]:
    """Each row of the matrix as the weights of the three planes."""
    return [one * planes[0] + two * planes[1] + three * planes[2] for one, two, three in matrix]


# Both matrices are those of Ottosson's page.
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=np.float32,
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=np.float32,
)


def _anchor_table() -> tuple[Pixels, NDArray[np.intp]]:
    spelled = [(name, hex6) for name, line in ANCHORS.items() for hex6 in line.split()]
    rgb = np.array([list(bytes.fromhex(hex6)) for _, hex6 in spelled], dtype=np.uint8)
    owners = np.array([NAMES.index(name) for name, _ in spelled], dtype=np.intp)
    return to_oklab(rgb) * _WEIGHTS, owners


_TABLE, _OWNERS = _anchor_table()


def name_indices(lab: Pixels) -> NDArray[np.intp]:
    """For each pixel the index in NAMES of its nearest anchor's name."""
    # Most pixels of a picture share their colour with others: each colour is named once.
    grains = np.rint(lab * _GRAIN).astype(np.int32) + _GRAIN
    codes = (grains[..., 0] * 1024 + grains[..., 1]) * 1024 + grains[..., 2]
    colours, places = np.unique(codes, return_inverse=True)
    parts = np.stack([colours // 1024**2, colours // 1024 % 1024, colours % 1024], axis=1)
    names = _nearest(((parts - _GRAIN) / _GRAIN).astype(np.float32))
    return names[places].reshape(lab.shape[:-1])


def _nearest(colours: NDArray[np.float32]) -> NDArray[np.intp]:
    """For each colour (n x 3) the index in NAMES of its nearest anchor's name."""
    weighted = colours * _WEIGHTS
    nearest = np.empty(len(weighted), dtype=np.intp)
    # argmin |x - a|^2 is argmax (x.a - |a|^2 / 2): one matrix product instead of a cube, in
    # slices, because a picture's whole score table would be 20 MB.
    half = (_TABLE**2).sum(axis=1) / 2
    for start in range(0, len(weighted), _SLICE):
        score = weighted[start : start + _SLICE] @ _TABLE.T - half
        nearest[start : start + _SLICE] = score.argmax(axis=1)
    return _OWNERS[nearest]


def name_of(lab: Pixels) -> str:
    """The name of one colour (3 values)."""
    return NAMES[int(_nearest(lab[None, :])[0])]


def shares(
    indices: NDArray[np.intp], least: float = 0.07, most: int = 4
) -> tuple[ColourShare, ...]:
    """The colours of an area, largest first, shades of one surface folded into the larger.

    A name under `least` of the area is left out; beside greys alone, half of it is enough for a
    colour, because there it catches the eye. A shade is folded where its neighbour in FAMILIES
    covers clearly more (half as much again) or where both are minor: else both are worth saying.
    """
    if indices.size == 0:
        return ()
    counts = np.bincount(indices.ravel(), minlength=len(NAMES)) / indices.size
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i] > 0]
    kept: dict[str, float] = {}
    for index in order:
        name, share = NAMES[index], float(counts[index])
        lead = next(
            (k for k in kept if is_shade(k, name) and (kept[k] > 1.5 * share or kept[k] < 0.25)),
            None,
        )
        if lead is not None:
            kept[lead] += share
        else:
            kept[name] = share
    ranked = sorted(kept.items(), key=lambda item: -item[1])
    needed = [least if name in ACHROMATIC else least / 2 for name, _ in ranked]
    if any(name not in ACHROMATIC for name, share in ranked if share >= least):
        needed = [least] * len(ranked)
    named = (pair for pair, floor in zip(ranked, needed, strict=True) if pair[1] >= floor)
    return tuple(ColourShare(name, round(share, 3)) for name, share in named)[:most]


def is_shade(one: str, other: str) -> bool:
    """Whether two names may be one surface in more and in less light."""
    return any(one in family and other in family for family in FAMILIES)


SHADES: NDArray[np.bool_] = np.array([[is_shade(a, b) for b in NAMES] for a in NAMES])
"""`is_shade` by index in NAMES."""
