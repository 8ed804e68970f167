"""What a picture's header says, read by ourselves before any decoder sees the file.

Only what decides over cost or shape: size, scans, orientation. Every offset is checked, nothing is
allocated, and what cannot be read is None: the decoder then has the say.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

Size = tuple[int, int]
"""Width and height in pixels."""

# Start of frame markers (ITU-T T.81, table B.1): C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Eight bits in blocks of cosines: sequential, extended and progressive, by Huffman or arithmetic.
_SCALABLE_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_PROGRESSIVE_SOF = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0..7, SOI."""


_SEGMENTS_MAX = 10_000
"""Before the first scan: cameras and editors write under a hundred (a profile or XMP of some MB in
pieces of 64 KB). Millions of empty ones cost Pillow seconds and an object each."""

_LOOK_BYTES = 1024 * 1024

_BOXES_MAX = 1000
"""Side by side in an AVIF: a dozen is usual."""


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The frame of a JPEG, and how its data comes."""

    width_px: int
    height_px: int
    sampling: tuple[Size, ...]
    """Horizontal and vertical sampling factor of each component."""
    scans: int
    """1 where one scan holds all: then a decoder works row by row and keeps nothing."""
    is_scalable: bool = True
    """Whether a decoder can scale it. libjpeg-turbo 3 writes a lossless one in full size, whatever
    size was asked for and however small the buffer for it is."""

    def coefficient_bytes(self) -> int:
        """What a decoder holds until the last scan has come: 2 bytes a coefficient."""
        if self.scans == 1:
            return 0
        widest = max(h for h, _ in self.sampling)
        tallest = max(v for _, v in self.sampling)
        blocks = sum(
            (-(-self.width_px * h // (widest * 8)) + h)
            * (-(-self.height_px * v // (tallest * 8)) + v)
            for h, v in self.sampling
        )
        return blocks * 64 * 2


def read_jpeg(view: memoryview) -> JpegHeader | None:
    """The header of a JPEG; None where no frame and scan are found."""
    frame: tuple[int, int, Size, tuple[Size, ...]] | None = None
    at, passed = 2, 0
    while (found := _next_marker(view, at)) is not None:
        marker, at = found
        passed += 1
        if passed > _SEGMENTS_MAX:
            return None
        if marker in _ALONE:
            continue
        if marker == _EOI or at + 2 > len(view):
            return None
        (length,) = struct.unpack_from(">H", view, at)
        if marker in _SOF and frame is None:
            frame = _read_frame(marker, bytes(view[at + 2 : at + length]))
        if marker == _SOS:
            if frame is None or at + 3 > len(view):
                return None
            marker, depth, (width, height), sampling = frame
            whole = marker not in _PROGRESSIVE_SOF and view[at + 2] == len(sampling)
            scans = 1 if whole else 1 + _count_scans(view, at)
            is_scalable = marker in _SCALABLE_SOF and depth == 8
            return JpegHeader(width, height, sampling, scans, is_scalable)
        at += max(2, length)
    return None


def _next_marker(view: memoryview, at: int) -> tuple[int, int] | None:
    """The next marker and where its segment begins. Junk and fill bytes are passed over."""
    found = _MARKER.search(view, at)
    return (view[found.start() + 1], found.end()) if found else None


def _read_frame(marker: int, body: bytes) -> tuple[int, int, Size, tuple[Size, ...]] | None:
    if len(body) < 6:
        return None
    height, width, count = struct.unpack_from(">HHB", body, 1)
    factors = body[7 : 6 + 3 * count : 3]  # component: id, factors, quantisation table
    sampling = tuple((factor >> 4, factor & 15) for factor in factors)
    if not count or len(sampling) != count or any(not h or not v for h, v in sampling):
        return None
    return marker, body[0], (width, height), sampling


def _count_scans(view: memoryview, at: int) -> int:
    # Within coded data FF is followed by 00 or RSTn only (T.81, B.1.1.5), so the two bytes of SOS
    # are a scan. A few more in trailing data (another picture in the file) do not matter.
    return sum(
        bytes(view[start : start + _LOOK_BYTES + 1]).count(b"\xff\xda")
        for start in range(at, len(view), _LOOK_BYTES)
    )


def peek_size(image_format: str, view: memoryview) -> Size | None:
    """The size in pixels of formats whose decoder takes memory as soon as it opens the file."""
    head = bytes(view[:30])
    if image_format == "gif" and len(head) >= 10:
        return struct.unpack_from("<HH", head, 6)  # the canvas; a frame may yet be larger
    if image_format == "png" and head[12:16] == b"IHDR":
        return struct.unpack_from(">II", head, 16) if len(head) >= 24 else None
    if image_format == "webp" and len(head) == 30:
        return _peek_webp(head)
    return None


def webp_first_frame(view: memoryview) -> tuple[int, int, int, int] | None:
    """Where on its canvas an animated WebP's first frame lies; None where it is no animation."""
    at = 12
    for _ in range(_CHUNKS_MAX):
        if at + 8 > len(view):
            return None
        kind, length = bytes(view[at : at + 4]), int.from_bytes(view[at + 4 : at + 8], "little")
        if kind == b"ANMF" and at + 20 <= len(view):
            left, top, width, height = (
                int.from_bytes(view[at + 8 + 3 * n : at + 11 + 3 * n], "little") for n in range(4)
            )
            return 2 * left, 2 * top, 2 * left + width + 1, 2 * top + height + 1
        at += 8 + length + length % 2
    return None


