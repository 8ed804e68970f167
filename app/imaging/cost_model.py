"""Cost model: memory and processor time that decoding will take, estimated from the header."""

from PIL import Image, ImageFile

from app.imaging import resize
from app.imaging.decoders.libvips import OpenedPng, is_webp_scaled_by_filter
from app.imaging.decoders.tiff_samples import BLOCK_BYTES
from app.imaging.decoders.workarounds import is_bmp_rle
from app.imaging.geometry import Size
from app.imaging.metadata.bmp import BmpBitFields, BmpTwoBits
from app.imaging.metadata.iso_media import is_high_bit_depth_avif
from app.imaging.metadata.iso_structure import IsoStructure
from app.imaging.metadata.jpeg import JpegHeader
from app.imaging.metadata.tiff import TiffStructure
from app.imaging.metadata.tiff_samples import TiffSamples
from app.imaging.metadata.webp import WebpHeader, read_webp_image_bytes

CANVAS_BYTES_PER_PIXEL = 4
"""What Pillow holds a pixel in, except for the modes below."""
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_COPIES_BYTES_PER_PIXEL = {"L": 1, "1": 2, "RGB": 3, "CMYK": 4}
"""For the filter of libvips, samples are held once more. Other modes become RGB on white before."""
_FLATTENED_BYTES_PER_PIXEL = 8
_BYTES_PER_ROW = 16
# A pointer, and the allocator's rounding up, which matter for images one pixel wide.

# Bytes for each pixel, with 8 bits for each sample and with more. Measured on 12 megapixels: AVIF
# with 8 bits 9.3 (4:2:0) to 11.7 (with alpha), with 10 and 12 bits up to 25, and 2 for alpha as it
# is shown. HEIC with 8 bits 8 to 9; planes of twice the depth and their conversion come on top.
_AVIF_BYTES_PER_PIXEL = (14, 28)
_HEIC_BYTES_PER_PIXEL = (10, 20)

_PILLOW_WEBP_BYTES_PER_PIXEL = 16
# libwebp's animation decoder has two canvases and returns a third, and Pillow makes a fourth.

# libvips. It holds some 200 rows of the source for each time that it halves the size (measured from
# 3 to 12 times). The base is threads, line caches, and the result twice.
_LIBVIPS_ROWS = 256
_LIBVIPS_BASE_BYTES = 12 * 1024 * 1024
_LIBVIPS_WEBP_FULL_SIZE_BYTES_PER_PIXEL = 10
# The canvas of libvips in 4 bytes, the planes of libwebp, and rows on their way.
_LIBVIPS_LOSSLESS_WEBP_BYTES_PER_PIXEL = 5
# libwebp holds a lossless image in 4 bytes a pixel, even if it scales it down.

_MS_PER_MEGAPIXEL = {"png": 20, "gif": 11, "tiff": 13, "bmp": 6}
"""Processor time, with scaling and encoding, measured on drawn photographs of 1 to 7 megapixels.
PNG is measured with libvips, and no slower with Pillow."""
_JPEG_MS_PER_MEGAPIXEL = 4.0
_SCAN_MS_PER_MEGAPIXEL = 1.7
# For each scan of a progressive JPEG: it passes over the whole image.
_MS_PER_MEGAPIXEL_AND_FILE_MEGABYTE = {"avif": (12, 90), "heic": (70, 80), "webp": (16, 40)}
# Measured on photographs of 16 to 1,214 kB and noise of 0.3 to 3 MB for 0.8 megapixels.
_LOSSLESS_WEBP_MS_PER_FILE_MEGABYTE = 5

