"""Open and decode one picture, after its header has said what that will cost.

Runs in a child process only: these are the parsers of foreign bytes.
"""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from PIL import AvifImagePlugin, Image, ImageChops, ImageFile, JpegImagePlugin

from app.imaging import cicp, cost_model
from app.imaging.decoders import libjpeg_turbo, vips, workarounds
from app.imaging.decoders.png_chunks import PicturePart, is_damaged
from app.imaging.metadata import headers
from app.imaging.metadata.headers import JpegHeader, Size, WebpHeader
from app.imaging.resize import draft_scale, eighths, fit
from app.workers.errors import JobRefused
from app.workers.handler import JobInput, Reserve

_PLUGINS = {
    "png": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "avif": "AVIF",
    "heic": "HEIF",
}

_WEBP_WHOLE_PX = 2_000_000
# Below, Pillow takes its 16 bytes for each without asking, and its libwebp is a fifth faster than
# the one in libvips' wheels; above, the scaling inside the decoder wins, and keeps it small.

_BESIDE = ("icc_profile", "gamma", "srgb")
"""What a PNG says of its colours."""

_SECOND_TRY_BYTES = 24 * 1024 * 1024
# 6 megapixels: within what every child has without asking (FREE_BYTES in app/workers).

_SCANS_ALLOWED = 24
# Encoders write up to 14 scans for three components and 18 for four (libjpeg's own script).
_SCANS_MAX = 100
_SCAN_PIXELS_MAX = 3_000_000_000
# Each scan passes over the whole picture: 1.5 thousand million pixels a second were measured.

