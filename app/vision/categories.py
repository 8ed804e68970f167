"""What kind of picture it is, claimed only where the evidence is good."""

from dataclasses import dataclass

import numpy as np

from app.vision.background import NEAR, Ground
from app.vision.colour_names import NAMES
from app.vision.features import Kind
from app.vision.regions import Box, Mask, boxes, grown, label, shrunk
from app.vision.thumbnails import Names, Plane, View, box_mean

ICON_PX = 32
FLAT_STEP = 0.012
"""Neighbours closer than this are one flat colour; JPEG at quality 80 stays under it."""
SHARP_STEP = 0.06
BLOCK_PX, STEADY_TONES = 16, 6
STEADY = 0.85
"""Of `Make.steady`: graphics and plain grounds over 0.98, studio photographs under 0.5."""
PHOTO_PX = 100
"""In fewer pixels an icon's shading looks like a photograph's."""
TEXT_ROWS = 8
"""Fewer even rows are also the seams of a balloon, shelves or a table."""
THIN = 0.97
"""Share of marks that are strokes: pen drawings and text 1.0, the leanest product seen 0.4."""


@dataclass(frozen=True, slots=True)
class Make:
    """How a picture is made, at FINE size, all shares 0..1."""

    flat: float
    """Pixels that equal their neighbours."""
    toned: float
    """Pixels in soft transitions: neither flat nor at an edge."""
    few: float
    """Area of the five most used colours: graphics over 0.75, photographs under 0.5."""
    straight: float
    """Edge pixels that run along a row or a column."""
    stroke: float
    """Marks that are thin: gone when two pixels are taken off each side."""
    steady: float
    """Of the 16 px blocks in one tone those in one of six tones: flat colour 1.0, the smooth ground
    of a studio photograph or a sky under 0.5, though it is as flat from pixel to pixel."""


def make_of(view: View, ground: Ground | None) -> Make:
    """Measure how the picture is made."""
    fine = view.fine
    edges = view.edges
    cells = np.floor(fine / np.array([0.04, 0.03, 0.03], dtype=np.float32)).astype(np.int32) + 16
    codes = (cells[..., 0] * 32 + cells[..., 1]) * 32 + cells[..., 2]
    counts = np.bincount(codes.ravel(), minlength=5) / codes.size
    across, down = (np.abs(step) for step in view.steps)
    larger, smaller = np.maximum(across, down), np.minimum(across, down)
    sharp = larger > SHARP_STEP
    straight = (sharp & (smaller < 0.15 * larger)).sum() / max(int(sharp.sum()), 1)
    return Make(
        flat=float((edges < FLAT_STEP).mean()),
        toned=float(((edges >= FLAT_STEP) & (edges < SHARP_STEP)).mean()),
        few=float(np.partition(counts, -5)[-5:].sum()),
        straight=float(straight),
        stroke=_stroke(view, ground),
        steady=_steady(fine[..., 0]),
    )


def _steady(lightness: Plane) -> float:
    rows, columns = lightness.shape[0] // BLOCK_PX, lightness.shape[1] // BLOCK_PX
    if not rows or not columns:
        return 0.0
    whole = lightness[: rows * BLOCK_PX, : columns * BLOCK_PX]
    blocks = whole.reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    even = np.ptp(blocks, axis=(1, 3)) < FLAT_STEP
    tones = (blocks.mean(axis=(1, 3))[even] * 250).astype(np.intp)
    counts = np.bincount(tones, minlength=STEADY_TONES)
    return float(np.partition(counts, -STEADY_TONES)[-STEADY_TONES:].sum() / max(1, tones.size))


def _stroke(view: View, ground: Ground | None) -> float:
    if ground is None:
        return 0.0
    marks = np.sqrt(((view.fine - ground.lab) ** 2).sum(axis=2)) > 2 * NEAR
    if marks.mean() < 0.005:
        return 0.0
    return 1 - float(shrunk(marks, 2).sum() / marks.sum())


def kind_of(view: View, ground: Ground | None, make: Make, names: Names) -> Kind:
    """The kind; `names` are the indices of colour names at colour size."""
    long_px, short_px = max(view.width_px, view.height_px), min(view.width_px, view.height_px)
    if long_px <= ICON_PX and long_px < 2 * short_px:
        return "icon"
    if ground is not None and _has_chart_blocks(view, ground, names):
        return "chart"
    # A thing with print on it is a thing; a page's own lines stand apart and are thin.
    if ground is not None and make.stroke < THIN and is_single(view, ground):
        return "cutout"
    if text_rows(view.fine[..., 0]) >= TEXT_ROWS:
        return "document"
    if ground is not None:
        return _kind_on_ground(view, ground, make)
    if make.few < 0.55 and make.flat < 0.75 and make.straight < 0.5 and make.toned > 0.1:
        return "photo" if short_px >= PHOTO_PX else "any"
    is_flat = make.few > 0.7 and make.flat > 0.5 and make.toned < 0.2
    return "graphic" if is_flat and make.steady > STEADY and make.straight > 0.4 else "any"


