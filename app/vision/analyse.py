"""Look at a picture: what can be known from its pixels, as a Sight.

Pure functions of the bytes. `analyse_job` is what the child process runs.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from app.vision.background import Ground, find_ground
from app.vision.categories import STEADY, Make, kind_of, make_of
from app.vision.colour_names import NAMES, ColourShare
from app.vision.colours import GREYS_ONLY, SHADES, is_shade, name_indices, name_of, shares
from app.vision.features import Features, Form, Kind, Light, Outline, Place, Regions, Subject
from app.vision.regions import Box, Mask, shrunk
from app.vision.thumbnails import Names, View, box_mean, open_view
from app.vision.triage import triage

MARK = 0.1
"""OKLab distance from the ground at which something stands on it."""
MOST_MARKS, MOST_TONED = 0.35, 0.35
"""Of a picture: more of it is not marks on a ground, and a ground is flat, not shaded."""
FAINT = 0.3
"""The largest distance of faint marks from their ground."""
APART = 0.6
"""A thing is on one side where it ends before so much of the way to the other."""

ROOM_BYTES = 48 * 1024 * 1024
"""Address space of one look, whatever the picture: measured 32 MB at 1200 px."""


def analyse(jpeg: bytes) -> Features:
    """All that is known of the picture. Raises OSError or ValueError where it cannot be decoded."""
    view = open_view(jpeg)
    verdict, reason = triage(view)
    names = name_indices(view.lab)
    if verdict == "picture":
        ground = find_ground(view.lab)
        make = make_of(view, ground)
        kind = kind_of(view, ground, make, names)
        if kind == "any" and ground and not _bears_marks(view, ground, make):
            ground = None
    else:
        ground, kind = None, "any"
    return Features(
        verdict=verdict,
        reason=reason,
        kind=kind,
        form=_form(view),
        light=_light(view),
        is_grey=_is_grey(view),
        colours=_colours(view, names, ground, kind),
        ground=_ground_colour(view, ground, kind),
        subject=_subject(names, ground) if ground and kind == "cutout" else None,
        regions=_regions(names),
        layers=_layers(names) if ground is None else None,
    )


def analyse_job(
    data: BinaryIO, _args: dict[str, Any], room: Callable[[int], None]
) -> tuple[dict[str, Any], bytes]:
    """The child's side: JPEG bytes in, `Sight.to_json` out."""
    room(ROOM_BYTES)
    return analyse(data.read()).to_json(), b""


def warm_up() -> None:
    """Take every path once: in the child, what is not imported by then cannot be."""
    for picture in _samples():
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=80)
        analyse(encoded.getvalue())


