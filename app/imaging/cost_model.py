"""What decoding a picture takes, told from its header before it is decoded."""

from PIL import Image, ImageFile

from app.imaging import resize
from app.imaging.decoders.workarounds import is_run_lengths
from app.imaging.metadata import headers

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""What Pillow holds a pixel of each mode in; every other mode takes 4."""
_CANVAS_BYTES_PER_PIXEL = 4
_COPIES_BYTES_PER_PIXEL = {"L": 1, "1": 2, "RGB": 3, "CMYK": 4}
"""Of what libvips filters: the samples once more. Other modes are made RGB on white before."""
_FLATTENED_BYTES_PER_PIXEL = 8
_BYTES_PER_ROW = 16
# A pointer, and what the allocator rounds up: all there is to a picture one pixel wide.

# Bytes for each pixel, of 8 bits and of more. Measured on 12 megapixels: AVIF of 8 bits 9.3 (4:2:0)
# to 11.7 (with alpha), of 10 and 12 bits up to 25; HEIC of 8 bits 8 to 9, planes of twice the
# depth and their conversion come on top of that.
_AVIF_BYTES = (12, 26)
_HEIC_BYTES = (10, 20)

_MS_PER_MEGAPIXEL = {
    "png": 20, "webp": 18, "avif": 20, "heic": 20, "gif": 11, "tiff": 13, "bmp": 6,
}  # fmt: skip
"""Of one processor, scaling and writing included, on 1 to 7 megapixels of a drawn photograph; PNG
by libvips, and no slower by Pillow; HEIC is taken to be like AVIF."""
_JPEG_MS_PER_MEGAPIXEL = 4.0
_SCAN_MS_PER_MEGAPIXEL = 1.7
# Of a progressive JPEG: each scan passes over the whole picture.
_PNG_MS_PER_MEGABYTE, _PACKED_MS_PER_MEGABYTE = 2.0, 8.0
# Of samples, and of what they are unpacked from.

_ORIENTATION_TAG, _BITS_TAG, _SAMPLES_TAG, _ROWS_TAG = 274, 258, 277, 278
_TILE_WIDTH_TAG, _TILE_HEIGHT_TAG = 322, 323


def whole_bytes(
    image_format: str, picture: ImageFile.ImageFile, view: memoryview, longest_px: int
) -> int:
    """At most so much will be held while the picture is decoded and reduced to `longest_px`.

    The file itself is not counted.
    """
    pixels = picture.size[0] * picture.size[1]
    held = pixels * _BYTES_PER_PIXEL.get(picture.mode, _CANVAS_BYTES_PER_PIXEL)
    held += picture.size[1] * _BYTES_PER_ROW
    copies = 0
    if resize.is_filtered_whole(picture.size, longest_px):
        copies = pixels * _COPIES_BYTES_PER_PIXEL.get(picture.mode, _FLATTENED_BYTES_PER_PIXEL)
    match image_format:
        case "avif":
            return pixels * _AVIF_BYTES[headers.avif_is_deep(view)] + 3 * len(view)
        case "heic":
            return pixels * _HEIC_BYTES[picture.info.get("bit_depth", 8) > 8] + 3 * len(view)
        case "tiff":
            return max(_tiff_bytes(picture, held), held + copies) + len(view)
        case "gif":
            if picture.tile and picture.tile[0][1] != (0, 0, *picture.size):
                held += 2 * pixels * _CANVAS_BYTES_PER_PIXEL  # see app.imaging.decoders.workarounds
            return held + pixels + copies  # the frame, and its place on the canvas
        case "bmp" if is_run_lengths(picture):
            return held + pixels + copies
        case _:
            return held + copies


def whole_ms(image_format: str, size_px: tuple[int, int]) -> float:
    """About so many milliseconds of a processor decoding takes, told from the size alone.

    Good enough to tell short work from long: what keeps a child from others is no promise.
    """
    return _MS_PER_MEGAPIXEL[image_format] * _megapixels(size_px)


def jpeg_ms(size_px: tuple[int, int], scans: int) -> float:
    """The same of a JPEG: many scans are much work for few bytes."""
    passes = scans if scans > 1 else 0
    return (_JPEG_MS_PER_MEGAPIXEL + passes * _SCAN_MS_PER_MEGAPIXEL) * _megapixels(size_px)


def png_ms(sample_bytes: int, file_bytes: int) -> float:
    """The same of a PNG that is read row by row, with so many bytes of samples."""
    return (sample_bytes * _PNG_MS_PER_MEGABYTE + file_bytes * _PACKED_MS_PER_MEGABYTE) / 1e6


def _megapixels(size_px: tuple[int, int]) -> float:
    return size_px[0] * size_px[1] / 1e6


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
