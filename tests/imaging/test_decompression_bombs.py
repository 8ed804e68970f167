"""Files that cost far more than their size suggests."""

import time

import pytest

from app.imaging.errors import ImageCorrupt, ImageTooLarge
from app.types import NormalisedImage
from tests.imaging import image_files
from tests.imaging.hostile_files import make_bombs
from tests.imaging.test_normaliser import SLOW, outcome, running_normaliser


@pytest.fixture(scope="module")
def bombs() -> dict[str, tuple[bytes, str]]:
    return make_bombs()


async def test_bombs_leave_the_child_well(bombs):
    """An ordinary image is decoded after each, by the same child."""
    ordinary = image_files.encode(image_files.draw_quadrants(), "jpeg")
    async with running_normaliser() as normaliser:
        for name, (data, image_format) in bombs.items():
            await outcome(normaliser, data, image_format)
            assert isinstance(await outcome(normaliser, ordinary, "jpeg"), NormalisedImage), name
        assert normaliser._pool.children_lost == 0


@pytest.mark.measures
async def test_bombs_are_cheap(bombs):
    """None takes ten times as long as an honest image of 100 megapixels."""
    async with running_normaliser() as normaliser:
        began_s = time.monotonic()
        assert isinstance(await outcome(normaliser, SLOW, "png"), NormalisedImage)
        honest_s = time.monotonic() - began_s
        for name, (data, image_format) in bombs.items():
            began_s = time.monotonic()
            await outcome(normaliser, data, image_format)
            assert (time.monotonic() - began_s) / honest_s < 10, name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1,000 extra scans", ImageCorrupt),
        ("a PNG of 2^31 x 2^31", ImageTooLarge),
        ("a JPEG of 65,500 x 65,500", ImageTooLarge),
        ("a GIF canvas of 65,535", ImageTooLarge),
        ("a GIF frame larger than its canvas", ImageTooLarge),
        ("a WebP of 16,383 x 16,383", ImageTooLarge),
        ("a WebP canvas of 2^24", ImageTooLarge),
        ("a TIFF of 60,000 x 60,000", ImageTooLarge),
        ("a GIF of 10,000 frames", NormalisedImage),
        ("60 MB behind 64 x 64 pixels", NormalisedImage),
        ("100,000 chunks", NormalisedImage),
    ],
)
async def test_each_bomb_has_the_right_outcome(bombs, name, expected):
    """Too large only for its pixels. An image that is cheap in spite of its file is decoded."""
    async with running_normaliser() as normaliser:
        assert isinstance(await outcome(normaliser, *bombs[name]), expected)
