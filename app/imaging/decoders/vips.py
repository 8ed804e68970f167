"""libvips: PNG and WebP decoded while they are being reduced, and the filter for every format.

A PNG is read row by row, a WebP is scaled by its own decoder: neither is ever held as a whole
(but for the few that cannot be: interlaced PNG, lossless WebP). No other loader of libvips is
ever called, and no file name reaches it. Where pyvips is not installed, Pillow does all of it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from app.imaging.decoders.libvips import Picture, VipsRefused, is_ready
from app.imaging.metadata.headers import Size, WebpHeader

if TYPE_CHECKING:
    from app.imaging.decoders.libvips import Buffer

__all__ = ["VipsRefused", "is_ready", "open_png", "read_png", "read_webp", "reduce"]

Covers = tuple[float, float]
"""Width and height in pixels, not whole: a decoder that scales rounds up, and what is beyond the
source's own edge in the last column and row must not come into the picture."""

_BANDS = {"L": 1, "RGB": 3, "CMYK": 4}
"""Modes whose samples are plain numbers: these may be filtered as they are."""
_MODES = {1: "L", 3: "RGB"}

_STRIP_ROWS = 256
# libvips holds some 200 rows of the source for each time it is reduced; measured at 3 to 12 times.
_BASE_BYTES = 12 * 1024 * 1024
# What a pipeline holds beside rows: thread, line caches, the result twice.

_BYTES_PER_PIXEL_WHOLE = 10
# A WebP with alpha: libvips' canvas of 4 bytes, libwebp's planes, and rows on their way.
_BYTES_PER_PIXEL_LOSSLESS = 5
# libwebp keeps a lossless picture as 4 bytes a pixel, however small it is asked for.


@dataclass(frozen=True, slots=True)
class Header:
    """What libvips says of a picture before it decodes any of it."""

    size_px: Size
    bands: int
    bytes_per_sample: int
    interlaced: bool
    file: Picture

    @property
    def sample_bytes(self) -> int:
        """All rows together, unpacked."""
        return self.size_px[0] * self.size_px[1] * self.bands * self.bytes_per_sample


def reduce(picture: Image.Image, to_px: Size, covers: Covers | None = None) -> Image.Image:
    """`picture` made smaller with Lanczos' filter, by libvips where it can (a fifth of the time).

    `covers` is the part of it, from the upper left corner, that becomes `to_px`.
    """
    if is_ready() and picture.mode in _BANDS:
        return reduce_samples(picture.tobytes(), picture.mode, picture.size, to_px, covers)
    box = (0, 0, *(covers or picture.size))
    return picture.resize(to_px, Image.Resampling.LANCZOS, box=box)


def reduce_samples(
    data: "Buffer", mode: str, size_px: Size, to_px: Size, covers: Covers | None = None
) -> Image.Image:
    """The same for packed 8-bit samples of mode L, RGB or CMYK. Raises VipsRefused."""
    source = Picture.from_samples(data, size_px, _BANDS[mode])
    small = _resized(source, to_px, covers or size_px)
    if (small.width, small.height) != to_px:
        width, height = to_px
        small = small.then("extract_area", f"left=0,top=0,width={width},height={height}")
    return _to_pillow(small, mode)


def open_png(view: memoryview) -> Header:
    """Read the header of a PNG. Raises VipsRefused."""
    file = Picture.load("pngload", view, "")
    return Header(
        size_px=(file.width, file.height),
        bands=file.bands,
        bytes_per_sample=2 if file.is_deep else 1,
        interlaced=file.is_interlaced(),
        file=file,
    )


def png_bytes(header: Header, to_px: Size) -> int:
    """At most so much will be held while the PNG is reduced."""
    width, height = header.size_px
    row = width * header.bands * header.bytes_per_sample
    if header.interlaced:
        return height * row * 5 // 4 + _BASE_BYTES
    times = max(1.0, max(header.size_px) / max(to_px))
    return round(min(height, _STRIP_ROWS * times)) * row + _BASE_BYTES


def read_png(header: Header, to_px: Size) -> Image.Image:
    """The PNG on white, 8 bits deep, mode L or RGB, reduced to `to_px`. Raises VipsRefused."""
    return _reduced(header.file, to_px)


def webp_bytes(header: WebpHeader, to_px: Size) -> int:
    """At most so much will be held while the WebP is decoded and reduced."""
    pixels = header.width_px * header.height_px
    if _is_reduced_later(header, to_px):
        return pixels * _BYTES_PER_PIXEL_WHOLE + _BASE_BYTES
    return pixels * (_BYTES_PER_PIXEL_LOSSLESS if header.lossless else 0) + _BASE_BYTES


def read_webp(view: memoryview, header: WebpHeader, to_px: Size) -> Image.Image:
    """The WebP on white, mode RGB, reduced to `to_px`. Raises VipsRefused."""
    if _is_reduced_later(header, to_px):
        return _reduced(Picture.load("webpload", view, ""), to_px)
    scale = max(to_px) / max(header.width_px, header.height_px)
    return _reduced(Picture.load("webpload", view, f",scale={scale}"), to_px)


def _is_reduced_later(header: WebpHeader, to_px: Size) -> bool:
    # libwebp's own scaling averages colours apart from alpha: what transparent pixels hide would
    # bleed into what is seen.
    return (header.width_px, header.height_px) == to_px or (header.alpha and not header.lossless)


def _reduced(file: Picture, to_px: Size) -> Image.Image:
    if file.is_deep:
        file = file.then("cast", "format=uchar,shift=true")
    if file.has_alpha():
        file = file.then("flatten", "background=255,max_alpha=255")
    if (file.width, file.height) != to_px:
        file = _resized(file, to_px, (file.width, file.height))
    return _to_pillow(file, _MODES[file.bands])


def _resized(file: Picture, to_px: Size, covers: Covers) -> Picture:
    scale, vscale = to_px[0] / covers[0], to_px[1] / covers[1]
    return file.then("resize", f"scale={scale:.12f},vscale={vscale:.12f},kernel=lanczos3")


def _to_pillow(file: Picture, mode: str) -> Image.Image:
    return Image.frombuffer(mode, (file.width, file.height), file.samples(), "raw", mode, 0, 1)
