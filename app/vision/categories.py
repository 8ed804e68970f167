"""Classifies the kind of an image; a category is claimed only on good evidence."""

import numpy as np

from app.vision.background import Background
from app.vision.charts import has_bar_chart
from app.vision.colour_naming import ColourIndices
from app.vision.features import Category
from app.vision.filters import Plane, box_mean
from app.vision.masks import Mask
from app.vision.pixel_statistics import PixelStatistics
from app.vision.reduced_image import ReducedImage

ICON_MAX_PX = 32
FLAT_COLOUR_MAIN_TONES = 0.85
"""Of `PixelStatistics.main_tones`: graphics and plain backgrounds over 0.98, studio photographs
under 0.5."""
PHOTO_MIN_PX = 100
"""In fewer pixels the shading of an icon looks like that of a photograph."""
MIN_TEXT_ROWS = 8
"""Fewer even rows can also be the seams of a balloon, shelves or a table."""
LINE_DRAWING_STROKES = 0.97
"""Of `PixelStatistics.thin_strokes`: pen drawings and text 1.0, the thinnest product seen 0.4."""


def categorise(
    image: ReducedImage,
    background: Background | None,
    statistics: PixelStatistics,
    colours: ColourIndices,
) -> Category:
    """The category of an image; `colours` are those of its coarse size."""
    long_px, short_px = max(image.width_px, image.height_px), min(image.width_px, image.height_px)
    if long_px <= ICON_MAX_PX and long_px < 2 * short_px:
        return "icon"
    if background is not None and has_bar_chart(image, background, colours):
        return "chart"
    # A product with print on it is a cutout; the lines of a page are separate and thin.
    is_drawn = statistics.thin_strokes >= LINE_DRAWING_STROKES
    if background is not None and not is_drawn and _has_single_subject(image, background):
        return "cutout"
    if _count_text_rows(image.fine[..., 0]) >= MIN_TEXT_ROWS:
        return "document"
    if background is not None:
        return _categorise_on_background(short_px, background, statistics)
    if _has_continuous_tones(statistics):
        return "photo" if short_px >= PHOTO_MIN_PX else "any"
    return "graphic" if _has_flat_colours(statistics) else "any"


def _has_continuous_tones(statistics: PixelStatistics) -> bool:
    return (
        statistics.main_colours < 0.55
        and statistics.flat < 0.75
        and statistics.straight_edges < 0.5
        and statistics.soft > 0.1
    )


def _has_flat_colours(statistics: PixelStatistics) -> bool:
    return (
        statistics.main_colours > 0.7
        and statistics.flat > 0.5
        and statistics.soft < 0.2
        and statistics.main_tones > FLAT_COLOUR_MAIN_TONES
        and statistics.straight_edges > 0.4
    )


def _categorise_on_background(
    short_px: int, background: Background, statistics: PixelStatistics
) -> Category:
    if statistics.thin_strokes > LINE_DRAWING_STROKES:
        return "drawing" if short_px >= 64 and statistics.flat > 0.5 else "any"
    is_flat = statistics.flat > 0.4 and not 0 < statistics.main_tones < FLAT_COLOUR_MAIN_TONES
    return "shapes" if is_flat and 2 <= len(background.parts) <= 40 else "any"


def _has_single_subject(image: ReducedImage, background: Background) -> bool:
    """One subject, neither a speck nor the whole image.

    A subject that reaches from side to side must leave more of the background visible.
    """
    if not background.parts:
        return False
    main, total_area = background.parts[0], sum(part.area for part in background.parts)
    height, width = image.coarse.shape[:2]
    spans_image = (main.left <= 1 and main.right >= width - 1) or (
        main.top <= 1 and main.bottom >= height - 1
    )
    share = total_area / (width * height)
    return main.area >= 0.95 * total_area and 0.01 < share < (0.6 if spans_image else 0.9)


def _count_text_rows(lightness: Plane) -> int:
    """The number of rows of marks that look like lines of text, dark on light or light on dark.

    Lines of text alternate between paper and ink many times along a row, have equal distances, are
    low against the page, consist of narrow strokes, and leave nearly unmarked gaps.
    """
    if min(lightness.shape) < 40:
        return 0
    contrast = box_mean(lightness, 10) - lightness
    return max(_count_ink_rows(contrast > 0.07), _count_ink_rows(contrast < -0.07))


def _count_ink_rows(ink: Mask) -> int:
    crossings = (ink[:, 1:] != ink[:, :-1]).sum(axis=1)
    busy = float(np.percentile(crossings, 90))
    if busy < 16:
        return 0
    is_inked = crossings > 0.3 * busy
    changes = np.flatnonzero(np.diff(np.concatenate([[False], is_inked, [False]]).astype(np.int8)))
    tops, heights = changes[::2], changes[1::2] - changes[::2]
    tops, heights = tops[heights >= 3], heights[heights >= 3]
    if len(tops) < 4 or is_inked.mean() > 0.9:
        return 0
    pitch, height = np.diff(tops), float(np.median(heights))
    stroke_width = ink[is_inked].sum() / (crossings[is_inked].sum() / 2)
    is_even = (np.abs(pitch - np.median(pitch)) <= 0.2 * np.median(pitch)).mean() > 0.6
    is_small = height < 0.13 * len(ink) and stroke_width < 0.6 * height
    has_clear_gaps = float(crossings[~is_inked].mean()) < 0.2 * float(crossings[is_inked].mean())
    return len(tops) if is_even and is_small and has_clear_gaps else 0
