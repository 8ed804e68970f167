"""Run lengths of a BMP, by the letter of the format."""

import struct
import time

import pytest

from app.imaging.decoders.bmp_run_lengths import unpack
from app.workers.errors import JobRefused
from tests.imaging.seen import colour_of, is_close, see

pytestmark = pytest.mark.usefixtures("pillow")


def bmp(size, packed: bytes, palette: bytes, *, nibbles: bool = False) -> bytes:
    """A BMP of run lengths; `palette`: blue, green, red, 0 for each colour."""
    count = len(palette) // 4
    header = struct.pack(
        "<IiiHHIIiiII", 40, *size, 1, 4 if nibbles else 8, 2 if nibbles else 1, len(packed), 0, 0,
        count, 0,
    )  # fmt: skip
    offset = 14 + len(header) + len(palette)
    head = struct.pack("<2sIHHI", b"BM", offset + len(packed), 0, 0, offset)
    return head + header + palette + packed


@pytest.mark.parametrize(
    ("nibbles", "packed", "rows"),
    [
        (False, "04 07 00 00 02 01 02 02 00 01", "07070707 01010202"),
        (False, "00 03 01 02 03 00 01 04 00 00 04 09", "01020304 09090909"),  # padded to words
        (False, "01 05 00 02 01 01 02 06 00 01", "05000000 00000606"),  # a move
        (False, "09 03 00 00 04 01", "03030303 01010101"),  # over the edge
        (False, "04 03 00 00 04 01", "03030303 01010101"),  # no end mark
        (True, "04 12 00 00 03 34 01 50 00 01", "01020102 03040305"),
        (True, "00 03 12 30 01 40 00 00 04 99", "01020304 09090909"),
    ],
)
def test_each_kind_of_run(nibbles, packed, rows):
    """Runs, literal pixels, moves and line ends."""
    data = memoryview(bytes.fromhex(packed))
    assert unpack(data, 4, 2, nibbles=nibbles) == bytes.fromhex(rows)


@pytest.mark.parametrize("packed", ["", "04", "04 07", "04 07 00 00 02 01", "00 05 01 02"])
def test_runs_cut_short_are_no_picture(packed):
    """Half a picture is none."""
    with pytest.raises(ValueError, match="cut short"):
        unpack(memoryview(bytes.fromhex(packed)), 4, 2, nibbles=False)


def test_the_picture_is_upright_and_in_its_colours():
    """The first row of the file is the lowest."""
    palette = bytes((200, 20, 20, 0, 20, 20, 200, 0))
    packed = (b"\x40\0\0\0" * 32) + (b"\x40\1\0\0" * 32) + b"\0\1"
    data = bmp((64, 64), packed, palette)
    assert is_close(colour_of(data, "bmp", (0.5, 0.1)), (200, 20, 20), by=8)
    assert is_close(colour_of(data, "bmp", (0.5, 0.9)), (20, 20, 200), by=8)


def test_grey_palettes_of_two_and_more_colours():
    """Pillow gives them modes of their own."""
    for greys in ((0, 255), (0, 255, 128)):
        palette = b"".join(bytes((grey, grey, grey, 0)) for grey in greys)
        data = bmp((64, 64), b"\x40\1\0\0" * 64 + b"\0\1", palette)
        assert is_close(colour_of(data, "bmp"), (255, 255, 255))


def test_line_ends_of_a_very_wide_picture_take_no_time():
    """Each cost 65,534 steps of Python."""
    began = time.monotonic()
    with pytest.raises(JobRefused) as caught:
        see(bmp((65_535, 2_000), b"\1\0\0\0" * 1_999, bytes(8)), "bmp")
    assert caught.value.code == "corrupt"
    assert time.monotonic() - began < 2
