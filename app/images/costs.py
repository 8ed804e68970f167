"""What decoding a picture takes, told from its header before it is decoded."""

from PIL import Image, ImageFile

from app.images import headers
from app.images.mend import is_run_lengths

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""What Pillow holds a pixel of each mode in; every other mode takes 4."""
_CANVAS_BYTES_PER_PIXEL = 4
_BYTES_PER_ROW = 16
# A pointer, and what the allocator rounds up: all there is to a picture one pixel wide.

# Bytes for each pixel, of 8 bits and of more. Measured on 12 megapixels: AVIF of 8 bits 9.3 (4:2:0)
# to 11.7 (with alpha), of 10 and 12 bits up to 25; HEIC of 8 bits 8 to 9, planes of twice the
# depth and their conversion come on top of that.
_AVIF_BYTES = (12, 26)
_HEIC_BYTES = (10, 20)

_ORIENTATION_TAG, _BITS_TAG, _SAMPLES_TAG, _ROWS_TAG = 274, 258, 277, 278
_TILE_WIDTH_TAG, _TILE_HEIGHT_TAG = 322, 323


def whole_bytes(image_format: str, picture: ImageFile.ImageFile, view: memoryview) -> int:
    """At most so much will be held while the picture is decoded, the file itself not counted."""
    pixels = picture.size[0] * picture.size[1]
    held = pixels * _BYTES_PER_PIXEL.get(picture.mode, _CANVAS_BYTES_PER_PIXEL)
    held += picture.size[1] * _BYTES_PER_ROW
    match image_format:
        case "avif":
            return pixels * _AVIF_BYTES[headers.avif_is_deep(view)] + 3 * len(view)
        case "heic":
            return pixels * _HEIC_BYTES[picture.info.get("bit_depth", 8) > 8] + 3 * len(view)
        case "tiff":
            return _tiff_bytes(picture, held) + len(view)
        case "gif":
            if picture.tile and picture.tile[0][1] != (0, 0, *picture.size):
                held += 2 * pixels * _CANVAS_BYTES_PER_PIXEL  # see app.images.mend
            return held + pixels  # the frame, and its place on the canvas
        case "bmp" if is_run_lengths(picture):
            return held + pixels
        case _:
            return held


def _tiff_bytes(picture: Image.Image, held: int) -> int:
    tags = picture.tag_v2  # type: ignore[attr-defined]  # every TiffImageFile has it
    width, height = picture.size
    bits = tags.get(_BITS_TAG, (8,))
    sample_bytes = -(-max(bits if isinstance(bits, tuple) else (bits,)) // 8)

    def number(tag: int, otherwise: int) -> int:
        # A file may state any of them as a number below zero, which libtiff takes for a large one.
        return abs(int(tags.get(tag, otherwise)))

    rows = min(number(_ROWS_TAG, height), max(width, height))
    # libtiff reads a strip or a tile at a time into a buffer of its own.
    piece_px = number(_TILE_WIDTH_TAG, width) * number(_TILE_HEIGHT_TAG, rows)
    buffer: int = piece_px * sample_bytes * number(_SAMPLES_TAG, 1)
    turned: int = 2 if tags.get(_ORIENTATION_TAG, 1) != 1 else 1
    return held * turned + buffer
