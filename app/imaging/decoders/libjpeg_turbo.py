"""libjpeg-turbo's own scaling to any eighth, of which Pillow offers 1, 2, 4 and 8 only.

Where a scaling lands in the window of sizes that are as good, nothing is left to filter; where
none does, the filter begins with the smallest that is large enough. Where simplejpeg is not
installed, and for everything that it does not like, Pillow decodes.
"""

from PIL import Image

from app.imaging.decoders import vips
from app.imaging.metadata.headers import JpegHeader
from app.imaging.resize import fit
from app.workers.errors import JobRefused

try:
    import simplejpeg
except ImportError:  # no wheel for this system
    simplejpeg = None


_CUT = "premature end of data segment"
"""What libjpeg says where data end before the picture does, though a marker says that all came."""


def refuse_cut(view: memoryview, header: JpegHeader) -> None:
    """Raises JobRefused where a part of the picture is missing, which Pillow shows as grey.

    Costs what reading the data costs; the pixels, an eighth of them, are thrown away.
    """
    mode = {1: "GRAY", 3: "RGB"}.get(len(header.sampling))
    if simplejpeg is None or mode is None or not header.is_scalable:
        return
    try:
        simplejpeg.decode_jpeg(view, mode, min_width=1, min_height=1, min_factor=8)
    except ValueError as error:
        _refuse_cut(error)


def _refuse_cut(error: ValueError) -> None:
    if _CUT in str(error):
        raise JobRefused("corrupt", "the JPEG is cut short, and closed again")


def read_jpeg(
    view: memoryview, header: JpegHeader, eighths: int, longest_px: int
) -> Image.Image | None:
    """The JPEG scaled by `eighths` / 8 and then filtered to `longest_px`, mode L or RGB.

    None where this is not the decoder for it: four inks, an odd file, damage of any kind.
    """
    mode = {1: "L", 3: "RGB"}.get(len(header.sampling))
    if simplejpeg is None or mode is None:
        return None
    size = header.width_px, header.height_px
    try:
        pixels = simplejpeg.decode_jpeg(
            view,
            "GRAY" if mode == "L" else mode,
            min_width=-(-size[0] * eighths // 8),
            min_height=-(-size[1] * eighths // 8),
            min_factor=8 / eighths,
        )
    except ValueError as error:  # what else is wrong, and whether it matters, Pillow's decoder says
        _refuse_cut(error)
        return None
    height, width = pixels.shape[:2]
    if max(width, height) > longest_px:
        if not vips.is_ready():
            return None
        covers = (size[0] * eighths / 8, size[1] * eighths / 8)
        return vips.reduce_samples(pixels, mode, (width, height), fit(size, longest_px), covers)
    return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)
