"""Image files that Pillow does not write, made byte by byte, and an ICC profile."""

import io
import struct
import zlib
from collections.abc import Iterable

import pytest
from PIL import Image


def encode(image: Image.Image, image_format: str, **options) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def draw_quadrants(size=(160, 80)) -> Image.Image:
    """Red and green above blue and yellow: every wrong orientation is visible."""
    width, height = size
    image = Image.new("RGB", size, (230, 220, 20))
    image.paste((220, 20, 20), (0, 0, width // 2, height // 2))
    image.paste((20, 180, 20), (width // 2, 0, width, height // 2))
    image.paste((20, 20, 220), (0, height // 2, width // 2, height))
    return image


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def make_png(
    size, depth: int, colour: int, rows: bytes, before: Iterable[bytes] = (), level: int = 1
) -> bytes:
    """A PNG of any depth and colour type. `rows`: each row with its filter byte in front."""
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)),
            *before,
            png_chunk(b"IDAT", zlib.compress(rows, level)),
            png_chunk(b"IEND", b""),
        )
    )


def make_apng(size, frame_size, offset, default, frame, *, number=0, control=True) -> bytes:
    """An animated PNG of one frame, with a default image that is not part of the animation.

    `default` and `frame`: each one RGB colour.
    """

    def pixels(pixel, of_size):
        return zlib.compress((b"\0" + bytes(pixel) * of_size[0]) * of_size[1])

    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0))
    places = struct.pack(">IIIIIHHBB", number, *frame_size, *offset, 1, 10, 0, 0)
    parts = [
        b"\x89PNG\r\n\x1a\n",
        header,
        png_chunk(b"acTL", struct.pack(">II", 1, 0)) if control else b"",
        png_chunk(b"IDAT", pixels(default, size)),
        png_chunk(b"fcTL", places),
        png_chunk(b"fdAT", struct.pack(">I", number + 1) + pixels(frame, frame_size)),
        png_chunk(b"IEND", b""),
    ]
    return b"".join(parts)


def make_coded_png(colour, primaries, transfer, *more: bytes) -> bytes:
    """A PNG of one colour with code points (cICP) and more chunks."""
    chunk = png_chunk(b"cICP", bytes((primaries, transfer, 0, 1)))
    return make_png((16, 16), 8, 2, (b"\0" + bytes(colour) * 16) * 16, before=[chunk, *more])


def make_coded_avif(colour, primaries, transfer) -> bytes:
    """An AVIF of one colour with code points (nclx)."""
    return _with_nclx(colour, "avif", primaries, transfer, subsampling="4:4:4")


def make_coded_heic(colour, primaries, transfer) -> bytes:
    """A HEIC of one colour with code points (nclx)."""
    pytest.importorskip("pillow_heif")
    return _with_nclx(colour, "heif", primaries, transfer, chroma=444, matrix_coefficients=6)


def _with_nclx(colour, image_format, primaries, transfer, **options) -> bytes:
    data = bytearray(
        encode(Image.new("RGB", (48, 48), tuple(colour)), image_format, quality=100, **options)
    )
    at = data.index(b"nclx") + 4
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


def make_tiff(entries: Iterable[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: (tag, type, count, value) each."""
    entries = sorted(entries)
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + b"\0\0\0\0" + tail


def split_associations(avif: bytes) -> bytes:
    """An AVIF whose one box of property associations (ipma) has become a box for each item."""
    at = avif.index(b"ipma") - 4
    (length,) = struct.unpack_from(">I", avif, at)
    body = avif[at + 8 : at + length]
    assert body[:4] == b"\0\0\0\0"
    boxes, offset = b"", 8
    for _ in range(int.from_bytes(body[4:8], "big")):
        end = offset + 3 + body[offset + 2]
        entry = body[:4] + b"\0\0\0\1" + body[offset:end]
        boxes += struct.pack(">I4s", 8 + len(entry), b"ipma") + entry
        offset = end
    changed = bytearray(avif[:at] + boxes + avif[at + length :])
    more = len(boxes) - length
    for name in (b"meta", b"iprp"):
        box = changed.index(name) - 4
        struct.pack_into(">I", changed, box, struct.unpack_from(">I", changed, box)[0] + more)
    return bytes(_move_items(changed, more))


def _move_items(avif: bytearray, by: int) -> bytearray:
    """Add `by` to all offsets in the item location box (iloc, version 0, 4-byte offsets)."""
    at = avif.index(b"iloc") + 4
    assert avif[at : at + 6] == b"\0\0\0\0\x44\0"
    items = int.from_bytes(avif[at + 6 : at + 8], "big")
    for index in range(items):
        place = at + 8 + index * 14 + 6
        struct.pack_into(">I", avif, place, struct.unpack_from(">I", avif, place)[0] + by)
    return avif


def repeat_last_scan(jpeg: bytes, times: int) -> bytes:
    """A progressive JPEG with its last scan repeated."""
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * times + b"\xff\xd9"


# Display P3's primaries, adapted to D50 (as Apple's own profile has them).
P3_TO_XYZ = ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407))


def make_p3_profile(gamma: float = 2.2) -> bytes:
    """An ICC profile (v2, matrix and curve) of Display P3's primaries with a plain gamma."""

    def xyz(values) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    columns = list(zip(*P3_TO_XYZ, strict=True))
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
        b"rXYZ": xyz(columns[0]),
        b"gXYZ": xyz(columns[1]),
        b"bXYZ": xyz(columns[2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", at + len(data), len(body))
        data += body
    body = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + body


def make_plain_tiff(size, bits, photometric, samples, planes, *more):
    """An uncompressed TIFF with a strip for each of `planes`. `more`: (tag, SHORT values) each."""
    arrays = [(258, (bits,) * samples), *more]
    count = 7 + len(arrays) + (samples > 1)
    tail, entries, begin = b"", [], 8 + 2 + 12 * count + 4
    for tag, values in arrays:
        inline = len(values) < 3
        value = values[0] if inline else begin + len(tail)
        entries.append((tag, 3, len(values), value))
        tail += b"" if inline else struct.pack(f"<{len(values)}H", *values)
    places = []
    for plane in planes:
        places.append(begin + len(tail))
        tail += plane
    for tag, values in [(273, places), (279, [len(plane) for plane in planes])]:
        value = values[0] if len(values) == 1 else begin + len(tail)
        entries.append((tag, 4, len(values), value))
        tail += b"" if len(values) == 1 else struct.pack(f"<{len(values)}I", *values)
    plain = {256: size[0], 257: size[1], 259: 1, 262: photometric, 277: samples}
    entries += [(tag, 3, 1, value) for tag, value in plain.items()]
    if samples > 1:
        entries.append((284, 3, 1, 2))
    assert len(entries) == count
    return make_tiff(entries, tail)


def with_tag(tiff, tag, value):
    """A little-endian TIFF made by Pillow, with another value of a tag."""
    data = bytearray(tiff)
    (at,) = struct.unpack_from("<I", data, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], 12):
        if struct.unpack_from("<H", data, entry)[0] == tag:
            kind = struct.unpack_from("<H", data, entry + 2)[0]
            struct.pack_into("<H" if kind == 3 else "<I", data, entry + 8, value)
    return bytes(data)
