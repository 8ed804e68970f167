"""Open and decode one picture, after its header has said what that will cost.

Runs in a child process only: these are the parsers of foreign bytes.
"""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from PIL import AvifImagePlugin, Image, ImageChops, JpegImagePlugin

from app.images import headers
from app.images.colour import mend_colour_key
from app.images.fit import draft_scale
from app.images.headers import JpegHeader, Size
from app.sandbox.job import Input, Refuse, Room

_PLUGINS = {
    "png": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "avif": "AVIF",
    "heic": "HEIF",
}

_SCANS_ALLOWED = 24
# Encoders write up to 14 scans for three components and 18 for four (libjpeg's own script).
_SCANS_MAX = 100
_SCAN_PIXELS_MAX = 3_000_000_000
# Each scan passes over the whole picture: 1.5 thousand million pixels a second were measured.

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""What Pillow holds a pixel of each mode in; every other mode takes 4."""
_CANVAS_BYTES_PER_PIXEL = 4

_ORIENTATION_TAG, _BITS_TAG, _SAMPLES_TAG, _ROWS_TAG = 274, 258, 277, 278
_TILE_WIDTH_TAG, _TILE_HEIGHT_TAG = 322, 323

# Planes are up to 3 samples of 2 bytes where they are deep; then RGB(A) twice and Pillow's own.
_ISO_MEDIA_BYTES_PER_PIXEL = 16
# libwebp's animation decoder keeps two canvases, hands out a third, and Pillow makes a fourth.
_WEBP_BYTES_PER_PIXEL = 16


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pixels, perhaps already scaled down, and what is still to be done to them."""

    picture: Image.Image
    size_px: Size
    """The source's own, as stored."""
    orientation: int
    """EXIF's 1 to 8; 1 where the decoder has applied it."""


def warm_up() -> None:
    """Import what decoding needs and set what cannot be handed over by the call."""
    warnings.simplefilter("ignore")  # what a broken file is worth is said by the answer
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if heic_is_installed():
        import pillow_heif  # optional

        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.register_heif_opener()


def heic_is_installed() -> bool:
    """Whether the plugin for HEIC can be imported."""
    return importlib.util.find_spec("pillow_heif") is not None


