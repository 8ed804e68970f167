"""A plain ground and what stands on it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vision.colours import Pixels, name_of
from app.vision.regions import Box, Mask, boxes, grown, label, shrunk, touching_border
from app.vision.thumbnails import edge_strength

RIM_SHARE = 0.85
"""So much of the border must have the ground's colour: a thing may touch one side."""
LEAST_GROUND = 0.15
"""Less of the picture is a frame around it and not what things stand on."""
NEAR = 0.045
"""OKLab distance that still is the ground: JPEG noise and a white sweep's vignette stay in it."""
SHADOW_EDGE = 0.022
"""Steps of a soft shadow at 192 px stay under it; the faintest outline seen, a white shoe on
white, is 0.03."""
SHADOW_DEPTH = 0.4
SHADOW_TINT = 0.02
LEAK = 0.4
"""A shadow is smaller than what casts it: where more seems to be shadow, it is not one."""
SPECK = 0.0015
"""Regions under this part of the picture are dust."""


@dataclass(frozen=True, slots=True)
class Ground:
    """One plain colour all around, and the regions that stand on it."""

    colour: str
    lab: NDArray[np.float32]
    """3 values: the ground's colour."""
    subject: Mask
    """Everything that is neither ground nor soft shadow, holes filled."""
    painted: Mask
    """The subject without its blended rim and without holes through which the ground shows."""
    parts: tuple[Box, ...]
    """The subject's connected regions, largest first, dust left out."""
    has_shadow: bool


def find_ground(lab: Pixels) -> Ground | None:
    """The plain ground of a picture, or None where its border is not of one colour."""
    rim = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    middle = np.median(rim, axis=0)
    if float((_distance(rim, middle) < NEAR).mean()) < RIM_SHARE:
        return None
    near = _distance(lab, middle) < NEAR
    if float(near.mean()) < LEAST_GROUND:
        return None
    sharpness = edge_strength(lab)
    soft = near | _soft_shadow(lab, middle, sharpness)
    whole = ~touching_border(near)
    subject = whole & ~touching_border(soft)
    has_shadow = float((touching_border(soft) & ~grown(near, 2)).mean()) > 0.002
    if subject.sum() < LEAK * whole.sum():
        # A pale thing and its shadow in one tone: better both than a rest of its outline.
        subject, parts, shadows = _parts(whole, lambda _: False)
    else:
        depth = middle[0] - lab[..., 0]
        tinted = np.hypot(*np.moveaxis(lab - middle, 2, 0)[1:]) > SHADOW_TINT
        subject, parts, shadows = _parts(
            subject, lambda part: _is_shadow(sharpness[part], depth[part], tinted[part])
        )
    if len(parts) == 1:
        # A pale thing on a pale ground has gaps in its outline: close them, then fill.
        subject |= shrunk(grown(subject, 2), 2)
        subject |= ~touching_border(~subject)
    painted = _core(subject & ~_see_through(lab, middle, subject))
    # What the picture's lower edge cuts off stands on no ground that could be seen: a pale sleeve
    # or an arm's soft rim is no shadow.
    has_shadow = (has_shadow or shadows > 0) and not subject[-1].any()
    return Ground(name_of(middle), middle, subject, painted, parts, has_shadow)


def _parts(mask: Mask, is_shadow: Callable[[Mask], bool]) -> tuple[Mask, tuple[Box, ...], int]:
    """The mask without dust and shadows, the boxes of its regions, how many were shadows."""
    labels, count = label(mask)
    numbered = list(enumerate(boxes(labels, count), 1))
    large = [(number, box) for number, box in numbered if box.area >= SPECK * mask.size]
    kept = [(number, box) for number, box in large if not is_shadow(labels == number)]
    parts = sorted((box for _, box in kept), key=lambda box: -box.area)
    return np.isin(labels, [number for number, _ in kept]), tuple(parts), len(large) - len(kept)


def _is_shadow(sharpness: NDArray[np.float32], depth: NDArray[np.float32], tinted: Mask) -> bool:
    """Darker than the ground, without a hue of its own, and rising by small steps at its rim.

    A pale thing is as deep as its rim is sharp; a shadow is deeper than any of its steps.
    """
    rim, deepest = float(np.percentile(sharpness, 95)), float(np.percentile(depth, 90))
    return 0 < rim < min(0.09, 0.6 * deepest) and float(tinted.mean()) < 0.05


def _see_through(lab: Pixels, ground: NDArray[np.float32], subject: Mask) -> Mask:
    """Holes that show the very ground, as in a cup's handle; print is shaded or small."""
    labels, count = label(subject & (_distance(lab, ground) < 0.015))
    holes = [n for n, box in enumerate(boxes(labels, count), 1) if box.area > 0.015 * subject.sum()]
    return np.isin(labels, holes)


def _soft_shadow(lab: Pixels, ground: NDArray[np.float32], sharpness: NDArray[np.float32]) -> Mask:
    """Darker than the ground, of its hue, and without an edge anywhere near."""
    difference = lab - ground
    tint = np.hypot(difference[..., 1], difference[..., 2])
    darker = (difference[..., 0] < 0) & (difference[..., 0] > -SHADOW_DEPTH)
    sharp = grown(sharpness > SHADOW_EDGE)
    soft: Mask = darker & (tint < SHADOW_TINT) & ~sharp
    return soft


def _distance(lab: NDArray[np.float32], middle: NDArray[np.float32]) -> NDArray[np.float32]:
    distance: NDArray[np.float32] = np.sqrt(((lab - middle) ** 2).sum(axis=-1))
    return distance


def _core(mask: Mask) -> Mask:
    """The mask without its blended rim; all of it where nothing else would be left."""
    inner = shrunk(mask)
    return inner if inner.sum() > 0.2 * mask.sum() else mask
