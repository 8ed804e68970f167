"""What Pillow gets wrong about some pictures, put right: browsers show each of these well."""

from typing import BinaryIO, cast

from PIL import Image, ImageFile, TiffImagePlugin

from app.imaging import cicp
from app.imaging.colour import WHITE, mend_colour_key
from app.imaging.decoders import bmp_run_lengths
from app.imaging.metadata import headers
from app.workers.handler import JobInput

_BITS_TAG, _PLANES_TAG, _COLOURS_TAG = 258, 284, 320
_SEPARATE_PLANES = 2


def load(image_format: str, picture: ImageFile.ImageFile, view: memoryview) -> Image.Image:
    """Load the pixels of an opened picture, with what Pillow gets wrong about them mended."""
    if image_format == "bmp" and is_run_lengths(picture):
        return _unpack_runs(picture, view)
    extent = picture.tile[0][1] if image_format == "gif" and picture.tile else None
    if image_format == "webp" and picture.mode == "RGB":
        extent = headers.webp_first_frame(view)
    picture.load()
    if image_format == "png":
        mend_colour_key(picture, headers.png_depth(view))
        if told := cicp.of_png(view):
            picture.info["icc_profile"] = told
    if image_format == "tiff":
        _mend_palette(picture)
    if image_format == "avif" and not picture.info.get("icc_profile"):
        picture.info["icc_profile"] = cicp.of_avif(view)
    return _on_white(picture, extent) if extent else picture


def _on_white(picture: Image.Image, extent: tuple[int, int, int, int]) -> Image.Image:
    """A GIF or WebP whose first frame leaves a part of the canvas free: nothing is there.

    Pillow fills it with the colour of index 0, or black; browsers ignore even a stated background
    colour.
    """
    if extent == (0, 0, *picture.size) or "transparency" in picture.info:
        return picture
    canvas = Image.new("RGB", picture.size, WHITE)
    canvas.paste(picture.crop(extent).convert("RGB"), extent)
    return canvas


def is_run_lengths(picture: ImageFile.ImageFile) -> bool:
    """Whether it is a BMP of run lengths."""
    return bool(picture.tile) and picture.tile[0].codec_name == "bmp_rle"


def _unpack_runs(picture: ImageFile.ImageFile, view: memoryview) -> Image.Image:
    """A BMP of run lengths, by our own loop."""
    tile = picture.tile[0]
    _, nibbles, order = cast("tuple[str, bool, int]", tile.args)
    rows = bmp_run_lengths.unpack(view[tile.offset :], *picture.size, nibbles=nibbles)
    mode = "P" if picture.palette else "L"
    unpacked = Image.frombytes(mode, picture.size, rows, "raw", mode, 0, order)
    if picture.palette:
        unpacked.putpalette(picture.palette.palette, picture.palette.rawmode or "RGB")
    elif picture.mode == "1":
        return unpacked.point(lambda value: value * 255)
    return unpacked


def is_deep_and_planar(picture: ImageFile.ImageFile) -> bool:
    """A TIFF of samples of 16 bits, plane by plane: Pillow's own reader takes them for bytes."""
    tags = picture.tag_v2  # type: ignore[attr-defined]  # every TiffImageFile has it
    bits = tags.get(_BITS_TAG, (8,))
    return bool(tags.get(_PLANES_TAG, 1) == _SEPARATE_PLANES and max(bits) > 8 and len(bits) > 1)


def is_whole(picture: ImageFile.ImageFile) -> bool:
    """Whether the strips or tiles of a TIFF cover it: what is missing would be black."""
    width, height = picture.size
    extents = [tile[1] or (0, 0, width, height) for tile in picture.tile]
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in extents)
    return covered >= width * height


def open_with_libtiff(data: JobInput) -> ImageFile.ImageFile:
    """Open a TIFF for libtiff's reader, whatever its compression."""
    data.seek(0)
    TiffImagePlugin.READ_LIBTIFF = True
    try:
        return Image.open(cast("BinaryIO", data), formats=("TIFF",))
    finally:
        TiffImagePlugin.READ_LIBTIFF = False


def _mend_palette(picture: ImageFile.ImageFile) -> None:
    """A TIFF's palette has 16 bits; some writers leave the upper 8 empty, and all turns black."""
    colours = picture.tag_v2.get(_COLOURS_TAG)  # type: ignore[attr-defined]  # see above
    if picture.mode != "P" or not colours or max(colours) > 255 or len(colours) % 3:
        return
    count = len(colours) // 3
    planes = (colours[at * count : (at + 1) * count] for at in range(3))
    picture.putpalette([value for colour in zip(*planes, strict=True) for value in colour])


class ToldApart(JobInput):
    """An AVIF whose boxes of associations are told apart by a flag that means nothing."""

    def __init__(self, data: JobInput, places: list[int]) -> None:
        super().__init__(data.view)
        self._flags = {place: number for number, place in enumerate(places, 1)}

    def read(self, size: int | None = -1, /) -> bytes:
        begin = self.tell()
        piece = bytearray(super().read(size))
        for place, number in self._flags.items():
            if begin <= place < begin + len(piece):
                piece[place - begin] = number
        return bytes(piece)
