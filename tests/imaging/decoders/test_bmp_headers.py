"""BMP with headers and depths that Pillow does not read, and browsers show."""

import struct

import pytest

from app.imaging.metadata.bmp import read_bmp_two_bits
from app.workers.errors import JobRefused
from tests.imaging.normalising import is_close, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")

RED, GREEN, BLUE, GREY = (200, 0, 0), (0, 180, 0), (0, 0, 190), (90, 90, 90)
PALETTE = b"".join(bytes((*colour[::-1], 0)) for colour in (RED, GREEN, BLUE, GREY))


def make_bmp(bits, pixels, *, size=(64, 64), colours=4, header=40, compression=0, palette=PALETTE):
    info = struct.pack(
        "<IiiHHIIiiII", header, *size, 1, bits, compression, len(pixels), 0, 0, colours, 0
    ).ljust(header, b"\0")
    at = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + info + palette + pixels


def two_bit_rows(width, height):
    """The left half red, the right half blue; the lower row of the file first."""
    row = bytes(0b00000000 if x < width // 2 else 0b10101010 for x in range(0, width, 4))
    return row.ljust((width + 15) // 16 * 4, b"\0") * height


@pytest.mark.parametrize("size", [(64, 64), (68, 61), (64, -64)])
@pytest.mark.parametrize("colours", [4, 0])
def test_2_bits_for_each_pixel_are_shown(size, colours):
    """As Windows CE writes them; rows are padded to 32 bits."""
    data = make_bmp(2, two_bit_rows(size[0], abs(size[1])), size=size, colours=colours)
    assert is_close(normalised_colour(data, "bmp", (0.2, 0.5)), RED, by=8)
    assert is_close(normalised_colour(data, "bmp", (0.8, 0.5)), BLUE, by=8)


@pytest.mark.parametrize(("height", "at_top"), [(64, GREEN), (-64, RED)])
def test_the_rows_of_2_bits_are_upright(height, at_top):
    rows = bytes(16) * 32 + b"\x55" * 16 * 32
    data = make_bmp(2, rows, size=(64, height))
    assert is_close(normalised_colour(data, "bmp", (0.5, 0.1)), at_top, by=8)


def test_truncated_pixels_of_2_bits_are_corrupt():
    data = make_bmp(2, two_bit_rows(64, 64))
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(data[:-1], "bmp")
    assert read_bmp_two_bits(memoryview(data[:40])) is None


def test_large_images_of_2_bits_are_reserved_for():
    data = make_bmp(2, two_bit_rows(4000, 3000), size=(4000, 3000))
    reserved = []
    normalise(data, "bmp", reserve=lambda *amounts: reserved.append(amounts))
    assert reserved[-1][0] > 4000 * 3000
    with pytest.raises(JobRefused, match="too_large"):
        normalise(data, "bmp", max_pixels=1_000_000)


def test_a_short_header_of_os2_is_read():
    """16 bytes: size, planes and bits."""
    pixels = bytes((50, 100, 200)) * 64 * 64
    info = struct.pack("<IIIHH", 16, 64, 64, 1, 24)
    data = b"BM" + struct.pack("<IHHI", 30 + len(pixels), 0, 0, 30) + info + pixels
    assert is_close(normalised_colour(data, "bmp"), (200, 100, 50))


def test_more_than_256_colours_may_be_stated():
    data = make_bmp(8, b"\1" * 64 * 64, colours=300, palette=PALETTE * 75)
    assert is_close(normalised_colour(data, "bmp"), GREEN, by=8)


@pytest.mark.parametrize(("bits", "compression"), [(0, 4), (0, 5), (24, 4), (32, 11)])
def test_compressions_of_printers_are_not_called_corrupt(bits, compression):
    """JPEG and PNG inside, OS/2's, and inks. Chromium shows nothing of them."""
    with pytest.raises(JobRefused, match="unsupported_variant"):
        normalise(make_bmp(bits, bytes(9000), compression=compression), "bmp")
