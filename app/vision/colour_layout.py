"""The layout of an image: orientation, the colours of its regions, two horizontal bands."""

import numpy as np

from app.vision.colour_names import COLOUR_NAMES, ColourShare, are_shades
from app.vision.colour_naming import SHADE_MATRIX, ColourIndices, measure_shares
from app.vision.features import Orientation, RegionColours


def find_orientation(aspect_ratio: float) -> Orientation:
    """The orientation of an image by its width divided by its height."""
    if aspect_ratio >= 2.2:
        return "panorama"
    if aspect_ratio <= 1 / 2.2:
        return "column"
    if 0.95 <= aspect_ratio <= 1.05:
        return "square"
    return "landscape" if aspect_ratio > 1 else "portrait"


def find_region_colours(colours: ColourIndices) -> RegionColours:
    """The main colours of the outer thirds and of the centre."""
    height, width = colours.shape
    rows, columns = max(1, height // 3), max(1, width // 3)
    return RegionColours(
        top=_find_main_colour(colours[:rows]),
        bottom=_find_main_colour(colours[-rows:]),
        left=_find_main_colour(colours[:, :columns]),
        right=_find_main_colour(colours[:, -columns:]),
        centre=_find_main_colour(
            colours[height // 3 : height - height // 3, width // 3 : width - width // 3]
        ),
    )


def find_bands(colours: ColourIndices) -> tuple[str, str] | None:
    """The colours of an upper and a lower band, each at least three quarters of one colour.

    Shades of the colour count as the colour.
    """
    height = colours.shape[0]
    best: tuple[float, tuple[str, str]] | None = None
    for cut in range(height // 5, height - height // 5, max(1, height // 20)):
        upper, lower = _find_band_colour(colours[:cut]), _find_band_colour(colours[cut:])
        if upper is None or lower is None or are_shades(upper.colour, lower.colour):
            continue
        score = min(upper.share, lower.share)
        if upper.colour != lower.colour and (best is None or score > best[0]):
            best = (score, (upper.colour, lower.colour))
    return best[1] if best else None


def _find_main_colour(colours: ColourIndices) -> str | None:
    """The colour that covers at least half of an area."""
    largest = measure_shares(colours, 0.0, 1)
    return largest[0].colour if largest and largest[0].share >= 0.5 else None


def _find_band_colour(colours: ColourIndices) -> ColourShare | None:
    if colours.size == 0:
        return None
    counts = np.bincount(colours.ravel(), minlength=len(COLOUR_NAMES)) / colours.size
    largest = int(counts.argmax())
    with_shades = max(float(counts[SHADE_MATRIX[largest]].sum()), float(counts[largest]))
    is_band = with_shades >= 0.75 and counts[largest] >= 0.55
    return ColourShare(COLOUR_NAMES[largest], with_shades) if is_band else None
