"""Statistics on how an image is made: flat or continuous tones, straight edges, thin strokes."""

from dataclasses import dataclass

import numpy as np

from app.vision.background import BACKGROUND_DISTANCE, Background
from app.vision.filters import Plane
from app.vision.masks import erode
from app.vision.oklab import oklab_distance
from app.vision.reduced_image import ReducedImage

FLAT_EDGE = 0.012
"""Neighbours closer than this have one flat colour; JPEG at quality 80 stays below it."""
SHARP_EDGE = 0.06
BLOCK_PX, MAIN_TONES = 16, 6


@dataclass(frozen=True, slots=True)
class PixelStatistics:
    """Shares from 0 to 1, measured on the fine image."""

    flat: float
    """Pixels that equal their neighbours."""
    soft: float
    """Pixels in soft transitions: neither flat nor at an edge."""
    main_colours: float
    """Area of the five most frequent colours: graphics over 0.75, photographs under 0.5."""
    straight_edges: float
    """Edge pixels whose edge runs along a row or a column."""
    thin_strokes: float
    """Marks that disappear in an erosion by two pixels; 0 without a background."""
    main_tones: float
    """Of the flat 16 px blocks those in one of the six most frequent tones: flat colour 1.0, the
    smooth background of a studio photograph or a sky under 0.5, though its pixels are as flat."""


def measure_pixels(image: ReducedImage, background: Background | None) -> PixelStatistics:
    """The statistics of an image."""
    fine, edges = image.fine, image.fine_edges
    cells = np.floor(fine / np.array([0.04, 0.03, 0.03], dtype=np.float32)).astype(np.int32) + 16
    codes = (cells[..., 0] * 32 + cells[..., 1]) * 32 + cells[..., 2]
    counts = np.bincount(codes.ravel(), minlength=5) / codes.size
    across, down = (np.abs(gradient) for gradient in image.fine_gradients)
    larger, smaller = np.maximum(across, down), np.minimum(across, down)
    sharp = larger > SHARP_EDGE
    straight = (sharp & (smaller < 0.15 * larger)).sum() / max(int(sharp.sum()), 1)
    return PixelStatistics(
        flat=float((edges < FLAT_EDGE).mean()),
        soft=float(((edges >= FLAT_EDGE) & (edges < SHARP_EDGE)).mean()),
        main_colours=float(np.partition(counts, -5)[-5:].sum()),
        straight_edges=float(straight),
        thin_strokes=_measure_thin_strokes(image, background),
        main_tones=_measure_main_tones(fine[..., 0]),
    )


def _measure_main_tones(lightness: Plane) -> float:
    rows, columns = lightness.shape[0] // BLOCK_PX, lightness.shape[1] // BLOCK_PX
    if not rows or not columns:
        return 0.0
    whole = lightness[: rows * BLOCK_PX, : columns * BLOCK_PX]
    blocks = whole.reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    is_flat = np.ptp(blocks, axis=(1, 3)) < FLAT_EDGE
    tones = (blocks.mean(axis=(1, 3))[is_flat] * 250).astype(np.intp)
    counts = np.bincount(tones, minlength=MAIN_TONES)
    return float(np.partition(counts, -MAIN_TONES)[-MAIN_TONES:].sum() / max(1, tones.size))


def _measure_thin_strokes(image: ReducedImage, background: Background | None) -> float:
    if background is None:
        return 0.0
    marks = oklab_distance(image.fine, background.lab) > 2 * BACKGROUND_DISTANCE
    if marks.mean() < 0.005:
        return 0.0
    return 1 - float(erode(marks, 2).sum() / marks.sum())
