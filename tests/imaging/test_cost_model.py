"""Memory and work that are reserved before an image is decoded."""

import contextlib
import random

import pytest
from PIL import Image

from app.imaging.colour import estimate_profile_ms
from app.imaging.decoders import libvips
from app.workers.errors import JobRefused
from app.workers.spawn import EXPRESS_MAX_WORK_MS
from testing.profiles import curves_profile, table_profile
from tests.imaging import image_files
from tests.imaging.normalising import normalise

MB = 1024 * 1024


@pytest.mark.usefixtures("decoders")
@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("png", {}),
        ("webp", {}),
        ("gif", {}),
        ("bmp", {}),
        ("tiff", {}),
        ("avif", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("jpeg", {"progressive": True}),
    ],
)
def test_the_reservation_is_in_proportion_to_the_pixels(image_format, options):
    """At least what the decoder will hold, and at most twenty bytes a pixel.

    Less where the image is read row by row, or scaled by its decoder.
    """
    streamed = libvips.is_installed() and image_format in ("png", "webp")
    pixels = 1600 * 1000
    reserved = []
    data = image_files.encode(Image.new("RGB", (1600, 1000), "navy"), image_format, **options)
    normalise(data, image_format, reserve=lambda held, _=0: reserved.append(held))
    (amount,) = reserved
    least = {"gif": 1, "jpeg": 3}.get(image_format, 4)
    if streamed:
        least = 1
    assert pixels * least <= amount <= pixels * 20 + 3 * len(data)


@pytest.mark.usefixtures("decoders")
def test_a_baseline_jpeg_needs_memory_for_its_scaled_size():
    """99 megapixels in one scan are decoded at an eighth."""
    reserved = []
    data = image_files.encode(Image.new("L", (9643, 10328)), "jpeg")
    normalise(data, "jpeg", reserve=lambda held, _=0: reserved.append(held))
    assert reserved[0] < 10_000_000


@pytest.mark.parametrize(
    ("image_format", "data"),
    [
        ("jpeg", image_files.repeat_last_scan(
            image_files.encode(Image.new("RGB", (2400, 1600)), "jpeg", progressive=True), 80)),
        ("png", image_files.make_png((4000, 4000), 8, 6, bytes(16_001 * 4000))),
        ("webp", image_files.encode(Image.new("RGB", (4000, 4000)), "webp")),
        ("avif", image_files.encode(Image.new("RGB", (2600, 1300)), "avif")),
    ],
)  # fmt: skip
async def test_small_files_with_much_work_are_not_short_work(image_format, data):
    """They have a few kilobytes, need little memory, and take 0.04 to 1 s each."""
    assert len(data) < MB
    reserved = []
    with contextlib.suppress(JobRefused):
        normalise(data, image_format, reserve=lambda *amounts: reserved.append(amounts))
    ((_, work_ms),) = reserved
    assert work_ms > EXPRESS_MAX_WORK_MS


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"])
def test_ordinary_web_images_are_short_work(image_format):
    """A megapixel of any format."""
    reserved = []
    image = Image.linear_gradient("L").resize((1200, 800)).convert("RGB")
    normalise(
        image_files.encode(image, image_format),
        image_format,
        reserve=lambda *amounts: reserved.append(amounts),
    )
    ((_, work_ms),) = reserved
    assert 0 < work_ms <= EXPRESS_MAX_WORK_MS


@pytest.mark.parametrize("image_format", ["avif", "webp"])
def test_noise_is_more_work_than_a_plain_colour_of_the_same_size(image_format):
    """A decoder reads its bytes: 0.2 megapixels of noise take as long as 7 of a plain colour."""
    noise = Image.frombytes("RGB", (560, 420), random.Random(1).randbytes(560 * 420 * 3))
    foretold_ms = []
    for image in (Image.new("RGB", noise.size), noise):
        data = image_files.encode(image, image_format, quality=100)
        normalise(data, image_format, reserve=lambda *amounts: foretold_ms.append(amounts[1]))
    plain_ms, noise_ms = foretold_ms
    assert noise_ms > 3 * plain_ms


@pytest.mark.parametrize(("space", "grid"), [(b"RGB ", 20), (b"CMYK", 9)])
def test_a_profile_with_a_table_is_work(space, grid):
    """A profile with curves is not: few points of them are used."""
    table_ms = estimate_profile_ms(table_profile(space, grid))
    assert table_ms > 20
    assert estimate_profile_ms(curves_profile(4096)) == estimate_profile_ms(None) == 0


def test_a_million_rows_are_work():
    """Each row of a PNG has its price, however short it is."""
    reserved = []
    with contextlib.suppress(JobRefused):
        normalise(
            image_files.make_png((1, 1_000_000), 8, 0, bytes(2_000_000)),
            "png",
            reserve=lambda *amounts: reserved.append(amounts),
        )
    assert reserved[-1][1] > EXPRESS_MAX_WORK_MS
