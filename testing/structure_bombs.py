"""Files under 1 MiB whose structure costs more than their pixels: segments, tags, blocks, tables.

Each has a small image that is sound, so that nothing but the structure is at fault.
"""

import functools
import io
import random
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from testing import iso_media_bombs, profiles

_KB = 1000
_RICH_BYTES = 900 * _KB
"""Of a file that is full of structure; images up to 1 MiB are for the express child."""


def structure_bombs() -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of every file."""
    yield from _jpegs()
    yield from _pngs()
    yield from _gifs()
    yield from _bitmaps()
    yield from _tiffs()
    yield from _webps()
    yield from iso_media_bombs.avifs()


def _jpegs() -> Iterator[tuple[str, bytes]]:
    whole = _photograph("JPEG")
    start, rest = whole[:2], whole[2:]
    yield "fill.jpg", start + b"\xff" * _RICH_BYTES + rest
    yield "stuffed.jpg", start + b"\xff\0" * (_RICH_BYTES // 2) + rest
    yield "junk.jpg", start + rest[:18] + bytes(_RICH_BYTES) + rest[18:]
    yield "restarts-before-frame.jpg", start + b"\xff\xd0" * 9_000 + rest
    yield "comments.jpg", start + b"\xff\xfe\0\2" * 9_000 + rest
    exif = _exif(65_000)
    pieces = [exif[at : at + 65_000] for at in range(0, len(exif), 65_000)]
    yield "exif-tags.jpg", start + _segments(0xE1, b"Exif\0\0", pieces) + rest
    yield "exif-pieces.jpg", start + _segments(0xE1, b"Exif\0\0", [bytes(90)] * 8_000) + rest
    resources = b"8BIM" + bytes(8)  # the shortest resource of Photoshop
    photoshop = [resources * 5_000] * 14
    yield "photoshop.jpg", start + _segments(0xED, b"Photoshop 3.0\0", photoshop) + rest
    table = whole[whole.index(b"\xff\xdb") :][4:69]
    yield "quantisation.jpg", start + _segments(0xDB, b"", [table * 1_000] * 13) + rest
    huffman = b"\x1f" + bytes(15) + b"\1\0"
    yield "huffman.jpg", start + _segments(0xC4, b"", [huffman] * 9_000) + rest
    for name, profile in profiles.all_profiles():
        yield f"profile-{name}.jpg", start + _profile_segments(profile) + rest
    press = profiles.table_profile(b"CMYK", 18)
    yield "profile-press.jpg", _saved(Image.new("CMYK", (64, 64)), "JPEG", icc_profile=press)
    frame = rest.index(b"\xff\xc0")
    interval = b"\xff\xdd\0\4\0\1"
    entropy = rest.index(b"\xff\xda") + 14
    restarts = b"".join(bytes((0xFF, 0xD0 + number % 8)) for number in range(_RICH_BYTES // 2))
    yield "restarts.jpg", start + rest[:frame] + interval + rest[frame:entropy] + restarts


def _pngs() -> Iterator[tuple[str, bytes]]:
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(193 * 64))
    end = _chunk(b"IEND", b"")
    tall = struct.pack(">IIBBBBB", 1, 1_000_000, 8, 0, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(bytes(2_000_000)))
    yield "rows.png", b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", tall) + pixels + end
    start = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    image = _chunk(b"IDAT", rows) + end
    yield "texts.small.png", start + _chunk(b"tEXt", b"") * 70_000 + image
    yield "texts-behind.png", start + image[: -len(end)] + _chunk(b"tEXt", b"") * 70_000 + end
    noise = zlib.compress(b"".join(b"\0" + random.Random(row).randbytes(192) for row in range(64)))
    empty = _chunk(b"IDAT", b"") * 60_000
    single = b"".join(_chunk(b"IDAT", noise[at : at + 1]) for at in range(len(noise)))
    yield "idats.png", start + empty + single + end
    long_text = _chunk(b"tEXt", bytes(_RICH_BYTES // 3))
    yield "texts-behind-a-long-one.png", start + long_text + _chunk(b"tEXt", b"") * 40_000 + image
    bad = _chunk(b"IDAT", noise)[:-1] + b"\0"
    yield "idats-damaged.png", start + empty + bad + end
    packed = zlib.compress(bytes(1_000_000), 9)
    profile = _chunk(b"iCCP", b"a\0\0" + packed)
    yield "profile-chunks.png", start + profile * (_RICH_BYTES // len(profile)) + image
    yield "exif-tags.png", start + _chunk(b"eXIf", _exif(65_000)) + image
    for name, data in profiles.all_profiles():
        body = b"a\0\0" + zlib.compress(data, 1)
        yield f"profile-{name}.png", start + _chunk(b"iCCP", body) + image


def _gifs() -> Iterator[tuple[str, bytes]]:
    whole = _saved(Image.linear_gradient("L").resize((64, 64)).convert("P"), "GIF")
    at = 13 + 3 * 2 ** ((whole[10] & 7) + 1)
    start, rest = whole[:at], whole[at:]
    yield "comment-blocks.gif", start + b"!\xfe" + b"\1a" * (_RICH_BYTES // 2) + b"\0" + rest
    yield "extensions.gif", start + b"!\x01\1a\0" * (_RICH_BYTES // 5) + rest
    yield "extensions-empty.gif", start + b"!\x01\0" * (_RICH_BYTES // 3) + rest
    yield "junk.gif", start + b"\1" * _RICH_BYTES + rest
    yield "application.gif", start + b"!\xff\x0bNETSCAPE2.0" + b"\1a" * 400_000 + b"\0" + rest
    pixels = rest.index(b",") + 12  # behind the length of the first block
    end = pixels + rest[pixels - 1]
    pieces = b"".join(b"\1" + rest[at : at + 1] for at in range(pixels, end))
    yield "pixels-in-bytes.gif", start + rest[: pixels - 1] + pieces + rest[end:]


def _bitmaps() -> Iterator[tuple[str, bytes]]:
    yield "runs.bmp", _rle_bitmap((1_000, 450), b"\1\1" * (_RICH_BYTES // 2))
    yield "short-runs.bmp", _rle_bitmap((60_000, 1), b"\1\1" * 60_000)
    yield "lines.bmp", _rle_bitmap((1, 100_000), b"\0\0" * 100_000)
    yield "few-bytes.bmp", _rle_bitmap((10_000, 10_000), b"\0\1")
    yield "deltas.bmp", _rle_bitmap((1_000, 1_000), b"\0\2\0\0" * 200_000 + b"\0\1")
    colours = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 4 * 65_536)
    colours += struct.pack("<IiiHHIIiiII", 40, 64, 64, 1, 8, 0, 0, 0, 0, 65_536, 0)
    yield "colours.bmp", colours + bytes(4 * 65_536) + bytes(64 * 64)


def _tiffs() -> Iterator[tuple[str, bytes]]:
    every = [(tag, 1, 1, 0) for tag in range(500, 65_500) if tag not in _MEANINGFUL_TAGS]
    yield "tags-65000.tif", _tiff([*_SIZE, *every])
    yield "tags-9000.tif", _tiff([*_SIZE, *every[:9_000]])
    repeated = [(60_000, 1, 1, 0)] * 65_000
    yield "tags-repeated.tif", _tiff([*_SIZE, *repeated])
    values = [(50_000 + number, 1, 200_000, 8) for number in range(4_000)]
    yield "values-shared.tif", _tiff([*_SIZE, *values], bytes(800_000))
    yield "many-bits.tif", _tiff([*_SIZE, (258, 3, 400_000, 8)], struct.pack("<H", 8) * 400_000)
    for tag, name in ((34665, "exif"), (34853, "gps"), (330, "sub")):
        inner = struct.pack("<H", 65_000) + struct.pack("<HHII", 60_000, 1, 1, 0) * 65_000
        yield f"{name}-directory.tif", _tiff([*_SIZE, (tag, 4, 1, 8 + 4_096)], bytes(4_096) + inner)
    count = 100_000
    strips = struct.pack("<I", 8) * count + struct.pack("<I", 1) * count
    places = [(273, 4, count, 8), (279, 4, count, 8 + 4 * count)]
    size = [(256, 4, 1, 1), (257, 4, 1, count), (278, 4, 1, 1)]
    yield "strips.small.tif", _tiff([*size, *places], strips)
    tiles = struct.pack("<I", 8) * count + struct.pack("<I", 256) * count
    places = [(324, 4, count, 8), (325, 4, count, 8 + 4 * count)]
    size = [(256, 4, 1, 1_600), (257, 4, 1, 16_000), (322, 4, 1, 16), (323, 4, 1, 16)]
    yield "tiles.tif", _tiff([*size, *places], tiles)
    packed = [entry for entry in places if entry[0] != 259] + [(259, 3, 1, 32_773)]
    yield "tiles-packed.tif", _tiff([*size, *packed], tiles)
    yield "directories.tif", _chained_tiff(40_000)


def _webps() -> Iterator[tuple[str, bytes]]:
    whole = _saved(Image.linear_gradient("L").resize((64, 64)).convert("RGB"), "WEBP")
    image = whole[12:]
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\x3f\0\0\x3f\0\0"
    unknown = b"abcd\0\0\0\0" * 100_000
    yield "chunks.webp", _riff(extended + unknown + image)
    yield "chunks-behind.webp", _riff(extended + image + unknown)
    flagged = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + b"\x3f\0\0\x3f\0\0"
    exif = _exif(65_000)
    exif += bytes(len(exif) % 2)
    noise = Image.frombytes("RGB", (1_200, 1_000), random.Random(9).randbytes(3_600_000))
    yield "noise.webp", _saved(noise, "WEBP", quality=80, method=0)
    yield "exif-tags.webp", _riff(flagged + image + b"EXIF" + struct.pack("<I", len(exif)) + exif)


_SIZE = [(256, 4, 1, 8), (257, 4, 1, 8)]
_MEANINGFUL_TAGS = frozenset({330, 34665, 34853, 40965, 48129})
"""Tags that lead to another directory, or mean another format."""


def _tiff(entries: list[tuple[int, int, int, int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory behind `data`: 8-bit grey, one strip by default."""
    given = {entry[0] for entry in entries}
    plain = [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 64)]
    if 324 in given:
        plain = plain[:3]
    every = sorted([*entries, *(entry for entry in plain if entry[0] not in given)])[:65_535]
    body = data or bytes(64)
    directory = struct.pack("<H", len(every)) + b"".join(struct.pack("<HHII", *e) for e in every)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4)


