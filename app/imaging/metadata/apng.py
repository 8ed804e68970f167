"""The first frame of an animated PNG whose default image is not part of the animation.

Browsers show the animation and never that image, which is often a notice for old programs.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_SIGNATURE_BYTES = 8
_KEPT = frozenset({
    b"PLTE", b"tRNS", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV", b"eXIf",
})  # fmt: skip
"""What changes how the pixels are seen."""
_KEPT_MAX_BYTES = 1024 * 1024
_MAX_KEPT = 10
_CHUNK_BYTES = 12
"""Length, type and checksum."""
_MAX_CHUNKS = 20_000
"""Up to the end of the first frame. 8 MB in pieces of 8 KB are 1,000."""
_MAX_BYTES = 8 * 1024 * 1024
"""Of default image and frame. The frame is copied, within the memory of every job (see
png_chunks.py); a larger animation is shown by its default image."""
_ANIMATION_BYTES = 8
_CONTROL = struct.Struct(">IIIIIHHBB")
_SEQUENCE_BYTES = 4
_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class HiddenDefault:
    """The first frame as a PNG of its own, and where it stands."""

    png: bytes
    box: tuple[int, int, int, int]
    """Left, upper, right and lower edge on the canvas."""
    canvas_px: tuple[int, int]


def read_hidden_default(view: memoryview) -> HiddenDefault | None:
    """The first frame, where the default image is not shown (APNG: no fcTL before IDAT).

    None for every other PNG, and where the animation is damaged: then the default image is shown.
    """
    if bytes(view[12:16]) != b"IHDR":
        return None
    head = _read_head(view)
    frame = head and _read_frame(view, head.pixels_at)
    if not head or not frame:
        return None
    canvas_px = struct.unpack_from(">II", view, 16)
    return HiddenDefault(_build_png(view, head, frame), frame.box, canvas_px)


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands before the pixels of a default image that is not shown."""

    kept: list[memoryview]
    pixels_at: int


@dataclass(frozen=True, slots=True)
class _Frame:
    box: tuple[int, int, int, int]
    packed: bytes


def _read_head(view: memoryview) -> _Head | None:
    has_animation = False
    kept: list[memoryview] = []
    for kind, start, end in _iterate_chunks(view, _SIGNATURE_BYTES):
        body = view[start + 8 : end - 4]
        if kind == b"IDAT":
            return _Head(kept, start) if has_animation and len(kept) <= _MAX_KEPT else None
        if kind == b"fcTL":
            return None  # the default image is the first frame
        if kind == b"acTL" and len(body) == _ANIMATION_BYTES and any(body[:4]):
            has_animation = _is_intact(view[start:end])
        elif kind in _KEPT and len(body) <= _KEPT_MAX_BYTES:
            kept.append(view[start:end])
    return None


def _read_frame(view: memoryview, at: int) -> _Frame | None:
    box = None
    packed: list[bytes] = []
    for kind, start, end in _iterate_chunks(view, at):
        body = view[start + 8 : end - 4]
        if kind == b"fcTL" and box is None:
            box = _read_box(view, start, end)
            if box is None:
                return None
        elif kind == b"fdAT" and box is not None:
            number = 1 + len(packed)
            if bytes(body[:4]) != number.to_bytes(4, "big") or not _is_intact(view[start:end]):
                return None
            packed.append(bytes(body[_SEQUENCE_BYTES:]))
        elif kind in (b"fcTL", b"IEND"):
            break
        if end - at > _MAX_BYTES:
            return None
    return _Frame(box, b"".join(packed)) if box and packed else None


def _iterate_chunks(view: memoryview, at: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each whole chunk."""
    for _ in range(_MAX_CHUNKS):
        if at + _CHUNK_BYTES > len(view):
            return
        length, kind = struct.unpack_from(">I4s", view, at)
        end = at + _CHUNK_BYTES + length
        if end > len(view):
            return
        yield kind, at, end
        at = end


def _read_box(view: memoryview, start: int, end: int) -> tuple[int, int, int, int] | None:
    """Where the first frame stands; None where that is not within the image."""
    if end - start != _CHUNK_BYTES + _CONTROL.size or not _is_intact(view[start:end]):
        return None
    number, width, height, left, upper, *_ = _CONTROL.unpack_from(view, start + 8)
    canvas_width, canvas_height = struct.unpack_from(">II", view, 16)
    is_inside = left + width <= canvas_width and upper + height <= canvas_height
    if number != 0 or not (width and height and is_inside):
        return None
    return left, upper, left + width, upper + height


def _is_intact(chunk: memoryview) -> bool:
    return zlib.crc32(chunk[4:-4]).to_bytes(4, "big") == chunk[-4:]


def _build_png(view: memoryview, head: _Head, frame: _Frame) -> bytes:
    left, upper, right, lower = frame.box
    size = struct.pack(">II", right - left, lower - upper)
    header = _make_chunk(b"IHDR", size + bytes(view[24:29]))
    pixels = _make_chunk(b"IDAT", frame.packed)
    return b"".join((view[:_SIGNATURE_BYTES], header, *head.kept, pixels, _END))


def _make_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
