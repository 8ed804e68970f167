"""Files and bodies that are made to cost more than they show. Each is small to make and to send."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from PIL import Image

_ZIP_MEMBER_BYTES = 1024 * 1024


def all_bombs(*, large: bool) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every bomb that is drawn here, one at a time.

    `large` adds those that take some seconds to draw, or have tens of megabytes.
    """
    yield "scans-small.jpg", scan_bomb((1200, 1200), 1_000)
    yield "scans-large.jpg", scan_bomb((5000, 5000), 400)
    yield "scans-allowed.jpg", scan_bomb((2800, 2000), 90)
    yield "smooth.webp", _saved(Image.new("RGB", (5000, 5000)), "WEBP", quality=30, method=0)
    yield "smooth.png", solid_png((4000, 4000), 8, 6)
    text = _chunk(b"zTXt", b"a\0\0" + _zeros(8_000_000))
    yield "texts.png", png((8, 8), 8, 0, bytes(72), *[text] * 100)
    yield "segments.jpg", segment_bomb(2_000_000 if large else 1_000_000)
    yield "fill-bytes.jpg", b"\xff\xd8" + b"\xff" * 20_000_000
    yield "flood.png", png((65_535, 65_535), 8, 6, bytes(100))
    yield "flood-uint32.png", png((0x7FFFFFFF, 0x7FFFFFFF), 8, 6, bytes(100))
    yield "flood-at-the-limit.png", solid_png((12_000, 12_000), 1, 0)
    yield "flood.jpg", flooded_jpeg()
    yield "flood.gif", flooded_gif()
    yield "flood.bmp", flooded_bmp()
    yield "flood.webp", flooded_webp()
    yield "flood.tif", tiff([(256, 4, 1, 60_000), (257, 4, 1, 60_000), (278, 4, 1, 60_000)])
    yield "frames.gif", many_frames("GIF", 10_000)
    yield "frames.png", many_frames("PNG", 300)
    yield "frames.webp", many_frames("WEBP", 300)
    for kind in (b"zTXt", b"iCCP"):
        chunk = _chunk(kind, b"a\0\0" + _zeros(60_000_000))
        yield f"{kind.decode()}.png", png((8, 8), 8, 0, bytes(72), chunk)
    yield "longer-than-it-says.png", png((8, 8), 8, 0, bytes(60_000_000))
    yield "tags.tif", tiff([*_TINY, (700, 3, 9_000_000, 8)], bytes(18_000_000))
    yield "circle.tif", circular_tiff()
    yield "strips.tif", tiff([*_TINY, (278, 4, 1, 1), (273, 4, 0x7FFFFFFF, 8)])
    yield "tile.tif", tiff([*_TINY, (322, 4, 1, 60_000), (323, 4, 1, 60_000)])
    yield "archive.jpg", jpeg_start() + archive(10)
    if large:
        yield "flood-deep.png", solid_png((12_000, 12_000), 16, 6)
        yield "zeros.jpg", jpeg_start() + bytes(60_000_000)
        yield "archive.zip", archive(60)


_TINY = [(256, 4, 1, 8), (257, 4, 1, 8)]
"""Tags of a TIFF of 8 x 8 pixels."""


def jpeg_start() -> bytes:
    """A JPEG up to its frame, and nothing after it."""
    whole = _jpeg((16, 16), progressive=False)
    return whole[: whole.index(b"\xff\xc4")]


def scan_bomb(size: tuple[int, int], extra: int) -> bytes:
    """A progressive JPEG whose last scan comes `extra` times more; each pass costs all pixels."""
    whole = _jpeg(size, progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * extra + whole[-2:]


def segment_bomb(count: int = 2_000_000) -> bytes:
    """A JPEG with millions of empty comments before its frame."""
    whole = _jpeg((16, 16), progressive=False)
    return whole[:2] + b"\xff\xfe\0\2" * count + whole[2:]


def flooded_jpeg() -> bytes:
    """A small JPEG that says that it has 65,500 x 65,500 pixels."""
    whole = bytearray(_jpeg((64, 64), progressive=False))
    at = whole.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", whole, at, 65_500, 65_500)
    return bytes(whole)


def flooded_gif() -> bytes:
    """A small canvas with a frame of 65,535 x 65,535."""
    whole = bytearray(_saved(Image.new("P", (8, 8)), "GIF"))
    at = whole.rindex(b"\x2c", 0, len(whole) - 8)
    struct.pack_into("<HH", whole, at + 5, 65_535, 65_535)
    return bytes(whole)


def flooded_bmp() -> bytes:
    """30,000 x 30,000 by its header."""
    whole = bytearray(_saved(Image.new("RGB", (8, 8)), "BMP"))
    struct.pack_into("<ii", whole, 18, 30_000, 30_000)
    return bytes(whole)


def flooded_webp() -> bytes:
    """A canvas of 16,383 x 16,383 around a small frame."""
    whole = bytearray(_saved(Image.new("RGBA", (8, 8)), "WEBP", lossless=True))
    if whole[12:16] == b"VP8X":
        whole[24:30] = b"\xfe\x3f\0\xfe\x3f\0"
    else:
        bits = int.from_bytes(whole[21:25], "little") & ~0xFFFFFFF
        whole[21:25] = (bits | 0x3FFE | 0x3FFE << 14).to_bytes(4, "little")
    return bytes(whole)


def many_frames(kind: str, count: int) -> bytes:
    """An animation of `count` different frames."""
    frames = [Image.new("L", (16, 16), number % 256) for number in range(count)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=20)
    return out.getvalue()


def png(size: tuple[int, int], depth: int, colour: int, pixels: bytes, *more: bytes) -> bytes:
    """A PNG with this header, these raw rows, and further chunks before them."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header), *more]
    parts += [_chunk(b"IDAT", zlib.compress(pixels, 9)), _chunk(b"IEND", b"")]
    return b"".join(parts)


def solid_png(size: tuple[int, int], depth: int, colour: int) -> bytes:
    """A whole black PNG, deflated row by row: no more than a row is ever held here."""
    samples = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + -(-size[0] * samples * depth // 8))
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(size[1])) + packer.flush()
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(entries: list[tuple[int, int, int, int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF with these tags (tag, type, count, value), 8-bit grey if not said."""
    given = {entry[0] for entry in entries}
    plain = [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 64)]
    every = sorted([*entries, *(entry for entry in plain if entry[0] not in given)])
    body = data or bytes(64)
    directory = struct.pack("<H", len(every)) + b"".join(struct.pack("<HHII", *e) for e in every)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4)


def circular_tiff() -> bytes:
    """A TIFF whose directory names itself as the next one."""
    whole = bytearray(tiff(_TINY))
    whole[-4:] = whole[4:8]
    return bytes(whole)


def archive(mebibytes: int) -> bytes:
    """A ZIP of stored zeros: so many bytes that are no picture."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        for number in range(mebibytes):
            file.writestr(str(number), bytes(_ZIP_MEMBER_BYTES))
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(1_000_000)
    return b"".join(packer.compress(block) for _ in range(count // len(block))) + packer.flush()


def _jpeg(size: tuple[int, int], *, progressive: bool) -> bytes:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    return _saved(image, "JPEG", progressive=progressive, quality=60)


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
