"""Colours as a browser shows them, on images whose colours are known by arithmetic."""

import struct

import pytest
from PIL import Image, ImageCms

from app.imaging import colour as colour_module
from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalise, normalised_colour, p3_in_srgb, solid

pytestmark = pytest.mark.usefixtures("decoders")


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
def test_cmyk_without_a_profile_is_shown_as_in_browsers(ink, expected, image_format):
    """Each channel is white less its ink and less black."""
    data = image_files.encode(solid("CMYK", ink), image_format)
    assert is_close(normalised_colour(data, image_format), expected)


def make_16_bit_png(colour_type, samples, **options):
    row = b"\0" + struct.pack(f">{len(samples)}H", *samples) * 16
    return image_files.make_png((16, 16), 16, colour_type, row * 16, **options)


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
def test_16_bit_samples_are_scaled_not_clipped(samples, colour_type, expected):
    """A value of 300 of 65,535 is nearly black."""
    assert is_close(normalised_colour(make_16_bit_png(colour_type, samples), "png"), expected)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_16_bit_grey_tiffs_are_scaled_in_both_byte_orders(mode):
    data = image_files.encode(solid(mode, 32_896), "tiff")
    assert is_close(normalised_colour(data, "tiff"), (128, 128, 128))


def test_16_bit_grey_with_white_as_zero_is_not_a_negative():
    dark = image_files.encode(Image.new("I;16", (48, 48), 257 * 40), "tiff")
    assert normalised_colour(dark, "tiff") == (40, 40, 40)
    assert normalised_colour(image_files.with_tag(dark, 262, 0), "tiff") == (215, 215, 215)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.0, 0.5, 1.0), (0, 128, 255)),
        ((-10.0, 0.0, 10.0), (0, 128, 255)),
        ((0.0, 128.0, 255.0), (0, 128, 255)),
    ],
)
def test_float_samples_are_scaled_to_the_visible_range(values, expected):
    """0 to 1 is an image, and 0 to 255, too; measurements are stretched."""
    source = Image.new("F", (96, 32))
    for index, value in enumerate(values):
        source.paste(value, (index * 32, 0, index * 32 + 32, 32))
    image, _ = normalise(image_files.encode(source, "tiff"), "tiff")
    for index, grey in enumerate(expected):
        assert is_close(image.getpixel((index * 32 + 16, 16)), (grey,) * 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_float_samples_that_are_not_finite_are_unsupported(value):
    """Rather than a caption of a black image."""
    image = Image.new("F", (96, 32), 0.5)
    image.putpixel((0, 0), value)
    with pytest.raises(JobRefused) as caught:
        normalise(image_files.encode(image, "tiff"), "tiff")
    assert caught.value.code == "unsupported_variant"


def test_lab_is_converted_to_rgb():
    """sRGB to Lab and back again."""
    red = solid("RGB", (200, 60, 40))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert is_close(normalised_colour(image_files.encode(lab, "tiff"), "tiff"), (200, 60, 40), by=6)


@pytest.mark.parametrize("image_format", ["png", "gif", "bmp", "tiff"])
def test_palette_and_one_bit_images_keep_their_colours(image_format):
    """Indices are looked up before anything is averaged."""
    source = image_files.draw_quadrants((64, 64)).quantize(4)
    assert is_close(
        normalised_colour(image_files.encode(source, image_format), image_format, (0.2, 0.2)),
        (220, 20, 20),
        by=8,
    )
    bits = Image.new("1", (64, 64), 1)
    assert is_close(
        normalised_colour(image_files.encode(bits, image_format), image_format), (255,) * 3
    )


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (255, 0, 0, 128), (255, 127, 127)),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("LA", (0, 128), (127, 127, 127)),
    ],
)
@pytest.mark.parametrize("image_format", ["png", "tiff"])
def test_transparency_is_shown_on_white(mode, colour, expected, image_format):
    """As on an ordinary page."""
    data = image_files.encode(solid(mode, colour), image_format)
    assert is_close(normalised_colour(data, image_format), expected)


def test_grey_with_associated_alpha_is_shown_on_white():
    """TIFF's associated alpha: 64 at half strength lets half of the white through."""
    data = bytearray(image_files.encode(solid("LA", (64, 128)), "tiff"))
    at = data.index(struct.pack("<HHI", 338, 3, 1)) + 8
    data[at] = 1
    assert is_close(normalised_colour(bytes(data), "tiff"), (194, 194, 194))


@pytest.mark.parametrize("image_format", ["webp", "avif"])
def test_transparency_of_webp_and_avif_is_shown_on_white(image_format):
    """A half transparent red."""
    data = image_files.encode(solid("RGBA", (255, 0, 0, 128)), image_format, quality=95)
    assert is_close(normalised_colour(data, image_format), (255, 127, 127), by=8)


def test_the_colour_of_transparent_pixels_does_not_bleed():
    """White stripes between transparent black ones stay white when they are averaged."""
    source = Image.new("RGBA", (2400, 64), (0, 0, 0, 0))
    for x in range(0, 2400, 2):
        source.paste((255, 255, 255, 255), (x, 0, x + 1, 64))
    image, _ = normalise(image_files.encode(source, "png"), "png", longest=1000)
    assert min(low for low, _ in image.getextrema()) >= 252


