"""PNG files whose picture is whole and whose rest is not: browsers show them."""

import struct
import zlib

import pytest

from app.imaging.decoders.png_chunks import PicturePart
from app.workers.errors import JobRefused
from tests.imaging import drawn
from tests.imaging.seen import colour_of, is_close

pytestmark = pytest.mark.usefixtures("pillow")

ROWS = (b"\0" + b"\x28\x50\xa0" * 16) * 16
SEEN = (0x28, 0x50, 0xA0)


def rgb(*before: bytes) -> bytes:
    return drawn.png((16, 16), 8, 2, ROWS, before=before)


def wrong_sum(kind: bytes, body: bytes) -> bytes:
    return drawn.chunk(kind, body)[:-4] + b"\0\1\2\3"


@pytest.mark.parametrize(
    "chunk",
    [
        *(
            wrong_sum(kind, body)
            for kind, body in [
                (b"tEXt", b"Comment\0by an old tool"), (b"pHYs", b"\0" * 9),
                (b"gAMA", struct.pack(">I", 100_000)), (b"iCCP", b"icc\0\0junk"),
                (b"sRGB", b"\0"), (b"tIME", b"\0" * 7),
                (b"tRNS", b"\0\x28\0\x50\0\xa0"), (b"eXIf", b"MM\0*\0\0\0\x08\0\0"),
            ]
        ),
        drawn.chunk(b"sRGB", b""),
        drawn.chunk(b"gAMA", b"\0"),
        drawn.chunk(b"cHRM", b""),
        drawn.chunk(b"tRNS", b"\0\x28"),
        drawn.chunk(b"iCCP", b"no end of the name"),
        drawn.chunk(b"iCCP", b"icc\0\x07" + zlib.compress(b"profile")),
        drawn.chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(3_000_000))),
        drawn.chunk(b"zTXt", b"XMP\0\x07" + zlib.compress(b"text")),
        drawn.chunk(b"zTXt", b"XMP\0\0" + zlib.compress(bytes(3_000_000))),
        drawn.chunk(b"acTL", struct.pack(">II", 0, 0)),
        drawn.chunk(b"fcTL", b"\0" * 7),
        drawn.chunk(b"teSt", b"") * 3_000,
    ],
)  # fmt: skip
def test_what_is_wrong_beside_the_picture_does_not_matter(chunk):
    """Comments, profiles and animation: damaged, empty, too large or of an unknown kind."""
    assert is_close(colour_of(rgb(chunk), "png"), SEEN)


@pytest.mark.parametrize("lost", [4, 8, 12, 13, 30])
def test_a_png_whose_end_alone_is_lost_is_whole(lost):
    """As with JPEG: nothing of the picture is missing."""
    data = rgb()
    data = data[:-12] + drawn.chunk(b"tEXt", b"Comment\0" + b"behind the picture") + data[-12:]
    assert is_close(colour_of(data[:-lost], "png"), SEEN)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_damaged_critical_chunk_is_corrupt(kind):
    """Size and palette are the picture."""
    plte = drawn.chunk(b"PLTE", b"\0" * 6)
    data = drawn.png((16, 16), 8, 3, (b"\0" + b"\1" * 16) * 16, before=[plte])
    at = data.index(kind) + 6
    with pytest.raises(JobRefused) as caught:
        colour_of(data[:at] + b"\x77" + data[at + 1 :], "png")
    assert caught.value.code == "corrupt"


def test_the_parts_read_as_one_file_in_pieces_of_any_length():
    """What a decoder reads is the same, however it reads."""
    data = rgb(drawn.chunk(b"tEXt", b"a\0b"), drawn.chunk(b"gAMA", b"\0\0\xb1\x8f"), b"")
    expected = rgb(drawn.chunk(b"gAMA", b"\0\0\xb1\x8f"))
    assert PicturePart(memoryview(data)).read() == expected
    for step in (1, 7, 1000):
        file = PicturePart(memoryview(data))
        parts = iter(lambda file=file, step=step: file.read(step), b"")
        assert b"".join(parts) == expected
        file.seek(8)
        assert file.read(17) == expected[8:25]


def test_chunks_without_end_cost_too_much():
    """More than any encoder writes: refused from their headers."""
    with pytest.raises(JobRefused) as caught:
        colour_of(rgb(drawn.chunk(b"teSt", b"") * 200_001), "png")
    assert caught.value.code == "costly"


def test_texts_are_not_unpacked():
    """A thousand of them in 1 MB would be gigabytes: what reads the whole file never sees them."""
    text = drawn.chunk(b"zTXt", b"XMP\0\0" + zlib.compress(bytes(3_000_000)))
    alone = PicturePart(memoryview(rgb(text * 50))).alone()
    assert bytes(alone) == rgb()


def test_a_png_with_nothing_beside_the_picture_is_not_copied():
    """Nor is a long one."""
    whole = memoryview(rgb())
    part = PicturePart(whole)
    assert part.alone() is part.view
    text = drawn.chunk(b"tEXt", b"Comment\0x")
    large = memoryview(rgb(text, drawn.chunk(b"IDAT", bytes(9_000_000))))
    part = PicturePart(large)
    assert part.alone() is part.view
