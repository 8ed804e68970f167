"""Coding-independent code points (CICP, ITU-T H.273): colours named by numbers.

AVIF and HEIC (nclx) and PNG (cICP) have them, and Pillow ignores them: shown as sRGB, an HDR image
looks like grey haze, and one with a wide gamut looks dull. What browsers show is the measure
(docs/decisions/0042-colours-as-browsers-show-them.md).
"""

from dataclasses import dataclass

from app.imaging.colour_space import BT709, BT2020, D65, Curve, Primaries, srgb_light

_ILLUMINANT_C = (0.310, 0.316)
_SMPTE170M = Primaries(D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_PRIMARIES = {
    1: BT709,
    4: Primaries(_ILLUMINANT_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: Primaries(D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: _SMPTE170M,
    7: _SMPTE170M,
    8: Primaries(_ILLUMINANT_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: BT2020,
    10: Primaries((1 / 3, 1 / 3), (1, 0), (0, 1), (0, 0)),
    11: Primaries((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Primaries(D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Primaries(D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
"""H.273, table 2."""

PQ, HLG = 16, 18
HDR_TRANSFERS = frozenset({PQ, HLG})
_SRGB = 13
_BT709_CURVES = frozenset({1, 6, 11, 14, 15})


def _smpte240m_light(signal: float) -> float:
    return signal / 4 if signal < 0.0912 else float(((signal + 0.1115) / 1.1115) ** (1 / 0.45))


_CURVES: dict[int, Curve] = {
    4: lambda signal: float(signal**2.2),
    5: lambda signal: float(signal**2.8),
    7: _smpte240m_light,
    8: lambda signal: signal,
    _SRGB: srgb_light,
    17: lambda signal: float(52.37 / 48 * signal**2.6),
}
_CURVES |= dict.fromkeys(_BT709_CURVES, lambda signal: float(signal**2.4))
"""H.273, table 3, without logarithmic ones and HDR. For the curves of television cameras that of
the screen that they are made for (ITU-R BT.1886)."""


@dataclass(frozen=True, slots=True)
class CodePoints:
    """Colour primaries and transfer characteristics by their numbers in H.273."""

    primaries: int
    transfer: int

    def find_primaries(self) -> Primaries | None:
        """None for those that are reserved or not specified."""
        return _PRIMARIES.get(self.primaries)

    def find_curve(self) -> Curve | None:
        """None for HDR, and for those that are reserved, unspecified or logarithmic."""
        return _CURVES.get(self.transfer)

    @property
    def is_srgb(self) -> bool:
        """Whether nothing needs to be converted."""
        return (self.primaries, self.transfer) == (1, _SRGB)

    @property
    def is_known(self) -> bool:
        """Whether both numbers have a meaning here."""
        return self.primaries in _PRIMARIES and (
            self.transfer in _CURVES or self.transfer in HDR_TRANSFERS
        )

    def as_in_video(self) -> "CodePoints":
        """What browsers take for them in AVIF, where unknown numbers mean sRGB.

        The curves of television cameras are shown like sRGB's, as cameras write them for pictures
        that were made to be seen with it.
        """
        is_plain = self.transfer in _BT709_CURVES or self.transfer not in (
            _CURVES.keys() | HDR_TRANSFERS
        )
        return CodePoints(
            self.primaries if self.primaries in _PRIMARIES else 1,
            _SRGB if is_plain else self.transfer,
        )
