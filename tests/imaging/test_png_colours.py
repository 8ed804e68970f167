"""Colour chunks of a PNG: cICP before iCCP before sRGB before gAMA with cHRM, as in browsers.

The expected colours are those that Chromium 156 shows.
"""

import struct
import zlib

import pytest

from tests.imaging import image_files
from tests.imaging.image_files import png_chunk
from tests.imaging.normalising import is_close, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")

COLOUR = (200, 100, 50)

BT709 = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
BT2020 = (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)
BT709_ON_D50 = (0.3457, 0.3585, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)

SRGB = png_chunk(b"sRGB", b"\0")
P3_PROFILE = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(image_files.make_p3_profile()))
P3_CODE_POINTS = png_chunk(b"cICP", bytes((12, 13, 0, 1)))
UNKNOWN_CODE_POINTS = png_chunk(b"cICP", bytes((99, 99, 0, 1)))


def gamma(units):
    return png_chunk(b"gAMA", struct.pack(">I", units))


def chromaticities(*values):
    return png_chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))


def show(*chunks, colour=COLOUR, colour_type=2):
    samples = bytes(colour if colour_type == 2 else colour[:1])
    rows = (b"\0" + samples * 16) * 16
    data = image_files.make_png((16, 16), 8, colour_type, rows, before=chunks)
    return normalised_colour(data, "png")


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (45_455, COLOUR), (44_000, COLOUR), (47_000, COLOUR), (0, COLOUR),
        (43_000, (199, 95, 41)), (55_556, (210, 119, 65)), (100_000, (229, 168, 122)),
        (30_000, (178, 59, 14)), (10_000, (84, 0, 0)), (1_000_000, (252, 245, 237)),
    ],
)  # fmt: skip
def test_gamma_alone_keeps_the_primaries_of_srgb(units, expected):
    """A gamma near that of sRGB is taken for it."""
    assert is_close(show(gamma(units)), expected)
    assert is_close(show(gamma(units), colour_type=0), (expected[0],) * 3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (BT709, (201, 100, 46)),
        (P3, (216, 93, 24)),
        (BT2020, (243, 75, 21)),
        (BT709_ON_D50, (209, 101, 53)),
    ],
)
def test_chromaticities_with_gamma_are_a_colour_space(values, expected):
    """Their white becomes the white of the screen."""
    assert is_close(show(gamma(45_455), chromaticities(*values)), expected)
    assert is_close(show(gamma(45_455), chromaticities(*values), colour=(255,) * 3), (255,) * 3)
    assert is_close(show(gamma(45_455), chromaticities(*values), colour_type=0), (201,) * 3)


def test_chromaticities_alone_are_ignored():
    assert is_close(show(chromaticities(*BT2020)), COLOUR)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((SRGB, gamma(100_000), chromaticities(*BT2020)), COLOUR),
        ((gamma(100_000), SRGB), COLOUR),
        ((P3_PROFILE, SRGB), (216, 93, 24)),
        ((gamma(100_000), chromaticities(*BT2020), P3_PROFILE), (216, 93, 24)),
        ((P3_CODE_POINTS, SRGB), (215, 93, 31)),
        ((P3_CODE_POINTS, gamma(100_000)), (215, 93, 31)),
        ((UNKNOWN_CODE_POINTS, gamma(100_000)), (229, 168, 122)),
        ((UNKNOWN_CODE_POINTS, P3_PROFILE), (216, 93, 24)),
    ],
)
def test_the_chunks_have_the_precedence_of_the_specification(chunks, expected):
    """PNG, third edition, 4.3. What is not understood counts as missing."""
    assert is_close(show(*chunks), expected)


def test_the_curve_of_an_rgb_profile_applies_to_grey():
    """The profile's gamma is 2.2, which differs from that of sRGB in the shadows."""
    assert is_close(show(P3_PROFILE, colour=(30,), colour_type=0), (24,) * 3, by=2)


@pytest.mark.parametrize(
    "values",
    [
        (0,) * 8,
        (0.3127, 0, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
        (0.3127, 0.329, 0.6, 0.3, 0.4, 0.3, 0.2, 0.3),
        (0.3127, 0.329, 6, 3, 4, 30, 20, 3),
        (0.9, 0.05, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
        (42_949,) * 8,
    ],
)
def test_chromaticities_that_span_no_space_are_ignored(values):
    """Zeros, a white without light, primaries on one line, colours that no eye sees."""
    assert is_close(show(gamma(100_000), chromaticities(*values)), COLOUR)


@pytest.mark.parametrize("length", [0, 3, 5])
def test_chunks_of_a_wrong_length_are_ignored(length):
    assert is_close(show(png_chunk(b"gAMA", bytes((0, 1, 0x86, 0xA0, 0))[:length])), COLOUR)
    body = struct.pack(">8I", *(1000,) * 8)[: 27 + length]
    assert is_close(show(gamma(45_455), png_chunk(b"cHRM", body)), COLOUR)
