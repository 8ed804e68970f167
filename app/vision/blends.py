"""Blends: pixels at the edge of two flat areas, which have neither colour and mean none.

Scaling, antialiasing and the coarser colours of JPEG mix the colours of both sides, so the edge of
brown letters on white is beige. A line too thin for a flat area of its own is no blend: only its
surroundings are a flat area, not its other side.
"""

import itertools

import numpy as np

from app.vision.masks import Mask, dilate
from app.vision.oklab import OklabPixels, oklab_distance
from app.vision.pixel_statistics import FLAT_EDGE
from app.vision.reduced_image import ReducedImage

_CELL = np.array([0.04, 0.03, 0.03], np.float32)
_TONES, _TONE_MIN_PIXELS = 8, 60
"""Areas of flat colour that are looked at, and the pixels that make one."""
_SAME_DISTANCE = 0.05
"""Tones closer than this are one, and so are a tone and a pixel of its area."""
_TOLERANCE = 0.04
"""Of a blend from the line between both colours, in hue and in lightness; of JPEG's at quality 80
nearly all are closer."""
_REACH_PX = 5
"""From a blend to both of its areas."""


def find_blends(image: ReducedImage) -> Mask:
    """The pixels of the fine image that are blends of two flat areas beside them."""
    pixels, is_flat = image.fine, image.fine_edges < FLAT_EDGE
    tones = _main_tones(pixels[is_flat])
    areas = [oklab_distance(pixels, tone) < _SAME_DISTANCE for tone in tones]
    open_pixels = ~np.any(areas, axis=0) if areas else np.zeros(pixels.shape[:2], bool)
    beside = [dilate(area & is_flat, _REACH_PX) for area in areas]
    blends = np.zeros(pixels.shape[:2], bool)
    for one, other in itertools.combinations(range(len(tones)), 2):
        candidates = open_pixels & beside[one] & beside[other]
        blends[candidates] |= _is_between(pixels[candidates], tones[one], tones[other])
    return blends


def _main_tones(flat: OklabPixels) -> list[OklabPixels]:
    """The mean colours of the largest flat areas."""
    cells = np.floor(flat / _CELL).astype(np.int32) + 64
    _, codes, counts = np.unique(
        (cells[:, 0] * 128 + cells[:, 1]) * 128 + cells[:, 2],
        return_inverse=True, return_counts=True,
    )  # fmt: skip
    tones: list[OklabPixels] = []
    for code in np.argsort(counts)[::-1]:
        if len(tones) == _TONES or counts[code] < _TONE_MIN_PIXELS:
            break
        tone = flat[codes == code].mean(axis=0)
        if all(oklab_distance(tone, known) >= _SAME_DISTANCE for known in tones):
            tones.append(tone)
    return tones


def _is_between(pixels: OklabPixels, one: OklabPixels, other: OklabPixels) -> Mask:
    """Whether pixels have a lightness, and for themselves a hue, between those of two colours.

    JPEG stores the hue more coarsely, so both need not be mixed to the same degree.
    """
    darker, lighter = sorted((float(one[0]), float(other[0])))
    lightness = pixels[:, 0]
    is_between = (lightness >= darker - _TOLERANCE) & (lightness <= lighter + _TOLERANCE)
    way = other[1:] - one[1:]
    steps = ((pixels[:, 1:] - one[1:]) @ way) / max(float(way @ way), 1e-9)
    nearest = one[1:] + np.clip(steps, 0.0, 1.0)[:, None] * way
    mixed: Mask = is_between & (np.linalg.norm(pixels[:, 1:] - nearest, axis=1) <= _TOLERANCE)
    return mixed
