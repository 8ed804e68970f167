"""Finds a plain background, and separates the subject on it from its shadow."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vision.colour_naming import name_colour
from app.vision.filters import Plane, edge_strength
from app.vision.masks import (
    Box,
    Mask,
    component_boxes,
    dilate,
    erode,
    keep_border_components,
    label_components,
)
from app.vision.oklab import OklabPixels, oklab_distance

MIN_BORDER_SHARE = 0.85
"""Share of the border that must have the background's colour: the subject may touch one side."""
MIN_BACKGROUND_SHARE = 0.15
"""A smaller share of the image is a frame, not a background."""
BACKGROUND_DISTANCE = 0.045
"""OKLab distance within the background: JPEG noise and the vignette of a white sweep are below."""
MAX_SHADOW_EDGE = 0.022
"""Edge strength of a soft shadow at 192 px. The faintest outline seen (a white shoe on white) has
0.03."""
OUTLINE_MIN_EDGE = 0.05
"""Median edge strength along the outline of a thing. Shadows under 19 products have 0.015 to 0.045,
smooth white things on white 0.057 and more."""
MAX_SHADOW_DEPTH = 0.4
MAX_SHADOW_TINT = 0.02
MIN_SUBJECT_SHARE = 0.4
"""Of subject and shadow together. Where the subject is smaller, the "shadow" is part of it."""
FRAME_MIN_FILL, FRAME_MAX_DIFFERENCE = 0.9, 0.03
"""A picture in a frame has four straight sides, of which this share differs from the frame, and
margins that differ by this share of the longer side at most. A product has more room above it or
beside it, or round corners."""
BOX_MIN_FILL = 0.78
"""Of the bounding box. Cushions have 0.79, packs, books and bags 0.88 or more; sitting animals and
heads of animals 0.67 to 0.77."""
SPECK_SHARE = 0.0015
"""Components under this share of the image are specks of dust."""


@dataclass(frozen=True, slots=True)
class Background:
    """One plain colour on all sides, and the subject on it."""

    colour: str
    lab: NDArray[np.float32]
    """The background's colour (3 values)."""
    subject: Mask
    """Everything that is neither background nor soft shadow, with holes filled."""
    subject_core: Mask
    """The subject without its blended edge and without holes that show the background."""
    parts: tuple[Box, ...]
    """The subject's components without specks, the largest first."""
    has_shadow: bool

    @property
    def fills_box(self) -> bool:
        """Whether the largest component fills its bounding box."""
        return bool(self.parts) and self.parts[0].fill >= BOX_MIN_FILL


def find_background(lab: OklabPixels) -> Background | None:
    """The plain background of an image, or None where its border has more than one colour.

    A frame around a picture is none.
    """
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    colour = np.median(border, axis=0)
    near_border = oklab_distance(border, colour) < BACKGROUND_DISTANCE
    if float(near_border.mean()) < MIN_BORDER_SHARE:
        return None
    near = oklab_distance(lab, colour) < BACKGROUND_DISTANCE
    if float(near.mean()) < MIN_BACKGROUND_SHARE:
        return None
    if _is_framed(near):
        return None
    subject, parts, has_shadow = _separate_shadow(lab, colour, near)
    if len(parts) == 1:
        # A pale subject on a pale background has gaps in its outline: close them, then fill.
        subject |= erode(dilate(subject, 2), 2)
        subject |= ~keep_border_components(~subject)
    # Where the lower edge of the image cuts the subject, there is no surface for a shadow: a pale
    # sleeve or the soft edge of an arm is not one.
    has_shadow = has_shadow and not bool(subject[-1].any())
    core = _erode_edge(subject & ~_find_holes(lab, colour, subject))
    return Background(name_colour(colour), colour, subject, core, parts, has_shadow)


def _is_framed(near: Mask) -> bool:
    """Whether the background is an even border around a rectangle."""
    rows, columns = np.flatnonzero(~near.all(axis=1)), np.flatnonzero(~near.all(axis=0))
    if not rows.size or min(rows.size, columns.size) < 8:
        return False
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    height, width = near.shape
    margins = (left, top, width - 1 - right, height - 1 - bottom)
    if min(margins) < 1 or max(margins) - min(margins) > FRAME_MAX_DIFFERENCE * max(width, height):
        return False
    inside = ~near[top + 1 : bottom, left + 1 : right]  # the outermost pixels are blended
    sides = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    return all(float(side.mean()) >= FRAME_MIN_FILL for side in sides)


