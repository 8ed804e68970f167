"""Header of a JPEG (ITU-T T.81): size, sampling and number of scans.

It is read before any decoder sees the file, because it decides what decoding costs. Every offset is
checked, and what cannot be read is None.
"""

import re
import struct
from dataclasses import dataclass

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

_MAX_SEGMENTS = 10_000
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


def read_jpeg_header(view: memoryview) -> JpegHeader | None:
    """The header of a JPEG; None where no frame and scan are found."""
    frame: _Frame | None = None
    at, segments = 2, 0
    while (found := _MARKER.search(view, at)) is not None:  # junk and fill bytes are skipped
        marker, at = view[found.start() + 1], found.end()
        segments += 1
        if segments > _MAX_SEGMENTS:
            return None
        if marker in _WITHOUT_LENGTH:
            continue
        if marker == _EOI or at + 2 > len(view):
            return None
        (length,) = struct.unpack_from(">H", view, at)
        if marker in _SOF and frame is None:
            frame = _read_frame(marker, bytes(view[at + 2 : at + length]))
        if marker == _SOS:
            if frame is None or at + 3 > len(view):
                return None
            return _header_of(frame, view, at)
        at += max(2, length)
    return None


def _read_frame(marker: int, body: bytes) -> _Frame | None:
    if len(body) < 6:
        return None
    height, width, components = struct.unpack_from(">HHB", body, 1)
    factors = body[7 : 6 + 3 * components : 3]  # component: id, factors, quantisation table
    sampling = tuple((factor >> 4, factor & 15) for factor in factors)
    if not components or len(sampling) != components or any(not h or not v for h, v in sampling):
        return None
    return _Frame(marker, body[0], (width, height), sampling)


def _header_of(frame: _Frame, view: memoryview, first_scan: int) -> JpegHeader:
    has_one_scan = frame.marker not in _PROGRESSIVE_SOF and view[first_scan + 2] == len(
        frame.sampling
    )
    return JpegHeader(
        size_px=frame.size_px,
        sampling=frame.sampling,
        scans=1 if has_one_scan else 1 + _count_scans(view, first_scan),
        is_scalable=frame.marker in _SCALABLE_SOF and frame.bits == 8,
    )


def _count_scans(view: memoryview, start: int) -> int:
    # In entropy-coded data FF is followed by 00 or RSTn only (T.81, B.1.1.5), so the two bytes of
    # SOS begin a scan. A few more in trailing data (another image in the file) do not matter.
    return sum(
        bytes(view[at : at + _SEARCH_BYTES + 1]).count(b"\xff\xda")
        for at in range(start, len(view), _SEARCH_BYTES)
    )