# Structure, in milliseconds for each part.
_JPEG_MS_PER_SEGMENT, _JPEG_MS_PER_HEADER_MEGABYTE = 0.03, 120.0
_PNG_MS_PER_CHUNK = 0.0025
_GIF_MS_PER_MEGABYTE = 200.0
_TIFF_MS_PER_TAG, _TIFF_MS_PER_STRIP, _TIFF_MS_PER_VALUE = 0.02, 0.01, 0.0005
# libtiff reads the strips of compressed images, Pillow the others.
_ISO_MS_PER_ITEM, _EXIF_MS_PER_MEGABYTE = 0.1, 400.0
# Each tile of an AVIF has a decoder of its own. Pillow parses the tags of EXIF.
_BMP_MS_PER_RUN = 0.0012
# A run takes two bytes at least.
_BMP_RLE_BYTES_PER_PIXEL = 1
# The decoded rows, beside the image.
_BIT_FIELDS_MS_PER_MEGAPIXEL, _BMP_MS_PER_ROW = 30.0, 0.0001
_BIT_FIELDS_STRIP_BYTES, _BIT_FIELDS_STRIP_COPIES = 1024 * 1024, 6
# Read, masked, scaled, and as a part of the image.
_TIFF_MS_PER_SAMPLE_MEGABYTE, _TIFF_MS_PER_BITS_MEGABYTE, _TIFF_MS_PER_PIECE = 12.0, 40.0, 0.4
_TIFF_PIECE_COPIES, _TIFF_BLOCK_COPIES = 4, 24
# A piece in libtiff, in Pillow and as bytes. Blocks of bits are bytes for each of 16 bits.
_PNG_MS_PER_SAMPLE_MEGABYTE, _PNG_MS_PER_FILE_MEGABYTE = 2.0, 8.0
_PNG_MS_PER_ROW = 0.0004
# A million rows of one pixel took 0.4 s.

_ORIENTATION_TAG, _BITS_TAG, _SAMPLES_TAG, _ROWS_TAG = 274, 258, 277, 278
_TILE_WIDTH_TAG, _TILE_HEIGHT_TAG = 322, 323


def estimate_memory_bytes(
    image_format: str, image: ImageFile.ImageFile, view: memoryview, longest_px: int
) -> int:
    """Most memory that Pillow needs to decode an opened image and scale it to `longest_px`.

    The file itself is not counted.
    """
    pixels = image.size[0] * image.size[1]
    held = pixels * _BYTES_PER_PIXEL.get(image.mode, CANVAS_BYTES_PER_PIXEL)
    held += image.size[1] * _BYTES_PER_ROW
    copies = 0
    if resize.is_filtered_in_full_size(image.size, longest_px):
        copies = pixels * _COPIES_BYTES_PER_PIXEL.get(image.mode, _FLATTENED_BYTES_PER_PIXEL)
    match image_format:
        case "avif":
            return pixels * _AVIF_BYTES_PER_PIXEL[is_high_bit_depth_avif(view)] + 3 * len(view)
        case "heic":
            is_deep = image.info.get("bit_depth", 8) > 8
            return pixels * _HEIC_BYTES_PER_PIXEL[is_deep] + 3 * len(view)
        case "tiff":
            return max(_tiff_bytes(image, held), held + copies) + len(view)
        case "gif":
            if image.tile and image.tile[0][1] != (0, 0, *image.size):
                held += 2 * pixels * CANVAS_BYTES_PER_PIXEL  # see decoders/workarounds.py
            return held + pixels + copies  # the frame, and its place on the canvas
        case "bmp" if is_bmp_rle(image):
            return held + pixels * _BMP_RLE_BYTES_PER_PIXEL + copies
        case _:
            return held + copies


