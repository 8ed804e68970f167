"""Decompression bombs: small files that cost much memory or time to decode."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping

from PIL import Image

from testing.structure_bombs import structure_bombs

_ZIP_MEMBER_BYTES = 1024 * 1024


def all_bombs(*, large: bool) -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of every bomb.

    `large` adds those that take seconds to make or have tens of megabytes.
    """
    yield "scans-small.jpg", repeated_scans_jpeg((1200, 1200), 1_000)
    yield "scans-large.jpg", repeated_scans_jpeg((5000, 5000), 400)
    yield "scans-allowed.jpg", repeated_scans_jpeg((2800, 2000), 90)
    yield "smooth.webp", saved(Image.new("RGB", (5000, 5000)), "WEBP", quality=30, method=0)
    yield "smooth.png", solid_png((4000, 4000), 8, 6)
    text = png_chunk(b"zTXt", b"a\0\0" + _zeros(8_000_000))
    yield "texts.png", png((8, 8), 8, 0, bytes(72), *[text] * 100)
    yield "segments.jpg", many_segments_jpeg(2_000_000 if large else 1_000_000)
    yield "fill-bytes.jpg", b"\xff\xd8" + b"\xff" * 20_000_000
    yield "oversized.png", png((65_535, 65_535), 8, 6, bytes(100))
    yield "oversized-uint32.png", png((0x7FFFFFFF, 0x7FFFFFFF), 8, 6, bytes(100))
    yield "just-allowed.png", solid_png((12_000, 12_000), 1, 0)
    yield "oversized.jpg", oversized_jpeg()
    yield "oversized.gif", oversized_gif()
    yield "oversized.bmp", oversized_bmp()
    yield "oversized.webp", oversized_webp()
    yield "oversized.tif", tiff([(256, 4, 1, 60_000), (257, 4, 1, 60_000), (278, 4, 1, 60_000)])
    yield "frames.gif", animation("GIF", 10_000)
    yield "frames.png", animation("PNG", 300)
    yield "frames.webp", animation("WEBP", 300)
    for kind in (b"zTXt", b"iCCP"):
        chunk = png_chunk(kind, b"a\0\0" + _zeros(60_000_000))
        yield f"{kind.decode()}.png", png((8, 8), 8, 0, bytes(72), chunk)
    yield "longer-than-it-says.png", png((8, 8), 8, 0, bytes(60_000_000))
    yield "tags.tif", tiff([*_TINY, (700, 3, 9_000_000, 8)], bytes(18_000_000))
    yield "cyclic.tif", cyclic_tiff()
    yield "strips.tif", tiff([*_TINY, (278, 4, 1, 1), (273, 4, 0x7FFFFFFF, 8)])
    yield "tile.tif", tiff([*_TINY, (322, 4, 1, 60_000), (323, 4, 1, 60_000)])
    yield "archive.jpg", jpeg_start() + zip_of_zeros(10)
    yield from structure_bombs()
    if large:
        yield "oversized-deep.png", solid_png((12_000, 12_000), 16, 6)
        yield "zeros.jpg", jpeg_start() + bytes(60_000_000)
        yield "archive.zip", zip_of_zeros(60)


_CHEAP = frozenset({"ok", "caption_uncertain"})
"""Codes of an odd file whose first image is sound and cheap to decode."""
_REFUSED = frozenset({"image_corrupt", "image_too_large"})

EXPECTED_CODES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("oversized.png", "oversized-uint32.png", "oversized.jpg", "oversized.gif",
                     "oversized.bmp", "oversized.webp", "oversized.tif"),
                    frozenset({"image_too_large"})),
    **dict.fromkeys(("scans-small.jpg", "scans-large.jpg", "segments.jpg", "fill-bytes.jpg",
                     "zTXt.png", "iCCP.png", "tags.tif", "strips.tif", "tile.tif", "zeros.jpg",
                     "archive.jpg", "oversized-deep.png"), _REFUSED | _CHEAP),
    **dict.fromkeys(("scans-allowed.jpg", "smooth.webp", "smooth.png", "texts.png"), _CHEAP),
    **dict.fromkeys(("just-allowed.png", "frames.gif", "frames.png", "frames.webp",
                     "cyclic.tif", "longer-than-it-says.png"), _CHEAP),
    "archive.zip": frozenset({"image_unsupported"}),
}  # fmt: skip
"""The codes that the server may return for each bomb."""

_TINY = [(256, 4, 1, 8), (257, 4, 1, 8)]
"""Tags of a TIFF of 8 x 8 pixels."""


