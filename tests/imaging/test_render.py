"""Orientation, size, wholeness and cost: what the model sees, and what is refused."""

import contextlib
import io
import struct

import pytest
from PIL import Image

from app.imaging import colour
from app.imaging.decoders import decode, libjpeg_turbo, vips
from app.imaging.render import render
from app.imaging.resize import shrink
from app.workers.errors import JobRefused
from app.workers.handler import JobInput
from tests.imaging import drawn
from tests.imaging.seen import colour_of, is_close, see

pytestmark = pytest.mark.usefixtures("pillow")


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "tiff", "avif"])
def test_every_orientation_comes_out_upright(orientation, image_format):
    """Wherever a format keeps it. The size stated is the upright one."""
    picture = drawn.quadrants()
    turn = STORED[orientation]
    stored = picture.transpose(turn) if turn is not None else picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {274: orientation}} if image_format == "tiff" else {"exif": exif}
    seen, facts = see(drawn.encoded(stored, image_format, **options), image_format)
    assert (facts["width"], facts["height"]) == seen.size == (160, 80)
    for at in ((40, 20), (120, 20), (40, 60), (120, 60)):
        assert is_close(seen.getpixel(at), picture.getpixel(at), by=24)


def test_nothing_of_the_source_but_the_picture_is_left():
    """No EXIF, no place, no profile, no comment, no XMP."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (46.0, 3.0, 0.0)})
    data = drawn.encoded(
        drawn.quadrants(),
        "jpeg",
        exif=exif,
        comment=b"my comment",
        dpi=(300, 300),
        icc_profile=drawn.p3_profile(),
        xmp=b"<x:xmpmeta/>",
    )
    args = {"format": "jpeg", "longest_edge_px": 1200, "max_pixels": 10**8}
    _, jpeg = render(JobInput(data), args, lambda *_: None)
    for trace in (b"Exif", b"Camera", b"my comment", b"ICC_PROFILE", b"xmpmeta", b"\xff\xe1"):
        assert trace in data or trace == b"\xff\xe1"
        assert trace not in jpeg
    assert not Image.open(io.BytesIO(jpeg)).getexif()


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
@pytest.mark.parametrize(
    "size",
    [
        (1, 1),
        (899, 10),
        (1200, 800),
        (1201, 801),
        (1499, 1000),
        (1801, 700),
        (2399, 100),
        (2500, 1200),
        (3001, 2000),
        (4801, 33),
        (700, 5000),
        (9700, 40),
        (6000, 1),
        (940, 2),
    ],
)
def test_the_longest_edge_is_within_the_window_and_the_ratio_kept(size, image_format):
    """At most 1,200 px, at least 900 where the source has that, and never enlarged."""
    seen, facts = see(drawn.encoded(Image.new("RGB", size, "teal"), image_format), image_format)
    assert (facts["width"], facts["height"]) == size
    longest = max(seen.size)
    assert longest <= 1200
    assert longest >= min(900, max(size))
    scale = longest / max(size)
    assert all(abs(a - b * scale) <= 1.01 for a, b in zip(seen.size, size, strict=True))


@pytest.mark.parametrize("size", [(1300, 900), (2600, 1300), (4000, 1000)])
@pytest.mark.parametrize("image_format", ["jpeg", "png"])
def test_a_reduced_picture_shows_what_the_source_showed(size, image_format):
    """Against a careful reduction of the same size, the mean difference is under 2 levels."""
    source = Image.effect_mandelbrot(size, (-2.2, -1.2, 1.2, 1.2), 50).convert("RGB")
    source.paste(Image.linear_gradient("L").resize((size[0] // 2, size[1])), (0, 0))
    data = drawn.encoded(
        source, image_format, **({"quality": 95} if image_format == "jpeg" else {})
    )
    seen, _ = see(data, image_format)
    reference = source.resize(seen.size, Image.Resampling.LANCZOS)
    assert difference(seen, reference) < 2


def difference(one, two):
    """Mean absolute difference of two pictures, in levels."""
    pairs = zip(one.convert("L").tobytes(), two.convert("L").tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / (one.width * one.height)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(300, 200), (2600, 1300)])
def test_a_jpeg_that_lacks_its_end_marker_only_is_whole(progressive, size):
    """Such files are common; every browser shows them."""
    picture = Image.effect_noise(size, 60).convert("RGB")
    data = drawn.encoded(picture, "jpeg", progressive=progressive)
    whole, _ = see(data, "jpeg")
    for marker_lost in (data[:-2], data[:-1], data[:-2] + b"\0" * 50):
        seen, _ = see(marker_lost, "jpeg")
        assert difference(whole, seen) < 0.01


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_a_jpeg_cut_short_is_corrupt(options, share):
    """A caption of half a grey picture must not be stored."""
    data = drawn.encoded(Image.effect_noise((400, 300), 60).convert("RGB"), "jpeg", **options)
    with pytest.raises(JobRefused) as caught:
        see(data[: int(len(data) * share)], "jpeg")
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("image_format", ["png", "webp", "tiff", "bmp", "gif"])
def test_other_files_cut_short_are_corrupt(image_format):
    """Half the bytes, no half a picture."""
    data = drawn.encoded(Image.effect_noise((300, 200), 60), image_format)
    with pytest.raises(JobRefused) as caught:
        see(data[: len(data) // 2], image_format)
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"])
def test_too_many_pixels_are_refused_before_memory_is_asked_for(image_format):
    """The header is enough."""
    data = drawn.encoded(Image.new("RGB", (100, 101)), image_format)
    see(data, image_format, max_pixels=10_100)
    asked = []
    with pytest.raises(JobRefused) as caught:
        see(data, image_format, max_pixels=10_000, room=lambda held, _=0: asked.append(held))
    assert caught.value.code == "too_large"
    assert not asked


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("png", {}),
        ("webp", {}),
        ("gif", {}),
        ("bmp", {}),
        ("tiff", {}),
        ("avif", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("jpeg", {"progressive": True}),
    ],
)
def test_memory_is_asked_for_by_the_pixels(image_format, options):
    """At least what the decoder will hold, and no more than twenty times the pixels.

    What is read row by row, or scaled by its decoder, asks for less than its pixels.
    """
    streamed = vips.is_ready() and image_format in ("png", "webp")
    pixels = 1600 * 1000
    asked = []
    data = drawn.encoded(Image.new("RGB", (1600, 1000), "navy"), image_format, **options)
    see(data, image_format, room=lambda held, _=0: asked.append(held))
    (amount,) = asked
    least = {"gif": 1, "jpeg": 3}.get(image_format, 4)
    if streamed:
        least = 1
    assert pixels * least <= amount <= pixels * 20 + 3 * len(data)


def test_a_baseline_jpeg_costs_what_it_is_scaled_to():
    """99 megapixels in one scan are decoded at an eighth: no room for all of them is needed."""
    asked = []
    data = drawn.encoded(Image.new("L", (9643, 10328)), "jpeg")
    see(data, "jpeg", room=lambda held, _=0: asked.append(held))
    assert asked[0] < 10_000_000


def test_extra_scans_are_refused_from_the_markers():
    """400 scans of 25 megapixels would take seconds in any decoder."""
    data = drawn.encoded(Image.effect_noise((500, 400), 60), "jpeg", progressive=True)
    see(drawn.scans_repeated(data, 3), "jpeg")
    asked = []
    with pytest.raises(JobRefused) as caught:
        see(drawn.scans_repeated(data, 400), "jpeg", room=lambda held, _=0: asked.append(held))
    assert caught.value.code == "costly"
    assert not asked


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        b"II*\0\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        b"MM\0*\0\0\0\x08",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
    ],
)
def test_a_broken_orientation_is_none(exif):
    """Offsets that lead outside, counts that lie, values that are not defined."""
    assert decode.headers.read_orientation(exif) == 1


def test_the_first_frame_stands_for_an_animation():
    """What is seen before anything moves."""
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "lime")]
    for image_format in ("gif", "webp", "png", "avif"):
        data = drawn.encoded(
            frames[0], image_format, save_all=True, append_images=frames[1:], duration=100
        )
        assert is_close(colour_of(data, image_format), (255, 0, 0), by=10), image_format


def test_the_window_can_be_hit_for_every_length():
    """Whole blocks or a filter: 0.75 to 1.0 of the edge, for every source up to ten times it."""
    for longest in range(64, 700):
        small = shrink(Image.new("L", (longest, 8)), 64, lambda piece: piece)
        assert 48 <= small.width <= 64, longest
        assert small.height >= 1


def _lossless_jpeg(width, height):
    """Middle grey: every sample is as its neighbour, so each is one bit (ITU-T T.81, annex H)."""
    frame = b"\xff\xc3" + struct.pack(">HBHHBBBB", 11, 8, height, width, 1, 1, 0x11, 0)
    table = b"\xff\xc4" + struct.pack(">HB", 20, 0) + b"\x01" + bytes(15) + b"\x00"
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8" + frame + table + scan + bytes(-(-width * height // 8)) + b"\xff\xd9"


@pytest.mark.parametrize("size", [(200, 40), (2000, 400)])
def test_a_lossless_jpeg_is_scaled_by_nobody_else(size):
    """libjpeg-turbo writes it in full size, past the end of a buffer for a smaller one."""
    seen, facts = see(_lossless_jpeg(*size), "jpeg")
    assert (facts["width"], facts["height"]) == size
    assert max(seen.size) == min(size[0], 1200)
    assert is_close(seen.getpixel((100, 20)), (128, 128, 128))


def _retagged(tiff, tag, value):
    """A little-endian TIFF of Pillow's with another value of a tag."""
    data = bytearray(tiff)
    (at,) = struct.unpack_from("<I", data, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] == tag:
            kind = struct.unpack_from("<H", data, entry + 2)[0]
            struct.pack_into("<H" if kind == 3 else "<I", data, entry + 8, value)
    return bytes(data)


