"""Colours as a browser shows them: opaque on white, 8 bits, sRGB."""

import io
import math
import re
from collections.abc import Callable

from PIL import Image, ImageCms

from app.workers.errors import JobRefused

WHITE = (255, 255, 255)

_PROFILE_MAX_BYTES = 4 * 1024 * 1024
# A press profile has some 2 MB; more is no profile that anybody meant.

_SRGB_GAMMA = 1 / 2.2
# Not every name with "sRGB" in it: editors write "Linear sRGB", and "Rec2020 ... srgbtrc".
_IS_SRGB = re.compile(
    r"s ?RGB(?: IEC ?61966-2[.-]1(?: black scaled)?| built-in)?|c2(?:ci)?", re.IGNORECASE
)
_BITS_TAG, _PHOTOMETRIC_TAG = 258, 262
_SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}
"""The colour space that a profile must be for, as ICC.1 spells it, for each mode."""


def flattener(picture: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What brings a piece of `picture` to L, RGB, CMYK, YCbCr or LAB, opaque and 8 bits deep.

    Compositing on white comes before any averaging: a transparent pixel then counts as the white
    that is seen, whatever colour it hides, and edges get no dark fringe.
    """
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        scale, offset = _range(picture)
        return lambda piece: _opaque(_to_8_bits(piece, scale, offset))
    return _opaque


def _opaque(piece: Image.Image) -> Image.Image:
    if piece.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in piece.info:
        if piece.mode == "La":  # Pillow knows no way from there to RGBA
            piece = piece.convert("LA")
        layer = piece.convert("RGBA")
        ground = Image.new("RGB", piece.size, WHITE)
        ground.paste(layer, mask=layer)
        return ground
    if piece.mode == "1":
        return piece.convert("L")
    if piece.mode in ("L", "RGB", "CMYK", "YCbCr", "LAB"):
        return piece
    return piece.convert("RGB")


def _range(picture: Image.Image) -> tuple[float, float]:
    """Scale and offset that bring the values of a deep grey picture to 0..255."""
    if picture.mode.startswith("I;16"):
        tags = getattr(picture, "tag_v2", {})  # of a TIFF, whose depth may be 12 bits
        scale = 255 / (2 ** tags.get(_BITS_TAG, (16,))[0] - 1)
        is_negative = tags.get(_PHOTOMETRIC_TAG) == 0
        return (-scale, 255.0) if is_negative else (scale, 0.0)
    low, high = picture.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return 1.0, 0.0
    if not (math.isfinite(low) and math.isfinite(high)):
        raise JobRefused("unsupported", "measurements of which the least or the most is no number")
    if picture.mode == "F" and low >= 0 and high <= 1:
        return 255.0, 0.0
    if low >= 0 and high <= 255:
        return 1.0, 0.0
    if picture.mode == "I" and low >= 0 and high <= 65_535:
        return 1 / 257, 0.0
    # Measurements, not a picture: no browser shows them, every viewer stretches them.
    scale = 255 / (high - low) if high > low else 0.0
    return scale, -low * scale


def _to_8_bits(piece: Image.Image, scale: float, offset: float) -> Image.Image:
    key = piece.info.get("transparency")
    deep = piece if piece.mode == "F" else piece.convert("I")
    grey = deep.point(lambda value: value * scale + (offset + 0.5)).convert("L")
    if isinstance(key, int) and deep.mode == "I":
        # In the file's own depth: 257 values that differ come out as one grey.
        opaque = deep.point([255 * (value != key) for value in range(65_536)], "L")
        return Image.merge("LA", (grey, opaque))
    return grey


def mend_colour_key(picture: Image.Image, depth: int) -> None:
    """Bring the transparent colour of a PNG (tRNS) to the 8 bits that its pixels have.

    PNG states it in the file's own depth; Pillow scales the pixels and leaves the key.
    """
    key = picture.info.get("transparency")
    if depth == 16 and isinstance(key, tuple):
        picture.info["transparency"] = tuple(value >> 8 for value in key)
    elif depth < 8 and isinstance(key, int) and picture.mode == "L":
        picture.info["transparency"] = key * 255 // (2**depth - 1)


def to_srgb(picture: Image.Image, profile: bytes | None, gamma: float | None) -> Image.Image:
    """Mode RGB in sRGB. A profile that is broken or for other colours is ignored.

    `gamma` is the exponent of a PNG's gAMA chunk, which counts only where there is no profile.
    """
    if picture.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _transform(picture, ImageCms.ImageCmsProfile(lab)) or picture.convert("RGB")
    if picture.mode == "YCbCr":
        picture = picture.convert("RGB")
    if profile and len(profile) <= _PROFILE_MAX_BYTES:
        managed = _by_profile(picture, profile)
        if managed is not None:
            return managed
    rgb = picture.convert("RGB")
    # Within 5 % of sRGB's the difference is under 3 levels (and 0.45455 is sRGB's own).
    if not profile and gamma and 0.1 < gamma < 10 and abs(gamma / _SRGB_GAMMA - 1) > 0.05:
        exponent = _SRGB_GAMMA / gamma
        rgb = rgb.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)
    return rgb


def _by_profile(picture: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space != _SPACES.get(picture.mode):
            return None
        # Most photographs carry sRGB itself: nothing to do, and 10 ms spared.
        if picture.mode == "RGB" and _IS_SRGB.fullmatch(opened.profile.profile_description or ""):
            return picture
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
    return _transform(picture, opened)


def _transform(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(
            picture, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, ValueError):
        return None