def _kind_on_ground(view: View, ground: Ground, make: Make) -> Kind:
    if make.stroke > THIN:
        is_large = min(view.width_px, view.height_px) >= 64
        return "drawing" if is_large and make.flat > 0.5 else "any"
    is_flat = make.flat > 0.4 and not 0 < make.steady < STEADY
    return "shapes" if is_flat and 2 <= len(ground.parts) <= 40 else "any"


def is_single(view: View, ground: Ground) -> bool:
    """One thing: neither dust nor everything, and what reaches from side to side leaves ground."""
    if not ground.parts:
        return False
    main, total = ground.parts[0], sum(part.area for part in ground.parts)
    height, width = view.lab.shape[:2]
    spans = (main.left <= 1 and main.right >= width - 1) or (
        main.top <= 1 and main.bottom >= height - 1
    )
    share = total / (width * height)
    return main.area >= 0.95 * total and 0.01 < share < (0.6 if spans else 0.9)


def text_rows(lightness: Plane) -> int:
    """How many rows of marks stand like lines of text; 0 where they are not like text at all.

    Lines of text cross from paper to ink many times along a row, stand at one distance from each
    other, are low against the page, made of narrow strokes, and leave nearly unmarked gaps.
    Light on dark counts as well.
    """
    if min(lightness.shape) < 40:
        return 0
    contrast = box_mean(lightness, 10) - lightness
    return max(_rows_of(contrast > 0.07), _rows_of(contrast < -0.07))


def _rows_of(ink: Mask) -> int:
    crossings = (ink[:, 1:] != ink[:, :-1]).sum(axis=1)
    busy = float(np.percentile(crossings, 90))
    if busy < 16:
        return 0
    inked = crossings > 0.3 * busy
    turns = np.flatnonzero(np.diff(np.concatenate([[False], inked, [False]]).astype(np.int8)))
    tops, heights = turns[::2], turns[1::2] - turns[::2]
    tops, heights = tops[heights >= 3], heights[heights >= 3]
    if len(tops) < 4 or inked.mean() > 0.9:
        return 0
    pitch, height = np.diff(tops), float(np.median(heights))
    marks = ink[inked].sum() / (crossings[inked].sum() / 2)
    is_even = (np.abs(pitch - np.median(pitch)) <= 0.2 * np.median(pitch)).mean() > 0.6
    is_small = height < 0.13 * len(ink) and marks < 0.6 * height
    is_clear = float(crossings[~inked].mean()) < 0.2 * float(crossings[inked].mean())
    return len(tops) if is_even and is_small and is_clear else 0


def _has_chart_blocks(view: View, ground: Ground, names: Names) -> bool:
    """At least three flat rectangles directly on the ground, three of them bars."""
    if ground.colour not in {"white", "off-white", "light grey", "black", "dark grey"}:
        return False
    blocks, union = _blocks(view, ground, names)
    if len(blocks) < 3:
        return False
    ring = grown(union, 4) & ~grown(union, 2)
    near = np.sqrt(((view.lab - ground.lab) ** 2).sum(axis=2)) < 2 * NEAR
    return _has_bars(blocks) and float(near[ring].mean()) > 0.55


def _has_bars(blocks: list[Box]) -> bool:
    """Three that begin on one line, equally thick and not equally long: boxes and pictures in a
    row are equally long."""
    standing = [(box.bottom, box.width, box.height) for box in blocks]
    lying = [(box.left, box.height, box.width) for box in blocks]
    for bars in (standing, lying):
        for line, thickness, _ in bars:
            alike = [
                length
                for begin, thick, length in bars
                if abs(begin - line) <= 2 and abs(thick - thickness) <= max(1, 0.1 * thickness)
            ]
            if len(alike) >= 3 and max(alike) > 1.2 * min(alike):
                return True
    return False


def _blocks(view: View, ground: Ground, names: Names) -> tuple[list[Box], Mask]:
    blocks: list[Box] = []
    union = np.zeros(names.shape, dtype=np.bool_)
    near = np.sqrt(((view.lab - ground.lab) ** 2).sum(axis=2)) < 2 * NEAR
    for index in np.unique(names):
        mask = (names == index) & ~near
        if NAMES[index] == ground.colour or mask.mean() < 0.005:
            continue
        labels, count = label(mask)
        for number, box in enumerate(boxes(labels, count), 1):
            if box.area < 0.002 * names.size or min(box.width, box.height) < 4:
                continue
            inside = labels[box.top : box.bottom, box.left : box.right] == number
            if _is_rectangle(inside):
                blocks.append(box)
                union[box.top : box.bottom, box.left : box.right] = True
    return blocks, union


def _is_rectangle(inside: Mask) -> bool:
    """Each row reaches from one side to the other (print inside does not matter)."""
    first = inside.argmax(axis=1)
    last = inside.shape[1] - inside[:, ::-1].argmax(axis=1)
    reach = np.where(inside.any(axis=1), last - first, 0)
    return float(reach.mean() / inside.shape[1]) > 0.88 and float(inside.mean()) > 0.5