def test_a_gif_with_a_transparent_colour_is_shown_on_white():
    """Palette colour 0 is transparent."""
    source = Image.new("P", (32, 32), 0)
    source.putpalette([10, 200, 10, 200, 10, 10])
    source.paste(1, (0, 0, 32, 16))
    data = image_files.encode(source, "gif", transparency=0)
    assert is_close(normalised_colour(data, "gif", (0.5, 0.9)), (255, 255, 255))
    assert is_close(normalised_colour(data, "gif", (0.5, 0.1)), (200, 10, 10))


def test_a_16_bit_grey_next_to_the_transparent_one_stays_visible():
    """255 and 256 of 65,535 are one grey in 8 bits, and only one of them is transparent."""
    transparent = image_files.png_chunk(b"tRNS", struct.pack(">H", 255))
    row = b"\0" + struct.pack(">H", 255) * 16 + struct.pack(">H", 256) * 16
    image, _ = normalise(
        image_files.make_png((32, 16), 16, 0, row * 16, before=[transparent]), "png"
    )
    assert is_close(image.getpixel((4, 8)), (255, 255, 255))
    assert is_close(image.getpixel((28, 8)), (1, 1, 1))


def test_a_png_with_linear_gamma_is_shown_brighter():
    """gAMA 1.0: a quarter of the light is shown as middle grey."""
    gamma = image_files.png_chunk(b"gAMA", struct.pack(">I", 100_000))
    data = image_files.make_png((16, 16), 8, 0, (b"\0" + b"\x40" * 16) * 16, before=[gamma])
    assert is_close(normalised_colour(data, "png"), (round(255 * (64 / 255) ** (1 / 2.2)),) * 3)
    srgb = image_files.png_chunk(b"sRGB", b"\0")
    data = image_files.make_png((16, 16), 8, 0, (b"\0" + b"\x40" * 16) * 16, before=[gamma, srgb])
    assert is_close(normalised_colour(data, "png"), (64, 64, 64))


@pytest.mark.parametrize("colour", [(200, 100, 50), (60, 180, 90), (120, 120, 120)])
@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "tiff"])
def test_wide_gamut_colours_are_converted_to_srgb(colour, image_format):
    """Display P3 values shown as sRGB would look dull."""
    options = {"quality": 98, "subsampling": 0} if image_format == "jpeg" else {}
    options |= {"lossless": True} if image_format == "webp" else {}
    data = image_files.encode(
        solid("RGB", colour), image_format, icc_profile=image_files.make_p3_profile(), **options
    )
    assert is_close(normalised_colour(data, image_format), p3_in_srgb(colour), by=5)


@pytest.mark.parametrize(
    "profile", [b"no profile", image_files.make_p3_profile()[:200], b"\0" * 5_000_000]
)
def test_an_invalid_profile_is_ignored(profile):
    data = image_files.encode(solid("RGB", (200, 100, 50)), "tiff", icc_profile=profile)
    assert is_close(normalised_colour(data, "tiff"), (200, 100, 50))


def test_a_profile_for_another_mode_is_ignored():
    """An RGB profile in a grey image."""
    data = image_files.encode(solid("L", 90), "png", icc_profile=image_files.make_p3_profile())
    assert is_close(normalised_colour(data, "png"), (90, 90, 90))


def test_only_the_profile_of_srgb_itself_is_skipped():
    """Other names contain it: linear light is far darker, and a wide gamut paler."""
    for name in (
        "sRGB",
        "sRGB IEC61966-2.1",
        "sRGB built-in",
        "c2",
        "sRGB IEC61966-2-1 black scaled",
    ):
        assert colour_module._IS_SRGB.fullmatch(name), name
    for name in (
        "GIMP built-in Linear sRGB",
        "Rec2020-elle-V2-srgbtrc.icc",
        "sRGB-elle-V2-g10.icc",
    ):
        assert not colour_module._IS_SRGB.fullmatch(name), name


@pytest.mark.parametrize("image_format", ["png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("longest", [1200, 100])
def test_transparent_pictures_are_converted_before_they_are_put_on_white(image_format, longest):
    """As browsers do, also where the picture is scaled down."""
    options = {"lossless": True} if image_format == "webp" else {}
    data = image_files.encode(
        solid("RGBA", (200, 100, 50, 128), (400, 300)),
        image_format,
        icc_profile=image_files.make_p3_profile(),
        **options,
    )
    image, _ = normalise(data, image_format, longest=longest)
    opaque = p3_in_srgb((200, 100, 50))
    expected = [round(255 + (level - 255) * 128 / 255) for level in opaque]
    assert is_close(image.getpixel((50, 40)), expected, by=6)


def test_grey_with_alpha_is_converted_as_grey():
    """Half of it, and half white."""
    linear = image_files.png_chunk(b"gAMA", struct.pack(">I", 100_000))
    row = b"\0" + bytes((60, 128)) * 40
    data = image_files.make_png((40, 40), 8, 4, row * 40, [linear])
    assert is_close(normalised_colour(data, "png"), (194, 194, 194))
