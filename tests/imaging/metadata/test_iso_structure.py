"""Structure of an AVIF or HEIC."""

import struct

import pytest
from PIL import Image

from app.imaging.metadata.iso_structure import ExcessiveStructure, IsoStructure, read_iso_structure
from testing.iso_media_bombs import avifs
from tests.imaging import image_files


def avif(**options) -> bytes:
    return image_files.encode(Image.new("RGB", (32, 32), "teal"), "avif", **options)


def test_items_and_exif_are_counted():
    """As an encoder writes them."""
    assert read_iso_structure(memoryview(avif())).items == 1
    exif = Image.Exif()
    exif[0x010F] = "Camera" * 100
    structure = read_iso_structure(memoryview(avif(exif=exif)))
    assert structure.items == 2
    assert 600 < structure.exif_bytes < 800


def test_a_box_with_a_length_of_64_bits_is_read():
    """A table must not hide in one."""
    data = bytearray(avif())
    at = data.index(b"meta") - 4
    (length,) = struct.unpack_from(">I", data, at)
    data[at : at + 8] = struct.pack(">I4sQ", 1, b"meta", length + 8)
    assert read_iso_structure(memoryview(bytes(data))).items == 1


@pytest.mark.parametrize("name", ["items.avif", "references.avif", "extents.avif", "boxes.avif"])
def test_more_parts_than_any_encoder_writes_are_refused(name):
    """Decoders would look each up in a list of all."""
    data = dict(avifs())[name]
    with pytest.raises(ExcessiveStructure):
        read_iso_structure(memoryview(data))


@pytest.mark.parametrize("cut", [12, 40, 80, 120, 200])
def test_what_cannot_be_read_counts_as_none(cut):
    """A file that ends within a box or a table."""
    assert read_iso_structure(memoryview(avif()[:cut])) == IsoStructure()
    inner = bytearray(avif())
    at = inner.index(b"iloc")
    inner[at + 10 : at + 12] = b"\x0f\xff"
    assert read_iso_structure(memoryview(bytes(inner))) == IsoStructure()
