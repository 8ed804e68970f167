"""TIFF with 16, 32 or 64 bits for each sample, integers or floats, that Pillow does not read.

Uncompressed or deflate, with all predictors, in strips or tiles, in both byte orders. One piece
is held at a time besides the image of 8 bits.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from app.imaging.geometry import Size
from app.workers.errors import JobRefused
from app.workers.handler import JobInput

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES = 273, 274, 277, 278, 279
_PLANES, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT = 284, 317, 322, 323
_TILE_OFFSETS, _TILE_BYTES, _EXTRA_SAMPLES, _FORMAT, _PROFILE = 324, 325, 338, 339, 34675
_PLAIN, _DEFLATE = 1, frozenset({8, 32946})
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_UNSIGNED, _FLOAT = 1, 3
_DTYPES = {
    (16, _UNSIGNED): "u2", (32, _UNSIGNED): "u4",
    (16, _FLOAT): "f2", (32, _FLOAT): "f4", (64, _FLOAT): "f8",
}  # fmt: skip
_NO_PREDICTOR, _DIFFERENCES, _FLOAT_BYTES = 1, 2, 3
_ALPHA_MODES = {1: "a", 2: "A"}
"""What an extra sample is: alpha that is multiplied in, or that is not (TIFF 6.0, 18)."""
_BYTE_LIMIT, _WORD_LIMIT = 255.0, 65_535.0

Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class DeepTiff:
    """Header of a TIFF that this module decodes."""

    size_px: Size
    samples: int
    colours: int
    """Samples of a pixel without alpha and what else there is: 1 or 3."""
    alpha_mode: str
    """Empty where there is no alpha; else the last letter of Pillow's mode."""
    dtype: np.dtype[Any]
    is_inverted: bool
    is_compressed: bool
    predictor: int
    piece_px: Size
    """Of a strip or tile."""
    pieces: tuple[tuple[int, int], ...]
    """Offset and length of each, row by row."""
    orientation: int
    profile: bytes | None

    @property
    def piece_bytes(self) -> int:
        """A strip or tile, unpacked."""
        return self.piece_px[0] * self.piece_px[1] * self.samples * self.dtype.itemsize

    @property
    def piece_count(self) -> int:
        """How many strips or tiles cover the image."""
        (width, height), (piece_width, piece_height) = self.size_px, self.piece_px
        return -(-width // piece_width) * -(-height // piece_height)


def read_deep_tiff(data: JobInput) -> DeepTiff | None:
    """The header; None for another kind of TIFF. Raises whatever its arithmetic runs into."""
    data.seek(0)
    head = data.read(8)
    if head[2:4] not in (b"*\0", b"\0*"):
        return None
    tags = TiffImagePlugin.ImageFileDirectory_v2(head)
    data.seek(int.from_bytes(head[4:8], "little" if head[:2] == b"II" else "big"))
    tags.load(cast("BinaryIO", data))
    bits = set(_as_tuple(tags.get(_BITS, 1)))
    formats = set(_as_tuple(tags.get(_FORMAT, _UNSIGNED)))
    photometric, samples = int(tags.get(_PHOTOMETRIC, -1)), int(tags.get(_SAMPLES, 1))
    colours = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3}.get(photometric, 0)
    dtype = _DTYPES.get((bits.pop(), formats.pop())) if len(bits) == len(formats) == 1 else None
    compression, predictor = tags.get(_COMPRESSION, _PLAIN), tags.get(_PREDICTOR, _NO_PREDICTOR)
    is_known = compression in _DEFLATE | {_PLAIN} and tags.get(_PLANES, 1) == 1
    if dtype is None or not colours or not colours <= samples <= colours + 4 or not is_known:
        return None
    if predictor not in (_NO_PREDICTOR, _DIFFERENCES, _FLOAT_BYTES):
        return None
    size_px = int(tags[_WIDTH]), int(tags[_HEIGHT])
    piece_px, pieces = _find_pieces(tags, size_px)
    extra = _as_tuple(tags.get(_EXTRA_SAMPLES, ()))
    return DeepTiff(
        size_px=size_px,
        samples=samples,
        colours=colours,
        alpha_mode=_ALPHA_MODES.get(extra[0], "") if extra and samples > colours else "",
        dtype=np.dtype(dtype).newbyteorder("<" if head[:2] == b"II" else ">"),
        is_inverted=photometric == _WHITE_IS_ZERO,
        is_compressed=compression != _PLAIN,
        predictor=predictor if compression != _PLAIN else _NO_PREDICTOR,
        piece_px=piece_px,
        pieces=pieces,
        orientation=int(tags.get(_ORIENTATION, 1)),
        profile=tags.get(_PROFILE),
    )


