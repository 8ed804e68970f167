"""Animated PNG whose default image is not shown: browsers show the first frame of the animation."""

import contextlib
import struct
import zlib

import pytest

from app.imaging.metadata.apng import read_hidden_default
from app.workers.errors import JobRefused
from tests.imaging.image_files import make_apng, png_chunk
from tests.imaging.normalising import is_close, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")

RED, GREEN, WHITE = (200, 20, 20), (20, 200, 20), (255, 255, 255)


def make(size=(64, 64), frame=(64, 64), offset=(0, 0), **options):
    return make_apng(size, frame, offset, RED, GREEN, **options)


@pytest.mark.parametrize("size", [(64, 64), (2000, 1400)])
def test_the_first_frame_is_shown(size):
    data = make(size, size)
    assert is_close(normalised_colour(data, "png"), GREEN)
    assert normalise(data, "png")[1]["width"] == size[0]


@pytest.mark.parametrize("size", [(64, 64), (2400, 1600)])
def test_a_frame_that_covers_a_part_stands_on_white(size):
    """At its place, also where the image is scaled down."""
    width, height = size
    data = make(size, (width // 2, height // 4), (width // 2, height // 2))
    image, facts = normalise(data, "png", longest=1200)
    assert (facts["width"], facts["height"]) == size
    for at, expected in [
        ((0.75, 0.6), GREEN), ((0.25, 0.6), WHITE), ((0.75, 0.3), WHITE), ((0.75, 0.9), WHITE),
    ]:  # fmt: skip
        found = image.getpixel((int(at[0] * image.width), int(at[1] * image.height)))
        assert is_close(found, expected, by=6), at


def test_a_frame_in_several_chunks_is_joined():
    data = make()
    at = data.index(b"fdAT")
    (length,) = struct.unpack_from(">I", data, at - 4)
    body = data[at + 8 : at + 4 + length]
    pieces = [body[:9], body[9:30], body[30:]]
    chunks = [
        png_chunk(b"fdAT", struct.pack(">I", number) + piece)
        for number, piece in enumerate(pieces, 1)
    ]
    joined = data[: at - 4] + b"".join(chunks) + data[at + 8 + length :]
    assert is_close(normalised_colour(joined, "png"), GREEN)


def test_a_default_image_that_is_the_first_frame_is_shown():
    """There is an fcTL before its pixels."""
    control = png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 10, 0, 0))
    data = make(number=1)
    at = data.index(b"IDAT") - 4
    assert is_close(normalised_colour(data[:at] + control + data[at:], "png"), RED)


@pytest.mark.parametrize(
    "data",
    [
        make(control=False),
        make(frame=(32, 32), offset=(40, 40)),
        make(frame=(128, 128)),
        make(frame=(0, 0)),
        make(offset=(2**32 - 1, 0)),
        make(number=5),
        make().replace(b"acTL\0\0\0\1", b"acTL\0\0\0\0"),
        make().replace(b"fcTL", b"fcTX"),
        make().replace(b"fdAT", b"fdAX"),
    ],
)
def test_where_the_animation_is_damaged_the_default_image_is_shown(data):
    """Outside the canvas, without pixels, a wrong number or checksum. Browsers show nothing."""
    assert is_close(normalised_colour(data, "png"), RED)


def test_truncated_files_end_in_an_error_or_an_image():
    data = make()
    for end in range(len(data)):
        read_hidden_default(memoryview(data[:end]))
        with contextlib.suppress(JobRefused):
            normalise(data[:end], "png")


def test_pixels_that_are_none_are_corrupt():
    data = make()
    at = data.index(b"fdAT")
    broken = data[: at - 4] + png_chunk(b"fdAT", struct.pack(">I", 1) + b"junk") + data[-12:]
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(broken, "png")


def test_a_bomb_in_the_frame_is_refused_by_its_size():
    """The canvas is checked, and no frame is larger."""
    rows = zlib.compress(bytes(1000))
    data = make()
    at = data.index(b"IHDR")
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = data[: at - 4] + header + data[at + 21 :] + rows
    with pytest.raises(JobRefused, match="too_large"):
        normalise(bomb, "png", max_pixels=1_000_000)
