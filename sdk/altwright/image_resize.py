"""Resize local images with Pillow to what a model sees: upright, sRGB, opaque, 1,200 pixels.

Pillow is optional: it is imported only inside these functions.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

LONGEST_EDGE_PX = 1200
"""What the server shows a model by default; larger uploads gain nothing."""
_TALL_ASPECT_RATIO = 4
_TALL_WIDTH_PX = 600
_TALL_MAX_PIXELS = 2_880_000
# A page that is taller than this in widths keeps this width, up to so many pixels: the server crops
# it to a part that can be read.
_KEEP_BELOW_BYTES = 700 * 1024
"""A file up to this size and the longest edge is sent unchanged: encoding again would only lose
quality. nginx passes bodies of 1 MB by default; this leaves room for the other fields."""
_JPEG_QUALITY = 88
"""The server encodes once more (quality 80); at 88 the double loss is not visible."""
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class OriginalFacts:
    """A local image before it was resized: upright size in pixels, and its file."""

    width: int
    height: int
    format: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ResizedImage:
    """A JPEG without metadata, and the facts of the image it was made from."""

    jpeg: bytes
    original: OriginalFacts


def resize_file(data: bytes) -> ResizedImage | None:
    """The file as a smaller JPEG; None if it has to be sent unchanged.

    That is: it is small enough, Pillow is not installed, or Pillow cannot read it (the server may).
    """
    try:
        from PIL import Image  # optional, and slow to import
    except ImportError:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            image_format = (image.format or "").lower()
            if max(image.size) <= LONGEST_EDGE_PX and len(data) <= _KEEP_BELOW_BYTES:
                return None
            width, height = _upright_size(image)
            longest_px = _longest_edge(image.size)
            image.draft(None, (longest_px, longest_px))
            jpeg = _encode_jpeg(image)
    except Exception:  # noqa: BLE001 - decoders raise anything; the server decides about the file
        return None
    digest = hashlib.sha256(data).hexdigest()
    return ResizedImage(jpeg, OriginalFacts(width, height, image_format, len(data), digest))


def resize_pillow(image: PillowImage) -> ResizedImage:
    """The Pillow image as JPEG, whose size and hash stand for the file's. Raises as Pillow does."""
    width, height = _upright_size(image)
    jpeg = _encode_jpeg(image)
    image_format = (image.format or "jpeg").lower()
    digest = hashlib.sha256(jpeg).hexdigest()
    return ResizedImage(jpeg, OriginalFacts(width, height, image_format, len(jpeg), digest))


def _upright_size(image: PillowImage) -> tuple[int, int]:
    is_sideways = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if is_sideways else image.size


def _encode_jpeg(image: PillowImage) -> bytes:
    """Upright, on white, in sRGB, at most the longest edge, without metadata."""
    from PIL import Image

    profile = image.info.get("icc_profile")
    small = _to_eight_bits(image)
    # Alpha is resized with the colours: the colour of transparent pixels must not reach the edges.
    if small.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa") or "transparency" in small.info:
        small = small.convert("RGBA")
    elif small.mode not in ("L", "RGB", "CMYK"):
        small = small.convert("RGB")
    small = _resize(_rotate_upright(small, image))
    if small.mode == "RGBA":
        ground = Image.new("RGBA", small.size, "white")
        small = Image.alpha_composite(ground, small).convert("RGB")
    small = _to_srgb(small, profile).copy()
    small.info = {}  # Pillow would write the comment of a JPEG again
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _rotate_upright(small: PillowImage, source: PillowImage) -> PillowImage:
    """Rotate as the EXIF data of `source` says, which a conversion may have dropped."""
    from PIL import Image

    transpose = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(source.getexif().get(_EXIF_ORIENTATION, 1))  # fmt: skip
    return small if transpose is None else small.transpose(transpose)


def _to_eight_bits(image: PillowImage) -> PillowImage:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion would clip it to white."""
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("I", "F"):
        raise ValueError("32-bit images have no defined white point")
    return image


def _resize(image: PillowImage) -> PillowImage:
    from PIL import Image

    longest, longest_px = max(image.size), _longest_edge(image.size)
    if longest <= longest_px:
        return image
    width, height = (max(1, round(side * longest_px / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _longest_edge(size: tuple[int, int]) -> int:
    """The longest edge that an image keeps."""
    ratio = size[1] / size[0]
    if ratio <= _TALL_ASPECT_RATIO:
        return LONGEST_EDGE_PX
    width = min(size[0], _TALL_WIDTH_PX, math.sqrt(_TALL_MAX_PIXELS / ratio))
    return max(LONGEST_EDGE_PX, round(width * ratio))


def _to_srgb(image: PillowImage, profile: bytes | None) -> PillowImage:
    """Convert colours as a browser shows them. A broken colour profile is ignored."""
    if profile:
        from PIL import ImageCms

        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(
                image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            converted.info.pop("icc_profile", None)
            return converted
    return image if image.mode == "L" else image.convert("RGB")
