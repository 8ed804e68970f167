"""Colours given as code points, for wide gamut and HDR: shown as in a browser."""

import struct
import zlib

import pytest
from PIL import Image

from app.imaging import cicp
from app.imaging.metadata.iso_media import read_avif_code_points
from app.imaging.metadata.png import read_png_code_points
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalised_colour, solid
from tests.imaging.test_colour import p3_in_srgb

pytestmark = pytest.mark.usefixtures("decoders")

SRGB, P3, BT2020 = 1, 12, 9
LINEAR, SRGB_CURVE, PQ, HLG = 8, 13, 16, 18


def make_coded_png(colour, primaries, transfer) -> bytes:
    chunk = image_files.png_chunk(b"cICP", bytes((primaries, transfer, 0, 1)))
    return image_files.make_png((16, 16), 8, 2, (b"\0" + bytes(colour) * 16) * 16, before=[chunk])


def make_coded_avif(colour, primaries, transfer) -> bytes:
    data = bytearray(
        image_files.encode(solid("RGB", colour), "avif", quality=100, subsampling="4:4:4")
    )
    at = data.index(b"nclx") + 4
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


def srgb(light: float) -> int:
    return round(
        255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)
    )


def tone_mapped(light: float) -> float:
    return light * (1 + light / (1000 / 203) ** 2) / (1 + light)


@pytest.mark.parametrize(
    ("make", "image_format"), [(make_coded_png, "png"), (make_coded_avif, "avif")]
)
@pytest.mark.parametrize("colour", [(200, 100, 50), (120, 120, 120)])
def test_wide_gamut_code_points_are_converted_to_srgb(make, image_format, colour):
    """Display P3 numbers with sRGB's curve."""
    found = normalised_colour(make(colour, P3, SRGB_CURVE), image_format)
    assert is_close(found, p3_in_srgb(colour), by=8)  # that helper's curve is a plain 2.2
    assert not any(colour) or is_close(
        normalised_colour(make(colour, SRGB, SRGB_CURVE), image_format), colour
    )


@pytest.mark.parametrize(
    ("make", "image_format"), [(make_coded_png, "png"), (make_coded_avif, "avif")]
)
@pytest.mark.parametrize(
    ("transfer", "value", "light"),
    [
        (
            PQ,
            148,
            tone_mapped(1.0),
        ),  # 58 % of the signal is reference white: 203 nits (ITU-R BT.2408)
        (PQ, 192, tone_mapped(1000 / 203)),  # 75 %: 1,000 nits, the brightest
        (PQ, 0, 0.0),
        (HLG, 191, tone_mapped(1.0)),  # 75 % is reference white
        (LINEAR, 55, 55 / 255),
    ],
)
@pytest.mark.parametrize("primaries", [SRGB, BT2020])
def test_hdr_light_is_tone_mapped_under_white(
    make, image_format, transfer, value, light, primaries
):
    """Reference white and peak have the values of the standards."""
    found = normalised_colour(make((value,) * 3, primaries, transfer), image_format)
    assert is_close(found, (srgb(light),) * 3, by=6)


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(SRGB, SRGB_CURVE), (SRGB, 1), (2, PQ), (9, 99)]
)
def test_code_points_of_srgb_and_unknown_ones_have_no_profile(primaries, transfer):
    """Most AVIF files are sRGB."""
    assert cicp.build_icc_profile((primaries, transfer)) is None


def test_damaged_code_points_are_ignored():
    """The image is decoded without them."""
    good = make_coded_png((200, 100, 50), BT2020, PQ)
    at = good.index(b"cICP")
    assert is_close(
        normalised_colour(good[: at + 8] + b"\0" + good[at + 9 :], "png"), (200, 100, 50)
    )
    assert read_png_code_points(memoryview(b"\0\0\0\4cICP\x09")) is None
    assert read_avif_code_points(memoryview(zlib.compress(bytes(500)))) is None


def test_the_profile_of_an_avif_is_preferred_to_code_points():
    """MIAF, 7.3.6.4: a reader that manages colours takes the profile."""
    data = image_files.encode(
        Image.new("RGB", (48, 48), (200, 100, 50)),
        "avif",
        quality=100,
        icc_profile=image_files.make_p3_profile(),
    )
    assert is_close(normalised_colour(data, "avif"), p3_in_srgb((200, 100, 50)), by=8)
