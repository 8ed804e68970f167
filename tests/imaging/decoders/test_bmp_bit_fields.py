"""BMP with bit fields: as Chromium shows it, whatever the masks are."""

import struct

import pytest

from app.imaging.metadata.bmp import read_bmp_bit_fields, read_bmp_profile
from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")

RGB, BIT_FIELDS, ALPHA_BIT_FIELDS = 0, 3, 6


def make_bmp(bits, compression, masks, pixels, header=40, size=(8, 8), profile=b""):
    info = struct.pack("<IiiHHIIiiII", header, *size, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    body = info + struct.pack(f"<{len(masks)}I", *masks)
    if header > 40:
        body = body.ljust(header, b"\0")[:header]
    if profile:
        place = struct.pack("<II", header + len(pixels), len(profile))
        body = body[:56] + b"DEBM" + body[60:112] + place + bytes(4)
    at = 14 + len(body)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + body + pixels + profile


def pixels_of(value, bits, count=64):
    return struct.pack("<I" if bits == 32 else "<H", value) * count


V5 = 124
ARGB = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
NEAR = (206, 99, 49)


@pytest.mark.parametrize(
    ("bits", "compression", "masks", "value", "header", "expected"),
    [
        (32, RGB, (), 0x80C86432, 40, (200, 100, 50)),
        (32, RGB, (), 0x00C86432, 40, (200, 100, 50)),
        (32, BIT_FIELDS, ARGB[:3], 0x80C86432, 40, (200, 100, 50)),
        (32, BIT_FIELDS, (0xFF, 0xFF00, 0xFF0000), 0x80C86432, 40, (50, 100, 200)),
        (32, BIT_FIELDS, (0xFF000000, 0xFF0000, 0xFF00), 0xC8643280, 40, (200, 100, 50)),
        (32, BIT_FIELDS, (0x3FF00000, 0xFFC00, 0x3FF), 0x320640C8, 40, (200, 100, 50)),
        (32, BIT_FIELDS, (0x7C00, 0x3E0, 0x1F), 0x6586, 40, NEAR),
        (32, BIT_FIELDS, ARGB, 0x80C86432, 108, (227, 177, 152)),
        (32, BIT_FIELDS, ARGB, 0x00C86432, 108, (255, 255, 255)),
        (32, BIT_FIELDS, ARGB, 0x80C86432, 56, (227, 177, 152)),
        (32, BIT_FIELDS, ARGB, 0x80C86432, 52, (200, 100, 50)),
        (32, BIT_FIELDS, (*ARGB[:3], 0), 0x00C86432, V5, (200, 100, 50)),
        (32, BIT_FIELDS, (*ARGB[:3], 0x80000000), 0x80C86432, V5, (200, 100, 50)),
        (32, RGB, ARGB, 0x80C86432, V5, (227, 177, 152)),
        (32, RGB, ARGB, 0x80C86432, 56, (200, 100, 50)),
        (32, ALPHA_BIT_FIELDS, ARGB, 0x80C86432, 40, (227, 177, 152)),
        (16, RGB, (), 0x6586, 40, NEAR),
        (16, RGB, (), 0xE586, 40, NEAR),
        (16, BIT_FIELDS, (0xF800, 0x7E0, 0x1F), 0xCB26, 40, (206, 101, 49)),
        (16, BIT_FIELDS, (0x1F, 0x7E0, 0xF800), 0x3339, 40, (206, 101, 49)),
        (16, BIT_FIELDS, (0xF00, 0xF0, 0xF), 0xC63, 40, (204, 102, 51)),
        (16, BIT_FIELDS, (0xF00, 0xF0, 0xF, 0xF000), 0x8C63, V5, (228, 173, 146)),
        (16, BIT_FIELDS, (0x7C00, 0x3E0, 0x1F, 0x8000), 0x6586, 108, (255, 255, 255)),
        (16, BIT_FIELDS, (0xE0, 0x1C, 3), 0xCD, 40, (219, 109, 85)),
        (16, BIT_FIELDS, (0xFC00, 0x3E0, 0x1F), 0xC986, 40, (202, 99, 49)),
        (16, BIT_FIELDS, (0xFF, 0xFF, 0xFF), 0x64, 40, (100, 100, 100)),
        # Masks that overlap, that are empty, that are all bits.
        (32, BIT_FIELDS, (0xFFFF00, 0xFFFF, 0xFF), 0x00C86432, 40, (200, 100, 50)),
        (32, BIT_FIELDS, (0, 0xFF00, 0xFF), 0x00C86432, 40, (0, 100, 50)),
        (32, BIT_FIELDS, (0, 0, 0), 0x00C86432, 40, (0, 0, 0)),
        (32, BIT_FIELDS, (0xFFFFFFFF,) * 3, 0xC8643210, 40, (200, 200, 200)),
    ],
)
def test_any_masks_are_read(bits, compression, masks, value, header, expected):
    """The expected colours are those that Chromium 156 shows."""
    data = make_bmp(bits, compression, masks, pixels_of(value, bits), header)
    assert is_close(normalised_colour(data, "bmp"), expected, by=2)


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("size", [(51, 70), (51, -70), (1500, 900)])
def test_rows_have_their_order_and_padding(bits, size):
    """Rows of 16 bits are padded to 32 bits; a negative height means that the first is the top."""
    width, height = size[0], abs(size[1])
    padding = b"\xff" * (-width * bits // 8 % 4)
    rows = [
        pixels_of(0x6586 if row < height // 2 else 0, bits, width) + padding
        for row in range(height)
    ]
    if size[1] > 0:
        rows.reverse()
    masks = (0x7C00, 0x3E0, 0x1F)
    data = make_bmp(bits, BIT_FIELDS, masks, b"".join(rows), size=size)
    image, facts = normalise(data, "bmp")
    assert (facts["width"], facts["height"]) == (width, height)
    assert is_close(image.getpixel((image.width // 2, 1)), NEAR, by=6)
    assert is_close(image.getpixel((image.width // 2, image.height - 2)), (0, 0, 0), by=6)


@pytest.mark.parametrize("masks", [(0xF0F000, 0xFF00, 0xFF), (0xA, 0x5, 0xFF)])
def test_masks_with_gaps_are_refused(masks):
    """As in browsers."""
    data = make_bmp(32, BIT_FIELDS, masks, pixels_of(0, 32))
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(data, "bmp")


def test_truncated_files_are_corrupt():
    """In the header, in the masks and in the pixels; only padding at the end may be missing."""
    whole = make_bmp(16, BIT_FIELDS, (0xF00, 0xF0, 0xF), pixels_of(0, 16, 15 * 2), size=(1, 15))
    for end in range(18, len(whole) - 2, 3):
        with pytest.raises(JobRefused, match="corrupt"):
            normalise(whole[:end], "bmp")
    normalise(whole[:-2], "bmp")


@pytest.mark.parametrize(
    "size", [(0, 8), (-8, 8), (8, 0), (2**31 - 1, 2**31 - 1), (2**31 - 1, -(2**31))]
)
def test_lying_sizes_are_refused_before_memory_is_taken(size):
    data = make_bmp(32, BIT_FIELDS, (0xFF, 0xFF00, 0xFF0000), pixels_of(0, 32), size=size)
    with pytest.raises(JobRefused, match=r"corrupt|too_large"):
        normalise(data, "bmp")


def test_pixels_that_begin_outside_the_file_are_corrupt():
    data = bytearray(make_bmp(32, BIT_FIELDS, (0xFF, 0xFF00, 0xFF0000), pixels_of(0, 32)))
    struct.pack_into("<I", data, 10, 2**32 - 1)
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(bytes(data), "bmp")


def test_the_profile_of_a_bmp_is_used():
    """V5 may embed one, which browsers apply."""
    profile = image_files.make_p3_profile()
    data = make_bmp(32, BIT_FIELDS, (*ARGB[:3], 0), pixels_of(0xC86432, 32), V5, profile=profile)
    assert is_close(normalised_colour(data, "bmp"), (216, 93, 24))
    assert read_bmp_profile(memoryview(data[:-1])) is None
    assert read_bmp_bit_fields(memoryview(b"BM")) is None