_CANVAS_BYTES_PER_PIXEL = 4
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
    image_format: str, data: JobInput, *, longest_edge_px: int, max_pixels: int, room: Reserve
) -> Decoded:
    """Decode the first frame of `data`, scaled down where the decoder can do that by itself.

    Raises JobRefused with the code too_large, corrupt, costly or unsupported.
    """
    check = _limit(max_pixels)
    check(headers.peek_size(image_format, data.view))
    pillows_own = Image.MAX_IMAGE_PIXELS
    # Pillow warns over this and raises over twice this, also where it makes canvases of its own.
    Image.MAX_IMAGE_PIXELS = max_pixels // 2 + 1
    try:
        if image_format == "jpeg":
            return _decode_jpeg(data, longest_edge_px, check, room)
        if vips.is_ready() and image_format == "png":
            return _stream_png(data, longest_edge_px, check, room)
        if vips.is_ready() and image_format == "webp":
            webp = headers.read_webp(data.view)
            if webp is not None and webp.width_px * webp.height_px > _WEBP_WHOLE_PX:
                return _stream_webp(data, webp, longest_edge_px, room)
        return _decode_other(image_format, data, longest_edge_px, check, room)
    except (JobRefused, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise JobRefused("too_large", str(error)) from error
    except Exception as error:
        # Decoders raise whatever their arithmetic runs into (struct.error, KeyError,
        # ZeroDivisionError...): whatever it is, these bytes are no picture.
        raise JobRefused("corrupt", f"{type(error).__name__}: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = pillows_own  # the child has other jobs than this one


def _limit(max_pixels: int) -> Callable[[Size | None], None]:
    def check(size: Size | None) -> None:
        if size is not None and size[0] * size[1] > max_pixels:
            raise JobRefused("too_large", f"{size[0]} x {size[1]} pixels")

    return check


def _decode_jpeg(
    data: JobInput, longest_edge_px: int, check: Callable[[Size | None], None], room: Reserve
) -> Decoded:
    header = headers.read_jpeg(data.view)
    if header is None:
        raise JobRefused("corrupt", "no frame or no scan")
    size = (header.width_px, header.height_px)
    check(size)
    _check_scans(header)
    scale = draft_scale(size, longest_edge_px) if header.is_scalable else 1
    held = header.coefficient_bytes() + 4 * (-(-size[0] // scale)) * (-(-size[1] // scale))
    room(held, cost_model.jpeg_ms(size, header.scans))
    picture = _scale_jpeg(data, header, longest_edge_px)
    if picture is None:
        libjpeg_turbo.refuse_cut(data.view, header)
        picture = _load_any_jpeg(data, scale)
    return Decoded(picture, size, headers.read_orientation(picture.info.get("exif", b"")))


def _scale_jpeg(data: JobInput, header: JpegHeader, longest_px: int) -> Image.Image | None:
    """What needs scaling, by the decoder that can best; None where it cannot."""
    size = (header.width_px, header.height_px)
    if max(size) <= longest_px or not header.is_scalable:
        return None
    pixels = libjpeg_turbo.read_jpeg(data.view, header, eighths(size, longest_px), longest_px)
    if pixels is not None:
        data.seek(0)
        # Opened only, for what stands beside the pixels: profile and orientation.
        pixels.info = JpegImagePlugin.JpegImageFile(cast("BinaryIO", data)).info
    return pixels


def _load_any_jpeg(data: JobInput, scale: int) -> Image.Image:
    try:
        return _load_jpeg(data, scale)
    except OSError:
        return _load_without_end(data, scale)


def _check_scans(header: JpegHeader) -> None:
    affordable = _SCAN_PIXELS_MAX // max(1, header.width_px * header.height_px)
    if header.scans > max(_SCANS_ALLOWED, min(_SCANS_MAX, affordable)):
        raise JobRefused("costly", f"{header.scans} scans")


def _load_jpeg(data: JobInput, scale: int) -> Image.Image:
    data.seek(0)
    # Not through Image.open: that follows the list of further pictures (MPO, gain maps) first.
    picture = JpegImagePlugin.JpegImageFile(cast("BinaryIO", data))
    if scale > 1:
        # Sides divided by the scale, so that Pillow's own division gives the scale back.
        width, height = picture.size
        picture.draft(None, (max(1, width // scale), max(1, height // scale)))
    picture.load()
    return picture


class _Continued(JobInput):
    """A file with more bytes behind its end."""

    def __init__(self, data: JobInput, tail: bytes) -> None:
        super().__init__(data.view)
        self._tail = tail

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if piece or size == 0:
            return piece
        tail, self._tail = self._tail, b""
        return tail


# Where it was cut at a restart marker a decoder looks for the next one, and reads only from there.
_TAILS = (b"\x55" * 4096, 2 * b"".join(bytes((0xFF, n)) + b"\x55" * 256 for n in range(0xD0, 0xD8)))


def _load_without_end(data: JobInput, scale: int) -> Image.Image:
    """A JPEG whose end marker is missing: whole pictures like that are common, cut ones too.

    Where nothing but the marker is missing, what follows the data makes no difference to the
    picture. A picture that has been cut takes its last part from there, and gives itself away.
    """
    # Half a marker at the very end would make another marker with what follows.
    rest = JobInput(data.view[:-1]) if data.view[-1] == 0xFF else data
    one = _load_jpeg(_Continued(rest, b"\xff\xd9"), scale)
    for tail in _TAILS:
        other = _load_jpeg(_Continued(rest, tail + b"\xff\xd9"), scale)
        if ImageChops.difference(one, other).getbbox() is not None:
            raise JobRefused("corrupt", "the JPEG is cut short")
    return one


def _stream_png(
    data: JobInput, longest_px: int, check: Callable[[Size | None], None], room: Reserve
) -> Decoded:
    # Opened by Pillow only for what stands beside the pixels: profile, gamma, orientation.
    part = PicturePart(data.view)
    said = Image.open(cast("BinaryIO", part), formats=("PNG",))
    size = said.size
    check(size)
    to_px = fit(size, longest_px)
    try:
        header = vips.open_png(part.alone())
    except vips.VipsRefused:
        # libpng minds what no eye sees: a thousand comments, a broken one.
        return _decode_other("png", data, longest_px, check, room)
    room(vips.png_bytes(header, to_px), cost_model.png_ms(header.sample_bytes, len(data.view)))
    try:
        picture = vips.read_png(header, to_px)
    except vips.VipsRefused:
        # Room is asked for once: Pillow has the say where that costs no more than a child may
        # have anyway.
        if size[0] * size[1] * _CANVAS_BYTES_PER_PIXEL > _SECOND_TRY_BYTES:
            raise
        if is_damaged(data.view):  # of which Pillow makes a picture that is partly black
            raise
        return _load("png", said, data, check)
    picture.info = {name: said.info[name] for name in _BESIDE if name in said.info}
    if told := cicp.of_png(data.view):
        picture.info["icc_profile"] = told
    exif = said.info.get("exif") or headers.png_exif(data.view)
    return Decoded(picture, size, headers.read_orientation(exif))


def _stream_webp(data: JobInput, header: WebpHeader, longest_px: int, room: Reserve) -> Decoded:
    size = (header.width_px, header.height_px)
    to_px = fit(size, longest_px)
    room(vips.webp_bytes(header, to_px), cost_model.whole_ms("webp", size))
    picture = vips.read_webp(data.view, header, to_px)
    if header.profile:
        picture.info["icc_profile"] = header.profile
    return Decoded(picture, size, headers.read_orientation(header.exif))


def _decode_other(
    image_format: str,
    data: JobInput,
    longest_px: int,
    check: Callable[[Size | None], None],
    room: Reserve,
) -> Decoded:
    plugin = _PLUGINS.get(image_format)
    if plugin is None or plugin not in Image.OPEN:
        raise JobRefused("unsupported", f"no decoder for {image_format}")
    file_bytes = len(data.view)
    if bytes(data.view[:4]) == b"MM\0+":
        raise JobRefused("unsupported", "BigTIFF in big-endian order, which Pillow does not read")
    if image_format == "webp":  # its decoder takes its canvases as soon as it opens the file
        width, height = headers.peek_size(image_format, data.view) or (0, 0)
        held = width * height * _WEBP_BYTES_PER_PIXEL + 2 * file_bytes
        room(held, cost_model.whole_ms(image_format, (width, height)))
    file = data
    if image_format == "png":
        file = PicturePart(data.view)
    elif image_format == "avif" and (places := headers.repeated_associations(data.view)):
        file = workarounds.ToldApart(data, places)
    picture = Image.open(cast("BinaryIO", file), formats=(plugin,))
    if image_format == "tiff" and workarounds.is_deep_and_planar(picture):
        picture = workarounds.open_with_libtiff(data)
    check(picture.size)
    if image_format == "tiff" and not workarounds.is_whole(picture):
        raise JobRefused("corrupt", "strips or tiles are missing")
    if image_format == "png" and picture.mode == "P" and picture.palette is None:
        raise JobRefused("corrupt", "no palette")
    if image_format != "webp":
        held = cost_model.whole_bytes(image_format, picture, data.view, longest_px)
        room(held, cost_model.whole_ms(image_format, picture.size))
    return _load(image_format, picture, data, check)


def _load(
    image_format: str,
    picture: ImageFile.ImageFile,
    data: JobInput,
    check: Callable[[Size | None], None],
) -> Decoded:
    shown = workarounds.load(image_format, picture, data.view)
    check(shown.size)
    orientation = 1
    if image_format in ("png", "webp", "avif"):  # TIFF's and HEIC's decoders have applied it
        orientation = headers.read_orientation(shown.info.get("exif", b""))
    return Decoded(shown, shown.size, orientation)
