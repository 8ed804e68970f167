"""Files that Pillow alone would show wrongly."""

import struct

import pytest
from PIL import Image

from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalise, normalised_colour, solid

pytestmark = pytest.mark.usefixtures("decoders")


def test_a_tiff_with_missing_strips_is_corrupt():
    """They would be black."""
    whole = image_files.encode(image_files.draw_quadrants(), "tiff")
    assert normalise(whole, "tiff")
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(image_files.with_tag(whole, 257, 160), "tiff")


def test_16_bit_samples_in_planes_keep_their_colours():
    """Pillow's own decoder takes each 16-bit sample of such a TIFF for two."""
    planes = [struct.pack("<H", value * 256) * 1024 for value in (200, 100, 50)]
    assert is_close(
        normalised_colour(image_files.make_plain_tiff((32, 32), 16, 2, 3, planes), "tiff"),
        (200, 100, 50),
    )


def test_a_tiff_palette_with_8_bit_values_is_not_black():
    """It should have 16 bits; some scanners leave the upper 8 empty."""
    data = image_files.make_plain_tiff(
        (32, 32), 8, 3, 1, [b"\7" * 1024], (320, (200,) * 256 + (100,) * 256 + (50,) * 256)
    )
    assert is_close(normalised_colour(data, "tiff"), (200, 100, 50))


def test_an_avif_with_an_association_box_for_each_item_is_decoded():
    """Some encoders write transparency like that; browsers read it."""
    data = image_files.encode(solid("RGBA", (255, 0, 0, 128)), "avif", quality=95)
    data = image_files.split_associations(data)
    assert data.count(b"ipma") == 2
    assert is_close(normalised_colour(data, "avif"), (255, 127, 127), by=8)


@pytest.mark.parametrize("background", [0, 1])
def test_the_canvas_around_the_first_frame_of_a_gif_is_white(background):
    """Browsers show neither the background colour of the file nor the first palette colour."""
    frame = Image.new("P", (16, 16), 2)
    frame.putpalette([10, 200, 10, 10, 10, 200, 200, 10, 10])
    data = bytearray(image_files.encode(frame, "gif", optimize=False, background=background))
    data[6:10] = struct.pack("<HH", 48, 32)  # the canvas, larger than the frame
    at = data.index(b",\0\0\0\0\x10\0\x10\0")
    data[at + 1 : at + 5] = struct.pack("<HH", 8, 4)
    image, facts = normalise(bytes(data), "gif")
    assert (facts["width"], facts["height"]) == (48, 32)
    assert is_close(image.getpixel((16, 12)), (200, 10, 10), by=24)
    for outside in [(2, 1), (40, 12), (16, 28)]:
        assert is_close(image.getpixel(outside), (255, 255, 255), by=24)


def test_the_canvas_around_the_first_frame_of_a_webp_is_white():
    chunk = image_files.encode(Image.new("RGB", (16, 16), "red"), "webp")[12:]

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
    image, _ = normalise(b"RIFF" + struct.pack("<I", len(body)) + body, "webp")
    assert image.size == (80, 60)
    assert is_close(image.getpixel((4, 4)), (255, 255, 255))
    assert is_close(image.getpixel((40, 24)), (255, 0, 0), by=12)


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
def test_the_transparent_colour_of_a_png_works_at_every_bit_depth(depth, colour_type, row, key):
    """tRNS states it in the file's own bit depth."""
    transparent = image_files.png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    data = image_files.make_png(
        (16, 16), depth, colour_type, (b"\0" + row) * 16, before=[transparent]
    )
    assert is_close(normalised_colour(data, "png"), (255, 255, 255))