def _samples() -> Iterator[Image.Image]:
    """Small drawn pictures: blank, a fade, noise, rows of marks, a cross on white, bands."""
    yield Image.new("RGB", (64, 64), "white")
    yield Image.linear_gradient("L").convert("RGB")
    random = np.random.default_rng(0)
    yield Image.fromarray(random.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    page, cross = np.full((96, 96), 255, np.uint8), np.full((96, 96), 255, np.uint8)
    page[8:88:10, 8:88:3] = page[9:88:10, 8:88:3] = page[10:88:10, 8:88:3] = 0
    cross[30:60, 40:50] = cross[40:50, 20:70] = 90
    bands = random.normal(120, 12, (96, 96, 3)).cumsum(axis=0) % 256
    for drawn in (page, cross, bands.astype(np.uint8)):
        yield Image.fromarray(drawn).convert("RGB")


def _bears_marks(view: View, ground: Ground, make: Make) -> bool:
    """Whether it is a plain ground with marks on it, rather than a scene with a plain rim."""
    distance = np.sqrt(((view.lab - ground.lab) ** 2).sum(axis=2))
    marks = distance >= MARK
    is_plain = make.toned <= MOST_TONED and not 0 < make.steady < STEADY
    if float(marks.mean()) > MOST_MARKS or not is_plain:
        return False
    is_strong = float(distance.max()) > FAINT
    return not is_strong or _colours(view, name_indices(view.lab), ground, "any") != (
        ColourShare(ground.colour, 1.0),
    )


def _form(view: View) -> Form:
    if view.aspect >= 2.2:
        return "panorama"
    if view.aspect <= 1 / 2.2:
        return "column"
    if 0.95 <= view.aspect <= 1.05:
        return "square"
    return "landscape" if view.aspect > 1 else "upright"


def _light(view: View) -> Light:
    mean = float(view.lab[..., 0].mean())
    return "dark" if mean < 0.36 else "bright" if mean > 0.84 else "middling"


def _is_grey(view: View) -> bool:
    chroma = np.hypot(view.lab[..., 1], view.lab[..., 2])
    return float(np.percentile(chroma, 99)) < GREYS_ONLY


def _colours(
    view: View, names: Names, ground: Ground | None, kind: Kind
) -> tuple[ColourShare, ...]:
    """The leading colours: of what stands on a plain ground, else of the whole picture."""
    if kind == "document":
        return (ColourShare(_ink(view), 1.0),)
    if ground is None:
        # Of an icon's few pixels many are blends of two neighbours: only what leads is sure.
        return _some(shares(names, least=0.09, most=2 if kind == "icon" else 4), names)
    if kind == "drawing":
        return (ColourShare(_line_colour(view, ground), 1.0),)
    marks = np.sqrt(((view.lab - ground.lab) ** 2).sum(axis=2)) >= MARK
    inner = shrunk(marks)
    marks = inner if inner.sum() > 0.3 * marks.sum() else marks
    if not marks.any():
        return (ColourShare(ground.colour, 1.0),)
    return _some(shares(names[marks], least=0.09, most=4), names[marks])


def _line_colour(view: View, ground: Ground) -> str:
    """Of thin lines most pixels are blended with the ground: the farthest are pure."""
    distance = np.sqrt(((view.fine - ground.lab) ** 2).sum(axis=2))
    pure = distance >= 0.95 * np.percentile(distance, 99.9)
    return name_of(np.median(view.fine[pure], axis=0))


def _some(found: tuple[ColourShare, ...], names: Names) -> tuple[ColourShare, ...]:
    """At least the leading colour, however little it leads."""
    return found or shares(names, least=0.0, most=1)


def _ink(view: View) -> str:
    """The colour of marks: what differs most from its surroundings, where it is purest."""
    contrast = np.abs(box_mean(view.fine[..., 0], 10) - view.fine[..., 0])
    pure = contrast >= 0.9 * np.percentile(contrast, 99.9)
    return name_of(np.median(view.fine[pure], axis=0))


def _ground_colour(view: View, ground: Ground | None, kind: Kind) -> str | None:
    if kind == "document":
        lightness = view.fine[..., 0]
        contrast = np.abs(box_mean(lightness, 10) - lightness)
        return name_of(np.median(view.fine[contrast < 0.07], axis=0))
    return ground.colour if ground else None


def _subject(names: Names, ground: Ground) -> Subject:
    box, size = ground.parts[0], names.shape
    return Subject(
        colours=_some(shares(names[ground.painted], least=0.1, most=3), names[ground.painted]),
        outline=_outline(box, ground.subject),
        place=_place(box, size[1], size[0]),
        area=round(float(ground.subject.mean()), 3),
        has_shadow=ground.has_shadow,
    )


def _outline(box: Box, subject: Mask) -> Outline:
    if box.height > 1.35 * box.width:
        return "tall"
    if box.width > 1.35 * box.height:
        return "wide"
    rim_y, rim_x = np.nonzero(subject & ~shrunk(subject))
    radius = np.hypot(
        (rim_y + 0.5 - (box.top + box.bottom) / 2) / box.height,
        (rim_x + 0.5 - (box.left + box.right) / 2) / box.width,
    )
    return "round" if float(radius.std()) < 0.05 * float(radius.mean()) else "plain"


def _place(box: Box, width: int, height: int) -> Place:
    if box.width * box.height > 0.65 * width * height:
        return "on"
    aside = (box.left + box.right) / 2 / width - 0.5
    below = (box.top + box.bottom) / 2 / height - 0.5
    if max(abs(aside), abs(below)) < 0.12:
        return "centre"
    if abs(aside) >= abs(below):
        side: Place = "left" if aside < 0 else "right"
        reach = box.right / width if aside < 0 else 1 - box.left / width
    else:
        side = "top" if below < 0 else "bottom"
        reach = box.bottom / height if below < 0 else 1 - box.top / height
    return side if reach < APART else "on"


def _regions(names: Names) -> Regions:
    height, width = names.shape
    third, side = max(1, height // 3), max(1, width // 3)
    return Regions(
        top=_lead(names[:third]),
        bottom=_lead(names[-third:]),
        left=_lead(names[:, :side]),
        right=_lead(names[:, -side:]),
        centre=_lead(names[height // 3 : height - height // 3, width // 3 : width - width // 3]),
    )


def _lead(names: Names) -> str | None:
    """The colour that covers at least half of an area."""
    first = shares(names, least=0.0, most=1)
    return first[0].colour if first and first[0].share >= 0.5 else None


def _layers(names: Names) -> tuple[str, str] | None:
    """An upper and a lower band, each of them three quarters of one colour or its shades."""
    height = names.shape[0]
    best: tuple[float, tuple[str, str]] | None = None
    for cut in range(height // 5, height - height // 5, max(1, height // 20)):
        upper, lower = _band(names[:cut]), _band(names[cut:])
        if upper is None or lower is None or is_shade(upper.colour, lower.colour):
            continue
        worth = min(upper.share, lower.share)
        if upper.colour != lower.colour and (best is None or worth > best[0]):
            best = (worth, (upper.colour, lower.colour))
    return best[1] if best else None


def _band(names: Names) -> ColourShare | None:
    if names.size == 0:
        return None
    counts = np.bincount(names.ravel(), minlength=len(NAMES)) / names.size
    lead = int(counts.argmax())
    share = max(float(counts[SHADES[lead]].sum()), float(counts[lead]))
    return ColourShare(NAMES[lead], share) if share >= 0.75 and counts[lead] >= 0.55 else None
