"""Coding-independent code points (CICP, ITU-T H.273) as an ICC profile.

AVIF (nclx) and PNG (cICP) may name their colours by code points. Pillow ignores them: shown as
sRGB, an HDR image looks like grey haze, and one with a wide gamut looks dull.
"""

import math
import struct
from collections.abc import Callable

# Colour primaries, each as the columns red, green, blue of XYZ at D50 (Bradford), computed from the
# chromaticities in H.273, table 2.
_BT709 = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
_BT2020 = ((0.67348, 0.27904, -0.00193), (0.16567, 0.67534, 0.02998), (0.12505, 0.04562, 0.79686))
_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
_PRIMARIES = {1: _BT709, 9: _BT2020, 12: _P3}

_LINEAR, _PQ, _HLG = 8, 16, 18
_LIKE_SRGB = frozenset({1, 2, 6, 13, 14, 15})
"""Transfer functions that browsers show like sRGB's."""
_CURVE_POINTS = 1024
_WHITE_NITS, _PEAK_NITS = 203, 1000
"""HDR reference white (ITU-R BT.2408), and the peak that most images are mastered for."""


def build_icc_profile(code_points: tuple[int, int] | None) -> bytes | None:
    """An ICC profile (v2) for colour primaries and transfer function.

    None for no code points, for those of sRGB and for unknown ones.
    """
    if code_points is None:
        return None
    primaries, transfer = code_points
    columns = _PRIMARIES.get(primaries)
    curve = _choose_curve(transfer)
    if columns is None or curve is None or (columns is _BT709 and transfer in _LIKE_SRGB):
        return None
    points = [
        round(65_535 * min(1, curve(point / (_CURVE_POINTS - 1)))) for point in range(_CURVE_POINTS)
    ]
    tone = b"curv\0\0\0\0" + struct.pack(f">I{_CURVE_POINTS}H", _CURVE_POINTS, *points)
    tags = {b"wtpt": _xyz_tag((0.9642, 1.0, 0.8249))}
    tags |= {
        name: _xyz_tag(xyz) for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone)
    return _encode_profile(tags)


def _encode_profile(tags: dict[bytes, bytes]) -> bytes:
    """An RGB display profile with these tags (ICC.1:2001-04, 6)."""
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(data), len(body))
        data += body
    length = start + len(data)
    header = struct.pack(">I4sI4s4s4s", length, b"", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header = (header + struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp")).ljust(68, b"\0")
    header = (header + struct.pack(">3i", 63190, 65536, 54061)).ljust(128, b"\0")
    return header + struct.pack(">I", len(tags)) + table + data


def _xyz_tag(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))


def _choose_curve(transfer: int) -> Callable[[float], float] | None:
    """From a signal of 0 to 1 to linear light, where 1 is white."""
    if transfer == _PQ:
        return lambda signal: _tone_map(_pq_nits(signal) / _WHITE_NITS)
    if transfer == _HLG:
        # The system gamma of a display of 1,000 nits (ITU-R BT.2100).
        return lambda signal: _tone_map(_hlg_scene_light(signal) ** 1.2 * _PEAK_NITS / _WHITE_NITS)
    if transfer == _LINEAR:
        return lambda signal: signal
    return _srgb_light if transfer in _LIKE_SRGB else None


def _tone_map(light: float) -> float:
    """Brings light over white under it (Reinhard's curve, as in Chromium)."""
    return light * (1 + light * (_WHITE_NITS / _PEAK_NITS) ** 2) / (1 + light)


def _srgb_light(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else float(((signal + 0.055) / 1.055) ** 2.4)


def _pq_nits(signal: float) -> float:
    power = signal ** (1 / 78.84375)  # SMPTE ST 2084
    return float(
        10_000 * (max(0, power - 0.8359375) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578)
    )


def _hlg_scene_light(signal: float) -> float:
    if signal <= 0.5:
        return signal * signal / 3
    return (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