def test_a_tiff_with_strips_that_are_not_there_is_corrupt():
    """They would be black."""
    whole = drawn.encoded(drawn.quadrants(), "tiff")
    assert see(whole, "tiff")
    with pytest.raises(JobRefused, match="corrupt"):
        see(_retagged(whole, 257, 160), "tiff")


def test_deep_grey_where_white_is_zero_is_no_negative():
    dark = drawn.encoded(Image.new("I;16", (48, 48), 257 * 40), "tiff")
    assert colour_of(dark, "tiff") == (40, 40, 40)
    assert colour_of(_retagged(dark, 262, 0), "tiff") == (215, 215, 215)


def test_a_png_with_a_wrong_checksum_in_its_pixels_is_corrupt():
    """Pillow shows what is left of it, black below; a comment's checksum matters to nobody."""
    whole = drawn.encoded(drawn.quadrants(), "png")
    at = whole.index(b"IDAT") + 20
    with pytest.raises(JobRefused, match="corrupt"):
        see(whole[:at] + bytes(len(whole) - at - 16) + whole[-16:], "png")


def test_a_png_without_its_palette_is_corrupt():
    whole = drawn.encoded(drawn.quadrants().quantize(8), "png")
    at = whole.index(b"PLTE") - 4
    size = int.from_bytes(whole[at : at + 4], "big") + 12
    with pytest.raises(JobRefused, match="corrupt"):
        see(whole[:at] + whole[at + size :], "png")


