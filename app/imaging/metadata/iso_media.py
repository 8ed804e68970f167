"""Boxes of an ISO base media file (ISO 14496-12), which AVIF and HEIF are (ISO 23008-12)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.imaging.cicp import CodePoints

_MAX_BOXES = 1000
"""Side by side; a dozen is usual."""
_MAX_ASSOCIATED_ITEMS = 4096
"""As MAX_ITEMS in iso_structure.py, over which a file is refused."""

_HIGH_BITDEPTH = 0x40
"""Flag in the third byte of av1C."""

_MASTERING_LIGHT_AT = 16
"""The highest luminance in mdcv, behind eight chromaticities of two bytes."""
_LIGHT_UNITS = 10_000
"""Luminance in mdcv is stated in parts of a candela for each square metre."""


@dataclass(frozen=True, slots=True)
class IsoMediaColours:
    """What the properties of the primary image state about its colours, besides a profile."""

    code_points: CodePoints
    peak_nits: float | None
    """The brightest light in an HDR image, or on the screen that it was made on."""


def has_other_items_only(view: memoryview, item_type: bytes) -> bool:
    """Whether a file states what is in it, and nothing is of this type (ISO 14496-12, 8.11.6)."""
    metadata = [bytes(view[start:end]) for start, end in _find_boxes(view, b"meta")]
    return bool(metadata) and not any(item_type in one for one in metadata)


def is_high_bit_depth_avif(view: memoryview) -> bool:
    """Whether any image in an AVIF states more than 8 bits for each sample (av1C)."""
    return any(
        end >= start + 3 and view[start + 2] & _HIGH_BITDEPTH
        for start, end in _find_boxes(view, b"meta", b"iprp", b"ipco", b"av1C")
    )


def read_avif_colours(view: memoryview) -> IsoMediaColours | None:
    """The colours of the primary image of an AVIF (nclx, clli, mdcv); None without code points.

    Where nothing is associated with that image, the first of the file counts.
    """
    boxes = _find_properties(view)
    nclx = next((body for kind, body in boxes if kind == b"colr" and body[:4] == b"nclx"), b"")
    if len(nclx) < 8:
        return None
    primaries, transfer = struct.unpack_from(">HH", nclx, 4)
    return IsoMediaColours(CodePoints(primaries, transfer), _read_peak_nits(dict(boxes[::-1])))


def _read_peak_nits(properties: dict[bytes, bytes]) -> float | None:
    """From the light level of the content, or else from the screen of the mastering."""
    content = int.from_bytes(properties.get(b"clli", b"")[:2], "big")
    at = _MASTERING_LIGHT_AT
    mastering = int.from_bytes(properties.get(b"mdcv", b"")[at : at + 4], "big") / _LIGHT_UNITS
    return float(content) or mastering or None


def _find_properties(view: memoryview) -> list[tuple[bytes, bytes]]:
    """Type and contents of the colour properties: those of the primary image first."""
    indices = _find_primary_indices(view)
    of_primary: list[tuple[bytes, bytes]] = []
    others: list[tuple[bytes, bytes]] = []
    for start, end in _find_boxes(view, b"meta", b"iprp", b"ipco"):
        for number, (kind, at, box_end) in enumerate(_iterate_boxes(view, start, end), 1):
            if kind in (b"colr", b"clli", b"mdcv"):
                body = bytes(view[at : min(box_end, at + 24)])
                (of_primary if number in indices else others).append((kind, body))
    return of_primary + others


def _find_primary_indices(view: memoryview) -> set[int]:
    """The numbers, from 1, of the properties that belong to the primary image (pitm, ipma)."""
    primary = None
    for start, end in _find_boxes(view, b"meta", b"pitm"):
        id_bytes = 2 if end > start and view[start] == 0 else 4
        primary = int.from_bytes(view[start + 4 : min(end, start + 4 + id_bytes)], "big")
    indices: set[int] = set()
    for start, end in _find_boxes(view, b"meta", b"iprp", b"ipma"):
        indices |= _read_associations(bytes(view[start:end]), primary)
    return indices


def _read_associations(ipma: bytes, item: int | None) -> set[int]:
    """What an ipma box associates with an item (ISO 23008-12, 9.3.1)."""
    if len(ipma) < 8:
        return set()
    id_bytes, index_bytes = (4 if ipma[0] else 2), (2 if ipma[3] & 1 else 1)
    at = 8
    for _ in range(min(int.from_bytes(ipma[4:8], "big"), _MAX_ASSOCIATED_ITEMS)):
        if at + id_bytes >= len(ipma):
            break
        found = int.from_bytes(ipma[at : at + id_bytes], "big")
        at += id_bytes + 1
        end = at + ipma[at - 1] * index_bytes
        if found == item:
            mask = (1 << (8 * index_bytes - 1)) - 1  # the highest bit marks what is essential
            return {
                int.from_bytes(ipma[place : place + index_bytes], "big") & mask
                for place in range(at, end, index_bytes)
            }
        at = end
    return set()


def find_repeated_associations(view: memoryview) -> list[int]:
    """Offsets of the flags of surplus boxes of property associations (ipma) in an AVIF.

    HEIF allows one for each version and flags (ISO 23008-12, 9.3.1). Some encoders write one for
    each item, which browsers read, and libavif's strict parser, as Pillow uses it, refuses.
    """
    repeated: list[int] = []
    seen: set[bytes] = set()
    for start, _ in _find_boxes(view, b"meta", b"iprp", b"ipma"):
        version_and_flags = bytes(view[start : start + 4])
        if version_and_flags in seen:
            repeated.append(start + 1)
        seen.add(version_and_flags)
    return repeated[:255]


def _find_boxes(view: memoryview, *path: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the contents of all boxes at a path of box types."""
    return _descend(view, 0, len(view), path)


def _descend(
    view: memoryview, start: int, end: int, path: tuple[bytes, ...]
) -> Iterator[tuple[int, int]]:
    for inner, inner_end in _boxes(view, start, end, path[0]):
        if len(path) == 1:
            yield inner, inner_end
        else:
            header_bytes = 4 if path[0] == b"meta" else 0  # a full box: version and flags
            yield from _descend(view, inner + header_bytes, inner_end, path[1:])


def _boxes(view: memoryview, at: int, end: int, box_type: bytes) -> Iterator[tuple[int, int]]:
    """The boxes of one type side by side."""
    return (
        (start, box_end)
        for kind, start, box_end in _iterate_boxes(view, at, end)
        if kind == box_type
    )


def _iterate_boxes(view: memoryview, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the contents (ISO 14496-12, 4.2); none with a length of 64 bits."""
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        length = int.from_bytes(view[at : at + 4], "big") or end - at
        if length < 8 or at + length > end:
            return
        yield bytes(view[at + 4 : at + 8]), at + 8, at + length
        at += length
