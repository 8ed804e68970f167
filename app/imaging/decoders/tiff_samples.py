"""TIFF samples of any depth and kind: those that Pillow does not read, or reads wrongly.

Integers of 1 to 64 bits and floats, in strips, tiles and planes, in both byte orders. libtiff
unpacks a strip or tile as bytes, by way of Pillow; what the bytes mean is read here.
"""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imaging.decoders.joined_input import JoinedInput
from app.imaging.metadata.tiff_samples import (
    DIFFERENCES,
    FLOAT_BYTES,
    NOT_COMPRESSED,
    TiffSamples,
)
from app.workers.errors import JobRefused

BLOCK_BYTES = 1024 * 1024
"""Rows of a strip or tile that are converted at a time."""

_BYTE_LIMIT, _WORD_LIMIT = 255.0, 65_535.0
_MODES = {"grey": "L", "rgb": "RGB", "palette": "P", "cmyk": "CMYK", "lab": "LAB"}
_ALPHA_MODES = {
    ("L", True): "La",
    ("L", False): "LA",
    ("RGB", True): "RGBa",
    ("RGB", False): "RGBA",
}
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_TIFF_TAG = struct.Struct("<HHII")
_SHORT, _LONG = 3, 4

Levels = NDArray[np.uint8]
Scale = tuple[float, float]
"""What numbers are multiplied by, and what is added then, for levels of 0 to 255."""
Box = tuple[int, int, int, int]


def decode_tiff_samples(view: memoryview, tiff: TiffSamples) -> Image.Image:
    """The image in a mode of 8-bit samples. Raises ValueError or OSError for a damaged one."""
    scale = _find_scale(view, tiff)
    mode = _MODES[tiff.colour_model]
    mode = _ALPHA_MODES.get((mode, tiff.is_premultiplied), mode) if tiff.alpha_at else mode
    image = Image.new(mode, tiff.size_px)
    for box, samples in _iterate_blocks(view, tiff):
        levels = _to_levels(samples, tiff, scale)
        if tiff.alpha_at and mode in ("CMYK", "LAB", "P"):
            levels = _without_alpha(levels, tiff)
        packed = np.ascontiguousarray(levels)
        size = (box[2] - box[0], box[3] - box[1])
        image.paste(Image.frombuffer(mode, size, packed, "raw", mode, 0, 1), box[:2])
    if tiff.colour_model == "palette":
        image.putpalette(_to_palette(tiff))
    return image


