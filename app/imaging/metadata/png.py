"""Facts in the chunks of a PNG: size, bit depth, EXIF and colour code points."""

import struct
import zlib

from app.imaging.geometry import Size

_MAX_CHUNKS = 100_000
"""Encoders write the pixels in pieces of 8 KB or more: 64 MiB are 8,000 chunks."""

_COUNTED_CHUNKS = 1000
_MIN_CHUNK_BYTES = 12

_CICP_SEARCH_BYTES = 65_536
"""cICP stands before palette and pixels, among a few short chunks."""


def read_png_size(view: memoryview) -> Size | None:
    """Size in pixels; None where the file does not begin with a header."""
    head = bytes(view[:24])
    if head[12:16] != b"IHDR" or len(head) < 24:
        return None
    return struct.unpack_from(">II", head, 16)


def estimate_chunk_count(view: memoryview) -> int:
    """The number of chunks; behind the first thousand, as many as there may be."""
    at = 8
    for count in range(_COUNTED_CHUNKS):
        if at + 8 > len(view):
            return count
        at += _MIN_CHUNK_BYTES + int.from_bytes(view[at : at + 4], "big")
    return _COUNTED_CHUNKS + max(0, len(view) - at) // _MIN_CHUNK_BYTES


def read_png_bit_depth(view: memoryview) -> int:
    """Bits for each sample; 8 where the file has no header."""
    return view[24] if len(view) > 24 else 8


def read_png_exif(view: memoryview) -> bytes:
    """The EXIF of a PNG, also behind its pixels; empty where there is none."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(view):
            break
        length, kind = struct.unpack_from(">I4s", view, at)
        if kind == b"eXIf":
            return bytes(view[at + 8 : at + 8 + length])
        at += 12 + length
    return b""


def read_png_code_points(view: memoryview) -> tuple[int, int] | None:
    """Colour primaries and transfer function of the cICP chunk (ITU-T H.273)."""
    head = bytes(view[:_CICP_SEARCH_BYTES])
    at = head.find(b"\0\0\0\4cICP") + 4
    chunk = head[at : at + 12]
    if at < 4 or len(chunk) < 12 or zlib.crc32(chunk[:8]) != int.from_bytes(chunk[8:], "big"):
        return None
    return chunk[4], chunk[5]
