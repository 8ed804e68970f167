"""What the model sees: colours, orientation and size, on pictures whose answer is known."""

import io
import math
import struct

import pytest
from PIL import Image, ImageCms

from app.images import decode
from app.images.render import render
from app.sandbox.job import Input, Refuse
from tests.images import drawn

GREY = [(51, 51, 51), (128, 128, 128), (204, 204, 204)]


@pytest.fixture(autouse=True)
def pillow(monkeypatch):
    """What `warm_up` does in a child, as far as this process may keep it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.init()


def see(data, image_format, *, longest=1200, max_pixels=150_000_000, room=lambda _bytes: None):
    args = {"format": image_format, "longest_edge_px": longest, "max_pixels": max_pixels}
    facts, jpeg = render(Input(data), args, room)
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    assert (picture.format, picture.mode) == ("JPEG", "RGB")
    assert picture.size == (facts["sent_width"], facts["sent_height"])
    return picture, facts


def colour_of(data, image_format, at=(0.5, 0.5)):
    picture, _ = see(data, image_format)
    return picture.getpixel((int(picture.width * at[0]), int(picture.height * at[1])))


def is_close(one, two, by=4):
    return all(abs(a - b) <= by for a, b in zip(one, two, strict=True))


def flat(mode, colour, size=(48, 48)):
    return Image.new(mode, size, colour)


@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((51, 102, 0, 51), (163, 122, 204)),  # 255 (1 - ink) (1 - black)
    ],
)
@pytest.mark.parametrize("image_format", ["jpeg", "tiff"])
def test_ink_without_a_profile_is_seen_as_browsers_show_it(ink, expected, image_format):
    """Each channel is what paper is left by its ink and by black."""
    data = drawn.encoded(flat("CMYK", ink), image_format)
    assert is_close(colour_of(data, image_format), expected)


def png_16(colour_type, samples, **options):
    row = b"\0" + struct.pack(f">{len(samples)}H", *samples) * 16
    return drawn.png((16, 16), 16, colour_type, row * 16, **options)


@pytest.mark.parametrize(
    ("samples", "colour_type", "expected"),
    [
        ((32_896,), 0, (128,) * 3),
        ((300,), 0, (1,) * 3),
        ((65_535,), 0, (255,) * 3),
        ((0, 32_896, 65_535), 2, (0, 128, 255)),
        ((65_535, 0, 0, 32_896), 6, (255, 127, 127)),
        ((0, 32_896), 4, (127,) * 3),
    ],
)
def test_16_bits_are_scaled_not_clipped(samples, colour_type, expected):
    """A value of 300 of 65,535 is nearly black."""
    assert is_close(colour_of(png_16(colour_type, samples), "png"), expected)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_deep_grey_tiffs_are_scaled_in_both_byte_orders(mode):
    """16-bit scans of either kind of machine."""
    data = drawn.encoded(flat(mode, 32_896), "tiff")
    assert is_close(colour_of(data, "tiff"), (128, 128, 128))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.0, 0.5, 1.0), (0, 128, 255)),
        ((-10.0, 0.0, 10.0), (0, 128, 255)),
        ((0.0, 128.0, 255.0), (0, 128, 255)),
    ],
)
def test_floats_are_brought_to_what_can_be_shown(values, expected):
    """0 to 1 is a picture, 0 to 255 too; measurements are stretched."""
    picture = Image.new("F", (96, 32))
    for index, value in enumerate(values):
        picture.paste(value, (index * 32, 0, index * 32 + 32, 32))
    seen, _ = see(drawn.encoded(picture, "tiff"), "tiff")
    for index, grey in enumerate(expected):
        assert is_close(seen.getpixel((index * 32 + 16, 16)), (grey,) * 3)


def test_lab_is_turned_into_rgb():
    """There and back again."""
    red = flat("RGB", (200, 60, 40))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert is_close(colour_of(drawn.encoded(lab, "tiff"), "tiff"), (200, 60, 40), by=6)


@pytest.mark.parametrize("image_format", ["png", "gif", "bmp", "tiff"])
def test_palette_and_one_bit_pictures_keep_their_colours(image_format):
    """Indices are looked up before anything is averaged."""
    picture = drawn.quadrants((64, 64)).quantize(4)
    assert is_close(
        colour_of(drawn.encoded(picture, image_format), image_format, (0.2, 0.2)),
        (220, 20, 20),
        by=8,
    )
    bits = Image.new("1", (64, 64), 1)
    assert is_close(colour_of(drawn.encoded(bits, image_format), image_format), (255,) * 3)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (255, 0, 0, 128), (255, 127, 127)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("LA", (0, 128), (127, 127, 127)),
    ],
)
@pytest.mark.parametrize("image_format", ["png", "tiff"])
def test_transparency_is_seen_on_white(mode, colour, expected, image_format):
    """As on an ordinary page."""
    data = drawn.encoded(flat(mode, colour), image_format)
    assert is_close(colour_of(data, image_format), expected)


@pytest.mark.parametrize("image_format", ["webp", "avif"])
def test_transparency_of_modern_formats_is_seen_on_white(image_format):
    """A see-through red."""
    data = drawn.encoded(flat("RGBA", (255, 0, 0, 128)), image_format, quality=95)
    assert is_close(colour_of(data, image_format), (255, 127, 127), by=8)


def test_what_a_transparent_pixel_hides_does_not_bleed():
    """White stripes between transparent black ones stay white when they are averaged."""
    picture = Image.new("RGBA", (2400, 64), (0, 0, 0, 0))
    for x in range(0, 2400, 2):
        picture.paste((255, 255, 255, 255), (x, 0, x + 1, 64))
    seen, _ = see(drawn.encoded(picture, "png"), "png", longest=1000)
    assert min(low for low, _ in seen.getextrema()) >= 252


def test_a_gif_with_a_transparent_colour_is_seen_on_white():
    """Index 0 is nothing."""
    picture = Image.new("P", (32, 32), 0)
    picture.putpalette([10, 200, 10, 200, 10, 10])
    picture.paste(1, (0, 0, 32, 16))
    data = drawn.encoded(picture, "gif", transparency=0)
    assert is_close(colour_of(data, "gif", (0.5, 0.9)), (255, 255, 255))
    assert is_close(colour_of(data, "gif", (0.5, 0.1)), (200, 10, 10))


@pytest.mark.parametrize(
    ("depth", "colour_type", "row", "key"),
    [
        (8, 2, b"\x0a\x14\x1e" * 16, (10, 20, 30)),
        (16, 2, struct.pack(">3H", 2570, 5140, 7710) * 16, (2570, 5140, 7710)),
        (8, 0, b"\x0a" * 16, (10,)),
        (4, 0, b"\x33" * 8, (3,)),
        (2, 0, b"\x55" * 4, (1,)),
        (16, 0, struct.pack(">H", 2570) * 16, (2570,)),
    ],
)
def test_a_colour_named_transparent_is_so_at_every_depth(depth, colour_type, row, key):
    """PNG's tRNS states it in the file's own depth."""
    transparent = drawn.chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    data = drawn.png((16, 16), depth, colour_type, (b"\0" + row) * 16, before=[transparent])
    assert is_close(colour_of(data, "png"), (255, 255, 255))


def test_a_linear_png_is_shown_brighter():
    """gAMA 1.0: a quarter of the light is seen as a middle grey."""
    gamma = drawn.chunk(b"gAMA", struct.pack(">I", 100_000))
    data = drawn.png((16, 16), 8, 0, (b"\0" + b"\x40" * 16) * 16, before=[gamma])
    assert is_close(colour_of(data, "png"), (round(255 * (64 / 255) ** (1 / 2.2)),) * 3)
    srgb = drawn.chunk(b"sRGB", b"\0")
    data = drawn.png((16, 16), 8, 0, (b"\0" + b"\x40" * 16) * 16, before=[gamma, srgb])
    assert is_close(colour_of(data, "png"), (64, 64, 64))


def p3_in_srgb(colour, gamma=2.2):
    """The colour in sRGB by the book: to XYZ (D50), to linear sRGB, encoded."""
    linear = [(value / 255) ** gamma for value in colour]
    x, y, z = (sum(m * v for m, v in zip(row, linear, strict=True)) for row in drawn.P3_TO_XYZ)
    # The inverse of sRGB's own matrix at D50 (Lindbloom).
    rgb = (
        3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
        -0.9787684 * x + 1.9161415 * y + 0.0334540 * z,
        0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
    )
    return [
        round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055))
        for v in (min(1, max(0, v)) for v in rgb)
    ]


@pytest.mark.parametrize("colour", [(200, 100, 50), (60, 180, 90), (120, 120, 120)])
@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "tiff"])
def test_wide_gamut_colours_are_brought_to_srgb(colour, image_format):
    """Display P3 numbers shown as sRGB would look dull."""
    options = {"quality": 98, "subsampling": 0} if image_format == "jpeg" else {}
    options |= {"lossless": True} if image_format == "webp" else {}
    data = drawn.encoded(
        flat("RGB", colour), image_format, icc_profile=drawn.p3_profile(), **options
    )
    assert is_close(colour_of(data, image_format), p3_in_srgb(colour), by=5)


@pytest.mark.parametrize("profile", [b"no profile", drawn.p3_profile()[:200], b"\0" * 5_000_000])
def test_a_broken_profile_is_ignored(profile):
    """The picture is worth more than its profile."""
    data = drawn.encoded(flat("RGB", (200, 100, 50)), "tiff", icc_profile=profile)
    assert is_close(colour_of(data, "tiff"), (200, 100, 50))


def test_a_profile_for_other_colours_is_ignored():
    """An RGB profile on a grey picture says nothing about it."""
    data = drawn.encoded(flat("L", 90), "png", icc_profile=drawn.p3_profile())
    assert is_close(colour_of(data, "png"), (90, 90, 90))


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
    _, jpeg = render(Input(data), args, lambda _bytes: None)
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
    with pytest.raises(Refuse) as caught:
        see(data[: int(len(data) * share)], "jpeg")
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("image_format", ["png", "webp", "tiff", "bmp", "gif"])
def test_other_files_cut_short_are_corrupt(image_format):
    """Half the bytes, no half a picture."""
    data = drawn.encoded(Image.effect_noise((300, 200), 60), image_format)
    with pytest.raises(Refuse) as caught:
        see(data[: len(data) // 2], image_format)
    assert caught.value.code == "corrupt"


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"])
def test_too_many_pixels_are_refused_before_memory_is_asked_for(image_format):
    """The header is enough."""
    data = drawn.encoded(Image.new("RGB", (100, 101)), image_format)
    see(data, image_format, max_pixels=10_100)
    asked = []
    with pytest.raises(Refuse) as caught:
        see(data, image_format, max_pixels=10_000, room=asked.append)
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
    """At least what the decoder will hold, and no more than twenty times the pixels."""
    pixels = 1600 * 1000
    asked = []
    data = drawn.encoded(Image.new("RGB", (1600, 1000), "navy"), image_format, **options)
    see(data, image_format, room=asked.append)
    (amount,) = asked
    least = {"gif": 1, "jpeg": 3}.get(image_format, 4)
    assert pixels * least <= amount <= pixels * 20 + 3 * len(data)


def test_a_baseline_jpeg_costs_what_it_is_scaled_to():
    """99 megapixels in one scan are decoded at an eighth: no room for all of them is needed."""
    asked = []
    data = drawn.encoded(Image.new("L", (9643, 10328)), "jpeg")
    see(data, "jpeg", room=asked.append)
    assert asked[0] < 10_000_000


def test_extra_scans_are_refused_from_the_markers():
    """400 scans of 25 megapixels would take seconds in any decoder."""
    data = drawn.encoded(Image.effect_noise((500, 400), 60), "jpeg", progressive=True)
    see(drawn.scans_repeated(data, 3), "jpeg")
    asked = []
    with pytest.raises(Refuse) as caught:
        see(drawn.scans_repeated(data, 400), "jpeg", room=asked.append)
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
    from app.images.fit import shrink

    for longest in range(64, 700):
        small = shrink(Image.new("L", (longest, 8)), 64, lambda piece: piece)
        assert 48 <= small.width <= 64, longest
        assert small.height == max(1, math.ceil(8 / math.ceil(longest / 64))) or small.height >= 1
