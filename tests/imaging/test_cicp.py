"""Colours given as code points, for wide gamut and HDR: shown as in a browser."""

import struct
import zlib

import pytest
from PIL import Image

from app.imaging.cicp import CodePoints
from app.imaging.metadata.iso_media import read_avif_colours
from app.imaging.metadata.png import read_png_colour_chunks
from tests.imaging import image_files
from tests.imaging.image_files import make_coded_avif, make_coded_heic, make_coded_png
from tests.imaging.normalising import is_close, normalised_colour, p3_in_srgb

pytestmark = pytest.mark.usefixtures("decoders")

SRGB, P3, BT2020 = 1, 12, 9
GAMMA_22, LINEAR, SRGB_CURVE, PQ, HLG = 4, 8, 13, 16, 18

MAKERS = [(make_coded_png, "png"), (make_coded_avif, "avif"), (make_coded_heic, "heic")]


def srgb(light: float) -> int:
    light = min(1, max(0, light))
    return round(
        255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)
    )


@pytest.mark.parametrize(("make", "image_format"), MAKERS)
@pytest.mark.parametrize("colour", [(200, 100, 50), (120, 120, 120)])
def test_wide_gamut_code_points_are_converted_to_srgb(make, image_format, colour):
    """Display P3 numbers with sRGB's curve."""
    found = normalised_colour(make(colour, P3, SRGB_CURVE), image_format)
    assert is_close(found, p3_in_srgb(colour), by=8)  # that helper's curve is a plain 2.2
    assert is_close(normalised_colour(make(colour, SRGB, SRGB_CURVE), image_format), colour, by=5)


