"""HDR images (PQ and HLG, ITU-R BT.2100) as an SDR screen shows them: tone-mapped to sRGB.

The same operator as in Chromium (SMPTE ST 2094-50, reference white tone mapping), so that the
result is what a person sees there. Everything is loaded when this module is imported.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from app.imaging.cicp import PQ
from app.imaging.colour_space import BT709, BT2020, SRGB_LEVELS, Matrix, Primaries

Samples = NDArray[np.float32]

WHITE_NITS = 203.0
"""HDR reference white (ITU-R BT.2408)."""
DEFAULT_PEAK_NITS = 1000.0
"""The peak that most images are mastered for, and that of an HLG screen (ITU-R BT.2100)."""
_MAX_PEAK_NITS = 10_000.0
_DARKEST_WHITE = 0.5
"""Reference white of an image with the default peak or a higher one, of the white of the screen."""
_KNEE = 0.65
"""How far the control point of the shoulder is from the knee to the corner."""
_MEASURED_PART = 0.999
"""Of the pixels; brighter ones may be a few reflections, or noise of the coding."""

_STRIP_PX = 65_536
MS_PER_MEGAPIXEL = 110.0
"""Processor time, measured."""


def _to_matrix(primaries: Primaries) -> Matrix:
    columns = primaries.to_xyz()
    if columns is None:
        raise ValueError("primaries that span no space")
    return columns


_TO_BT2020 = np.linalg.inv(_to_matrix(BT2020))
_BT2020_TO_BT709 = np.linalg.inv(_to_matrix(BT709)) @ _to_matrix(BT2020)
_BT2020_LUMINANCE = np.array((0.2627, 0.6780, 0.0593))


def _pq_nits(signal: float) -> float:
    power = signal ** (1 / 78.84375)  # SMPTE ST 2084
    return float(
        10_000 * (max(0, power - 0.8359375) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578)
    )


def _hlg_scene_light(signal: float) -> float:
    if signal <= 0.5:
        return signal * signal / 3
    return (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12


_PQ_LIGHT = np.array([_pq_nits(code / 255) / WHITE_NITS for code in range(256)], np.float32)
_HLG_LIGHT = np.array([_hlg_scene_light(code / 255) for code in range(256)], np.float32)


@dataclass(frozen=True, slots=True)
class HdrSignal:
    """How the samples of an HDR image are to be read."""

    primaries: Primaries
    transfer: int
    """PQ or HLG, by its number in H.273."""
    peak_nits: float | None
    """The brightest light in it. None: it is measured."""


def convert_hdr_to_srgb(image: Image.Image, signal: HdrSignal) -> Image.Image:
    """The image in mode RGB and sRGB."""
    rgb = image.convert("RGB")
    to_bt2020 = _TO_BT2020 @ _to_matrix(signal.primaries)
    peak_nits = signal.peak_nits or _measure_peak_nits(rgb, signal.transfer)
    peak = min(peak_nits, _MAX_PEAK_NITS) / WHITE_NITS
    width, height = rgb.size
    rows = max(1, _STRIP_PX // width)
    converted = Image.new("RGB", rgb.size)
    for top in range(0, height, rows):
        strip = rgb.crop((0, top, width, min(height, top + rows)))
        codes = [np.asarray(band) for band in strip.split()]
        levels = _convert_strip(codes, to_bt2020, signal.transfer, peak)
        bands = [Image.fromarray(band) for band in levels]
        converted.paste(Image.merge("RGB", bands), (0, top))
    return converted


def _measure_peak_nits(rgb: Image.Image, transfer: int) -> float:
    red, green, blue = rgb.split()
    histogram = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    enough = _MEASURED_PART * rgb.width * rgb.height
    code = int(np.searchsorted(np.cumsum(histogram), enough))
    if transfer == PQ:
        return _pq_nits(code / 255)
    return float(_hlg_scene_light(code / 255) ** 1.2) * DEFAULT_PEAK_NITS


def _convert_strip(
    codes: list[NDArray[np.uint8]], to_bt2020: Matrix, transfer: int, peak: float
) -> list[NDArray[np.uint8]]:
    """Levels of red, green and blue from codes of the same."""
    light = _multiply(to_bt2020, [(_PQ_LIGHT if transfer == PQ else _HLG_LIGHT)[c] for c in codes])
    if transfer != PQ:
        # The system gamma of a screen of 1,000 nits applies to the luminance (BT.2100, table 5).
        luminance = np.maximum(_weigh(_BT2020_LUMINANCE, light), 0)
        gain = luminance ** np.float32(0.2) * np.float32(DEFAULT_PEAK_NITS / WHITE_NITS)
        light = [band * gain for band in light]
    gain = _find_gain(np.maximum(np.maximum(light[0], light[1]), light[2]), peak)
    srgb = _multiply(_BT2020_TO_BT709 * 65_535, [band * gain for band in light])
    return [SRGB_LEVELS[np.clip(band + 0.5, 0, 65_535).astype(np.uint16)] for band in srgb]


def _multiply(matrix: Matrix, bands: list[Samples]) -> list[Samples]:
    """The product in plain arithmetic: a library for matrices might start threads."""
    return [_weigh(row, bands) for row in matrix]


def _weigh(weights: Matrix, bands: list[Samples]) -> Samples:
    red, green, blue = (
        band * np.float32(weight) for band, weight in zip(bands, weights, strict=True)
    )
    weighed: Samples = red + green + blue
    return weighed


def _find_gain(brightest: Samples, peak: float) -> Samples:
    """By what the light of each pixel is multiplied; `brightest` is its highest component.

    Up to reference white the image is darkened evenly, and above it follows a quadratic Bezier
    curve that ends at (`peak`, 1). An image without anything over reference white stays as it is.
    """
    if peak <= 1:
        return np.ones_like(brightest)
    headroom = math.log2(peak) / math.log2(DEFAULT_PEAK_NITS / WHITE_NITS)
    white = 1 - _DARKEST_WHITE * min(1.0, headroom)
    middle_x = 1 - _KNEE + _KNEE / white
    middle_y = (1 - _KNEE) * white + _KNEE
    a, b = 1 - 2 * middle_x + peak, 2 * (middle_x - 1)
    over = np.clip(brightest, 1, peak) - 1
    at = 2 * over / (b + np.sqrt(b * b + 4 * a * over))
    shown = white + 2 * (middle_y - white) * at + (white - 2 * middle_y + 1) * at * at
    gain: Samples = np.where(brightest <= 1, white, shown / np.maximum(brightest, 1))
    return gain.astype(np.float32)
