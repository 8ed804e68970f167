"""Structure of an AVIF or HEIC: how many items, extents and references it has (ISO 14496-12).

Decoders look each item up in a list of all: 25,000 items in a file of 1 MB took 1.5 s, and 60,000
references 7 s, before the size of the image was known.
"""

from collections.abc import Iterator
from dataclasses import dataclass

MAX_BOXES = 4096
"""Side by side; a dozen is usual."""
MAX_ITEMS = 4096
"""A telephone's image of 200 megapixels has 800 tiles, and each is an item."""
MAX_REFERENCES = 8192
"""From one item to another: one for each tile, and some."""
MAX_EXTENTS = 8192
"""Pieces of items; nearly every item has one."""

_LARGE_LENGTH, _TO_THE_END = 1, 0
_BOX_HEADER_BYTES, _LARGE_BOX_HEADER_BYTES = 8, 16
_FULL_BOX_BYTES = 4
"""Version and flags."""


@dataclass(frozen=True, slots=True)
class IsoStructure:
    """How much a decoder reads besides pixels."""

    items: int = 0
    """Pictures, tiles and metadata."""
    exif_bytes: int = 0


class ExcessiveStructure(Exception):
    """The file has more parts of a kind than any encoder writes."""


def read_iso_structure(view: memoryview) -> IsoStructure:
    """Check the number of all parts.

    What cannot be read counts as none: decoders refuse it. Raises ExcessiveStructure.
    """
    try:
        for kind, start, end in _iterate_boxes(view, 0, len(view)):
            if kind == b"meta":
                return _read_meta(view, start + _FULL_BOX_BYTES, end)
    except IndexError:  # a table is longer than its box
        pass
    return IsoStructure()


def _read_meta(view: memoryview, start: int, end: int) -> IsoStructure:
    references = 0
    exif_ids: set[int] = set()
    lengths: dict[int, int] = {}
    for kind, at, box_end in _iterate_boxes(view, start, end):
        if kind == b"iinf":
            exif_ids |= _find_exif_items(view, at, box_end)
        elif kind == b"iloc":
            lengths |= _read_item_lengths(view[at:box_end])
        elif kind == b"iref":
            references += _count_references(view, at, box_end)
    if references > MAX_REFERENCES:
        raise ExcessiveStructure(f"{references} references")
    return IsoStructure(len(lengths), sum(lengths.get(item, 0) for item in exif_ids))


def _find_exif_items(view: memoryview, start: int, end: int) -> set[int]:
    """Numbers of the items that hold EXIF (infe boxes)."""
    at = start + _FULL_BOX_BYTES + (2 if view[start] == 0 else 4)
    found = set()
    for kind, entry, _ in _iterate_boxes(view, at, end):
        if kind == b"infe" and view[entry] in (2, 3):
            id_bytes = 2 if view[entry] == 2 else 4
            type_at = entry + _FULL_BOX_BYTES + id_bytes + 2
            if bytes(view[type_at : type_at + 4]) == b"Exif":
                found.add(_number(view, entry + _FULL_BOX_BYTES, id_bytes))
    return found


def _read_item_lengths(table: memoryview) -> dict[int, int]:
    """Length of each item (iloc): of all its extents together."""
    version = table[0]
    offset_bytes, length_bytes = table[4] >> 4, table[4] & 15
    base_bytes, index_bytes = table[5] >> 4, table[5] & 15 if version else 0
    id_bytes = 4 if version == 2 else 2
    items = _number(table, 6, id_bytes)
    if items > MAX_ITEMS:
        raise ExcessiveStructure(f"{items} items")
    at = 6 + id_bytes
    lengths: dict[int, int] = {}
    extents = 0
    for _ in range(items):
        item = _number(table, at, id_bytes)
        at += id_bytes + (2 if version else 0) + 2 + base_bytes
        count = _number(table, at, 2)
        at += 2
        extents += count
        if extents > MAX_EXTENTS:
            raise ExcessiveStructure(f"more than {MAX_EXTENTS} extents")
        for _ in range(count):
            at += index_bytes + offset_bytes
            lengths[item] = lengths.get(item, 0) + _number(table, at, length_bytes)
            at += length_bytes
    return lengths


def _count_references(view: memoryview, start: int, end: int) -> int:
    id_bytes = 2 if view[start] == 0 else 4
    return sum(
        max(1, _number(view, at + id_bytes, 2))
        for _, at, _ in _iterate_boxes(view, start + _FULL_BOX_BYTES, end)
    )


def _number(view: memoryview, at: int, size_bytes: int) -> int:
    """A number of the file. Raises IndexError beyond its end."""
    if at + size_bytes > len(view):
        raise IndexError
    return int.from_bytes(view[at : at + size_bytes], "big")


def _iterate_boxes(view: memoryview, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the contents of boxes side by side. Raises ExcessiveStructure."""
    boxes = 0
    while at + _BOX_HEADER_BYTES <= end:
        boxes += 1
        if boxes > MAX_BOXES:
            raise ExcessiveStructure(f"more than {MAX_BOXES} boxes side by side")
        length, header_bytes = _number(view, at, 4), _BOX_HEADER_BYTES
        if length == _LARGE_LENGTH:
            length, header_bytes = _number(view, at + 8, 8), _LARGE_BOX_HEADER_BYTES
        elif length == _TO_THE_END:
            length = end - at
        if length < header_bytes or at + length > end:
            return
        yield bytes(view[at + 4 : at + 8]), at + header_bytes, at + length
        at += length
