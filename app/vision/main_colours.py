"""The main colours of an image: of the foreground on a plain background, else of the whole."""

import numpy as np

from app.vision.background import Background
from app.vision.colour_names import COLOUR_NAMES, ColourShare
from app.vision.colour_naming import ColourIndices, measure_shares, name_colour
from app.vision.features import Category
from app.vision.filters import Plane, box_mean
from app.vision.masks import Mask, erode
from app.vision.oklab import oklab_distance
from app.vision.reduced_image import ReducedImage

FOREGROUND_MIN_DISTANCE = 0.1
"""OKLab distance from the background from which a pixel is foreground."""
FOREGROUND_MAX_SHARE = 0.35
"""A larger share of the image is not marks on a background."""
SOFT_MAX_SHARE = 0.35
"""With more soft transitions the background is shaded instead of plain."""
WHITE_BACKGROUND_MIN_LIGHTNESS = 0.95
LIT_WHITE_MIN_LIGHTNESS = 0.89
"""OKLab lightness of the lit part (the 90th percentile) of a white thing in its own shade: mugs and
shoes have 0.90 to 0.95, light grey and grey cloth 0.77 to 0.84."""
WHITE_SPREAD = (0.03, 0.16)
"""From the 10th to the 90th percentile. Flat grey has less, polished metal 0.2."""
NEUTRAL_MAX_CHROMA, NEUTRAL_MIN_LIGHTNESS = 0.03, 0.7
FAINT_MAX_DISTANCE = 0.3
"""The largest distance of faint marks from their background."""


def find_foreground(image: ReducedImage, background: Background) -> Mask:
    """The pixels of the coarse image that clearly differ from the background."""
    return oklab_distance(image.coarse, background.lab) >= FOREGROUND_MIN_DISTANCE


def whiten_shades(
    image: ReducedImage, colours: ColourIndices, background: Background
) -> ColourIndices:
    """The colours, with white instead of light grey where a white thing on white has its shade."""
    if float(background.lab[0]) < WHITE_BACKGROUND_MIN_LIGHTNESS:
        return colours
    lightness = image.coarse[..., 0]
    chroma = np.hypot(image.coarse[..., 1], image.coarse[..., 2])
    neutral = background.subject_core & (chroma < NEUTRAL_MAX_CHROMA)
    neutral &= lightness > NEUTRAL_MIN_LIGHTNESS
    if not neutral.any():
        return colours
    shaded, lit = np.percentile(lightness[neutral], [10, 90])
    least, most = WHITE_SPREAD
    if lit < LIT_WHITE_MIN_LIGHTNESS or not least <= lit - shaded <= most:
        return colours
    grey, white = COLOUR_NAMES.index("light grey"), COLOUR_NAMES.index("white")
    return np.where(colours == grey, white, colours)


def find_main_colours(
    image: ReducedImage, colours: ColourIndices, background: Background | None, category: Category
) -> tuple[ColourShare, ...]:
    """At least one main colour, the largest first. `colours` are those of the coarse image."""
    if category == "document":
        return (ColourShare(_find_ink_colour(image), 1.0),)
    if background is None:
        # Many of an icon's few pixels are blends of two neighbours, so fewer colours are reliable.
        return measure_at_least_one(colours, 0.09, 2 if category == "icon" else 4)
    if category == "drawing":
        return (ColourShare(_find_line_colour(image, background), 1.0),)
    foreground = find_foreground(image, background)
    core = erode(foreground)
    foreground = core if core.sum() > 0.3 * foreground.sum() else foreground
    if not foreground.any():
        return (ColourShare(background.colour, 1.0),)
    return measure_at_least_one(colours[foreground], 0.09, 4)


def measure_at_least_one(
    colours: ColourIndices, min_share: float, max_count: int
) -> tuple[ColourShare, ...]:
    """`measure_shares`, or the largest colour where none reaches `min_share`."""
    return measure_shares(colours, min_share, max_count) or measure_shares(colours, 0.0, 1)


def find_background_colour(
    image: ReducedImage, background: Background | None, category: Category
) -> str | None:
    """The colour of a plain background, or of the paper of a document."""
    if category == "document":
        return name_colour(np.median(image.fine[_local_contrast(image) < 0.07], axis=0))
    return background.colour if background else None


def _find_line_colour(image: ReducedImage, background: Background) -> str:
    """The colour of thin lines, most pixels of which are blends: that of the purest pixels."""
    distance = oklab_distance(image.fine, background.lab)
    pure = distance >= 0.95 * np.percentile(distance, 99.9)
    return name_colour(np.median(image.fine[pure], axis=0))


def _find_ink_colour(image: ReducedImage) -> str:
    """The colour of marks: that of the pixels that differ most from their surroundings."""
    contrast = _local_contrast(image)
    pure = contrast >= 0.9 * np.percentile(contrast, 99.9)
    return name_colour(np.median(image.fine[pure], axis=0))


def _local_contrast(image: ReducedImage) -> Plane:
    lightness = image.fine[..., 0]
    contrast: Plane = np.abs(box_mean(lightness, 10) - lightness)
    return contrast
