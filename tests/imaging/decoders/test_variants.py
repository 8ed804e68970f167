"""An intact file of a rare kind is not called corrupt; a damaged one is."""

import pytest

from app.imaging.metadata.jpeg import is_uncommon_jpeg
from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import normalise, solid

pytestmark = pytest.mark.usefixtures("decoders")


def jpeg_with(marker: int, bits: int) -> bytes:
    """A JPEG whose frame is of another kind."""
    data = bytearray(image_files.encode(solid("RGB", (200, 100, 50)), "jpeg"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, bits
    return bytes(data)


def refusal_of(data: bytes, image_format: str) -> str:
    with pytest.raises(JobRefused) as caught:
        normalise(data, image_format)
    return caught.value.code


@pytest.mark.parametrize(
    ("marker", "bits"), [(0xC1, 12), (0xC3, 16), (0xC5, 8), (0xCF, 8), (0xF7, 8)]
)
def test_a_jpeg_that_decoders_lack_is_of_a_rare_kind(marker, bits):
    """12 bits, lossless with 16, hierarchical, JPEG-LS."""
    assert refusal_of(jpeg_with(marker, bits), "jpeg") == "unsupported_variant"


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", b"\xff\xd8" + b"x" * 99])
def test_a_jpeg_without_a_frame_is_corrupt(data):
    assert not is_uncommon_jpeg(memoryview(data))
    assert refusal_of(data, "jpeg") == "corrupt"


def test_a_truncated_jpeg_is_corrupt():
    assert refusal_of(jpeg_with(0xC0, 8)[:500], "jpeg") == "corrupt"


@pytest.mark.parametrize(("image_format", "item"), [("avif", b"av01"), ("heic", b"hvc1")])
def test_other_codecs_in_the_container_are_of_a_rare_kind(image_format, item):
    if image_format == "heic":
        pytest.importorskip("pillow_heif")
    data = image_files.encode(
        solid("RGB", (200, 100, 50), (64, 64)), "heif" if image_format == "heic" else "avif"
    )
    other = data.replace(item, b"vvc1")
    assert refusal_of(other, image_format) == "unsupported_variant"
    assert refusal_of(data[: len(data) // 8], image_format) == "corrupt"