def _iterate_blocks(view: memoryview, tiff: TiffSamples) -> Iterator[tuple[Box, NDArray[Any]]]:
    """Place and shown samples (rows, columns, samples) of some rows of each strip or tile."""
    (width, height), (piece_width, piece_height) = tiff.size_px, tiff.piece_px
    columns = -(-width // piece_width)
    at_once = max(1, BLOCK_BYTES // (tiff.row_bytes * (8 if tiff.bits % 8 else 1)))
    planes = tiff.shown_samples if tiff.is_planar else (0,)
    for number in range(tiff.piece_count):
        left, upper = number % columns * piece_width, number // columns * piece_height
        right, lower = min(width, left + piece_width), min(height, upper + piece_height)
        unpacked = [
            _unpack(view, tiff, number + plane * tiff.piece_count, lower - upper)
            for plane in planes
        ]
        for top in range(0, lower - upper, at_once):
            rows = min(at_once, lower - upper - top)
            part = slice(top * tiff.row_bytes, (top + rows) * tiff.row_bytes)
            samples = np.concatenate(
                [_read_numbers(data[part], tiff, rows) for data in unpacked], axis=2
            )
            if not tiff.is_planar:
                samples = samples[..., tiff.shown_samples]
            yield (
                (left, upper + top, right, upper + top + rows),
                samples[:, : right - left],
            )


def _unpack(view: memoryview, tiff: TiffSamples, number: int, rows: int) -> memoryview:
    """The bytes of the first rows of a strip or tile."""
    begin, length = tiff.pieces[number]
    packed = view[begin : begin + length]
    if tiff.compression != NOT_COMPRESSED:
        return memoryview(_unpack_with_libtiff(packed, tiff, rows))
    if len(packed) < rows * tiff.row_bytes:
        raise ValueError("a strip or tile is truncated")
    if tiff.has_reversed_bits:
        return memoryview(bytes(packed[: rows * tiff.row_bytes]).translate(_REVERSED_BITS))
    return packed


def _unpack_with_libtiff(packed: memoryview, tiff: TiffSamples, rows: int) -> bytes:
    """Bytes are samples of a grey image, which libtiff leaves as they are."""
    tags = (
        (256, _LONG, tiff.row_bytes), (257, _LONG, rows), (258, _SHORT, 8),
        (259, _SHORT, tiff.compression), (262, _SHORT, 1),
        (266, _SHORT, 2 if tiff.has_reversed_bits else 1), (273, _LONG, 8 + 2 + 10 * 12 + 4),
        (277, _SHORT, 1), (278, _LONG, rows), (279, _LONG, len(packed)),
    )  # fmt: skip
    entries = b"".join(_TIFF_TAG.pack(tag, kind, 1, value) for tag, kind, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    with _unlimited_pixels():
        file = cast("BinaryIO", JoinedInput([header, packed]))
        return Image.open(file, formats=("TIFF",)).tobytes()


@contextmanager
def _unlimited_pixels() -> Iterator[None]:
    """The size of the image has been checked; bytes are more than its pixels."""
    previous = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = previous


def _read_numbers(data: memoryview, tiff: TiffSamples, rows: int) -> NDArray[Any]:
    """All numbers of some rows: (rows, columns, samples)."""
    shape = (rows, tiff.piece_px[0], tiff.samples_in_piece)
    if tiff.bits % 8:
        return _read_bits(data, tiff.bits, shape)
    letter = {"unsigned": "u", "signed": "i", "float": "f"}[tiff.kind]
    dtype = np.dtype(f"{tiff.order}{letter}{tiff.bits // 8}")
    if tiff.predictor == FLOAT_BYTES:
        steps = np.frombuffer(data, np.uint8).reshape(rows, -1, tiff.samples_in_piece)
        planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, dtype.itemsize, -1)
        # The highest bytes of all samples of a row come first, in either byte order.
        numbers = np.ascontiguousarray(planes.transpose(0, 2, 1))
        return numbers.view(dtype.newbyteorder(">")).reshape(shape)
    samples = np.frombuffer(data, dtype).reshape(shape)
    if tiff.predictor == DIFFERENCES:
        native = dtype.newbyteorder("=")
        whole = np.dtype(f"u{native.itemsize}")
        summed = np.cumsum(samples.astype(native).view(whole), axis=1, dtype=whole)
        return summed.view(native)
    return samples


def _read_bits(data: memoryview, bits: int, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Numbers of 1 to 15 bits, the highest bit first in either byte order; rows end with a byte."""
    rows, columns, samples = shape
    stored = np.unpackbits(np.frombuffer(data, np.uint8).reshape(rows, -1), axis=1)
    stored = stored[:, : columns * samples * bits].reshape(rows, columns * samples, bits)
    padded = np.zeros((rows, columns * samples, 16), np.uint8)
    padded[..., 16 - bits :] = stored
    return np.packbits(padded, axis=2).view(">u2").reshape(shape)


def _find_scale(view: memoryview, tiff: TiffSamples) -> Scale | None:
    """How numbers become levels; None where the whole range of their type is black to white."""
    if not tiff.is_read_twice:
        return None
    lowest, highest, total, count = math.inf, -math.inf, 0.0, 0
    for _, samples in _iterate_blocks(view, tiff):
        colours = samples[..., : tiff.colours]
        if tiff.kind == "float" and not np.isfinite(colours).all():
            raise JobRefused("unsupported_variant", "a value is not a finite number")
        lowest, highest = min(lowest, float(colours.min())), max(highest, float(colours.max()))
        total, count = total + float(colours.sum(dtype=np.float64)), count + colours.size
    if tiff.kind == "float":
        return _find_float_scale(lowest, highest, total / count, is_grey=tiff.colours == 1)
    return _find_integer_scale(lowest, highest, tiff)


def _find_float_scale(lowest: float, highest: float, mean: float, *, is_grey: bool) -> Scale:
    """White is 1, 255 or 65,535. Grey numbers beyond are measurements, which viewers stretch.

    Colours over 1 whose mean is below it have high lights, which a screen cuts off at its white.
    """
    if lowest >= 0 and highest <= 1:
        return _BYTE_LIMIT, 0.0
    if is_grey and (lowest < 0 or highest > _BYTE_LIMIT):
        return _stretch(lowest, highest)
    if mean <= 1 and not is_grey:
        return _BYTE_LIMIT, 0.0
    return _BYTE_LIMIT / (_BYTE_LIMIT if highest <= _BYTE_LIMIT else max(highest, _WORD_LIMIT)), 0.0


def _find_integer_scale(lowest: float, highest: float, tiff: TiffSamples) -> Scale:
    """White is the highest of the type, unless all would be black; with negative ones stretched."""
    white = 2.0 ** (tiff.bits - (tiff.kind == "signed")) - 1
    if lowest < 0:
        return _stretch(lowest, highest)
    if highest >= white / 256:
        return _BYTE_LIMIT / white, 0.0
    return (1.0, 0.0) if highest <= _BYTE_LIMIT else _stretch(0.0, highest)


def _stretch(lowest: float, highest: float) -> Scale:
    scale = _BYTE_LIMIT / (highest - lowest) if highest > lowest else 0.0
    return scale, -lowest * scale


def _to_levels(samples: NDArray[Any], tiff: TiffSamples, scale: Scale | None) -> Levels:
    levels: Levels
    if scale is not None:
        factor, offset = scale
        numbers: NDArray[Any] = samples.astype(np.float64 if tiff.bits > 32 else np.float32)
        levels = np.clip(numbers * factor + (offset + 0.5), 0, 255).astype(np.uint8)
    elif tiff.bits >= 8 or tiff.colour_model == "palette":
        levels = (samples >> max(0, tiff.bits - 8)).astype(np.uint8)
    else:
        top = 2**tiff.bits - 1
        scaled = [round(255 * value / top) for value in range(top + 1)]
        levels = np.array(scaled, np.uint8)[samples]
    if tiff.is_white_zero:
        levels[..., 0] = 255 - levels[..., 0]
    if tiff.is_lab_offset:
        levels[..., 1:3] ^= 128  # Pillow takes a and b as signed numbers
    return levels


def _without_alpha(levels: Levels, tiff: TiffSamples) -> Levels:
    """On white, in colour models that Pillow has no alpha for."""
    colours, alpha = levels[..., : tiff.colours], levels[..., tiff.colours :] / np.float32(255)
    if tiff.colour_model == "palette":
        return colours
    if tiff.colour_model == "cmyk":
        inks: Levels = (colours if tiff.is_premultiplied else np.rint(colours * alpha)).astype(
            np.uint8
        )
        return inks
    on_white = np.empty_like(colours)
    on_white[..., 0] = np.rint(255 - (255 - colours[..., 0]) * alpha[..., 0])
    on_white[..., 1:] = (
        np.rint(colours[..., 1:].view(np.int8) * alpha).astype(np.int8).view(np.uint8)
    )
    return on_white


def _to_palette(tiff: TiffSamples) -> list[int]:
    """Red, green and blue by turns; a file has all reds first, of 16 bits (or 8, from some)."""
    shift = 8 if max(tiff.palette, default=0) > 255 else 0
    count = len(tiff.palette) // 3
    return [
        tiff.palette[count * plane + index] >> shift for index in range(count) for plane in range(3)
    ]
