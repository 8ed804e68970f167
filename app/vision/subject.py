"""Describes the subject of a cutout: its colours, outline and position."""

import numpy as np

from app.vision.background import Background
from app.vision.colour_naming import ColourIndices
from app.vision.features import Outline, Position, Subject
from app.vision.main_colours import measure_at_least_one
from app.vision.masks import Box, Mask, erode

MAX_SIDE_REACH = 0.6
"""A subject is on one side if it ends before this share of the way to the other side."""


def describe_subject(colours: ColourIndices, background: Background) -> Subject:
    """The subject on a background; `colours` are those of the coarse image."""
    box = background.parts[0]
    height, width = colours.shape
    return Subject(
        colours=measure_at_least_one(colours[background.subject_core], 0.1, 3),
        outline=_find_outline(box, background.subject),
        position=_find_position(box, width, height),
        area_share=round(float(background.subject.mean()), 3),
        has_shadow=background.has_shadow,
    )


def _find_outline(box: Box, subject: Mask) -> Outline:
    if box.height > 1.35 * box.width:
        return "tall"
    if box.width > 1.35 * box.height:
        return "wide"
    edge_y, edge_x = np.nonzero(subject & ~erode(subject))
    radius = np.hypot(
        (edge_y + 0.5 - (box.top + box.bottom) / 2) / box.height,
        (edge_x + 0.5 - (box.left + box.right) / 2) / box.width,
    )
    is_round = float(radius.std()) < 0.05 * float(radius.mean())
    return "round" if is_round else "unspecified"


def _find_position(box: Box, width: int, height: int) -> Position:
    if box.width * box.height > 0.65 * width * height:
        return "unspecified"
    offset_x = (box.left + box.right) / 2 / width - 0.5
    offset_y = (box.top + box.bottom) / 2 / height - 0.5
    if max(abs(offset_x), abs(offset_y)) < 0.12:
        return "centre"
    if abs(offset_x) >= abs(offset_y):
        side: Position = "left" if offset_x < 0 else "right"
        reach = box.right / width if offset_x < 0 else 1 - box.left / width
    else:
        side = "top" if offset_y < 0 else "bottom"
        reach = box.bottom / height if offset_y < 0 else 1 - box.top / height
    return side if reach < MAX_SIDE_REACH else "unspecified"
