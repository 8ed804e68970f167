"""Facts in the chunks of a PNG: size, bit depth, EXIF and colours."""

import struct
import zlib
from dataclasses import dataclass

from app.imaging.cicp import CodePoints
from app.imaging.colour_space import Primaries
from app.imaging.geometry import Size

_MAX_CHUNKS = 100_000
"""Encoders write the pixels in pieces of 8 KB or more: 64 MiB are 8,000 chunks."""

_COUNTED_CHUNKS = 1000
_MIN_CHUNK_BYTES = 12

_CHUNKS_BEFORE_PIXELS = 1000
"""How many are searched for colours: a dozen is usual."""
_COLOUR_CHUNK_BYTES = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"cLLI": 8, b"mDCV": 24}
"""The chunks that state colours, each with its length. One of another length is not read."""
_FULL_RANGE, _NO_MATRIX = 1, 0
_LIGHT_UNITS = 10_000
"""Light is stated in parts of a candela for each square metre (PNG, 11.3.2.7 and 11.3.2.8)."""
_UNITS = 100_000
"""Gamma and chromaticities are stated in these parts (PNG, 11.3.2.1 and 11.3.2.2)."""


@dataclass(frozen=True, slots=True)
class PngColourChunks:
    """What the colour chunks of a PNG state, besides its profile; None for what is missing."""

    code_points: CodePoints | None
    """None also where the samples do not have the full range, or are not RGB."""
    peak_nits: float | None
    """The brightest light in an HDR image, or on the screen that it was made on."""
    is_srgb: bool
    gamma: float | None
    """The exponent of the encoding; 1 / 2.2 is usual."""
    primaries: Primaries | None


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
    """The EXIF of a PNG before its pixels, where browsers read it; empty where there is none."""
    at = 8
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(view):
            break
        length, kind = struct.unpack_from(">I4s", view, at)
        if kind == b"IDAT":
            break
        if kind == b"eXIf":
            return bytes(view[at + 8 : at + 8 + length])
        at += 12 + length
    return b""


def read_png_colour_chunks(view: memoryview) -> PngColourChunks:
    """Read the intact colour chunks in front of the pixels."""
    chunks = _find_colour_chunks(view)
    code_points = None
    if cicp := chunks.get(b"cICP"):
        primaries, transfer, matrix, value_range = cicp
        if (matrix, value_range) == (_NO_MATRIX, _FULL_RANGE):
            code_points = CodePoints(primaries, transfer)
    gamma = int.from_bytes(chunks.get(b"gAMA", b""), "big") / _UNITS
    return PngColourChunks(
        code_points=code_points,
        peak_nits=_read_peak_nits(chunks),
        is_srgb=b"sRGB" in chunks,
        gamma=gamma or None,
        primaries=_read_primaries(chunks.get(b"cHRM")),
    )


def _find_colour_chunks(view: memoryview) -> dict[bytes, bytes]:
    """The contents of the first intact chunk of each kind."""
    found: dict[bytes, bytes] = {}
    at = 8
    for _ in range(_CHUNKS_BEFORE_PIXELS):
        if at + _MIN_CHUNK_BYTES > len(view):
            break
        length, kind = struct.unpack_from(">I4s", view, at)
        if kind == b"IDAT":
            break
        if _COLOUR_CHUNK_BYTES.get(kind) == length and kind not in found:
            chunk = bytes(view[at + 4 : at + _MIN_CHUNK_BYTES + length])
            if zlib.crc32(chunk[:-4]).to_bytes(4, "big") == chunk[-4:]:
                found[kind] = chunk[4:-4]
        at += _MIN_CHUNK_BYTES + length
    return found


def _read_peak_nits(chunks: dict[bytes, bytes]) -> float | None:
    """From the light level of the content, or else from the screen of the mastering."""
    for kind, offset in ((b"cLLI", 0), (b"mDCV", 16)):
        if kind in chunks:
            units = int.from_bytes(chunks[kind][offset : offset + 4], "big")
            if units:
                return units / _LIGHT_UNITS
    return None


def _read_primaries(body: bytes | None) -> Primaries | None:
    if body is None:
        return None
    numbers = [number / _UNITS for number in struct.unpack(">8I", body)]
    white, red, green, blue = zip(numbers[::2], numbers[1::2], strict=True)
    return Primaries(white, red, green, blue)
