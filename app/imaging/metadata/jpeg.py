"""Header of a JPEG (ITU-T T.81): size, sampling, number of scans, EXIF, colour profile.

It is read before any decoder sees the file, because it decides what decoding costs. Every offset is
checked, and what cannot be read is None.
"""

import re
import struct
from dataclasses import dataclass, field

from app.imaging.geometry import Size

# Markers (T.81, table B.1). Start of frame: C0..CF without DHT (C4), JPG (C8) and DAC (CC).
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Frames of DCT blocks: sequential, extended and progressive, with Huffman or arithmetic coding.
_SCALABLE_SOF = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_PROGRESSIVE_SOF = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_EOI, _SOS = 0xD9, 0xDA
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
"""TEM, RST0..7 and SOI."""
_SOI, _APP0, _APP1, _APP2, _ADOBE, _COMMENT = 0xD8, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_IGNORED = frozenset({0x01, *range(0xD0, 0xD8), *range(_APP1, _ADOBE), 0xEF, _COMMENT})
"""Before the first scan, decoders skip these. JFIF's APP0 and Adobe's APP14 tell the colours."""
_UNKNOWN = frozenset({0xC8, 0xDE, 0xDF, *range(0x02, 0xC0), *range(0xF0, 0xFE)})
"""Reserved markers, and those of hierarchical JPEG: no decoder reads a file with one."""
_HIERARCHICAL_SOF = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF})
_UNCOMMON = frozenset({0xF7, 0xDE})
"""Start of frame of JPEG-LS (ITU-T T.87), and of a hierarchical JPEG."""
_EXIF, _PROFILE = b"Exif\0\0", b"ICC_PROFILE\0"

_MAX_SEGMENTS = 4_096
"""Before the first scan. Cameras and editors write under a hundred (a profile or XMP of some MB in
pieces of 64 KB); millions of empty ones cost Pillow seconds, and an object each."""

_SEARCH_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """Frame of a JPEG, and how its data is arranged."""

    size_px: Size
    sampling: tuple[Size, ...]
    """Horizontal and vertical sampling factor of each component."""
    scans: int
    """1 where a single scan holds everything: then a decoder works row by row and keeps nothing."""
    is_scalable: bool = True
    """Whether a decoder can scale it. libjpeg-turbo 3 writes a lossless JPEG in full size, whatever
    size was asked for, past the end of a smaller buffer."""
    exif: bytes = b""
    profile: bytes | None = None
    image_spans: tuple[tuple[int, int], ...] = ()
    """Start and end of what decoders need: without filling, comments, thumbnails and the like. The
    last one begins with the first scan."""

    def coefficient_bytes(self) -> int:
        """What a decoder holds until the last scan: 2 bytes for each coefficient."""
        if self.scans == 1:
            return 0
        width, height = self.size_px
        widest = max(h for h, _ in self.sampling)
        tallest = max(v for _, v in self.sampling)
        blocks = sum(
            (-(-width * h // (widest * 8)) + h) * (-(-height * v // (tallest * 8)) + v)
            for h, v in self.sampling
        )
        return blocks * 64 * 2


@dataclass(frozen=True, slots=True)
class _Frame:
    """A start of frame segment."""

    marker: int
    bits: int
    size_px: Size
    sampling: tuple[Size, ...]


@dataclass(slots=True)
class _Segments:
    """What the segments before the first scan hold."""

    frame: _Frame | None = None
    exif: list[memoryview] = field(default_factory=list)
    profile: list[bytes] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=lambda: [(0, 2)])

    def add(self, marker: int, body: memoryview) -> None:
        """Note what a segment says."""
        if marker in _SOF and self.frame is None:
            self.frame = _read_frame(marker, bytes(body))
        elif marker == _APP1 and body[:6] == _EXIF:
            self.exif.append(body[6:])
        elif marker == _APP2 and body[:12] == _PROFILE and self.frame is None:
            self.profile.append(bytes(body[12:]))

    def joined_profile(self) -> bytes | None:
        """The profile, whose pieces have a number and their count in front (ICC.1, annex B.4)."""
        pieces = sorted(self.profile)
        if not pieces or len(pieces[0]) < 2 or pieces[0][1] != len(pieces):
            return None
        return b"".join(piece[2:] for piece in pieces)


def read_jpeg_header(view: memoryview) -> JpegHeader | None:
    """The header of a JPEG; None where no frame and scan are found."""
    segments = _Segments()
    at, count = 2, 0
    while (found := _MARKER.search(view, at)) is not None:  # junk and fill bytes are skipped
        marker, at = view[found.start() + 1], found.end()
        count += 1
        if count > _MAX_SEGMENTS or marker in _UNKNOWN:
            return None
        if marker in _WITHOUT_LENGTH:
            if marker == _SOI:
                segments.spans.append((at - 2, at))
            continue
        if marker == _EOI or at + 2 > len(view):
            return None
        length = max(2, view[at] << 8 | view[at + 1])
        if marker == _SOS:
            segments.spans.append((at - 2, len(view)))
            return _header_of(segments, view, at)
        segments.add(marker, view[at + 2 : at + length])
        if marker not in _IGNORED:
            segments.spans.append((at - 2, at + length))
        at += length
    return None


def is_uncommon_jpeg(view: memoryview) -> bool:
    """Whether the first frame is of a kind that decoders lack: 12 bits, hierarchical, JPEG-LS."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(view, at)
        if found is None or found.end() + 3 > len(view):
            return False
        marker, at = view[found.start() + 1], found.end()
        if marker in _SOF:
            return marker in _HIERARCHICAL_SOF or view[at + 2] != 8
        if marker in _UNCOMMON or marker in (_EOI, _SOS):
            return marker in _UNCOMMON
        if marker not in _WITHOUT_LENGTH:
            at += max(2, view[at] << 8 | view[at + 1])
    return False


def _read_frame(marker: int, body: bytes) -> _Frame | None:
    if len(body) < 6:
        return None
    height, width, components = struct.unpack_from(">HHB", body, 1)
    factors = body[7 : 6 + 3 * components : 3]  # component: id, factors, quantisation table
    sampling = tuple((factor >> 4, factor & 15) for factor in factors)
    if not components or len(sampling) != components or any(not h or not v for h, v in sampling):
        return None
    return _Frame(marker, body[0], (width, height), sampling)


def _header_of(segments: _Segments, view: memoryview, first_scan: int) -> JpegHeader | None:
    frame = segments.frame
    if frame is None or first_scan + 3 > len(view):
        return None
    has_one_scan = frame.marker not in _PROGRESSIVE_SOF and view[first_scan + 2] == len(
        frame.sampling
    )
    return JpegHeader(
        size_px=frame.size_px,
        sampling=frame.sampling,
        scans=1 if has_one_scan else 1 + _count_scans(view, first_scan),
        is_scalable=frame.marker in _SCALABLE_SOF and frame.bits == 8,
        exif=b"".join(segments.exif),
        profile=segments.joined_profile(),
        image_spans=tuple(segments.spans),
    )


def _count_scans(view: memoryview, start: int) -> int:
    # In entropy-coded data FF is followed by 00 or RSTn only (T.81, B.1.1.5), so the two bytes of
    # SOS begin a scan. A few more in trailing data (another image in the file) do not matter.
    return sum(
        bytes(view[at : at + _SEARCH_BYTES + 1]).count(b"\xff\xda")
        for at in range(start, len(view), _SEARCH_BYTES)
    )