def _chained_tiff(count: int) -> bytes:
    """A TIFF with `count` more directories, all empty, behind the first."""
    first = _tiff(_SIZE)[:-4]
    at = len(first) + 4
    chain = b"".join(struct.pack("<HI", 0, at + 6 * number) for number in range(1, count))
    return first + struct.pack("<I", at) + chain + bytes(6)


def _exif(count: int) -> bytes:
    """EXIF with `count` tags that mean nothing."""
    entries = b"".join(struct.pack("<HHII", 400 + number, 1, 1, 0) for number in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4)


def _segments(marker: int, prefix: bytes, bodies: list[bytes]) -> bytes:
    """JPEG segments of one kind."""
    return b"".join(
        struct.pack(">BBH", 0xFF, marker, 2 + len(prefix) + len(body)) + prefix + body
        for body in bodies
    )


def _profile_segments(profile: bytes) -> bytes:
    pieces = [profile[at : at + 65_000] for at in range(0, len(profile), 65_000)]
    bodies = [bytes((number, len(pieces))) + piece for number, piece in enumerate(pieces, 1)]
    return _segments(0xE2, b"ICC_PROFILE\0", bodies)


def _rle_bitmap(size: tuple[int, int], packed: bytes) -> bytes:
    """A BMP with run-length encoding (BI_RLE8) and 256 colours."""
    palette = b"".join(bytes((number, 0, 255 - number, 0)) for number in range(256))
    head = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(palette))
    head += struct.pack("<IiiHHIIiiII", 40, *size, 1, 8, 1, len(packed), 0, 0, 256, 0)
    return head + palette + packed


def _riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@functools.cache
def _photograph(kind: str) -> bytes:
    return _saved(Image.linear_gradient("L").resize((256, 256)).convert("RGB"), kind)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