@dataclass(frozen=True, slots=True)
class WebpHeader:
    """A WebP of one frame, and where its profile and EXIF lie."""

    width_px: int
    height_px: int
    lossless: bool
    alpha: bool
    profile: bytes | None
    exif: bytes


_CHUNKS_MAX = 1_000
# A WebP of one frame has at most six by the specification, and unknown ones that nobody writes.


def read_webp(view: memoryview) -> WebpHeader | None:
    """The header of a WebP of one frame; None for an animation and for what is no plain WebP."""
    size = peek_size("webp", view)
    found: dict[bytes, bytes] = {}
    at = 12
    for _ in range(_CHUNKS_MAX):
        if at + 8 > len(view):
            break
        kind, length = bytes(view[at : at + 4]), int.from_bytes(view[at + 4 : at + 8], "little")
        if kind not in found:
            wanted = length if kind in (b"ICCP", b"EXIF") else 10
            found[kind] = bytes(view[at + 8 : at + 8 + min(length, wanted)])
        at += 8 + length + length % 2
    lossless = b"VP8L" in found
    if size is None or b"ANIM" in found or b"ANMF" in found or lossless == (b"VP8 " in found):
        return None
    if lossless and len(found[b"VP8L"]) < 5:
        return None
    said = found.get(b"VP8X", b"\0")
    alpha = b"ALPH" in found or (lossless and found[b"VP8L"][4] & 0x10 > 0)
    return WebpHeader(
        *size,
        lossless=lossless,
        alpha=alpha or bool(said[0] & 0x10),
        profile=found.get(b"ICCP"),
        exif=found.get(b"EXIF", b""),
    )


def _peek_webp(head: bytes) -> Size | None:
    # WebP container specification: VP8X has 24 bits less one, VP8L 14 bits less one, VP8 14 bits.
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


_PNG_CHUNKS_MAX = 100_000
# Encoders cut the pixels into pieces of 8 KB and more: 64 MiB are 8,000 chunks.


def png_exif(view: memoryview) -> bytes:
    """The EXIF of a PNG wherever it stands; empty where there is none."""
    at = 8
    for _ in range(_PNG_CHUNKS_MAX):
        if at + 8 > len(view):
            break
        length, kind = struct.unpack_from(">I4s", view, at)
        if kind == b"eXIf":
            return bytes(view[at + 8 : at + 8 + length])
        at += 12 + length
    return b""


def png_depth(view: memoryview) -> int:
    """Bits per sample of a PNG, 8 where it has no header."""
    return view[24] if len(view) > 24 else 8


def read_orientation(exif: bytes) -> int:
    """EXIF orientation 1 to 8 (Exif 2.32, tag 0x0112); 1 where there is none or it is broken."""
    exif = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, start)
    for index in range(count):
        at = start + 2 + index * 12
        if at + 12 > len(exif):
            return 1
        tag, kind = struct.unpack_from(order + "HH", exif, at)
        if tag == 0x0112:
            # A SHORT by the book; some writers use LONG.
            (value,) = struct.unpack_from(order + ("I" if kind == 4 else "H"), exif, at + 8)
            return value if 1 <= value <= 8 else 1
    return 1


def repeated_associations(view: memoryview) -> list[int]:
    """Where an AVIF has further boxes of property associations (ipma) of one kind: their flags.

    HEIF allows one for each version and flags (ISO 23008-12, 9.3.1); some encoders write one for
    each item, which browsers read and libavif's parser, as Pillow sets it, refuses.
    """
    found: list[int] = []
    seen: set[bytes] = set()
    for start, end in boxes(view, 0, len(view), b"meta"):
        for inner, inner_end in boxes(view, start + 4, end, b"iprp"):  # 4: version and flags
            for at, _ in boxes(view, inner, inner_end, b"ipma"):
                kind = bytes(view[at : at + 4])
                if kind in seen:
                    found.append(at + 1)
                seen.add(kind)
    return found[:255]


def boxes(view: memoryview, at: int, end: int, name: bytes) -> Iterator[tuple[int, int]]:
    """The contents of the boxes of that name (ISO 14496-12, 4.2), none of a length of 64 bits."""
    for _ in range(_BOXES_MAX):
        if at + 8 > end:
            return
        length = int.from_bytes(view[at : at + 4], "big") or end - at
        if length < 8 or at + length > end:
            return
        if view[at + 4 : at + 8] == name:
            yield at + 8, at + length
        at += length


def avif_is_deep(view: memoryview) -> bool:
    """Whether any picture in an AVIF says that its samples have more than 8 bits (av1C)."""
    for start, end in boxes(view, 0, len(view), b"meta"):
        for middle, middle_end in boxes(view, start + 4, end, b"iprp"):
            for inner, inner_end in boxes(view, middle, middle_end, b"ipco"):
                for at, _ in boxes(view, inner, inner_end, b"av1C"):
                    if bytes(view[at + 2 : at + 3]) and view[at + 2] & 0x40:  # high_bitdepth
                        return True
    return False
