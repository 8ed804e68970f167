"""Pictures for wide gamut and HDR screens, told by code points: shown as a browser shows them."""

import struct
import zlib

import pytest
from PIL import Image

from app.imaging import cicp
from tests.imaging import drawn
from tests.imaging.seen import colour_of, flat, is_close
from tests.imaging.test_render_colours import p3_in_srgb

pytestmark = pytest.mark.usefixtures("pillow")

SRGB, P3, BT2020 = 1, 12, 9
LINEAR, SRGB_CURVE, PQ, HLG = 8, 13, 16, 18


def png_of(colour, primaries, transfer) -> bytes:
    told = drawn.chunk(b"cICP", bytes((primaries, transfer, 0, 1)))
    return drawn.png((16, 16), 8, 2, (b"\0" + bytes(colour) * 16) * 16, before=[told])


def avif_of(colour, primaries, transfer) -> bytes:
    data = bytearray(drawn.encoded(flat("RGB", colour), "avif", quality=100, subsampling="4:4:4"))
    at = data.index(b"nclx") + 4
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


def srgb(light: float) -> int:
    return round(
        255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)
    )


def toned(light: float) -> float:
    return light * (1 + light / (1000 / 203) ** 2) / (1 + light)


@pytest.mark.parametrize(("make", "image_format"), [(png_of, "png"), (avif_of, "avif")])
@pytest.mark.parametrize("colour", [(200, 100, 50), (120, 120, 120)])
def test_wide_gamut_told_by_code_points_is_brought_to_srgb(make, image_format, colour):
    """Display P3 numbers with sRGB's curve."""
    seen = colour_of(make(colour, P3, SRGB_CURVE), image_format)
    assert is_close(seen, p3_in_srgb(colour), by=8)  # that helper's curve is a plain 2.2
    assert not any(colour) or is_close(
        colour_of(make(colour, SRGB, SRGB_CURVE), image_format), colour
    )


@pytest.mark.parametrize(("make", "image_format"), [(png_of, "png"), (avif_of, "avif")])
@pytest.mark.parametrize(
    ("transfer", "value", "light"),
    [
        (PQ, 148, toned(1.0)),  # 58 % of the signal is paper white: 203 nits (ITU-R BT.2408)
        (PQ, 192, toned(1000 / 203)),  # 75 %: 1,000 nits, the brightest
        (PQ, 0, 0.0),
        (HLG, 191, toned(1.0)),  # 75 % is paper white there
        (LINEAR, 55, 55 / 255),
    ],
)
@pytest.mark.parametrize("primaries", [SRGB, BT2020])
def test_light_for_hdr_screens_is_brought_under_white(
    make, image_format, transfer, value, light, primaries
):
    """Paper white and peak by the standards' own numbers."""
    seen = colour_of(make((value,) * 3, primaries, transfer), image_format)
    assert is_close(seen, (srgb(light),) * 3, by=6)


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(SRGB, SRGB_CURVE), (SRGB, 1), (2, PQ), (9, 99)]
)
def test_what_is_srgb_or_unknown_has_no_profile(primaries, transfer):
    """Most AVIFs: nothing to do."""
    assert cicp.profile(primaries, transfer) is None


def test_a_damaged_or_misplaced_chunk_is_ignored():
    """The picture is worth more than its code points."""
    good = png_of((200, 100, 50), BT2020, PQ)
    at = good.index(b"cICP")
    assert is_close(colour_of(good[: at + 8] + b"\0" + good[at + 9 :], "png"), (200, 100, 50))
    assert cicp.of_png(memoryview(b"\0\0\0\4cICP\x09")) is None
    assert cicp.of_avif(memoryview(zlib.compress(bytes(500)))) is None


def test_a_profile_in_an_avif_counts_more_than_code_points():
    """MIAF, 7.3.6.4: a reader that manages colours takes the profile."""
    data = drawn.encoded(
        Image.new("RGB", (48, 48), (200, 100, 50)),
        "avif",
        quality=100,
        icc_profile=drawn.p3_profile(),
    )
    assert is_close(colour_of(data, "avif"), p3_in_srgb((200, 100, 50)), by=8)