def _separate_shadow(
    lab: OklabPixels, colour: NDArray[np.float32], near: Mask
) -> tuple[Mask, tuple[Box, ...], bool]:
    """The subject without shadows and specks, its components, and whether there is a shadow."""
    edges = edge_strength(lab)
    soft = near | _find_soft_shadow(lab, colour, edges)
    subject_and_shadow = ~keep_border_components(near)
    subject = subject_and_shadow & ~keep_border_components(soft)
    has_shadow = float((keep_border_components(soft) & ~dilate(near, 2)).mean()) > 0.002
    if subject.sum() < MIN_SUBJECT_SHARE * subject_and_shadow.sum():
        # A pale subject and its shadow have one tone: keep both rather than a part of its outline.
        subject, parts, _ = _filter_components(subject_and_shadow, lambda _: False)
        return subject, parts, has_shadow
    depth = colour[0] - lab[..., 0]
    is_tinted = np.hypot(*np.moveaxis(lab - colour, 2, 0)[1:]) > MAX_SHADOW_TINT
    subject, parts, shadows = _filter_components(
        subject,
        lambda part: (
            float(np.median(edges[part & ~erode(part)])) < OUTLINE_MIN_EDGE
            and _is_shadow(edges[part], depth[part], is_tinted[part])
        ),
    )
    return subject, parts, has_shadow or shadows > 0


def _filter_components(
    mask: Mask, is_shadow: Callable[[Mask], bool]
) -> tuple[Mask, tuple[Box, ...], int]:
    """The mask without specks and shadows, its components, and the number of shadows."""
    labels, count = label_components(mask)
    numbered = list(enumerate(component_boxes(labels, count), 1))
    large = [(number, box) for number, box in numbered if box.area >= SPECK_SHARE * mask.size]
    kept = [(number, box) for number, box in large if not is_shadow(labels == number)]
    parts = sorted((box for _, box in kept), key=lambda box: -box.area)
    return np.isin(labels, [number for number, _ in kept]), tuple(parts), len(large) - len(kept)


def _is_shadow(edges: Plane, depth: Plane, is_tinted: Mask) -> bool:
    """Darker than the background, without a hue of its own, and with weak edges.

    The edge of a pale subject is as strong as the subject is dark; a shadow is darker than any of
    its edges is strong.
    """
    edge, deepest = float(np.percentile(edges, 95)), float(np.percentile(depth, 90))
    return 0 < edge < min(0.09, 0.6 * deepest) and float(is_tinted.mean()) < 0.05


def _find_holes(lab: OklabPixels, colour: NDArray[np.float32], subject: Mask) -> Mask:
    """Holes that show the background, such as in a cup's handle. Print is shaded or small."""
    labels, count = label_components(subject & (oklab_distance(lab, colour) < 0.015))
    min_area = 0.015 * subject.sum()
    boxes = enumerate(component_boxes(labels, count), 1)
    return np.isin(labels, [number for number, box in boxes if box.area > min_area])


def _find_soft_shadow(lab: OklabPixels, colour: NDArray[np.float32], edges: Plane) -> Mask:
    """Pixels darker than the background, of its hue, and away from every edge."""
    difference = lab - colour
    tint = np.hypot(difference[..., 1], difference[..., 2])
    is_darker = (difference[..., 0] < 0) & (difference[..., 0] > -MAX_SHADOW_DEPTH)
    near_edge = dilate(edges > MAX_SHADOW_EDGE)
    shadow: Mask = is_darker & (tint < MAX_SHADOW_TINT) & ~near_edge
    return shadow


def _erode_edge(mask: Mask) -> Mask:
    """The mask without its blended edge; unchanged where too little would be left."""
    core = erode(mask)
    return core if core.sum() > 0.2 * mask.sum() else mask
