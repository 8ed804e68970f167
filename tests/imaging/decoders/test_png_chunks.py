"""PNG files with damage outside the image, which browsers show."""

import struct
import zlib

import pytest

from app.imaging.decoders.png_chunks import PngImageChunks
from app.workers.errors import JobRefused
from tests.imaging import image_files
from tests.imaging.normalising import is_close, normalise, normalised_colour

pytestmark = pytest.mark.usefixtures("decoders")

ROWS = (b"\0" + b"\x28\x50\xa0" * 16) * 16
COLOUR = (0x28, 0x50, 0xA0)


def make_rgb(*before: bytes) -> bytes:
    return image_files.make_png((16, 16), 8, 2, ROWS, before=before)


def chunk_with_wrong_checksum(kind: bytes, body: bytes) -> bytes:
    return image_files.png_chunk(kind, body)[:-4] + b"\0\1\2\3"


@pytest.mark.parametrize(
    "chunk",
    [
        *(
            chunk_with_wrong_checksum(kind, body)
            for kind, body in [
                (b"tEXt", b"Comment\0by an old tool"), (b"pHYs", b"\0" * 9),
                (b"gAMA", struct.pack(">I", 100_000)), (b"iCCP", b"icc\0\0junk"),
                (b"sRGB", b"\0"), (b"tIME", b"\0" * 7),
                (b"tRNS", b"\0\x28\0\x50\0\xa0"), (b"eXIf", b"MM\0*\0\0\0\x08\0\0"),
            ]
        ),
        image_files.png_chunk(b"sRGB", b""),
        image_files.png_chunk(b"gAMA", b"\0"),
        image_files.png_chunk(b"cHRM", b""),
        image_files.png_chunk(b"tRNS", b"\0\x28"),
        image_files.png_chunk(b"iCCP", b"no end of the name"),
        image_files.png_chunk(b"iCCP", b"icc\0\x07" + zlib.compress(b"profile")),
        image_files.png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(3_000_000))),
        image_files.png_chunk(b"zTXt", b"XMP\0\x07" + zlib.compress(b"text")),
        image_files.png_chunk(b"zTXt", b"XMP\0\0" + zlib.compress(bytes(3_000_000))),
        image_files.png_chunk(b"acTL", struct.pack(">II", 0, 0)),
        image_files.png_chunk(b"fcTL", b"\0" * 7),
        image_files.png_chunk(b"teSt", b"") * 3_000,
    ],
)  # fmt: skip
def test_damaged_ancillary_chunks_are_ignored(chunk):
    """Comments, profiles and animation: damaged, empty, too large or of an unknown kind."""
    assert is_close(normalised_colour(make_rgb(chunk), "png"), COLOUR)


@pytest.mark.parametrize("lost", [4, 8, 12, 13, 30])
def test_a_png_that_lacks_only_its_end_is_decoded(lost):
    """The image is complete."""
    data = make_rgb()
    data = (
        data[:-12] + image_files.png_chunk(b"tEXt", b"Comment\0" + b"behind the image") + data[-12:]
    )
    assert is_close(normalised_colour(data[:-lost], "png"), COLOUR)


def test_pixels_with_a_wrong_last_checksum_are_shown():
    """They are complete, and browsers show them."""
    data = bytearray(make_rgb())
    data[-13] ^= 0xFF  # the last byte before IEND
    assert is_close(normalised_colour(bytes(data), "png"), COLOUR)


@pytest.mark.parametrize("alpha", [b"", b"\xff\xff"])
def test_an_index_beyond_the_palette_has_its_last_colour(alpha):
    """As in Chromium."""
    tables = [image_files.png_chunk(b"PLTE", b"\0\0\0" + bytes(COLOUR))]
    tables += [image_files.png_chunk(b"tRNS", alpha)] if alpha else []
    data = image_files.make_png((16, 16), 8, 3, (b"\0" + b"\x07" * 16) * 16, before=tables)
    assert is_close(normalised_colour(data, "png"), COLOUR)


def test_exif_behind_the_pixels_turns_nothing():
    """Browsers do not read it there."""
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    image = image_files.make_png((32, 16), 8, 2, (b"\0" + bytes(COLOUR) * 32) * 16)
    chunk = image_files.png_chunk(b"eXIf", exif)
    assert normalise(image[:-12] + chunk + image[-12:], "png")[0].size == (32, 16)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_damaged_critical_chunk_is_corrupt(kind):
    """Header and palette."""
    plte = image_files.png_chunk(b"PLTE", b"\0" * 6)
    data = image_files.make_png((16, 16), 8, 3, (b"\0" + b"\1" * 16) * 16, before=[plte])
    at = data.index(kind) + 6
    with pytest.raises(JobRefused) as caught:
        normalised_colour(data[:at] + b"\x77" + data[at + 1 :], "png")
    assert caught.value.code == "corrupt"


def test_the_remaining_chunks_can_be_read_in_pieces_of_any_length():
    """A decoder always reads the same bytes."""
    data = make_rgb(
        image_files.png_chunk(b"tEXt", b"a\0b"),
        image_files.png_chunk(b"gAMA", b"\0\0\xb1\x8f"),
        b"",
    )
    expected = make_rgb(image_files.png_chunk(b"gAMA", b"\0\0\xb1\x8f"))
    assert PngImageChunks(memoryview(data)).read() == expected
    for step in (1, 7, 1000):
        file = PngImageChunks(memoryview(data))
        parts = iter(lambda file=file, step=step: file.read(step), b"")
        assert b"".join(parts) == expected
        file.seek(8)
        assert file.read(17) == expected[8:25]


def test_too_many_chunks_cost_too_much():
    """More than any encoder writes; only their headers are read."""
    with pytest.raises(JobRefused) as caught:
        normalised_colour(make_rgb(image_files.png_chunk(b"teSt", b"") * 200_001), "png")
    assert caught.value.code == "too_expensive"


def test_texts_are_not_unpacked():
    """A thousand of them in 1 MB would be gigabytes. The contiguous file does not have them."""
    text = image_files.png_chunk(b"zTXt", b"XMP\0\0" + zlib.compress(bytes(3_000_000)))
    contiguous = PngImageChunks(memoryview(make_rgb(text * 50))).contiguous()
    assert bytes(contiguous) == make_rgb()


def test_a_png_without_surplus_chunks_is_not_copied():
    """Nor is a long one."""
    plain = memoryview(make_rgb())
    chunks = PngImageChunks(plain)
    assert chunks.contiguous().obj is plain.obj
    text = image_files.png_chunk(b"tEXt", b"Comment\0x")
    large = memoryview(make_rgb(text, image_files.png_chunk(b"IDAT", bytes(9_000_000))))
    chunks = PngImageChunks(large)
    assert chunks.contiguous().obj is large.obj