def decode(
    image_format: str, data: Input, *, longest_edge_px: int, max_pixels: int, room: Room
) -> Decoded:
    """Decode the first frame of `data`, scaled down where the decoder can do that by itself.

    Raises Refuse with the code too_large, corrupt, costly or unsupported.
    """
    check = _limit(max_pixels)
    check(headers.peek_size(image_format, data.view))
    pillows_own = Image.MAX_IMAGE_PIXELS
    # Pillow warns over this and raises over twice this, also where it makes canvases of its own.
    Image.MAX_IMAGE_PIXELS = max_pixels // 2 + 1
    try:
        if image_format == "jpeg":
            return _decode_jpeg(data, longest_edge_px, check, room)
        return _decode_other(image_format, data, check, room)
    except (Refuse, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise Refuse("too_large", "", str(error)) from error
    except Exception as error:
        # Decoders raise whatever their arithmetic runs into (struct.error, KeyError,
        # ZeroDivisionError...): whatever it is, these bytes are no picture.
        raise Refuse("corrupt", "", f"{type(error).__name__}: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = pillows_own  # the child has other jobs than this one


def _limit(max_pixels: int) -> Callable[[Size | None], None]:
    def check(size: Size | None) -> None:
        if size is not None and size[0] * size[1] > max_pixels:
            raise Refuse("too_large", "", f"{size[0]} x {size[1]} pixels")

    return check


def _decode_jpeg(
    data: Input, longest_edge_px: int, check: Callable[[Size | None], None], room: Room
) -> Decoded:
    header = headers.read_jpeg(data.view)
    if header is None:
        raise Refuse("corrupt", "", "no frame or no scan")
    size = (header.width_px, header.height_px)
    check(size)
    _check_scans(header)
    scale = draft_scale(size, longest_edge_px)
    room(header.coefficient_bytes() + 4 * (-(-size[0] // scale)) * (-(-size[1] // scale)))
    try:
        picture = _load_jpeg(data, scale)
    except OSError:
        picture = _load_without_end(data, scale)
    return Decoded(picture, size, headers.read_orientation(picture.info.get("exif", b"")))


def _check_scans(header: JpegHeader) -> None:
    affordable = _SCAN_PIXELS_MAX // max(1, header.width_px * header.height_px)
    if header.scans > max(_SCANS_ALLOWED, min(_SCANS_MAX, affordable)):
        raise Refuse("costly", "", f"{header.scans} scans")


def _load_jpeg(data: Input, scale: int) -> Image.Image:
    data.seek(0)
    # Not through Image.open: that follows the list of further pictures (MPO, gain maps) first.
    picture = JpegImagePlugin.JpegImageFile(cast("BinaryIO", data))
    if scale > 1:
        # Sides divided by the scale, so that Pillow's own division gives the scale back.
        width, height = picture.size
        picture.draft(None, (max(1, width // scale), max(1, height // scale)))
    picture.load()
    return picture


class _Continued(Input):
    """A file with more bytes behind its end."""

    def __init__(self, data: Input, tail: bytes) -> None:
        super().__init__(data.view)
        self._tail = tail

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if piece or size == 0:
            return piece
        tail, self._tail = self._tail, b""
        return tail


def _load_without_end(data: Input, scale: int) -> Image.Image:
    """A JPEG whose end marker is missing: whole pictures like that are common, cut ones too.

    Where nothing but the marker is missing, what follows the data makes no difference to the
    picture. A picture that has been cut takes its last part from there, and gives itself away.
    """
    # Half a marker at the very end would make another marker with what follows.
    rest = Input(data.view[:-1]) if data.view[-1] == 0xFF else data
    one = _load_jpeg(_Continued(rest, b"\xff\xd9"), scale)
    other = _load_jpeg(_Continued(rest, b"\x55" * 4096 + b"\xff\xd9"), scale)
    if ImageChops.difference(one, other).getbbox() is not None:
        raise Refuse("corrupt", "", "the JPEG is cut short")
    return one


def _decode_other(
    image_format: str, data: Input, check: Callable[[Size | None], None], room: Room
) -> Decoded:
    plugin = _PLUGINS.get(image_format)
    if plugin is None or plugin not in Image.OPEN:
        raise Refuse("unsupported", "", f"no decoder for {image_format}")
    file_bytes = len(data.view)
    if image_format == "webp":  # its decoder takes its canvases as soon as it opens the file
        width, height = headers.peek_size(image_format, data.view) or (0, 0)
        room(width * height * _WEBP_BYTES_PER_PIXEL + 2 * file_bytes)
    picture = Image.open(cast("BinaryIO", data), formats=(plugin,))
    check(picture.size)
    if image_format != "webp":
        room(_cost_bytes(image_format, picture, file_bytes))
    picture.load()
    check(picture.size)
    orientation = 1
    if image_format == "png":
        mend_colour_key(picture, headers.png_depth(data.view))
    if image_format in ("png", "webp", "avif"):  # TIFF's and HEIC's decoders have applied it
        orientation = headers.read_orientation(picture.info.get("exif", b""))
    return Decoded(picture, picture.size, orientation)


def _cost_bytes(image_format: str, picture: Image.Image, file_bytes: int) -> int:
    """At most so much will be held while the picture is decoded, the file itself not counted."""
    pixels = picture.size[0] * picture.size[1]
    held = pixels * _BYTES_PER_PIXEL.get(picture.mode, _CANVAS_BYTES_PER_PIXEL)
    match image_format:
        case "avif" | "heic":
            return pixels * _ISO_MEDIA_BYTES_PER_PIXEL + 3 * file_bytes
        case "tiff":
            return _tiff_bytes(picture, held) + file_bytes
        case "gif":
            return held + pixels  # the frame, and its place on the canvas
        case _:
            return held


def _tiff_bytes(picture: Image.Image, held: int) -> int:
    tags = picture.tag_v2  # type: ignore[attr-defined]  # every TiffImageFile has it
    width, height = picture.size
    bits = tags.get(_BITS_TAG, (8,))
    sample_bytes = -(-max(bits if isinstance(bits, tuple) else (bits,)) // 8)
    rows = min(int(tags.get(_ROWS_TAG, height)), max(width, height))
    # libtiff reads a strip or a tile at a time into a buffer of its own.
    piece_px = int(tags.get(_TILE_WIDTH_TAG, width)) * int(tags.get(_TILE_HEIGHT_TAG, rows))
    buffer: int = piece_px * sample_bytes * int(tags.get(_SAMPLES_TAG, 1))
    turned: int = 2 if tags.get(_ORIENTATION_TAG, 1) != 1 else 1
    return held * turned + buffer
