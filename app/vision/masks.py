"""Boolean masks of an image: connected-component labelling, dilation and erosion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Box:
    """The bounding box of one component in pixels, right and bottom exclusive, and its area."""

    left: int
    top: int
    right: int
    bottom: int
    area: int
    """Pixels of the component itself."""

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def fill(self) -> float:
        """The component's share of its bounding box, 0 to 1."""
        return self.area / (self.width * self.height)


def label_components(mask: Mask) -> tuple[NDArray[np.intp], int]:
    """Numbers the 4-connected components from 1 (0: outside), and counts them.

    Works on the runs of each row, so that the time grows with the number of runs.
    """
    rows, starts, ends = _find_runs(mask)
    parents = _join_runs(len(rows), *_find_touching(rows, starts, ends, mask.shape[1]))
    roots, numbers = np.unique(parents, return_inverse=True)
    labels = np.zeros(mask.shape, dtype=np.intp)
    # The runs are in the order of the mask's pixels.
    labels[mask] = np.repeat(numbers + 1, ends - starts)
    return labels, len(roots)


PerRun = NDArray[np.intp]
"""One number per run: its row, its start, its end (exclusive) or its index."""


def _find_runs(mask: Mask) -> tuple[PerRun, PerRun, PerRun]:
    """Row, start and end of every run of set pixels."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return rows, starts, ends


def _find_touching(
    rows: PerRun, starts: PerRun, ends: PerRun, width_px: int
) -> tuple[PerRun, PerRun]:
    """The indices of pairs of runs that overlap in neighbouring rows."""
    # Row and column as one number, by which all runs are sorted.
    own_row, row_above = rows * (width_px + 2), (rows - 1) * (width_px + 2)
    first = np.searchsorted(own_row + ends, row_above + starts, side="right")
    behind_last = np.searchsorted(own_row + starts, row_above + ends, side="left")
    counts = (behind_last - first).clip(0)
    lower = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(len(lower)) - np.repeat(counts.cumsum() - counts, counts)
    return lower, np.repeat(first, counts) + offsets


def _join_runs(count: int, one: PerRun, other: PerRun) -> PerRun:
    """For each run the lowest index in its component (union-find over the pairs)."""
    parents = np.arange(count)
    while True:
        left, right = parents[one], parents[other]
        differ = left != right
        if not differ.any():
            return parents
        np.minimum.at(parents, np.maximum(left, right)[differ], np.minimum(left, right)[differ])
        while ((grandparents := parents[parents]) != parents).any():
            parents = grandparents


def component_boxes(labels: NDArray[np.intp], count: int) -> list[Box]:
    """The bounding box of each component, in the order of the numbers."""
    if not count:
        return []
    top, bottom = _find_extent(labels, count)
    left, right = _find_extent(labels.T, count)
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    edges = (left, top, right, bottom, area)
    return [Box(*(int(v) for v in row)) for row in zip(*edges, strict=True)]


def _find_extent(labels: NDArray[np.intp], count: int) -> tuple[PerRun, PerRun]:
    """The first row of each component, and the row after its last."""
    rows, columns = np.nonzero(labels)
    numbers = labels[rows, columns] - 1
    first, behind_last = np.empty(count, dtype=np.intp), np.empty(count, dtype=np.intp)
    behind_last[numbers] = rows + 1  # of repeated assignments the last one remains
    first[numbers[::-1]] = rows[::-1]
    return first, behind_last


def keep_border_components(mask: Mask) -> Mask:
    """The components that touch the border of the image."""
    labels, _ = label_components(mask)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    kept = np.unique(border)
    return np.isin(labels, kept[kept > 0])


def dilate(mask: Mask, by_px: int = 1) -> Mask:
    """The mask extended to its 4-connected neighbours, `by_px` times."""
    for _ in range(by_px):
        wider = mask.copy()
        wider[1:] |= mask[:-1]
        wider[:-1] |= mask[1:]
        wider[:, 1:] |= mask[:, :-1]
        wider[:, :-1] |= mask[:, 1:]
        mask = wider
    return mask


def erode(mask: Mask, by_px: int = 1) -> Mask:
    """The mask without its outermost pixels; pixels at the image's border are kept."""
    return ~dilate(~mask, by_px)
