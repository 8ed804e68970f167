"""Which colours a file states: a profile, code points, or the colour chunks of a PNG."""

from typing import Any

from app.imaging.cicp import HDR_TRANSFERS, CodePoints
from app.imaging.colour import Colours
from app.imaging.colour_space import BT709, build_icc_profile
from app.imaging.hdr import DEFAULT_PEAK_NITS, HdrSignal
from app.imaging.lab import is_d65
from app.imaging.metadata.bmp import read_bmp_profile
from app.imaging.metadata.iso_media import read_avif_colours
from app.imaging.metadata.png import PngColourChunks, read_png_colour_chunks
from app.imaging.metadata.tiff import read_tiff_tags
from app.imaging.metadata.tiff_samples import WHITE_POINT

_GAMMA_OF_SRGB = 1 / 2.2
_SAME_GAMMA = 0.05
"""Browsers take a gamma that differs less from that of sRGB for sRGB."""


def read_colours(image_format: str, info: dict[Any, Any], view: memoryview) -> Colours:
    """The colours of an opened image, `info` being what Pillow has read.

    A profile is preferred to code points (MIAF, 7.3.6.4), except in a PNG (third edition, 4.3).
    """
    profile = info.get("icc_profile")
    match image_format:
        case "png":
            return _choose_png_colours(read_png_colour_chunks(view), profile)
        case "avif" if not profile:
            stated = read_avif_colours(view)
            if stated is not None:
                peak_nits = stated.peak_nits or DEFAULT_PEAK_NITS
                return _from_code_points(stated.code_points.as_in_video(), peak_nits)
        case "tiff":
            return Colours(profile, has_d65_lab=_has_d65_white(view))
        case "bmp":
            return Colours(read_bmp_profile(view))
        case "heic" if not profile and (nclx := info.get("nclx_profile")):
            stated_points = CodePoints(
                int(nclx["color_primaries"]), int(nclx["transfer_characteristics"])
            )
            # No browser on Linux shows HEIC. Most are made by telephones, which keep white white.
            return _from_code_points(stated_points.as_in_video(), None)
    return Colours(profile)


def _choose_png_colours(chunks: PngColourChunks, profile: bytes | None) -> Colours:
    """cICP before iCCP before sRGB before gAMA and cHRM (PNG, third edition, 4.3)."""
    code_points = chunks.code_points
    if code_points is not None and code_points.is_known:
        return _from_code_points(code_points, chunks.peak_nits or DEFAULT_PEAK_NITS)
    if profile:
        return Colours(profile)
    if chunks.is_srgb or chunks.gamma is None:  # browsers ignore cHRM alone
        return Colours()
    if chunks.primaries is None and abs(chunks.gamma / _GAMMA_OF_SRGB - 1) < _SAME_GAMMA:
        return Colours()
    exponent = 1 / chunks.gamma
    return Colours(
        build_icc_profile(chunks.primaries or BT709, lambda signal: float(signal**exponent))
    )


def _has_d65_white(view: memoryview) -> bool:
    """Whether a TIFF states the white of a screen (WhitePoint, two rational numbers)."""
    stated = read_tiff_tags(view, {WHITE_POINT}).get(WHITE_POINT, ())
    if len(stated) != 4 or not stated[1] or not stated[3]:
        return False
    return is_d65((stated[0] / stated[1], stated[2] / stated[3]))


def _from_code_points(code_points: CodePoints, peak_nits: float | None) -> Colours:
    primaries, curve = code_points.find_primaries(), code_points.find_curve()
    if primaries is None or code_points.is_srgb:
        return Colours()
    if code_points.transfer in HDR_TRANSFERS:
        return Colours(hdr=HdrSignal(primaries, code_points.transfer, peak_nits))
    return Colours(None if curve is None else build_icc_profile(primaries, curve))
