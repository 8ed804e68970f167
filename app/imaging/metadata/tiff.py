"""Structure of a TIFF (TIFF 6.0, BigTIFF): how many tags, strips and tiles it has, and its numbers.

Decoders read every tag and strip in Python, before they know the size of the image.
"""

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

_STRIP_OFFSETS, _TILE_OFFSETS, _COMPRESSION = 273, 324, 259
_OTHER_DIRECTORIES = frozenset({34665, 34853, 40965})
"""Tags that lead to another directory which Pillow reads: EXIF, GPS, interoperability."""
_NOT_COMPRESSED = 1
_BYTE_TYPES = frozenset({1, 2, 6, 7})
"""Bytes, texts and what is not defined: they are read in one piece."""
_RATIONAL = 5
_NUMBER_FORMATS = {
    _RATIONAL: "II",
    3: "H",
    4: "I",
    8: "h",
    9: "i",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}
"""Types of whole numbers, as `struct` spells them; a rational number is two."""

MAX_TAGS = 4096
"""In all directories together. Scanners and editors write under a hundred."""
MAX_STRIPS = 600_000
"""Strips or tiles: 150 megapixels in tiles of 16 x 16, the smallest that are allowed."""


@dataclass(frozen=True, slots=True)
class TiffStructure:
    """How many parts a TIFF has."""

    tags: int
    strips: int
    """Strips or tiles."""
    values: int
    """Numbers in all tags of the image, strips included."""
    is_compressed: bool

    def excess(self) -> str | None:
        """Which limit it is over; None where it is over none."""
        if self.tags > MAX_TAGS:
            return f"{self.tags} tags"
        return f"{self.strips} strips" if self.strips > MAX_STRIPS else None


@dataclass(frozen=True, slots=True)
class _Layout:
    """The two forms of a directory."""

    count: struct.Struct
    entry: struct.Struct
    pointer: struct.Struct


def read_tiff_structure(view: memoryview) -> TiffStructure:
    """Count the parts of the first image. What cannot be read counts as none."""
    layout, first = _find_directory(view)
    if first is None:
        return TiffStructure(0, 0, 0, is_compressed=False)
    tags = _count_tags(view, first, layout)
    strips, values, compression, others = 0, 0, _NOT_COMPRESSED, []
    for tag, kind, count, value in _iterate_tags(view, first, layout):
        if kind not in _BYTE_TYPES:
            values += min(count, len(view))
        if tag in (_STRIP_OFFSETS, _TILE_OFFSETS):
            strips = max(strips, count)
        elif tag == _COMPRESSION:
            (compression,) = struct.unpack_from(tiff_byte_order(view) + "H", value)
        elif tag in _OTHER_DIRECTORIES:
            others.append(layout.pointer.unpack_from(value)[0])
    tags += sum(_count_tags(view, other, layout) for other in others)
    return TiffStructure(tags, strips, values, is_compressed=compression != _NOT_COMPRESSED)


def tiff_byte_order(view: memoryview) -> Literal["<", ">"]:
    """The order of bytes in a number, as `struct` spells it."""
    return "<" if bytes(view[:2]) == b"II" else ">"


def read_tiff_tags(view: memoryview, wanted: Collection[int]) -> dict[int, Sequence[int]]:
    """Whole numbers in these tags of the first image; bytes as bytes. Others are left out."""
    layout, first = _find_directory(view)
    tags: dict[int, Sequence[int]] = {}
    if first is None:
        return tags
    for tag, kind, count, value in _iterate_tags(view, first, layout):
        letter = "s" if kind in _BYTE_TYPES else _NUMBER_FORMATS.get(kind)
        if tag not in wanted or tag in tags or letter is None:
            continue
        if count > (len(view) if letter == "s" else MAX_STRIPS):
            continue
        form = struct.Struct(tiff_byte_order(view) + f"{count * len(letter)}{letter[0]}")
        at = 0 if form.size <= len(value) else layout.pointer.unpack(value)[0]
        data = value if form.size <= len(value) else view
        if at + form.size <= len(data):
            numbers = form.unpack_from(data, at)
            tags[tag] = numbers[0] if letter == "s" else numbers
    return tags


def _find_directory(view: memoryview) -> tuple[_Layout, int | None]:
    """The form of the directories, and the offset of the first; None where there is none."""
    order = tiff_byte_order(view)
    is_big = len(view) > 16 and 43 in (view[2], view[3])
    layout = _Layout(
        struct.Struct(order + ("Q" if is_big else "H")),
        struct.Struct(order + ("HHQ8s" if is_big else "HHI4s")),
        struct.Struct(order + ("Q" if is_big else "I")),
    )
    header_bytes = 8 if is_big else 4
    if len(view) < header_bytes + layout.pointer.size:
        return layout, None
    return layout, layout.pointer.unpack_from(view, header_bytes)[0]


def _count_tags(view: memoryview, at: int, layout: _Layout) -> int:
    """Tags of the directory at an offset, as many as the file has room for."""
    begin = at + layout.count.size
    if begin > len(view):
        return 0
    (count,) = layout.count.unpack_from(view, at)
    return min(int(count), (len(view) - begin) // layout.entry.size)


def _iterate_tags(
    view: memoryview, at: int, layout: _Layout
) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and value of each entry, MAX_TAGS at most."""
    begin = at + layout.count.size
    count = min(MAX_TAGS, _count_tags(view, at, layout))
    yield from layout.entry.iter_unpack(view[begin : begin + count * layout.entry.size])
