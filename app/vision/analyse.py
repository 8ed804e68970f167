"""Analyses an image to Features. Runs in a child process, as the handler `analyse_job`."""

import io
from collections.abc import Iterator
from dataclasses import astuple
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from app.vision.background import Background, find_background
from app.vision.categories import FLAT_COLOUR_MAIN_TONES, categorise
from app.vision.colour_layout import find_bands, find_orientation, find_region_colours
from app.vision.colour_names import ColourShare
from app.vision.colour_naming import GREY_MAX_CHROMA, ColourIndices, classify_colours
from app.vision.features import Brightness, Category, Features
from app.vision.main_colours import (
    FAINT_MAX_DISTANCE,
    FOREGROUND_MAX_SHARE,
    SOFT_MAX_SHARE,
    find_background_colour,
    find_foreground,
    find_main_colours,
    whiten_shades,
)
from app.vision.oklab import oklab_distance
from app.vision.pixel_statistics import PixelStatistics, measure_pixels
from app.vision.reduced_image import ReducedImage, reduce_image
from app.vision.subject import describe_subject
from app.vision.triage import triage
from app.workers.handler import Reserve

GREYS = frozenset({"black", "dark grey", "grey", "light grey", "white"})
"""All that is named in a black-and-white scene. A white thing before a cream wall is none."""
JOB_MEMORY_BYTES = 48 * 1024 * 1024
"""Address space of one analysis, independent of the image: measured 32 MB at 1200 px."""


def analyse(encoded: bytes) -> Features:
    """The features of a JPEG or PNG. Raises OSError or ValueError where it cannot be decoded."""
    image = reduce_image(encoded)
    triage_result, reason = triage(image)
    colours = classify_colours(image.coarse)
    background: Background | None = None
    category: Category = "any"
    if triage_result == "describable":
        background, category = _find_background_and_category(image, colours)
    if background is not None and category in ("cutout", "shapes", "any"):
        colours = whiten_shades(image, colours, background)
    main_colours = find_main_colours(image, colours, background, category)
    regions = find_region_colours(colours)
    named = {*(share.colour for share in main_colours), *astuple(regions)} - {None}
    return Features(
        triage=triage_result,
        triage_reason=reason,
        category=category,
        orientation=find_orientation(image.aspect_ratio),
        brightness=_find_brightness(image),
        is_greyscale=_is_greyscale(image) and named <= GREYS,
        colours=main_colours,
        background=find_background_colour(image, background, category),
        subject=describe_subject(colours, background)
        if background and category == "cutout"
        else None,
        regions=regions,
        bands=find_bands(colours) if background is None else None,
        fills_box=background is not None and background.fills_box,
    )


def analyse_job(
    data: BinaryIO, _args: dict[str, Any], reserve: Reserve
) -> tuple[dict[str, Any], bytes]:
    """The handler of the child process: JPEG bytes in, `Features.to_json` out."""
    reserve(JOB_MEMORY_BYTES)
    return analyse(data.read()).to_json(), b""


def warm_up() -> None:
    """Runs every code path once: a confined child process cannot import a module later."""
    for image in _draw_samples():
        encoded = io.BytesIO()
        image.save(encoded, "JPEG", quality=80)
        analyse(encoded.getvalue())


def _draw_samples() -> Iterator[Image.Image]:
    """Small images: blank, gradient, noise, text rows, a cross on white, bands."""
    yield Image.new("RGB", (64, 64), "white")
    yield Image.linear_gradient("L").convert("RGB")
    random = np.random.default_rng(0)
    yield Image.fromarray(random.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    page, cross = np.full((96, 96), 255, np.uint8), np.full((96, 96), 255, np.uint8)
    page[8:88:10, 8:88:3] = page[9:88:10, 8:88:3] = page[10:88:10, 8:88:3] = 0
    cross[30:60, 40:50] = cross[40:50, 20:70] = 90
    bands = random.normal(120, 12, (96, 96, 3)).cumsum(axis=0) % 256
    for pixels in (page, cross, bands.astype(np.uint8)):
        yield Image.fromarray(pixels).convert("RGB")


def _find_background_and_category(
    image: ReducedImage, colours: ColourIndices
) -> tuple[Background | None, Category]:
    background = find_background(image.coarse)
    statistics = measure_pixels(image, background)
    category = categorise(image, background, statistics, colours)
    if background is None or category != "any":
        return background, category
    has_marks = _has_marks(image, colours, background, statistics)
    return background if has_marks else None, category


def _has_marks(
    image: ReducedImage,
    colours: ColourIndices,
    background: Background,
    statistics: PixelStatistics,
) -> bool:
    """Whether there are marks on a plain background, instead of a scene with a plain border."""
    has_plain_background = (
        statistics.soft <= SOFT_MAX_SHARE and not 0 < statistics.main_tones < FLAT_COLOUR_MAIN_TONES
    )
    foreground_share = float(find_foreground(image, background).mean())
    if foreground_share > FOREGROUND_MAX_SHARE or not has_plain_background:
        return False
    distance = float(oklab_distance(image.coarse, background.lab).max())
    only_background = (ColourShare(background.colour, 1.0),)
    return (
        distance <= FAINT_MAX_DISTANCE
        or find_main_colours(image, colours, background, "any") != only_background
    )


def _find_brightness(image: ReducedImage) -> Brightness:
    mean = float(image.coarse[..., 0].mean())
    return "dark" if mean < 0.36 else "bright" if mean > 0.84 else "medium"


def _is_greyscale(image: ReducedImage) -> bool:
    chroma = np.hypot(image.coarse[..., 1], image.coarse[..., 2])
    return float(np.percentile(chroma, 99)) < GREY_MAX_CHROMA
