"""Image filters and statistics on a plane: gradients, edges, means, percentiles."""

import numpy as np
from numpy.typing import NDArray

from app.vision.oklab import OklabPixels

Plane = NDArray[np.float32]
"""Height x width; lightness 0..1 unless stated otherwise."""


def gradients(plane: Plane) -> tuple[Plane, Plane]:
    """Differences to the right and to the lower neighbour, padded with 0 to the plane's shape."""
    across = np.zeros_like(plane)
    down = np.zeros_like(plane)
    across[:, :-1] = plane[:, 1:] - plane[:, :-1]
    down[:-1] = plane[1:] - plane[:-1]
    return across, down


def edge_strength(lab: OklabPixels) -> Plane:
    """The largest OKLab distance of each pixel to one of its four neighbours."""
    strength = np.zeros(lab.shape[:2], dtype=np.float32)
    right = np.sqrt(((lab[:, 1:] - lab[:, :-1]) ** 2).sum(axis=2))
    below = np.sqrt(((lab[1:] - lab[:-1]) ** 2).sum(axis=2))
    for part, distance in (
        (strength[:, 1:], right),
        (strength[:, :-1], right),
        (strength[1:], below),
        (strength[:-1], below),
    ):
        np.maximum(part, distance, out=part)
    return strength


def percentiles(plane: Plane, *percents: float) -> list[float]:
    """Percentiles of values in 0..2, accurate to 1/4096."""
    # By counting: ten times as fast as sorting a quarter of a million values.
    counts = np.bincount((plane.clip(0, 2) * 4096).astype(np.intp).ravel())
    below = counts.cumsum()
    places = np.searchsorted(below, np.array(percents) / 100 * below[-1], side="left")
    return [(float(place) + 0.5) / 4096 for place in places]


def box_mean(plane: Plane, radius_px: int) -> Plane:
    """The mean over a square window of 2 * radius_px + 1, edges repeated (box filter)."""
    side = 2 * radius_px + 1
    padded = np.pad(plane, radius_px, mode="edge").astype(np.float64)
    # Summed-area table.
    total = np.pad(padded, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    window = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    mean: Plane = ((window + total[:-side, :-side]) / side**2).astype(np.float32)
    return mean


def block_means(plane: Plane, rows: int, columns: int) -> Plane:
    """The means of rows x columns blocks of nearly equal size; fewer where the plane is smaller."""
    rows, columns = min(rows, plane.shape[0]), min(columns, plane.shape[1])
    row_cuts = np.linspace(0, plane.shape[0], rows + 1).astype(int)
    column_cuts = np.linspace(0, plane.shape[1], columns + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(plane, row_cuts[:-1], 0), column_cuts[:-1], 1)
    means: Plane = sums / (np.diff(row_cuts)[:, None] * np.diff(column_cuts)[None, :])
    return means
