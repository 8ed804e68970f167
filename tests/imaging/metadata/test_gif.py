"""Blocks of a GIF before its first image."""

import io

import pytest
from PIL import Image

from app.imaging.metadata.gif import TooManyBlocks, find_first_image
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalised_colour, solid

pytestmark = pytest.mark.usefixtures("decoders")

WHOLE = image_files.encode(solid("RGB", (40, 80, 160)).quantize(4), "gif")
AT = 13 + 3 * 2 ** ((WHOLE[10] & 7) + 1)
CONTROL = b"!\xf9\4\1\0\0%c\0"
"""Names a transparent colour."""


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"!\xfe\3abc\0",
        b"!\xfe\1a\1b\1c\0" * 20,
        b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0",
        b"!\x01\0",
        b"!\x01\0!\x01\0!\x01\0",
        b"\0\0\0junk",
        b"!\xf9\4\0\5\0\0\0",
        b"!\xff\x0bXMP DataXMP" + b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>" + b"\1"
        + bytes(range(255, -1, -1)) + b"\0",
    ],
)  # fmt: skip
def test_what_stands_before_the_image_does_not_change_it(before):
    """Comments, applications, junk: a browser shows the image behind."""
    assert is_close(normalised_colour(WHOLE[:AT] + before + WHOLE[AT:], "gif"), (40, 80, 160))


def test_the_transparent_colour_is_kept():
    """A comment may follow it. It is white then, as on an empty page."""
    index = Image.open(io.BytesIO(WHOLE)).getpixel((5, 5))
    for after in (b"", b"!\xfe\3abc\0"):
        data = WHOLE[:AT] + CONTROL % bytes((index,)) + after + WHOLE[AT:]
        assert normalised_colour(data, "gif") == (255, 255, 255)


@pytest.mark.parametrize(
    "data", [b"", WHOLE[:12], WHOLE[:AT], WHOLE[:AT] + b";", WHOLE[:AT] + b"!"]
)
def test_a_gif_without_an_image_has_none(data):
    """Truncated in its header, or only a header."""
    assert find_first_image(memoryview(data), 100) is None


def test_the_search_ends_after_the_allowed_blocks():
    """Blocks of comments count as well as extensions."""
    for before in (b"!\xfe" + b"\1a" * 101 + b"\0", b"!\x01\1a\0" * 51):
        with pytest.raises(TooManyBlocks):
            find_first_image(memoryview(WHOLE[:AT] + before + WHOLE[AT:]), 100)
