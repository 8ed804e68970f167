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

    Works on runs of each row with a union-find, so its cost follows the number of runs.
    """
    rows, starts, ends = _runs(mask)
    parent = list(range(len(rows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above = 0
    for i, (row, start, end) in enumerate(zip(rows, starts, ends, strict=True)):
        while above < i and (
            rows[above] < row - 1 or (rows[above] == row - 1 and ends[above] <= start)
        ):
            above += 1
        j = above
        while j < i and rows[j] == row - 1 and starts[j] < end:
            parent[root(i)] = root(j)
            j += 1
    roots = np.array([root(i) for i in range(len(rows))], dtype=np.intp)
    _, numbers = np.unique(roots, return_inverse=True)
    labels = np.zeros(mask.shape, dtype=np.intp)
    for number, row, start, end in zip(numbers, rows, starts, ends, strict=True):
        labels[row, start:end] = number + 1
    return labels, int(numbers.max()) + 1 if len(rows) else 0


def _runs(mask: Mask) -> tuple[list[int], list[int], list[int]]:
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    _, ends = np.nonzero(change == -1)
    return rows.tolist(), starts.tolist(), ends.tolist()


def boxes(labels: NDArray[np.intp], count: int) -> list[Box]:
    """The box of each region, in the order of its number."""
    if not count:
        return []
    y, x = np.nonzero(labels)
    number = labels[y, x] - 1
    height, width = labels.shape
    left, top = np.full(count, width), np.full(count, height)
    right, bottom = np.zeros(count, dtype=np.intp), np.zeros(count, dtype=np.intp)
    np.minimum.at(left, number, x)
    np.minimum.at(top, number, y)
    np.maximum.at(right, number, x + 1)
    np.maximum.at(bottom, number, y + 1)
    area = np.bincount(number, minlength=count)
    edges = (left, top, right, bottom, area)
    return [Box(*(int(v) for v in row)) for row in zip(*edges, strict=True)]


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
