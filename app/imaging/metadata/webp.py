"""Header of a WebP: size, kind of coding, and where its profile and EXIF are.

Its chunks are read as in the WebP container specification. What cannot be read is None.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.imaging.geometry import Size

_MAX_CHUNKS = 1_000
"""A WebP of one frame has at most six by the specification, and unknown ones, which are rare."""


@dataclass(frozen=True, slots=True)
class WebpHeader:
    """A WebP of one frame."""

    size_px: Size
    is_lossless: bool
    has_alpha: bool
    profile: bytes | None
    exif: bytes


def read_webp_header(view: memoryview) -> WebpHeader | None:
    """The header of a WebP of one frame; None for an animation or an invalid file."""
    size = read_webp_size(view)
    chunks: dict[bytes, bytes] = {}
    for kind, start, length in _iterate_chunks(view):
        if kind not in chunks:
            wanted = length if kind in (b"ICCP", b"EXIF") else 10
            chunks[kind] = bytes(view[start : start + min(length, wanted)])
    is_lossless = b"VP8L" in chunks
    if size is None or b"ANIM" in chunks or b"ANMF" in chunks:
        return None
    if is_lossless == (b"VP8 " in chunks) or (is_lossless and len(chunks[b"VP8L"]) < 5):
        return None
    flags = chunks.get(b"VP8X", b"\0")[0]
    return WebpHeader(
        size_px=size,
        is_lossless=is_lossless,
        has_alpha=b"ALPH" in chunks
        or (is_lossless and chunks[b"VP8L"][4] & 0x10 > 0)
        or bool(flags & 0x10),
        profile=chunks.get(b"ICCP"),
        exif=chunks.get(b"EXIF", b""),
    )


def read_webp_size(view: memoryview) -> Size | None:
    """Size in pixels of the canvas, from the first chunk."""
    head = bytes(view[:30])
    if len(head) < 30:
        return None
    # VP8X has 24 bits less one, VP8L 14 bits less one, VP8 14 bits.
    kind = head[12:16]
    if kind == b"VP8X":
        return (
            int.from_bytes(head[24:27], "little") + 1,
            int.from_bytes(head[27:30], "little") + 1,
        )
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def read_webp_image_bytes(view: memoryview) -> int:
    """Length of the coded image, or of an animation's first frame; 0 where none is found."""
    for kind, _, length in _iterate_chunks(view):
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            return min(length, len(view))
    return 0


def read_first_frame_box(view: memoryview) -> tuple[int, int, int, int] | None:
    """Left, upper, right and lower edge of an animation's first frame; None for other files."""
    for kind, start, _ in _iterate_chunks(view):
        if kind == b"ANMF" and start + 12 <= len(view):
            left, upper, width, height = (
                int.from_bytes(view[start + 3 * n : start + 3 * n + 3], "little") for n in range(4)
            )
            return 2 * left, 2 * upper, 2 * left + width + 1, 2 * upper + height + 1
    return None


def _iterate_chunks(view: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the body and length of each chunk."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(view):
            return
        kind, length = bytes(view[at : at + 4]), int.from_bytes(view[at + 4 : at + 8], "little")
        yield kind, at + 8, length
        at += 8 + length + length % 2