def test_what_a_webps_first_frame_leaves_free_is_white():
    chunk = drawn.encoded(Image.new("RGB", (16, 16), "red"), "webp")[12:]

    def small(*numbers):
        return b"".join(number.to_bytes(3, "little") for number in numbers)

    frame = small(16, 8, 15, 15) + small(100) + b"\x02" + chunk
    parts = (
        (b"VP8X", b"\x02\0\0\0" + small(79, 59)),
        (b"ANIM", bytes(6)),
        (b"ANMF", frame),
        (b"ANMF", frame),
    )
    body = b"WEBP" + b"".join(k + struct.pack("<I", len(v)) + v for k, v in parts)
    seen, _ = see(b"RIFF" + struct.pack("<I", len(body)) + body, "webp")
    assert seen.size == (80, 60)
    assert is_close(seen.getpixel((4, 4)), (255, 255, 255))
    assert is_close(seen.getpixel((40, 24)), (255, 0, 0), by=12)


def test_only_srgb_itself_is_taken_for_srgb():
    """Others have its name in theirs: linear light is far darker, a wide gamut paler."""
    for name in (
        "sRGB",
        "sRGB IEC61966-2.1",
        "sRGB built-in",
        "c2",
        "sRGB IEC61966-2-1 black scaled",
    ):
        assert colour._IS_SRGB.fullmatch(name), name
    for name in (
        "GIMP built-in Linear sRGB",
        "Rec2020-elle-V2-srgbtrc.icc",
        "sRGB-elle-V2-g10.icc",
    ):
        assert not colour._IS_SRGB.fullmatch(name), name


@pytest.mark.parametrize("size", [(160, 80), (1600, 800)])
def test_a_jpeg_that_is_cut_and_closed_again_is_corrupt(size):
    """Its lower part would be grey. Pillow alone does not tell."""
    whole = drawn.encoded(drawn.quadrants().resize(size), "jpeg", quality=95)
    assert see(whole, "jpeg")
    told = (
        pytest.raises(JobRefused, match="corrupt")
        if libjpeg_turbo.simplejpeg
        else contextlib.nullcontext()
    )
    with told:
        see(whole[: len(whole) * 7 // 10] + b"\xff\xd9", "jpeg")


def test_a_jpeg_with_restarts_that_lacks_its_end_is_whole_and_a_cut_one_is_not():
    """A decoder passes over the parts that are missing, and looks for the next restart."""
    whole = drawn.encoded(drawn.quadrants(), "jpeg", restart_marker_rows=1)
    assert see(whole[:-2], "jpeg")
    at = whole.rindex(b"\xff\xd3")
    for cut in (whole[:at], whole[: at + 1], whole[: at + 2]):
        with pytest.raises(JobRefused, match="corrupt"):
            see(cut, "jpeg")
