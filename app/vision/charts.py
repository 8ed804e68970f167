"""Detects bar charts: at least three flat bars on one base line."""

import numpy as np

from app.vision.background import BACKGROUND_DISTANCE, Background
from app.vision.colour_names import COLOUR_NAMES
from app.vision.colour_naming import ColourIndices
from app.vision.masks import Box, Mask, component_boxes, dilate, label_components
from app.vision.oklab import oklab_distance
from app.vision.reduced_image import ReducedImage

_BACKGROUND_COLOURS = frozenset({"white", "off-white", "light grey", "black", "dark grey"})


def has_bar_chart(image: ReducedImage, background: Background, colours: ColourIndices) -> bool:
    """At least three flat rectangles directly on the background, three of them bars."""
    if background.colour not in _BACKGROUND_COLOURS:
        return False
    near = oklab_distance(image.coarse, background.lab) < 2 * BACKGROUND_DISTANCE
    rectangles, union = _find_rectangles(background, colours, near)
    if len(rectangles) < 3:
        return False
    surroundings = dilate(union, 4) & ~dilate(union, 2)
    return _has_bars(rectangles) and float(near[surroundings].mean()) > 0.55


def _has_bars(boxes: list[Box]) -> bool:
    """Three boxes that begin on one line, equally thick and of different lengths.

    Boxes or pictures in a row are equally long.
    """
    vertical = [(box.bottom, box.width, box.height) for box in boxes]
    horizontal = [(box.left, box.height, box.width) for box in boxes]
    for bars in (vertical, horizontal):
        for base, thickness, _ in bars:
            lengths = [
                length
                for other_base, other_thickness, length in bars
                if abs(other_base - base) <= 2
                and abs(other_thickness - thickness) <= max(1, 0.1 * thickness)
            ]
            if len(lengths) >= 3 and max(lengths) > 1.2 * min(lengths):
                return True
    return False


def _find_rectangles(
    background: Background, colours: ColourIndices, near: Mask
) -> tuple[list[Box], Mask]:
    """Rectangles of one colour that is not the background's (`near`), and their union."""
    rectangles: list[Box] = []
    union = np.zeros(colours.shape, dtype=np.bool_)
    for index in np.unique(colours):
        mask = (colours == index) & ~near
        if COLOUR_NAMES[index] == background.colour or mask.mean() < 0.005:
            continue
        labels, count = label_components(mask)
        for number, box in enumerate(component_boxes(labels, count), 1):
            if box.area < 0.002 * colours.size or min(box.width, box.height) < 4:
                continue
            inside = labels[box.top : box.bottom, box.left : box.right] == number
            if _is_rectangle(inside):
                rectangles.append(box)
                union[box.top : box.bottom, box.left : box.right] = True
    return rectangles, union


def _is_rectangle(inside: Mask) -> bool:
    """Each row reaches from one side of the box to the other; print inside does not matter."""
    first = inside.argmax(axis=1)
    last = inside.shape[1] - inside[:, ::-1].argmax(axis=1)
    reach = np.where(inside.any(axis=1), last - first, 0)
    return float(reach.mean() / inside.shape[1]) > 0.88 and float(inside.mean()) > 0.5
