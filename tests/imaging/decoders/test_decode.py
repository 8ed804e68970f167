"""Limits that are checked before decoding, and files that are damaged."""

import struct

import pytest
from PIL import Image

from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalise

pytestmark = pytest.mark.usefixtures("decoders")


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"])
def test_too_many_pixels_are_refused_before_memory_is_reserved(image_format):
    """The header is enough."""
    data = image_files.encode(Image.new("RGB", (100, 101)), image_format)
    normalise(data, image_format, max_pixels=10_100)
    reserved = []
    with pytest.raises(JobRefused) as caught:
        normalise(
            data, image_format, max_pixels=10_000, reserve=lambda held, _=0: reserved.append(held)
        )
    assert caught.value.code == "too_large"
    assert not reserved


def test_a_jpeg_with_many_scans_is_refused_before_memory_is_reserved():
    """400 scans of 25 megapixels would take seconds in any decoder."""
    data = image_files.encode(Image.effect_noise((500, 400), 60), "jpeg", progressive=True)
    normalise(image_files.repeat_last_scan(data, 3), "jpeg")
    reserved = []
    with pytest.raises(JobRefused) as caught:
        normalise(
            image_files.repeat_last_scan(data, 400),
            "jpeg",
            reserve=lambda held, _=0: reserved.append(held),
        )
    assert caught.value.code == "too_expensive"
    assert not reserved


@pytest.mark.parametrize("image_format", ["png", "webp", "tiff", "bmp", "gif"])
def test_truncated_files_are_corrupt(image_format):
    """Half of the bytes."""
    data = image_files.encode(Image.effect_noise((300, 200), 60), image_format)
    with pytest.raises(JobRefused) as caught:
        normalise(data[: len(data) // 2], image_format)
    assert caught.value.code == "corrupt"


def test_a_png_with_a_wrong_checksum_in_its_pixels_is_corrupt():
    """Pillow would show the rest of it, with black below."""
    whole = image_files.encode(image_files.draw_quadrants(), "png")
    at = whole.index(b"IDAT") + 20
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(whole[:at] + bytes(len(whole) - at - 16) + whole[-16:], "png")


def test_a_png_without_its_palette_is_corrupt():
    whole = image_files.encode(image_files.draw_quadrants().quantize(8), "png")
    at = whole.index(b"PLTE") - 4
    size = int.from_bytes(whole[at : at + 4], "big") + 12
    with pytest.raises(JobRefused, match="corrupt"):
        normalise(whole[:at] + whole[at + size :], "png")


def make_lossless_jpeg(width, height):
    """Middle grey: each sample equals its neighbour and takes one bit (ITU-T T.81, annex H)."""
    frame = b"\xff\xc3" + struct.pack(">HBHHBBBB", 11, 8, height, width, 1, 1, 0x11, 0)
    table = b"\xff\xc4" + struct.pack(">HB", 20, 0) + b"\x01" + bytes(15) + b"\x00"
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8" + frame + table + scan + bytes(-(-width * height // 8)) + b"\xff\xd9"


@pytest.mark.parametrize("size", [(200, 40), (2000, 400)])
def test_amake_lossless_jpeg_is_not_scaled_by_its_decoder(size):
    """libjpeg-turbo would write it in full size, past the end of a smaller buffer."""
    image, facts = normalise(make_lossless_jpeg(*size), "jpeg")
    assert (facts["width"], facts["height"]) == size
    assert max(image.size) == min(size[0], 1200)
    assert is_close(image.getpixel((100, 20)), (128, 128, 128))
