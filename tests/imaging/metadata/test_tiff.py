"""Structure of a TIFF."""

import struct

import pytest
from PIL import Image

from app.imaging.metadata.tiff import MAX_TAGS, read_tiff_structure
from tests.imaging import image_files


@pytest.mark.parametrize("big", [False, True])
def test_tags_and_strips_are_counted(big):
    """In both forms of a TIFF."""
    image = Image.new("L", (64, 64))
    data = image_files.encode(
        image, "tiff", big_tiff=big, strip_size=64 * 8, compression="tiff_lzw"
    )
    structure = read_tiff_structure(memoryview(data))
    assert 8 <= structure.tags <= 20
    assert structure.strips == 8
    assert structure.excess() is None


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_compression_is_known(compression):
    """With any, libtiff reads the strips, and Pillow does not."""
    data = image_files.encode(Image.new("L", (64, 64)), "tiff", compression=compression)
    assert read_tiff_structure(memoryview(data)).is_compressed == (compression is not None)


def test_big_endian_files_are_counted():
    """As Macintosh programs wrote them."""
    entries = struct.pack(">HHII", 273, 4, 77, 8)
    data = b"MM\0*" + struct.pack(">IH", 8, 1) + entries + bytes(4)
    assert read_tiff_structure(memoryview(data)).strips == 77


@pytest.mark.parametrize("pointer", [34665, 34853, 40965])
def test_tags_of_inner_directories_count(pointer):
    """EXIF and GPS: Pillow reads them, too."""
    inner = struct.pack("<H", 5_000) + struct.pack("<HHII", 60_000, 1, 1, 0) * 5_000
    data = image_files.make_tiff([(pointer, 4, 1, 8 + 2 + 12 + 4)], inner)
    structure = read_tiff_structure(memoryview(data))
    assert structure.tags == 5_001
    assert structure.tags > MAX_TAGS
    assert structure.excess() == "5001 tags"


@pytest.mark.parametrize(
    "data",
    [b"II*\0", b"II*\0\xff\xff\xff\xff", b"II+\0" + bytes(13), b"MM\0*\0\0\0\x08\xff\xff",
     b"II*\0\x08\0\0\0\xff\xff" + bytes(30)],
)  # fmt: skip
def test_what_cannot_be_read_counts_as_none(data):
    """Offsets outside the file, and more tags than it has room for."""
    structure = read_tiff_structure(memoryview(data))
    assert structure.tags <= 3
    assert structure.strips == 0
