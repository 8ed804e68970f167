"""Compares the colours that a model gets with those that Chromium shows."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from app.imaging.normalise_handler import normalise_job
from app.imaging.sniff import SNIFF_BYTES, sniff
from app.workers.errors import JobRefused
from app.workers.handler import JobInput
from testing.chromium_rendering import render_in_chromium
from testing.colour_pictures import (
    PATCH_PX,
    SIZE,
    ColourPicture,
    draw_chart,
    make_colour_pictures,
)
from testing.servers.browser import Page

BOUND_LEVELS = 6
"""What coding costs: JPEG of quality 85, and chroma in half the resolution."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One file, what it was compared with, and the largest difference in levels of 255."""

    image_format: str
    name: str
    measure: str
    largest: int | None
    """None where there is nothing to compare with."""


def normalise(data: bytes, image_format: str) -> Image.Image:
    """What a model gets."""
    args = {"format": image_format, "longest_edge_px": 1200, "max_pixels": 150_000_000}
    _, jpeg = normalise_job(JobInput(data), args, lambda *_: None)
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def compare_charts(page: Page, pictures: Iterable[ColourPicture]) -> Iterator[Comparison]:
    """TIFF, which Chromium does not show, is compared with the drawing or as PNG.

    HEIC is compared with the AVIF of the same kind, except HDR, whose peak is measured in a HEIC
    (decision 42). Its samples are compared with those of libheif's own program.
    """
    avifs = {one.name: one for one in make_colour_pictures(["avif"])}
    for picture in pictures:
        ours = normalise(picture.data, picture.image_format)
        measure, other = "Chromium", None
        if picture.image_format == "tiff":
            measure, other = _find_measure_of_tiff(page, picture)
        elif picture.image_format == "heic":
            if not picture.is_hdr:
                other = render_in_chromium(page, avifs[picture.name].data, "avif")
                largest = None if other is None else find_largest_difference(ours, other)
                yield Comparison("heic", picture.name, "Chromium, AVIF", largest)
            measure, other = "libheif, samples", convert_heic(picture.data)
            ours = Image.open(io.BytesIO(picture.data)).convert("RGB")
        else:
            other = render_in_chromium(page, picture.data, picture.image_format)
        largest = None if other is None else find_largest_difference(ours, other)
        yield Comparison(picture.image_format, picture.name, measure, largest)


def compare_files(page: Page, paths: Iterable[Path]) -> Iterator[Comparison]:
    """The same for any files: the largest difference of images scaled down to 32 pixels."""
    for path in paths:
        data = path.read_bytes()
        image_format = sniff(data[:SNIFF_BYTES])
        other = render_in_chromium(page, data, image_format)
        try:
            ours = normalise(data, image_format)
        except JobRefused as refusal:
            also = " by both" if other is None else ""
            yield Comparison(image_format, path.name, f"refused{also}: {refusal.code}", None)
            continue
        if other is None:
            yield Comparison(image_format, path.name, "Chromium shows nothing", None)
            continue
        small = [image.resize((32, 32), Image.Resampling.BOX) for image in (ours, other)]
        bands = ImageChops.difference(*small).split()
        largest = max(max(band.tobytes()) for band in bands)
        yield Comparison(image_format, path.name, "Chromium", largest)


def convert_heic(data: bytes) -> Image.Image | None:
    """The samples as libheif's own program writes them; None where it is not installed."""
    program = shutil.which("heif-convert") or shutil.which("heif-dec")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "image.heic"), Path(folder, "image.png")
        source.write_bytes(data)
        subprocess.run([program, source, target], check=True, capture_output=True)
        return Image.open(io.BytesIO(target.read_bytes())).convert("RGB")


def find_largest_difference(one: Image.Image, two: Image.Image) -> int:
    """Of the mean colours in the middle of each patch, in levels."""
    if one.size != SIZE or two.size != SIZE:
        raise ValueError(f"{one.size} and {two.size}")
    margin = PATCH_PX // 4
    differences = [0.0]
    for left in range(0, SIZE[0], PATCH_PX):
        for upper in range(0, SIZE[1], PATCH_PX):
            box = (left + margin, upper + margin, left + 3 * margin, upper + 3 * margin)
            means = [ImageStat.Stat(image.convert("RGB").crop(box)).mean for image in (one, two)]
            differences += [abs(a - b) for a, b in zip(*means, strict=True)]
    return round(max(differences))


def _find_measure_of_tiff(page: Page, picture: ColourPicture) -> tuple[str, Image.Image | None]:
    if "profile" not in picture.name:
        chart = draw_chart()
        return "the drawing", chart.convert("L") if "grey" in picture.name else chart
    file = io.BytesIO()
    image = Image.open(io.BytesIO(picture.data))
    image.save(file, "png", icc_profile=image.info["icc_profile"])
    return "Chromium, PNG", render_in_chromium(page, file.getvalue(), "png")
