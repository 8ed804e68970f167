"""libvips: decodes PNG and WebP while it scales them down, and filters samples of any format.

A PNG is read row by row, and a WebP is scaled by its own decoder, so neither is held as a whole.
The exceptions are interlaced PNG, lossless WebP, and lossy WebP with alpha. No other loader of
libvips is ever called, and no file name reaches it. Where pyvips-binary is not installed, Pillow
does all of this.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from app.imaging.decoders.libvips_binding import LibvipsError, VipsImage, is_installed
from app.imaging.geometry import Size
from app.imaging.metadata.webp import WebpHeader

if TYPE_CHECKING:
    from app.imaging.decoders.libvips_binding import Buffer

__all__ = [
    "BANDS", "FloatSize", "LibvipsError", "OpenedPng", "decode_png", "decode_webp", "is_installed",
    "is_webp_scaled_by_filter", "open_png", "resize_samples",
]  # fmt: skip

FloatSize = tuple[float, float]
"""Width and height in pixels, not always whole. A decoder that scales rounds sizes up; what lies
beyond the edge of the source in the last column and row must not come into the image."""

BANDS = {"L": 1, "RGB": 3, "CMYK": 4}
"""Pillow's modes whose samples may be filtered as they are, with their samples for each pixel."""
_MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, slots=True)
class OpenedPng:
    """A PNG whose header libvips has read, and nothing more."""

    size_px: Size
    bands: int
    bytes_per_sample: int
    is_interlaced: bool
    image: VipsImage

    @property
    def sample_bytes(self) -> int:
        """All samples together."""
        return self.size_px[0] * self.size_px[1] * self.bands * self.bytes_per_sample


def open_png(view: memoryview) -> OpenedPng:
    """Read the header of a PNG. Raises LibvipsError."""
    image = VipsImage.load("pngload", view, "")
    return OpenedPng(
        size_px=(image.width, image.height),
        bands=image.bands,
        bytes_per_sample=2 if image.has_16_bit_samples() else 1,
        is_interlaced=image.is_interlaced(),
        image=image,
    )


def decode_png(png: OpenedPng, to_px: Size) -> Image.Image:
    """The PNG on white, with 8-bit samples, mode L or RGB, scaled to `to_px`.

    Raises LibvipsError.
    """
    return _finish(png.image, to_px)


def decode_webp(view: memoryview, header: WebpHeader, to_px: Size) -> Image.Image:
    """The WebP on white, mode RGB, scaled to `to_px`. Raises LibvipsError."""
    options = ""
    if not is_webp_scaled_by_filter(header, to_px):
        options = f",scale={max(to_px) / max(header.size_px)}"
    return _finish(VipsImage.load("webpload", view, options), to_px)


def is_webp_scaled_by_filter(header: WebpHeader, to_px: Size) -> bool:
    """Whether the WebP is decoded in full size, because libwebp's scaling must not be used.

    In a lossy WebP with alpha, libwebp averages colours regardless of alpha: the colours of
    transparent pixels would bleed into visible ones.
    """
    return header.size_px == to_px or (header.has_alpha and not header.is_lossless)


def resize_samples(
    data: "Buffer", mode: str, size_px: Size, to_px: Size, source_px: FloatSize
) -> Image.Image:
    """Scale packed 8-bit samples of mode L, RGB or CMYK down with the Lanczos filter.

    `source_px` is the part of the image, from the upper left corner, that becomes `to_px`. Raises
    LibvipsError.
    """
    resized = _resize(VipsImage.from_samples(data, size_px, BANDS[mode]), to_px, source_px)
    if (resized.width, resized.height) != to_px:
        width, height = to_px
        resized = resized.apply("extract_area", f"left=0,top=0,width={width},height={height}")
    return _to_pillow(resized, mode)


def _finish(image: VipsImage, to_px: Size) -> Image.Image:
    if image.has_16_bit_samples():
        image = image.apply("cast", "format=uchar,shift=true")
    if image.has_alpha():
        image = image.apply("flatten", "background=255,max_alpha=255")
    if (image.width, image.height) != to_px:
        image = _resize(image, to_px, (image.width, image.height))
    return _to_pillow(image, _MODES[image.bands])


def _resize(image: VipsImage, to_px: Size, source_px: FloatSize) -> VipsImage:
    scale, vscale = to_px[0] / source_px[0], to_px[1] / source_px[1]
    return image.apply("resize", f"scale={scale:.12f},vscale={vscale:.12f},kernel=lanczos3")


def _to_pillow(image: VipsImage, mode: str) -> Image.Image:
    return Image.frombuffer(mode, (image.width, image.height), image.samples(), "raw", mode, 0, 1)