def decode_deep_tiff(view: memoryview, tiff: DeepTiff) -> Image.Image:
    """The image in mode L, LA, La, RGB, RGBA or RGBa. Raises ValueError for a damaged one."""
    scale = 0.0
    if tiff.dtype.kind == "f":
        scale = _find_float_scale(view, tiff)
    mode = ("L" if tiff.colours == 1 else "RGB") + tiff.alpha_mode
    image = Image.new(mode, tiff.size_px)
    bands = tiff.colours + bool(tiff.alpha_mode)
    for box, samples in _iterate_pieces(view, tiff):
        levels = _to_levels(samples[..., :bands], scale)
        if tiff.is_inverted:
            levels[..., 0] = 255 - levels[..., 0]
        packed = np.ascontiguousarray(levels if bands > 1 else levels[..., 0])
        size = (box[2] - box[0], box[3] - box[1])
        image.paste(Image.frombuffer(mode, size, packed, "raw", mode, 0, 1), box[:2])
    return image


def _find_pieces(
    tags: TiffImagePlugin.ImageFileDirectory_v2, size_px: Size
) -> tuple[Size, tuple[tuple[int, int], ...]]:
    width, height = size_px
    if width < 1 or height < 1:
        raise ValueError("no pixels")
    if _TILE_OFFSETS in tags:
        piece_px = int(tags[_TILE_WIDTH]), int(tags[_TILE_HEIGHT])
        offsets, lengths = tags[_TILE_OFFSETS], tags[_TILE_BYTES]
    else:
        piece_px = width, min(height, int(tags.get(_ROWS, height)))
        offsets, lengths = tags[_STRIP_OFFSETS], tags[_STRIP_BYTES]
    if min(piece_px) < 1 or max(piece_px) > 2 * max(width, height, 1024):
        raise ValueError("strips or tiles without a size")
    pieces = tuple(zip(_as_tuple(offsets), _as_tuple(lengths), strict=True))
    if len(pieces) < -(-width // piece_px[0]) * -(-height // piece_px[1]):
        raise ValueError("strips or tiles are missing")
    return piece_px, pieces


def _iterate_pieces(
    view: memoryview, tiff: DeepTiff
) -> Iterator[tuple[tuple[int, int, int, int], NDArray[Any]]]:
    """Place and samples (rows, columns, samples) of each strip or tile, cut at the edges."""
    (width, height), (piece_width, piece_height) = tiff.size_px, tiff.piece_px
    columns = -(-width // piece_width)
    is_tiled = piece_width != width
    for number in range(tiff.piece_count):
        left, upper = number % columns * piece_width, number // columns * piece_height
        right, lower = min(width, left + piece_width), min(height, upper + piece_height)
        rows = piece_height if is_tiled else lower - upper
        samples = _unpack(view, tiff, tiff.pieces[number], rows)
        yield (left, upper, right, lower), samples[: lower - upper, : right - left]


def _unpack(view: memoryview, tiff: DeepTiff, place: tuple[int, int], rows: int) -> NDArray[Any]:
    width = tiff.piece_px[0]
    expected = rows * width * tiff.samples * tiff.dtype.itemsize
    packed = view[place[0] : place[0] + place[1]]
    data = zlib.decompressobj().decompress(packed, expected) if tiff.is_compressed else packed
    if len(data) < expected:
        raise ValueError("a strip or tile is truncated")
    shape = (rows, width, tiff.samples)
    if tiff.predictor == _FLOAT_BYTES:
        steps = np.frombuffer(data, np.uint8, expected).reshape(rows, -1, tiff.samples)
        planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(rows, tiff.dtype.itemsize, -1)
        # The highest bytes of all samples of a row come first, in either byte order.
        numbers = np.ascontiguousarray(planes.transpose(0, 2, 1))
        return numbers.view(tiff.dtype.newbyteorder(">")).reshape(shape)
    samples = np.frombuffer(data, tiff.dtype, expected // tiff.dtype.itemsize).reshape(shape)
    if tiff.predictor == _DIFFERENCES:
        native = tiff.dtype.newbyteorder("=")
        whole = np.dtype(f"u{native.itemsize}")
        summed = np.cumsum(samples.astype(native).view(whole), axis=1, dtype=whole)
        return summed.view(native)
    return samples


def _find_float_scale(view: memoryview, tiff: DeepTiff) -> float:
    """By what floats are multiplied: their white is 1, or 255, or 65,535, or the highest."""
    highest = 0.0
    for _, samples in _iterate_pieces(view, tiff):
        colours = samples[..., : tiff.colours]
        if not np.isfinite(colours).all():
            raise JobRefused("unsupported", "a value is not a finite number")
        highest = max(highest, float(colours.max()))
    if highest <= 1:
        return _BYTE_LIMIT
    if highest <= _BYTE_LIMIT:
        return 1.0
    return _BYTE_LIMIT / max(highest, _WORD_LIMIT)


def _to_levels(samples: NDArray[Any], scale: float) -> Levels:
    if samples.dtype.kind == "f":
        levels: Levels = np.clip(
            samples.astype(np.float32) * np.float32(scale) + 0.5, 0, 255
        ).astype(np.uint8)
        return levels
    return (samples >> (8 * samples.dtype.itemsize - 8)).astype(np.uint8)


def _as_tuple(value: object) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