@pytest.mark.parametrize(
    ("primaries", "expected"),
    # As Chromium 156 shows (200, 100, 50).
    [
        (4, (232, 93, 30)), (5, (203, 100, 51)), (6, (196, 102, 49)), (7, (196, 102, 49)),
        (8, (222, 92, 32)), (9, (241, 76, 29)), (10, (255, 0, 61)), (11, (211, 93, 32)),
        (12, (215, 93, 31)), (22, (202, 102, 49)), (0, (200, 100, 50)), (3, (200, 100, 50)),
        (99, (200, 100, 50)),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("make", "image_format"), MAKERS[:2])
def test_all_primaries_of_the_standard_are_known(make, image_format, primaries, expected):
    found = normalised_colour(make((200, 100, 50), primaries, SRGB_CURVE), image_format)
    assert is_close(found, expected)


@pytest.mark.parametrize(
    ("transfer", "in_png", "in_avif"),
    [
        (1, 113, 120), (4, 121, 121), (5, 98, 98), (6, 113, 120), (7, 134, 134),
        (LINEAR, 183, 183), (13, 120, 120), (14, 113, 120), (15, 113, 120), (17, 109, 109),
        (0, 120, 120), (2, 120, 120), (9, 120, 120), (12, 120, 120), (99, 120, 120),
    ],
)  # fmt: skip
def test_all_curves_of_the_standard_are_known(transfer, in_png, in_avif):
    """As Chromium 156 shows a grey of 120. In AVIF it takes curves of cameras for that of sRGB."""
    for (make, image_format), grey in zip(MAKERS[:2], (in_png, in_avif), strict=True):
        found = normalised_colour(make((120,) * 3, SRGB, transfer), image_format)
        assert is_close(found, (grey,) * 3)


@pytest.mark.parametrize(("make", "image_format"), MAKERS[:2])
@pytest.mark.parametrize(
    ("transfer", "value", "light"),
    [
        (PQ, 128, 0.5 * 92.2 / 203),
        (PQ, 148, 0.5),  # 58 % of the signal is reference white: 203 nits (ITU-R BT.2408)
        (PQ, 192, 1.0),  # 75 %: 1,000 nits, the brightest
        (PQ, 0, 0.0),
        (HLG, 191, 0.5),  # 75 % is reference white
        (HLG, 255, 1.0),
        (LINEAR, 55, 55 / 255),
    ],
)
@pytest.mark.parametrize("primaries", [SRGB, BT2020])
def test_hdr_light_is_tone_mapped_under_white(
    make, image_format, transfer, value, light, primaries
):
    """Reference white and peak have the values of the standards."""
    found = normalised_colour(make((value,) * 3, primaries, transfer), image_format)
    assert is_close(found, (srgb(light),) * 3, by=5)


@pytest.mark.parametrize(
    ("colour", "transfer", "expected"),
    [
        ((192, 148, 60), PQ, (255, 140, 16)),
        ((148, 40, 40), PQ, (187, 9, 9)),
        ((192, 148, 60), HLG, (179, 122, 49)),
        ((60, 140, 200), HLG, (47, 111, 186)),
    ],
)
def test_tone_mapping_keeps_the_hue(colour, transfer, expected):
    """As Chromium 156 shows it: all three components get the gain of the brightest."""
    assert is_close(normalised_colour(make_coded_png(colour, SRGB, transfer), "png"), expected)


def test_the_stated_peak_decides_how_dark_reference_white_is():
    """As Chromium 156 shows a grey of 120 in PQ: cLLI before mDCV before 1,000 nits."""
    level = image_files.png_chunk(b"cLLI", struct.pack(">II", 203 * 10_000, 0))
    mastering = image_files.png_chunk(b"mDCV", bytes(16) + struct.pack(">II", 400 * 10_000, 0))
    for chunks, grey in [((), 114), ((mastering,), 141), ((level, mastering), 157)]:
        data = make_coded_png((120,) * 3, BT2020, PQ, *chunks)
        assert is_close(normalised_colour(data, "png"), (grey,) * 3)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_heic_without_light_over_reference_white_keeps_its_white(transfer):
    """Its peak is measured: a plain picture that is only coded as HDR looks as it was drawn."""
    value = {PQ: 148, HLG: 191}[transfer]
    data = make_coded_heic((value,) * 3, BT2020, transfer)
    assert is_close(normalised_colour(data, "heic"), (255,) * 3, by=6)


@pytest.mark.parametrize("transfer", [LINEAR, PQ, HLG])
def test_code_points_of_a_grey_png_apply(transfer):
    """A grey image has the curve of its code points, and looks as the same grey in RGB."""
    chunk = image_files.png_chunk(b"cICP", bytes((BT2020, transfer, 0, 1)))
    data = image_files.make_png((16, 16), 8, 0, (b"\0" + b"\x78" * 16) * 16, before=[chunk])
    in_rgb = normalised_colour(make_coded_png((0x78,) * 3, BT2020, transfer), "png")
    assert is_close(normalised_colour(data, "png"), in_rgb, by=1)
    assert not is_close(in_rgb, (0x78,) * 3)


def test_numbers_without_a_meaning_are_not_known():
    assert not CodePoints(2, PQ).is_known
    assert not CodePoints(9, 99).is_known
    assert CodePoints(9, PQ).is_known
    assert CodePoints(99, 99).as_in_video() == CodePoints(SRGB, SRGB_CURVE)


@pytest.mark.parametrize(
    "chunk",
    [
        image_files.png_chunk(b"cICP", bytes((BT2020, PQ, 0))),
        image_files.png_chunk(b"cICP", bytes((BT2020, PQ, 0, 1, 0))),
        image_files.png_chunk(b"cICP", b""),
        image_files.png_chunk(b"cICP", bytes((BT2020, PQ, 9, 1))),
        image_files.png_chunk(b"cICP", bytes((BT2020, PQ, 0, 0))),
        image_files.png_chunk(b"cICP", bytes((255, 255, 0, 1))),
        image_files.png_chunk(b"cICP", bytes((BT2020, PQ, 0, 1)))[:-1] + b"x",
        image_files.png_chunk(b"tEXt", b"\0\0\0\4cICP\x09\x10\0\1"),
    ],
)
def test_damaged_code_points_are_ignored(chunk):
    """A wrong length, a matrix, a narrow range, an unknown number, a wrong checksum."""
    rows = (b"\0" + bytes((200, 100, 50)) * 16) * 16
    data = image_files.make_png((16, 16), 8, 2, rows, before=[chunk])
    assert is_close(normalised_colour(data, "png"), (200, 100, 50))


def test_truncated_headers_state_no_colours():
    good = make_coded_png((200, 100, 50), BT2020, PQ)
    for end in range(49):
        assert read_png_colour_chunks(memoryview(good[:end])).code_points is None
    assert read_avif_colours(memoryview(zlib.compress(bytes(500)))) is None
    avif = make_coded_avif((200, 100, 50), BT2020, PQ)
    for end in range(0, len(avif), 7):
        read_avif_colours(memoryview(avif[:end]))


def test_the_code_points_of_the_primary_image_count():
    """Another box may stand before it, as for a thumbnail or a gain map."""
    data = make_coded_avif((200, 100, 50), P3, SRGB_CURVE)
    box = data.index(b"colr") - 4
    (length,) = struct.unpack_from(">I", data, box)
    view = memoryview(data)
    assert read_avif_colours(view).code_points == CodePoints(P3, SRGB_CURVE)
    decoy = (
        data[box : box + 8]
        + b"nclx"
        + struct.pack(">HH", BT2020, PQ)
        + data[box + 16 :][: length - 16]
    )
    with_decoy = bytearray(data[:box] + decoy + data[box:])
    for name in (b"meta", b"iprp", b"ipco"):
        at = with_decoy.index(name) - 4
        struct.pack_into(">I", with_decoy, at, struct.unpack_from(">I", with_decoy, at)[0] + length)
    number = _number_of_property(data, box)
    at = with_decoy.index(b"ipma") + 12 + 3  # behind version, count, item and its count
    end = at + with_decoy[at - 1]
    for place in range(at, end):
        if with_decoy[place] & 0x7F >= number:
            with_decoy[place] += 1
    assert read_avif_colours(memoryview(bytes(with_decoy))).code_points == CodePoints(
        P3, SRGB_CURVE
    )


def _number_of_property(data, box):
    at, number = data.index(b"ipco") + 4, 1
    while at < box:
        at += struct.unpack_from(">I", data, at)[0]
        number += 1
    return number


@pytest.mark.parametrize("image_format", ["avif", "heic"])
def test_the_profile_is_preferred_to_code_points(image_format):
    """MIAF, 7.3.6.4: a reader that manages colours takes the profile."""
    name = {"heic": "heif"}.get(image_format, image_format)
    data = image_files.encode(
        Image.new("RGB", (48, 48), (200, 100, 50)),
        name,
        quality=100,
        icc_profile=image_files.make_p3_profile(),
    )
    assert is_close(normalised_colour(data, image_format), p3_in_srgb((200, 100, 50)), by=8)
