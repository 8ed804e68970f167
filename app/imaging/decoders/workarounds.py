"""Workarounds for files that Pillow reads wrongly and browsers show well."""

from typing import cast

from PIL import Image, ImageFile

from app.imaging.colour import WHITE
from app.imaging.decoders.bmp_rle import decode_bmp_rle
from app.imaging.metadata.png import read_png_bit_depth
from app.imaging.metadata.webp import read_first_frame_box
from app.workers.handler import JobInput

_BITS_TAG, _PLANES_TAG, _COLOUR_MAP_TAG, _SAMPLE_FORMAT_TAG = 258, 284, 320, 339
_SEPARATE_PLANES, _SIGNED = 2, 2

_MAX_COLOURS = 256
_AVIF_ALPHA = [min(255, max(0, round((alpha - 16) * 255 / 219))) for alpha in range(256)]
"""What Chromium makes of alpha in an AVIF: a video signal, which is 16 at its lowest and 235 at its
highest, whatever the file states."""


def load_pixels(image_format: str, image: ImageFile.ImageFile, view: memoryview) -> Image.Image:
    """Load the pixels of an opened image, with all workarounds of its format."""
    if image_format == "bmp" and is_bmp_rle(image):
        return _load_bmp_rle(image, view)
    frame_box = image.tile[0][1] if image_format == "gif" and image.tile else None
    if image_format == "webp" and image.mode == "RGB":
        frame_box = read_first_frame_box(view)
    image.load()
    if image_format == "png":
        _scale_colour_key(image, read_png_bit_depth(view))
    if image_format == "tiff":
        _fix_8_bit_palette(image)
    if image_format == "avif" and image.mode == "RGBA":
        image.putalpha(image.getchannel("A").point(_AVIF_ALPHA))
    return _clear_outside_frame(image, frame_box) if frame_box else image


def is_bmp_rle(image: ImageFile.ImageFile) -> bool:
    """Whether it is a BMP with run-length encoding."""
    return bool(image.tile) and image.tile[0].codec_name == "bmp_rle"


def is_tiff_misread(image: ImageFile.ImageFile) -> bool:
    """Whether Pillow would show other numbers than a TIFF has.

    It knows no unsigned numbers of 32 bits and no white for signed ones, inverts no floats, and
    takes planes for pixels, except red, green and blue of 8 bits.
    """
    tags = image.tag_v2  # type: ignore[attr-defined]  # every TiffImageFile has it
    bits = tags.get(_BITS_TAG, (1,))
    is_planar = tags.get(_PLANES_TAG, 1) == _SEPARATE_PLANES and len(bits) > 1
    is_signed = _SIGNED in tags.get(_SAMPLE_FORMAT_TAG, ())
    return (
        image.mode in ("I", "F")
        or (is_signed and image.mode != "LAB")
        or (is_planar and (image.mode != "RGB" or max(bits) > 8))
    )


def has_all_strips(image: ImageFile.ImageFile) -> bool:
    """Whether the strips or tiles of a TIFF cover it; Pillow would show missing ones as black."""
    width, height = image.size
    boxes = [tile[1] or (0, 0, width, height) for tile in image.tile]
    covered = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    return covered >= width * height


class AvifWithDistinctAssociations(JobInput):
    """An AVIF whose boxes of property associations are made distinct by flags without a meaning."""

    def __init__(self, data: JobInput, offsets: list[int]) -> None:
        super().__init__(data.view)
        self._flags = {offset: number for number, offset in enumerate(offsets, 1)}

    def read(self, size: int | None = -1, /) -> bytes:
        begin = self.tell()
        data = bytearray(super().read(size))
        for offset, number in self._flags.items():
            if begin <= offset < begin + len(data):
                data[offset - begin] = number
        return bytes(data)


def _load_bmp_rle(image: ImageFile.ImageFile, view: memoryview) -> Image.Image:
    """Pixels that the file leaves out are black, as in Chromium."""
    tile = image.tile[0]
    _, is_rle4, order = cast("tuple[str, bool, int]", tile.args)
    mode, black = "L", 0
    if image.palette:
        colours = image.palette.rawmode or "RGB"
        mode = "P"
        palette, black = _with_black(bytes(image.palette.palette), len(colours))
    rows = decode_bmp_rle(view[tile.offset :], *image.size, is_rle4=is_rle4, left_out=black)
    decoded = Image.frombytes(mode, image.size, rows, "raw", mode, 0, order)
    if image.palette:
        decoded.putpalette(palette, colours)
    elif image.mode == "1":
        return decoded.point(lambda value: value * 255)
    return decoded


def _with_black(palette: bytes, entry_bytes: int) -> tuple[bytes, int]:
    """A palette with an entry that is black, and its number; the darkest of a full palette."""
    entries = [palette[at : at + 3] for at in range(0, len(palette), entry_bytes)]
    if len(entries) < _MAX_COLOURS:
        return palette + bytes(entry_bytes), len(entries)
    return palette, min(range(_MAX_COLOURS), key=lambda number: sum(entries[number]))


def _scale_colour_key(image: Image.Image, bit_depth: int) -> None:
    """Scale the transparent colour of a PNG (tRNS) to 8 bits.

    The file states it in its own bit depth; Pillow scales the pixels, but not this colour.
    """
    key = image.info.get("transparency")
    if bit_depth == 16 and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    elif bit_depth < 8 and isinstance(key, int) and image.mode == "L":
        image.info["transparency"] = key * 255 // (2**bit_depth - 1)


def _fix_8_bit_palette(image: ImageFile.ImageFile) -> None:
    """Read a TIFF palette with 8-bit values. It should have 16-bit values; Pillow shows black."""
    colours = image.tag_v2.get(_COLOUR_MAP_TAG)  # type: ignore[attr-defined]  # see above
    if image.mode != "P" or not colours or max(colours) > 255 or len(colours) % 3:
        return
    count = len(colours) // 3
    planes = (colours[plane * count : (plane + 1) * count] for plane in range(3))
    image.putpalette([value for colour in zip(*planes, strict=True) for value in colour])


def _clear_outside_frame(image: Image.Image, frame_box: tuple[int, int, int, int]) -> Image.Image:
    """Make the canvas white where the first frame of a GIF or WebP does not cover it.

    Pillow fills it with palette colour 0 or black. Browsers leave it empty, and ignore the
    background colour of the file.
    """
    if frame_box == (0, 0, *image.size) or "transparency" in image.info:
        return image
    canvas = Image.new("RGB", image.size, WHITE)
    canvas.paste(image.crop(frame_box).convert("RGB"), frame_box)
    return canvas
