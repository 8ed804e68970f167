"""A picture made small enough to be looked at quickly, in the two sizes that looking needs."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.vision.colours import Pixels, to_oklab

Plane = NDArray[np.float32]
"""Height x width, lightness 0..1 unless said otherwise."""

Names = NDArray[np.intp]
"""Height x width: indices in colours.NAMES."""

COLOUR_EDGE_PX = 192
"""Longest edge for colours and layout: 37,000 pixels at most, named in 10 ms."""
FINE_EDGE_PX = 512
"""Longest edge for sharpness, lines and texture: text of a 1200 px page still has its rows."""


@dataclass(frozen=True, slots=True)
class View:
    """One picture, reduced. Both sizes are never enlarged; size in pixels is that of the JPEG."""

    width_px: int
    height_px: int
    lab: Pixels
    """At most COLOUR_EDGE_PX long."""
    fine: Pixels
    """At most FINE_EDGE_PX long."""
    edges: Plane
    """`edge_strength` of `fine`."""
    steps: tuple[Plane, Plane]
    """`steps` of the lightness of `fine`."""

    @property
    def aspect(self) -> float:
        """Width divided by height."""
        return self.width_px / self.height_px


def open_view(jpeg: bytes) -> View:
    """Decode and reduce. Raises OSError or ValueError where the bytes are no picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(jpeg), formats=("JPEG", "PNG"))
    width_px, height_px = image.size
    # libjpeg decodes at a half or a quarter for much less time; never below what FINE needs.
    image.draft("RGB", (FINE_EDGE_PX, FINE_EDGE_PX))
    rgb = image.convert("RGB")
    fine = _reduced(rgb, FINE_EDGE_PX)
    small = _reduced(fine, COLOUR_EDGE_PX)
    lab = to_oklab(np.asarray(fine))
    return View(
        width_px=width_px,
        height_px=height_px,
        lab=to_oklab(np.asarray(small)),
        fine=lab,
        edges=edge_strength(lab),
        steps=steps(lab[..., 0]),
    )


def _reduced(image: Image.Image, longest_edge_px: int) -> Image.Image:
    """At most so long; BOX averages areas, so flat stays flat (no ringing at edges)."""
    factor = longest_edge_px / max(image.size)
    if factor >= 1:
        return image
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BOX)


def steps(plane: Plane) -> tuple[Plane, Plane]:
    """Differences to the right and to the lower neighbour, padded to the plane's shape."""
    across = np.zeros_like(plane)
    down = np.zeros_like(plane)
    across[:, :-1] = plane[:, 1:] - plane[:, :-1]
    down[:-1] = plane[1:] - plane[:-1]
    return across, down


def edge_strength(lab: Pixels) -> Plane:
    """The largest OKLab step to any of the four neighbours, per pixel."""
    strength = np.zeros(lab.shape[:2], dtype=np.float32)
    right = np.sqrt(((lab[:, 1:] - lab[:, :-1]) ** 2).sum(axis=2))
    below = np.sqrt(((lab[1:] - lab[:-1]) ** 2).sum(axis=2))
    for part, step in (
        (strength[:, 1:], right),
        (strength[:, :-1], right),
        (strength[1:], below),
        (strength[:-1], below),
    ):
        np.maximum(part, step, out=part)
    return strength


def percentiles(plane: Plane, *percents: float) -> list[float]:
    """Values of 0..2 below which so many per cent lie, true to 1/4096."""
    # Counted, not sorted: of a quarter of a million values in a tenth of the time.
    counts = np.bincount((plane.clip(0, 2) * 4096).astype(np.intp).ravel())
    below = counts.cumsum()
    places = np.searchsorted(below, np.array(percents) / 100 * below[-1], side="left")
    return [(float(place) + 0.5) / 4096 for place in places]


def box_mean(plane: Plane, radius_px: int) -> Plane:
    """Mean over a square window, edges repeated."""
    side = 2 * radius_px + 1
    padded = np.pad(plane, radius_px, mode="edge").astype(np.float64)
    total = np.pad(padded, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    window = total[side:, side:] - total[:-side, side:] - total[side:, :-side]
    mean: Plane = ((window + total[:-side, :-side]) / side**2).astype(np.float32)
    return mean


def block_means(plane: Plane, rows: int, columns: int) -> Plane:
    """Means of rows x columns blocks of near equal size (fewer where the plane is smaller)."""
    rows, columns = min(rows, plane.shape[0]), min(columns, plane.shape[1])
    row_cuts = np.linspace(0, plane.shape[0], rows + 1).astype(int)
    column_cuts = np.linspace(0, plane.shape[1], columns + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(plane, row_cuts[:-1], 0), column_cuts[:-1], 1)
    means: Plane = sums / (np.diff(row_cuts)[:, None] * np.diff(column_cuts)[None, :])
    return means