def jpeg_start() -> bytes:
    """A JPEG that ends before its Huffman tables."""
    whole = _jpeg((16, 16), progressive=False)
    return whole[: whole.index(b"\xff\xc4")]


def repeated_scans_jpeg(size: tuple[int, int], extra: int) -> bytes:
    """A progressive JPEG that repeats its last scan `extra` times; each scan visits all pixels."""
    whole = _jpeg(size, progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * extra + whole[-2:]


def many_segments_jpeg(count: int = 2_000_000) -> bytes:
    """A JPEG with `count` empty comment segments before its frame."""
    whole = _jpeg((16, 16), progressive=False)
    return whole[:2] + b"\xff\xfe\0\2" * count + whole[2:]


def oversized_jpeg() -> bytes:
    """A small JPEG whose header claims 65,500 x 65,500 pixels."""
    whole = bytearray(_jpeg((64, 64), progressive=False))
    at = whole.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", whole, at, 65_500, 65_500)
    return bytes(whole)


def oversized_gif() -> bytes:
    """A GIF with a small canvas and a frame of 65,535 x 65,535 pixels."""
    whole = bytearray(saved(Image.new("P", (8, 8)), "GIF"))
    at = whole.rindex(b"\x2c", 0, len(whole) - 8)
    struct.pack_into("<HH", whole, at + 5, 65_535, 65_535)
    return bytes(whole)


def oversized_bmp() -> bytes:
    """A small BMP whose header claims 30,000 x 30,000 pixels."""
    whole = bytearray(saved(Image.new("RGB", (8, 8)), "BMP"))
    struct.pack_into("<ii", whole, 18, 30_000, 30_000)
    return bytes(whole)


def oversized_webp() -> bytes:
    """A WebP with a canvas of 16,383 x 16,383 pixels and a small frame."""
    whole = bytearray(saved(Image.new("RGBA", (8, 8)), "WEBP", lossless=True))
    if whole[12:16] == b"VP8X":
        whole[24:30] = b"\xfe\x3f\0\xfe\x3f\0"
    else:
        bits = int.from_bytes(whole[21:25], "little") & ~0xFFFFFFF
        whole[21:25] = (bits | 0x3FFE | 0x3FFE << 14).to_bytes(4, "little")
    return bytes(whole)


def animation(kind: str, count: int) -> bytes:
    """An animation of `count` different frames of 16 x 16 pixels."""
    frames = [Image.new("L", (16, 16), number % 256) for number in range(count)]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=20)
    return out.getvalue()


def png(size: tuple[int, int], depth: int, colour: int, pixels: bytes, *more: bytes) -> bytes:
    """A PNG with this header, these raw rows, and the chunks `more` before them."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", header), *more]
    parts += [png_chunk(b"IDAT", zlib.compress(pixels, 9)), png_chunk(b"IEND", b"")]
    return b"".join(parts)


def solid_png(size: tuple[int, int], depth: int, colour: int) -> bytes:
    """A complete black PNG, compressed row by row so that only one row is in memory."""
    samples = {0: 1, 2: 3, 6: 4}[colour]
    row = bytes(1 + -(-size[0] * samples * depth // 8))
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(row) for _ in range(size[1])) + packer.flush()
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    chunks = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", packed), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(entries: list[tuple[int, int, int, int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF with these tags (tag, type, count, value), 8-bit grey by default."""
    given = {entry[0] for entry in entries}
    plain = [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 64)]
    every = sorted([*entries, *(entry for entry in plain if entry[0] not in given)])
    body = data or bytes(64)
    directory = struct.pack("<H", len(every)) + b"".join(struct.pack("<HHII", *e) for e in every)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + bytes(4)


def cyclic_tiff() -> bytes:
    """A TIFF whose directory points to itself as the next one."""
    whole = bytearray(tiff(_TINY))
    whole[-4:] = whole[4:8]
    return bytes(whole)


def zip_of_zeros(mebibytes: int) -> bytes:
    """A ZIP of uncompressed zeros: large and not an image."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        for number in range(mebibytes):
            file.writestr(str(number), bytes(_ZIP_MEMBER_BYTES))
    return out.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(1_000_000)
    return b"".join(packer.compress(block) for _ in range(count // len(block))) + packer.flush()


def gradient(size: tuple[int, int], kind: str, **options: object) -> bytes:
    """A smooth image: many pixels in few bytes."""
    return saved(Image.linear_gradient("L").resize(size).convert("RGB"), kind, **options)


def _jpeg(size: tuple[int, int], *, progressive: bool) -> bytes:
    return gradient(size, "JPEG", progressive=progressive, quality=60)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a file of this kind."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
