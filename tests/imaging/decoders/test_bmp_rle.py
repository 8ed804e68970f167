"""Run-length encoded BMP, as the format defines it."""

import struct
import time

import pytest

from app.imaging.decoders.bmp_rle import decode_bmp_rle
from app.workers.errors import JobRefused
from tests.imaging.normalising import is_close, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")


def make_bmp_rle(size, packed: bytes, palette: bytes, *, is_rle4: bool = False) -> bytes:
    """A run-length encoded BMP. `palette`: blue, green, red, 0 for each colour."""
    count = len(palette) // 4
    header = struct.pack(
        "<IiiHHIIiiII", 40, *size, 1, 4 if is_rle4 else 8, 2 if is_rle4 else 1, len(packed), 0, 0,
        count, 0,
    )  # fmt: skip
    offset = 14 + len(header) + len(palette)
    head = struct.pack("<2sIHHI", b"BM", offset + len(packed), 0, 0, offset)
    return head + header + palette + packed


DELTA = "01 05 00 02 01 01 02 06 00 01"


@pytest.mark.parametrize(
    ("is_rle4", "packed", "rows"),
    [
        (False, "04 07 00 00 02 01 02 02 00 01", "07070707 01010202"),
        (False, "00 03 01 02 03 00 01 04 00 00 04 09", "01020304 09090909"),  # padded to words
        (False, DELTA, "05000000 00000606"),
        (False, "09 03 00 00 04 01", "03030303 01010101"),  # over the edge
        (False, "04 03 00 00 04 01", "03030303 01010101"),  # no end mark
        (True, "04 12 00 00 03 34 01 50 00 01", "01020102 03040305"),
        (True, "00 03 12 30 01 40 00 00 04 99", "01020304 09090909"),
    ],
)
def test_each_kind_of_run(is_rle4, packed, rows):
    """Runs, absolute pixels, deltas and line ends."""
    data = memoryview(bytes.fromhex(packed))
    assert decode_bmp_rle(data, 4, 2, is_rle4=is_rle4) == bytes.fromhex(rows)


def test_pixels_that_are_left_out_have_the_value_that_is_given():
    data = memoryview(bytes.fromhex(DELTA))
    assert decode_bmp_rle(data, 4, 2, is_rle4=False, left_out=9) == bytes.fromhex(
        "05090909 09090606"
    )


@pytest.mark.parametrize(
    "packed",
    [
        b"\x40\1\0\0" * 32 + b"\0\1",  # the image ends early
        b"\x40\1\0\0" * 32 + b"\0\0" * 31 + b"\0\1",  # empty lines
        b"\x40\1\0\0" * 32 + b"\0\2\x20\x10" + b"\1\1\0\1",  # a delta
    ],
)
def test_pixels_that_are_left_out_are_black(packed):
    """As in Chromium, whatever the first colour of the palette is."""
    palette = bytes((20, 20, 200, 0, 20, 200, 20, 0))
    data = make_bmp_rle((64, 64), packed, palette)
    assert is_close(normalised_colour(data, "bmp", (0.5, 0.1)), (0, 0, 0), by=8)
    assert is_close(normalised_colour(data, "bmp", (0.5, 0.9)), (20, 200, 20), by=8)


@pytest.mark.parametrize("packed", ["", "04", "04 07", "04 07 00 00 02 01", "00 05 01 02"])
def test_truncated_runs_are_refused(packed):
    """Half an image is not enough."""
    with pytest.raises(ValueError, match="truncated"):
        decode_bmp_rle(memoryview(bytes.fromhex(packed)), 4, 2, is_rle4=False)


def test_the_image_is_upright_and_has_its_colours():
    """The first row of the file is the bottom row."""
    palette = bytes((200, 20, 20, 0, 20, 20, 200, 0))
    packed = (b"\x40\0\0\0" * 32) + (b"\x40\1\0\0" * 32) + b"\0\1"
    data = make_bmp_rle((64, 64), packed, palette)
    assert is_close(normalised_colour(data, "bmp", (0.5, 0.1)), (200, 20, 20), by=8)
    assert is_close(normalised_colour(data, "bmp", (0.5, 0.9)), (20, 20, 200), by=8)


def test_grey_palettes_are_decoded():
    """Pillow gives them other modes, with two colours and with more."""
    for greys in ((0, 255), (0, 255, 128)):
        palette = b"".join(bytes((grey, grey, grey, 0)) for grey in greys)
        data = make_bmp_rle((64, 64), b"\x40\1\0\0" * 64 + b"\0\1", palette)
        assert is_close(normalised_colour(data, "bmp"), (255, 255, 255))


WIDE = (65_535, 2_000)
ONE_PIXEL_A_LINE = b"\1\0\0\0" * 1_999


def test_a_very_wide_image_of_line_ends_is_corrupt():
    """Each line end would take 65,534 steps of a decoder that works pixel by pixel."""
    with pytest.raises(JobRefused) as caught:
        normalise(make_bmp_rle(WIDE, ONE_PIXEL_A_LINE, bytes(8)), "bmp")
    assert caught.value.code == "corrupt"


@pytest.mark.measures
def test_line_ends_take_no_time_for_each_pixel():
    """They take less time than copying the image five times."""
    width, height = WIDE
    began_s = time.perf_counter()
    bytes(bytearray(width * height))
    copying_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    with pytest.raises(ValueError, match="truncated"):
        decode_bmp_rle(memoryview(ONE_PIXEL_A_LINE), width, height, is_rle4=False)
    assert (time.perf_counter() - began_s) / copying_s < 5
