"""Colours as a browser shows them: opaque on white, with 8-bit samples, in sRGB."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

from app.imaging.geometry import Size
from app.imaging.hdr import MS_PER_MEGAPIXEL, HdrSignal, convert_hdr_to_srgb
from app.imaging.lab import convert_d65_lab_to_srgb

WHITE = (255, 255, 255)

_PROFILE_MAX_BYTES = 4 * 1024 * 1024
# A profile of a printing press has some 2 MB.

# Names of sRGB's own profile. Others contain it, as "Linear sRGB" or "Rec2020 ... srgbtrc".
_IS_SRGB = re.compile(
    r"s ?RGB(?: IEC ?61966-2[.-]1(?: black scaled)?| built-in)?|c2(?:ci)?", re.IGNORECASE
)
_BITS_TAG, _PHOTOMETRIC_TAG = 258, 262
_SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}
"""The colour space of a profile that fits each mode, as ICC.1 spells it."""


_TABLE_PROFILE_MS, _CMYK_PROFILE_MS = 25.0, 45.0
"""For a profile that looks colours up in a table, whatever its size: lcms2 computes a table of its
own from it, of 33 points for each channel."""
_HAS_TABLE = re.compile(rb"A2B[0-2]")
_SPACE = slice(16, 20)
_TAG_DIRECTORY = slice(128, 128 + 4 + 100 * 12)
"""lcms2 refuses more than a hundred tags."""


@dataclass(frozen=True, slots=True)
class Colours:
    """What the samples of an image mean; sRGB where nothing is stated."""

    profile: bytes | None = None
    """An ICC profile, of the file or made from what it states."""
    hdr: HdrSignal | None = None
    """Set instead of a profile for high dynamic range."""
    has_d65_lab: bool = False
    """Lab of a screen's white."""

    def change_something(self) -> bool:
        """Whether an image must be converted, as far as the name of a profile tells."""
        return self.hdr is not None or not _is_srgb_or_none(self.profile)


def estimate_colours_ms(colours: Colours, scaled_px: Size) -> float:
    """Processor time that converting an image scaled to this size takes."""
    if colours.hdr is not None:
        return scaled_px[0] * scaled_px[1] / 1e6 * MS_PER_MEGAPIXEL
    return estimate_profile_ms(colours.profile)


def estimate_profile_ms(profile: bytes | None) -> float:
    """Processor time that converting an image by this profile takes besides its pixels."""
    if not profile or not _HAS_TABLE.search(profile[_TAG_DIRECTORY]):
        return 0.0
    return _CMYK_PROFILE_MS if profile[_SPACE] == b"CMYK" else _TABLE_PROFILE_MS


def choose_flatten(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """A function that makes a strip of `image` opaque, in mode L, RGB, CMYK, YCbCr or LAB.

    It is composited on white before any averaging. Then a transparent pixel counts as white,
    whatever its colour is, and edges get no dark fringe.
    """
    mode = image.mode
    if mode.startswith("I"):
        scale, offset = _value_range(image)
        return lambda strip: _composite_on_white(_convert_to_8_bits(strip, scale, offset))
    return _composite_on_white


def has_alpha(image: Image.Image) -> bool:
    """Whether pixels may be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def extract_alpha(strip: Image.Image) -> Image.Image:
    """Alpha of an image with 8-bit samples, in mode L."""
    if strip.mode == "La":
        strip = strip.convert("LA")
    return strip.convert("RGBA").getchannel("A")


def drop_alpha(image: Image.Image) -> Image.Image:
    """The colours of an image with 8-bit samples, transparent ones too, in mode L or RGB."""
    if image.mode in ("LA", "La"):
        return image.convert("LA").getchannel("L")
    return image.convert("RGBA").convert("RGB")


def remove_white(flat: Image.Image, alpha: Image.Image) -> Image.Image:
    """The colours of an image that was composited on white, as far as it is opaque."""
    opacity = np.asarray(alpha, np.float32)[..., None] / 255
    on_white = np.asarray(flat.convert("RGB"), np.float32)
    colours = 255 - (255 - on_white) / np.maximum(opacity, 1 / 255)
    return Image.fromarray(np.clip(colours + 0.5, 0, 255).astype(np.uint8))


def _composite_on_white(strip: Image.Image) -> Image.Image:
    if has_alpha(strip):
        if strip.mode == "La":  # Pillow cannot convert it to RGBA directly
            strip = strip.convert("LA")
        rgba = strip.convert("RGBA")
        canvas = Image.new("RGB", strip.size, WHITE)
        canvas.paste(rgba, mask=rgba)
        return canvas
    if strip.mode == "1":
        return strip.convert("L")
    if strip.mode in ("L", "RGB", "CMYK", "YCbCr", "LAB"):
        return strip
    return strip.convert("RGB")


def _value_range(image: Image.Image) -> tuple[float, float]:
    """Scale and offset that bring the values of a grey image with 16 bits to 0..255."""
    tags = getattr(image, "tag_v2", {})  # a TIFF may have 12 bits
    scale = 255 / (2 ** tags.get(_BITS_TAG, (16,))[0] - 1)
    is_inverted = tags.get(_PHOTOMETRIC_TAG) == 0
    return (-scale, 255.0) if is_inverted else (scale, 0.0)


def _convert_to_8_bits(strip: Image.Image, scale: float, offset: float) -> Image.Image:
    key = strip.info.get("transparency")
    deep = strip.convert("I")
    grey = deep.point(lambda value: value * scale + (offset + 0.5)).convert("L")
    if isinstance(key, int):
        # Compared before the conversion, which makes one grey of 257 different values.
        opaque = deep.point([255 * (value != key) for value in range(65_536)], "L")
        return Image.merge("LA", (grey, opaque))
    return grey


def convert_to_srgb(
    image: Image.Image, colours: Colours, alpha: Image.Image | None = None
) -> Image.Image:
    """The image in mode RGB and sRGB. A profile that is invalid or for another mode is ignored.

    With `alpha` the colours are then composited on white: in sRGB, as browsers do.
    """
    if alpha is not None:
        canvas = Image.new("RGB", image.size, WHITE)
        canvas.paste(convert_to_srgb(image, colours), mask=alpha)
        return canvas
    if image.mode == "LAB" and colours.has_d65_lab:
        return convert_d65_lab_to_srgb(image)
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _transform(image, ImageCms.ImageCmsProfile(lab)) or image.convert("RGB")
    if image.mode == "YCbCr":
        image = image.convert("RGB")
    if colours.hdr is not None and image.mode in ("L", "RGB"):
        return convert_hdr_to_srgb(image, colours.hdr)
    profile = colours.profile
    if profile and len(profile) <= _PROFILE_MAX_BYTES:
        managed = _convert_by_profile(image, profile)
        if managed is not None:
            return managed
    return image.convert("RGB")


def _convert_by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space
        if image.mode == "L" and space == _SPACES["RGB"]:
            image = image.convert("RGB")  # as browsers do
        if space != _SPACES.get(image.mode):
            return None
        # Most photographs have the profile of sRGB itself: nothing to do, which saves 10 ms.
        if image.mode == "RGB" and _has_name_of_srgb(opened):
            return image
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return None
    return _transform(image, opened)


def _is_srgb_or_none(profile: bytes | None) -> bool:
    if not profile or len(profile) > _PROFILE_MAX_BYTES:
        return True
    try:
        return _has_name_of_srgb(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return True


def _has_name_of_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return _IS_SRGB.fullmatch(profile.profile.profile_description or "") is not None


def _transform(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    try:
        return ImageCms.profileToProfile(
            image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, ValueError):
        return None