def estimate_jpeg_memory_bytes(header: JpegHeader, scale: int) -> int:
    """The same for a JPEG that is scaled down by `scale` while it is decoded."""
    width, height = header.size_px
    pixels = -(-width // scale) * -(-height // scale)
    return header.coefficient_bytes() + CANVAS_BYTES_PER_PIXEL * pixels


def estimate_pillow_webp_memory_bytes(size_px: Size, file_bytes: int) -> int:
    """The same for a WebP: Pillow's decoder takes this much as soon as it opens the file."""
    return size_px[0] * size_px[1] * _PILLOW_WEBP_BYTES_PER_PIXEL + 2 * file_bytes


def estimate_libvips_png_memory_bytes(png: OpenedPng, to_px: Size) -> int:
    """The same for a PNG that libvips scales to `to_px`."""
    width, height = png.size_px
    row_bytes = width * png.bands * png.bytes_per_sample
    if png.is_interlaced:
        return height * row_bytes * 5 // 4 + _LIBVIPS_BASE_BYTES
    times = max(1.0, max(png.size_px) / max(to_px))
    return round(min(height, _LIBVIPS_ROWS * times)) * row_bytes + _LIBVIPS_BASE_BYTES


def estimate_libvips_webp_memory_bytes(header: WebpHeader, to_px: Size) -> int:
    """The same for a WebP that libvips scales to `to_px`."""
    pixels = header.size_px[0] * header.size_px[1]
    if is_webp_scaled_by_filter(header, to_px):
        return pixels * _LIBVIPS_WEBP_FULL_SIZE_BYTES_PER_PIXEL + _LIBVIPS_BASE_BYTES
    if header.is_lossless:
        return pixels * _LIBVIPS_LOSSLESS_WEBP_BYTES_PER_PIXEL + _LIBVIPS_BASE_BYTES
    return _LIBVIPS_BASE_BYTES


def estimate_bmp_memory_bytes(bmp: BmpBitFields | BmpTwoBits, longest_px: int) -> int:
    """The same for a BMP with bit fields or 2 bits."""
    pixels = bmp.size_px[0] * bmp.size_px[1]
    held = pixels * CANVAS_BYTES_PER_PIXEL + bmp.size_px[1] * _BYTES_PER_ROW
    if resize.is_filtered_in_full_size(bmp.size_px, longest_px):
        held += pixels * _FLATTENED_BYTES_PER_PIXEL
    return held + _BIT_FIELDS_STRIP_COPIES * (_BIT_FIELDS_STRIP_BYTES + bmp.row_bytes)


def estimate_bmp_work_ms(bmp: BmpBitFields | BmpTwoBits) -> float:
    """Milliseconds of processor time for a BMP with bit fields or 2 bits."""
    return (
        _megapixels(bmp.size_px) * _BIT_FIELDS_MS_PER_MEGAPIXEL + bmp.size_px[1] * _BMP_MS_PER_ROW
    )


def estimate_tiff_samples_memory_bytes(tiff: TiffSamples, longest_px: int) -> int:
    """The same for a TIFF whose samples are read one by one."""
    pixels = tiff.size_px[0] * tiff.size_px[1]
    held = pixels * CANVAS_BYTES_PER_PIXEL + tiff.size_px[1] * _BYTES_PER_ROW
    if resize.is_filtered_in_full_size(tiff.size_px, longest_px):
        held += pixels * _FLATTENED_BYTES_PER_PIXEL
    planes = len(tiff.shown_samples) if tiff.is_planar else 1
    pieces = planes * (tiff.piece_bytes * _TIFF_PIECE_COPIES + 2 * tiff.longest_piece_bytes)
    return held + pieces + (BLOCK_BYTES + tiff.row_bytes) * _TIFF_BLOCK_COPIES


def estimate_tiff_samples_work_ms(tiff: TiffSamples) -> float:
    """Milliseconds of processor time for a TIFF whose samples are read one by one."""
    pieces = tiff.piece_count * (len(tiff.shown_samples) if tiff.is_planar else 1)
    pieces *= 2 if tiff.is_read_twice else 1
    megabytes = pieces * tiff.piece_bytes / 1e6
    per_megabyte = _TIFF_MS_PER_BITS_MEGABYTE if tiff.bits % 8 else _TIFF_MS_PER_SAMPLE_MEGABYTE
    return megabytes * per_megabyte + pieces * _TIFF_MS_PER_PIECE


def estimate_webp_work_ms(size_px: Size, view: memoryview) -> float:
    """Roughly how many milliseconds of processor time decoding a WebP takes.

    This is only for telling short work from long (see WorkerPool's express child).
    """
    per_megapixel, per_megabyte = _MS_PER_MEGAPIXEL_AND_FILE_MEGABYTE["webp"]
    if bytes(view[12:16]) == b"VP8L":
        per_megabyte = _LOSSLESS_WEBP_MS_PER_FILE_MEGABYTE
    image_bytes = read_webp_image_bytes(view)
    return _megapixels(size_px) * per_megapixel + image_bytes / 1e6 * per_megabyte


def estimate_jpeg_work_ms(header: JpegHeader) -> float:
    """The same for a JPEG: many scans are much work in few bytes."""
    scans = header.scans if header.scans > 1 else 0
    ms_per_megapixel = _JPEG_MS_PER_MEGAPIXEL + scans * _SCAN_MS_PER_MEGAPIXEL
    segments = max(0, len(header.image_spans) - 2)
    header_bytes = sum(end - start for start, end in header.image_spans[:-1])
    return (
        ms_per_megapixel * _megapixels(header.size_px)
        + segments * _JPEG_MS_PER_SEGMENT
        + header_bytes / 1e6 * _JPEG_MS_PER_HEADER_MEGABYTE
    )


def estimate_opened_work_ms(
    image_format: str, image: ImageFile.ImageFile, file_bytes: int
) -> float:
    """The same for an image that Pillow has opened: noise is much work in few pixels."""
    megapixels = _megapixels(image.size)
    if image_format in _MS_PER_MEGAPIXEL_AND_FILE_MEGABYTE:
        per_megapixel, per_megabyte = _MS_PER_MEGAPIXEL_AND_FILE_MEGABYTE[image_format]
        return megapixels * per_megapixel + file_bytes / 1e6 * per_megabyte
    work_ms = megapixels * _MS_PER_MEGAPIXEL[image_format]
    if image_format == "bmp" and is_bmp_rle(image):
        work_ms += file_bytes / 2 * _BMP_MS_PER_RUN
    return work_ms


def estimate_png_structure_ms(chunks: int) -> float:
    """What reading so many chunks of a PNG takes."""
    return chunks * _PNG_MS_PER_CHUNK


def estimate_gif_structure_ms(file_bytes: int) -> float:
    """What reading the blocks of a GIF takes, where nearly all have one byte."""
    return file_bytes / 1e6 * _GIF_MS_PER_MEGABYTE


def estimate_tiff_structure_ms(structure: TiffStructure) -> float:
    """What Pillow takes for opening a TIFF."""
    strips = 0 if structure.is_compressed else structure.strips
    return (
        structure.tags * _TIFF_MS_PER_TAG
        + structure.values * _TIFF_MS_PER_VALUE
        + strips * _TIFF_MS_PER_STRIP
    )


def estimate_iso_structure_ms(structure: IsoStructure) -> float:
    """What the items of an AVIF or HEIC take besides their pixels."""
    return structure.items * _ISO_MS_PER_ITEM + structure.exif_bytes / 1e6 * _EXIF_MS_PER_MEGABYTE


def estimate_libvips_png_work_ms(png: OpenedPng, file_bytes: int) -> float:
    """The same for a PNG that libvips reads row by row."""
    per_byte = (
        png.sample_bytes * _PNG_MS_PER_SAMPLE_MEGABYTE + file_bytes * _PNG_MS_PER_FILE_MEGABYTE
    )
    return per_byte / 1e6 + png.size_px[1] * _PNG_MS_PER_ROW


def _megapixels(size_px: Size) -> float:
    return size_px[0] * size_px[1] / 1e6


def _tiff_bytes(image: Image.Image, held: int) -> int:
    tags = image.tag_v2  # type: ignore[attr-defined]  # every TiffImageFile has it
    width, height = image.size
    bits = tags.get(_BITS_TAG, (8,))
    sample_bytes = -(-max(bits if isinstance(bits, tuple) else (bits,)) // 8)

    def number(tag: int, default: int) -> int:
        # A file may state negative numbers, which libtiff takes for large ones.
        return abs(int(tags.get(tag, default)))

    rows = min(number(_ROWS_TAG, height), max(width, height))
    # libtiff reads one strip or tile at a time into a buffer of its own.
    piece_px = number(_TILE_WIDTH_TAG, width) * number(_TILE_HEIGHT_TAG, rows)
    buffer: int = piece_px * sample_bytes * number(_SAMPLES_TAG, 1)
    copies: int = 2 if tags.get(_ORIENTATION_TAG, 1) != 1 else 1
    return held * copies + buffer
