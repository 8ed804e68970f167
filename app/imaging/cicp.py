"""Colours told by code points (ITU-T H.273): AVIF's nclx and PNG's cICP, as an ICC profile.

Pillow hands such a picture's numbers on as they are. Read as sRGB, a picture for HDR screens is a
grey haze and one for wide gamut looks dull.
"""

import math
import struct
import zlib
from collections.abc import Callable

from app.imaging.metadata.headers import boxes

# Primaries, each as the columns red, green, blue of XYZ at D50 (Bradford), from their
# chromaticities in H.273, table 2.
_BT709 = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
_BT2020 = ((0.67348, 0.27904, -0.00193), (0.16567, 0.67534, 0.02998), (0.12505, 0.04562, 0.79686))
_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_COLUMNS = {1: _BT709, 9: _BT2020, 12: _P3}

_LINEAR, _PQ, _HLG = 8, 16, 18
_ORDINARY = frozenset({1, 2, 6, 13, 14, 15})
"""Transfer functions that browsers show like sRGB's."""
_LOOK_BYTES = 65_536
"""cICP stands before palette and pixels, beside a few short chunks."""
_STEPS = 1024
_WHITE_NITS, _PEAK_NITS = 203, 1000
"""Paper white in HDR (ITU-R BT.2408), and the brightest that most pictures are mastered for."""


def profile(primaries: int, transfer: int) -> bytes | None:
    """An ICC profile (v2) for the code points; None for sRGB's own and for unknown ones."""
    columns = _COLUMNS.get(primaries)
    curve = _curve(transfer)
    if columns is None or curve is None or (columns is _BT709 and transfer in _ORDINARY):
        return None
    values = [round(65_535 * min(1, curve(step / (_STEPS - 1)))) for step in range(_STEPS)]
    tone = b"curv\0\0\0\0" + struct.pack(f">I{_STEPS}H", _STEPS, *values)
    places = {b"wtpt": _xyz((0.9642, 1.0, 0.8249))}
    places |= {
        name: _xyz(xyz) for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
    }
    places |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone)
    table, data, at = b"", b"", 128 + 4 + 12 * len(places)
    for name, body in places.items():
        table += name + struct.pack(">II", at + len(data), len(body))
        data += body
    length = at + len(data)
    header = struct.pack(">I4sI4s4s4s", length, b"", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header = (header + struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")).ljust(68, b"\0")
    header = (header + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0")
    return header + struct.pack(">I", len(places)) + table + data


def of_avif(view: memoryview) -> bytes | None:
    """The profile that the first nclx box of an AVIF amounts to."""
    for start, end in boxes(view, 0, len(view), b"meta"):
        for middle, middle_end in boxes(view, start + 4, end, b"iprp"):
            for inner, inner_end in boxes(view, middle, middle_end, b"ipco"):
                for at, _ in boxes(view, inner, inner_end, b"colr"):
                    if bytes(view[at : at + 4]) == b"nclx":
                        return profile(*struct.unpack(">HH", bytes(view[at + 4 : at + 8])))
    return None


def of_png(view: memoryview) -> bytes | None:
    """The profile that a PNG's cICP chunk amounts to, which counts more than any other."""
    head = bytes(view[:_LOOK_BYTES])
    at = head.find(b"\0\0\0\4cICP") + 4
    chunk = head[at : at + 12]
    if at < 4 or len(chunk) < 12 or zlib.crc32(chunk[:8]) != int.from_bytes(chunk[8:], "big"):
        return None
    return profile(chunk[4], chunk[5])


def _curve(transfer: int) -> Callable[[float], float] | None:
    if transfer == _PQ:
        return lambda value: _toned(_pq_nits(value) / _WHITE_NITS)
    if transfer == _HLG:
        # The system gamma of a screen of 1,000 nits (ITU-R BT.2100).
        return lambda value: _toned(_hlg_scene(value) ** 1.2 * _PEAK_NITS / _WHITE_NITS)
    if transfer == _LINEAR:
        return lambda value: value
    return _srgb_light if transfer in _ORDINARY else None


def _toned(light: float) -> float:
    """Light over paper white brought under it (Reinhard's curve, as Chromium has it)."""
    return light * (1 + light * (_WHITE_NITS / _PEAK_NITS) ** 2) / (1 + light)


def _srgb_light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _pq_nits(value: float) -> float:
    power = value ** (1 / 78.84375)  # SMPTE ST 2084
    return float(
        10_000 * (max(0, power - 0.8359375) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578)
    )


def _hlg_scene(value: float) -> float:
    if value <= 0.5:
        return value * value / 3
    return (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))
