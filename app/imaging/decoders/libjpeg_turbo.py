"""libjpeg-turbo (simplejpeg): decodes a JPEG scaled down by any eighth.

Pillow scales by 1, 2, 4 and 8 only. It decodes where simplejpeg is not installed, and every file
that simplejpeg refuses.
"""

from PIL import Image

from app.imaging.decoders import libvips
from app.imaging.geometry import fit
from app.imaging.metadata.jpeg import JpegHeader
from app.workers.errors import JobRefused

try:
    import simplejpeg
except ImportError:  # there is no wheel for this system
    simplejpeg = None

_TRUNCATED = "premature end of data segment"
"""libjpeg's message where the data ends before the image, although an end marker follows."""


def decode_jpeg(
    view: memoryview, header: JpegHeader, eighths: int, longest_px: int
) -> Image.Image | None:
    """The JPEG scaled by `eighths` / 8, and filtered to `longest_px` if needed; mode L or RGB.

    None where Pillow must decode it: CMYK, unusual files, and damage of any kind. Raises JobRefused
    where a part of the image is missing.
    """
    mode = {1: "L", 3: "RGB"}.get(len(header.sampling))
    if simplejpeg is None or mode is None:
        return None
    source_px = header.size_px
    try:
        samples = simplejpeg.decode_jpeg(
            view,
            "GRAY" if mode == "L" else mode,
            min_width=-(-source_px[0] * eighths // 8),
            min_height=-(-source_px[1] * eighths // 8),
            min_factor=8 / eighths,
        )
    except ValueError as error:  # Pillow decides whether any other damage matters
        _raise_if_truncated(error)
        return None
    height, width = samples.shape[:2]
    if max(width, height) > longest_px:
        if not libvips.is_installed():
            return None
        return libvips.resize_samples(
            samples,
            mode,
            (width, height),
            fit(source_px, longest_px),
            (source_px[0] * eighths / 8, source_px[1] * eighths / 8),
        )
    return Image.frombuffer(mode, (width, height), samples, "raw", mode, 0, 1)


def refuse_truncated(view: memoryview, header: JpegHeader) -> None:
    """Raises JobRefused where a part of the image is missing, which Pillow would show as grey.

    It costs the time for reading the data; the pixels, at an eighth of the size, are discarded.
    """
    mode = {1: "GRAY", 3: "RGB"}.get(len(header.sampling))
    if simplejpeg is None or mode is None or not header.is_scalable:
        return
    try:
        simplejpeg.decode_jpeg(view, mode, min_width=1, min_height=1, min_factor=8)
    except ValueError as error:
        _raise_if_truncated(error)


def _raise_if_truncated(error: ValueError) -> None:
    if _TRUNCATED in str(error):
        raise JobRefused("corrupt", "the JPEG is truncated before its end marker")
