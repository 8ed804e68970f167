"""Colours as a browser shows them, on pictures whose answer is known by arithmetic."""

import struct

import pytest
from PIL import Image, ImageCms

from app.workers.errors import JobRefused
from tests.imaging import drawn
from tests.imaging.seen import colour_of, flat, is_close, see

pytestmark = pytest.mark.usefixtures("pillow")


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


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_measurements_that_are_no_numbers_are_no_picture(value):
    """Rather than a black one, with a caption of it."""
    picture = Image.new("F", (96, 32), 0.5)
    picture.putpixel((0, 0), value)
    with pytest.raises(JobRefused) as caught:
        see(drawn.encoded(picture, "tiff"), "tiff")
    assert caught.value.code == "unsupported"


def test_lab_is_turned_into_rgb():
    """There and back again."""
    red = flat("RGB", (200, 60, 40))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert is_close(colour_of(drawn.encoded(lab, "tiff"), "tiff"), (200, 60, 40), by=6)


def made_tiff(size, bits, photometric, samples, planes, *more):
    """An uncompressed TIFF, a strip for each of `planes`; `more`: (tag, SHORT values) each."""
    arrays = [(258, (bits,) * samples), *more]
    count = 7 + len(arrays) + (samples > 1)
    tail, entries, begin = b"", [], 8 + 2 + 12 * count + 4
    for tag, values in arrays:
        inline = len(values) < 3
        value = values[0] if inline else begin + len(tail)
        entries.append((tag, 3, len(values), value))
        tail += b"" if inline else struct.pack(f"<{len(values)}H", *values)
    places = []
    for plane in planes:
        places.append(begin + len(tail))
        tail += plane
    for tag, values in [(273, places), (279, [len(plane) for plane in planes])]:
        value = values[0] if len(values) == 1 else begin + len(tail)
        entries.append((tag, 4, len(values), value))
        tail += b"" if len(values) == 1 else struct.pack(f"<{len(values)}I", *values)
    plain = {256: size[0], 257: size[1], 259: 1, 262: photometric, 277: samples}
    entries += [(tag, 3, 1, value) for tag, value in plain.items()]
    if samples > 1:
        entries.append((284, 3, 1, 2))
    assert len(entries) == count
    return drawn.tiff(entries, tail)


def test_deep_samples_plane_by_plane_keep_their_colours():
    """Pillow's own reader takes the 16-bit samples of such a TIFF for twice as many bytes."""
    planes = [struct.pack("<H", value * 256) * 1024 for value in (200, 100, 50)]
    assert is_close(colour_of(made_tiff((32, 32), 16, 2, 3, planes), "tiff"), (200, 100, 50))


def test_a_palette_written_in_8_bits_is_not_black():
    """A TIFF's palette has 16 bits; some scanners' leave the upper 8 empty."""
    data = made_tiff(
        (32, 32), 8, 3, 1, [b"\7" * 1024], (320, (200,) * 256 + (100,) * 256 + (50,) * 256)
    )
    assert is_close(colour_of(data, "tiff"), (200, 100, 50))


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


def test_grey_multiplied_with_its_transparency_is_seen_on_white():
    """TIFF's associated alpha: 64 at half strength lets half of the white through."""
    data = bytearray(drawn.encoded(flat("LA", (64, 128)), "tiff"))
    at = data.index(struct.pack("<HHI", 338, 3, 1)) + 8
    data[at] = 1
    assert is_close(colour_of(bytes(data), "tiff"), (191, 191, 191))


@pytest.mark.parametrize("image_format", ["webp", "avif"])
def test_transparency_of_modern_formats_is_seen_on_white(image_format):
    """A see-through red."""
    data = drawn.encoded(flat("RGBA", (255, 0, 0, 128)), image_format, quality=95)
    assert is_close(colour_of(data, image_format), (255, 127, 127), by=8)


def test_an_avif_with_a_box_of_associations_for_each_item_is_shown():
    """Some encoders write transparency like that; browsers read it."""
    data = drawn.encoded(flat("RGBA", (255, 0, 0, 128)), "avif", quality=95)
    data = drawn.one_association_each(data)
    assert data.count(b"ipma") == 2
    assert is_close(colour_of(data, "avif"), (255, 127, 127), by=8)


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


@pytest.mark.parametrize("background", [0, 1])
def test_what_the_first_frame_of_a_gif_leaves_free_is_white(background):
    """No browser paints the stated background colour, nor the first one of the palette."""
    frame = Image.new("P", (16, 16), 2)
    frame.putpalette([10, 200, 10, 10, 10, 200, 200, 10, 10])
    data = bytearray(drawn.encoded(frame, "gif", optimize=False, background=background))
    data[6:10] = struct.pack("<HH", 48, 32)  # the canvas, larger than the frame
    at = data.index(b",\0\0\0\0\x10\0\x10\0")
    data[at + 1 : at + 5] = struct.pack("<HH", 8, 4)
    seen, facts = see(bytes(data), "gif")
    assert (facts["width"], facts["height"]) == (48, 32)
    assert is_close(seen.getpixel((16, 12)), (200, 10, 10), by=24)
    for free in [(2, 1), (40, 12), (16, 28)]:
        assert is_close(seen.getpixel(free), (255, 255, 255), by=24)


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


def test_a_deep_grey_next_to_the_transparent_one_stays():
    """255 and 256 of 65,535 are one grey in 8 bits, and only one of them is transparent."""
    transparent = drawn.chunk(b"tRNS", struct.pack(">H", 255))
    row = b"\0" + struct.pack(">H", 255) * 16 + struct.pack(">H", 256) * 16
    seen, _ = see(drawn.png((32, 16), 16, 0, row * 16, before=[transparent]), "png")
    assert is_close(seen.getpixel((4, 8)), (255, 255, 255))
    assert is_close(seen.getpixel((28, 8)), (1, 1, 1))


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
