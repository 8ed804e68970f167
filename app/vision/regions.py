"""Connected regions of a mask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Box:
    """One connected region: its edges in pixels (right and bottom exclusive) and its area."""

    left: int
    top: int
    right: int
    bottom: int
    area: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top


def label(mask: Mask) -> tuple[NDArray[np.intp], int]:
    """Number the 4-connected regions from 1; 0 is outside. Also how many there are.

    Works on the runs of each row, so its cost follows their number.
    """
    rows, starts, ends = _runs(mask)
    parent = _joined(len(rows), *_touching(rows, starts, ends, mask.shape[1]))
    roots, numbers = np.unique(parent, return_inverse=True)
    labels = np.zeros(mask.shape, dtype=np.intp)
    # The runs lie in the order of the mask's pixels.
    labels[mask] = np.repeat(numbers + 1, ends - starts)
    return labels, len(roots)


Run = NDArray[np.intp]
"""A number for each run: its row, or where it starts, or where it ends."""


def _runs(mask: Mask) -> tuple[Run, Run, Run]:
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return rows, starts, ends


def _touching(rows: Run, starts: Run, ends: Run, width: int) -> tuple[Run, Run]:
    """Pairs of runs that lie below each other and overlap."""
    # A run's row and column as one number, in which all runs are sorted.
    row, above = rows * (width + 2), (rows - 1) * (width + 2)
    first = np.searchsorted(row + ends, above + starts, side="right")
    behind = np.searchsorted(row + starts, above + ends, side="left")
    counts = (behind - first).clip(0)
    lower = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(len(lower)) - np.repeat(counts.cumsum() - counts, counts)
    return lower, np.repeat(first, counts) + offsets


def _joined(count: int, one: Run, other: Run) -> Run:
    """The least run that each run hangs together with, by way of the pairs."""
    parent = np.arange(count)
    while True:
        left, right = parent[one], parent[other]
        apart = left != right
        if not apart.any():
            return parent
        np.minimum.at(parent, np.maximum(left, right)[apart], np.minimum(left, right)[apart])
        while ((further := parent[parent]) != parent).any():
            parent = further


def boxes(labels: NDArray[np.intp], count: int) -> list[Box]:
    """The box of each region, in the order of its number."""
    if not count:
        return []
    top, bottom = _extent(labels, count)
    left, right = _extent(labels.T, count)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    edges = (left, top, right, bottom, area)
    return [Box(*(int(v) for v in row)) for row in zip(*edges, strict=True)]


def _extent(labels: NDArray[np.intp], count: int) -> tuple[Run, Run]:
    """The first row of each region, and the one behind its last."""
    rows, columns = np.nonzero(labels)
    number = labels[rows, columns] - 1
    first, behind = np.empty(count, dtype=np.intp), np.empty(count, dtype=np.intp)
    behind[number] = rows + 1  # the last one stays
    first[number[::-1]] = rows[::-1]
    return first, behind


def touching_border(mask: Mask) -> Mask:
    """The part of a mask that hangs together with the picture's border."""
    labels, _ = label(mask)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    kept = np.unique(rim)
    return np.isin(labels, kept[kept > 0])


def grown(mask: Mask, by_px: int = 1) -> Mask:
    """The mask and its neighbours (4-connected), `by_px` times."""
    for _ in range(by_px):
        wider = mask.copy()
        wider[1:] |= mask[:-1]
        wider[:-1] |= mask[1:]
        wider[:, 1:] |= mask[:, :-1]
        wider[:, :-1] |= mask[:, 1:]
        mask = wider
    return mask


def shrunk(mask: Mask, by_px: int = 1) -> Mask:
    """The mask without its rim; the picture's border is no rim."""
    return ~grown(~mask, by_px)
