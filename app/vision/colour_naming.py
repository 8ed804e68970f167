"""Names the colours of pixels as a shopper would.

The name of a pixel is that of its nearest anchor in OKLab. Every name has several anchors, because
"blue" covers a wide range of lightness while "navy" does not.
"""

import numpy as np
from numpy.typing import NDArray

from app.vision.colour_names import ANCHOR_COLOURS, COLOUR_NAMES, ColourShare, are_shades
from app.vision.oklab import OklabPixels, to_oklab

ColourIndices = NDArray[np.intp]
"""Height x width: indices in COLOUR_NAMES."""

ACHROMATIC = frozenset({"black", "dark grey", "grey", "light grey", "white"})

GREY_MAX_CHROMA = 0.018
"""OKLab chroma below which a colour looks grey. JPEG's rounding of chroma stays below 0.012."""

# Hue distinguishes names better than lightness: "blue" in the shade is still called blue.
_WEIGHTS = np.array([0.8, 1.5, 1.5], dtype=np.float32)

_SLICE_COLOURS = 4096

_QUANTISATION = 128
"""Steps per unit of OKLab; one step is about two sRGB levels."""


def _build_anchors() -> tuple[OklabPixels, ColourIndices]:
    anchors = [
        (index, hex_digits)
        for index, colours in enumerate(ANCHOR_COLOURS.values())
        for hex_digits in colours.split()
    ]
    rgb = np.array([list(bytes.fromhex(hex_digits)) for _, hex_digits in anchors], dtype=np.uint8)
    return to_oklab(rgb) * _WEIGHTS, np.array([index for index, _ in anchors], dtype=np.intp)


_ANCHORS, _ANCHOR_NAMES = _build_anchors()


def classify_colours(lab: OklabPixels) -> ColourIndices:
    """For each pixel the index of its colour name in COLOUR_NAMES."""
    # Many pixels share a colour: each distinct colour is classified once.
    quantised = np.rint(lab * _QUANTISATION).astype(np.int32) + _QUANTISATION
    codes = (quantised[..., 0] * 1024 + quantised[..., 1]) * 1024 + quantised[..., 2]
    colours, places = np.unique(codes, return_inverse=True)
    parts = np.stack([colours // 1024**2, colours // 1024 % 1024, colours % 1024], axis=1)
    names = _find_nearest(((parts - _QUANTISATION) / _QUANTISATION).astype(np.float32))
    return names[places].reshape(lab.shape[:-1])


def _find_nearest(colours: NDArray[np.float32]) -> ColourIndices:
    """For each colour (n x 3) the name index of its nearest anchor."""
    weighted = colours * _WEIGHTS
    nearest = np.empty(len(weighted), dtype=np.intp)
    # argmin |x - a|^2 is argmax (x.a - |a|^2 / 2): one matrix product. In slices, because the
    # scores of a whole image would take 20 MB.
    half = (_ANCHORS**2).sum(axis=1) / 2
    for start in range(0, len(weighted), _SLICE_COLOURS):
        scores = weighted[start : start + _SLICE_COLOURS] @ _ANCHORS.T - half
        nearest[start : start + _SLICE_COLOURS] = scores.argmax(axis=1)
    return _ANCHOR_NAMES[nearest]


def name_colour(lab: OklabPixels) -> str:
    """The name of one colour (3 values)."""
    return COLOUR_NAMES[int(_find_nearest(lab[None, :])[0])]


def measure_shares(
    indices: ColourIndices, min_share: float, max_count: int
) -> tuple[ColourShare, ...]:
    """The colours of an area, the largest first, with shades of one surface merged.

    A colour under `min_share` of the area is left out. Where all colours over it are achromatic,
    half of it is enough for a chromatic one, because there it is conspicuous. A shade is merged
    into a larger colour of its family that covers over 1.5 times as much or less than a quarter of
    the area; otherwise both are listed.
    """
    if indices.size == 0:
        return ()
    counts = np.bincount(indices.ravel(), minlength=len(COLOUR_NAMES)) / indices.size
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i] > 0]
    merged: dict[str, float] = {}
    for index in order:
        name, share = COLOUR_NAMES[index], float(counts[index])
        main = next(
            (
                other
                for other, other_share in merged.items()
                if are_shades(other, name) and (other_share > 1.5 * share or other_share < 0.25)
            ),
            None,
        )
        merged[main or name] = merged.get(main or name, 0.0) + share
    ranked = sorted(merged.items(), key=lambda item: -item[1])
    is_achromatic = all(name in ACHROMATIC for name, share in ranked if share >= min_share)
    return tuple(
        ColourShare(name, round(share, 3))
        for name, share in ranked
        if share >= (min_share / 2 if is_achromatic and name not in ACHROMATIC else min_share)
    )[:max_count]


SHADE_MATRIX: NDArray[np.bool_] = np.array(
    [[are_shades(a, b) for b in COLOUR_NAMES] for a in COLOUR_NAMES]
)
"""`are_shades` by indices in COLOUR_NAMES."""
