"""Decode a file: choose the decoder, after the header has said what decoding will cost.

Runs in a child process only, because decoders parse untrusted bytes.
"""

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from PIL import AvifImagePlugin, Image

from app.imaging import colour, cost_model
from app.imaging.colour import Colours
from app.imaging.decoders import libjpeg_turbo, libvips, pillow
from app.imaging.decoders.colour_tags import read_colours
from app.imaging.decoders.png_chunks import PngImageChunks, is_damaged
from app.imaging.decoders.structure import announce_structure
from app.imaging.decoders.types import DecodedImage, DecodeJob
from app.imaging.decoders.variants import is_unsupported_variant
from app.imaging.geometry import choose_draft_scale, choose_eighths, fit
from app.imaging.metadata.apng import HiddenDefault, read_hidden_default
from app.imaging.metadata.exif import read_orientation
from app.imaging.metadata.jpeg import JpegHeader, read_jpeg_header
from app.imaging.metadata.png import read_png_exif, read_png_size
from app.imaging.metadata.webp import WebpHeader, read_webp_header, read_webp_size
from app.workers.errors import JobRefused
from app.workers.handler import JobInput

_PILLOW_WEBP_MAX_PX = 2_000_000
# Up to here Pillow's 16 bytes a pixel need no reservation, and its libwebp is a fifth faster than
# the one in libvips' wheels. Above, scaling while decoding is faster, and needs less memory.

_UNRESERVED_PILLOW_BYTES = 24 * 1024 * 1024
# 6 megapixels: within the memory of every job (BASE_MEMORY_BYTES in app/workers/spawn.py).

_SCANS_ALLOWED = 24
# Encoders write up to 14 scans for three components and 18 for four (libjpeg's default script).
_MAX_SCANS = 100
_MAX_SCAN_PIXELS = 3_000_000_000
# Each scan passes over the whole image; 1.5 thousand million pixels a second were measured.


def warm_up() -> None:
    """Import what decoding needs, and set global options of the decoders."""
    warnings.simplefilter("ignore")  # Pillow warns about damaged files
    Image.init()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    if is_heic_installed():
        import pillow_heif  # optional

        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.register_heif_opener()


def is_heic_installed() -> bool:
    """Whether the HEIC plugin can be imported."""
    return importlib.util.find_spec("pillow_heif") is not None


def decode(job: DecodeJob) -> DecodedImage:
    """Decode the first frame, scaled down where the decoder can do that while decoding.

    Raises JobRefused with the code too_large, corrupt, too_expensive, unsupported (no decoder) or
    unsupported_variant (of the format).
    """
    try:
        _check_early_size(job)
        announce_structure(job)
        with _pillow_limit(job.max_pixels):
            return _choose_decoder(job)
    except (JobRefused, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise JobRefused("too_large", str(error)) from error
    except Exception as error:
        # Decoders raise whatever their arithmetic runs into (struct.error, KeyError,
        # ZeroDivisionError and others): the file is damaged, unless it is of a rare kind.
        is_variant = is_unsupported_variant(job.image_format, job.view, error)
        code = "unsupported_variant" if is_variant else "corrupt"
        raise JobRefused(code, f"{type(error).__name__}: {error}") from error


def _check_early_size(job: DecodeJob) -> None:
    """Check the size of formats whose decoder takes memory as soon as it opens the file."""
    match job.image_format:
        case "gif" if len(job.view) >= 10:
            canvas = (
                int.from_bytes(job.view[6:8], "little"),
                int.from_bytes(job.view[8:10], "little"),
            )
            job.check_size(canvas)  # a frame may be larger: it is checked after it is decoded
        case "png":
            job.check_size(read_png_size(job.view))
        case "webp":
            job.check_size(read_webp_size(job.view))


@contextmanager
def _pillow_limit(max_pixels: int) -> Iterator[None]:
    """Pillow warns over MAX_IMAGE_PIXELS and raises over twice this, also for its own canvases."""
    previous = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels // 2 + 1
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = previous  # the child runs other handlers, too


def _choose_decoder(job: DecodeJob) -> DecodedImage:
    if job.image_format == "jpeg":
        return _decode_jpeg(job)
    if job.image_format == "png" and (hidden := read_hidden_default(job.view)):
        return _decode_first_frame(job, hidden)
    return _decode_still(job)


def _decode_still(job: DecodeJob) -> DecodedImage:
    if libvips.is_installed() and job.image_format == "png":
        return _decode_png(job)
    if libvips.is_installed() and job.image_format == "webp":
        header = read_webp_header(job.view)
        if header is not None and _is_better_in_libvips(header):
            return _decode_webp(job, header)
    return pillow.decode(job)


def _is_better_in_libvips(header: WebpHeader) -> bool:
    """It composites on white, which must follow the conversion of colours."""
    is_large = header.size_px[0] * header.size_px[1] > _PILLOW_WEBP_MAX_PX
    colours = Colours(header.profile)
    return is_large and not (header.has_alpha and colours.change_something())


def _decode_first_frame(job: DecodeJob, hidden: HiddenDefault) -> DecodedImage:
    """The first frame of an animation, on white where it does not cover the canvas."""
    whole_px = hidden.canvas_px
    canvas_px = fit(whole_px, job.scaled_longest_px(whole_px))
    canvas_bytes = canvas_px[0] * canvas_px[1] * cost_model.CANVAS_BYTES_PER_PIXEL

    def reserve(memory_bytes: int, work_ms: float = 0, /) -> None:
        job.reserve(memory_bytes + (canvas_bytes if memory_bytes else 0), work_ms)

    frame = _decode_still(replace(job, data=JobInput(hidden.png), reserve=reserve))
    if hidden.box == (0, 0, *whole_px):
        return frame
    image = colour.choose_flatten(frame.image)(frame.image)
    left, upper, right, lower = (round(edge * canvas_px[0] / whole_px[0]) for edge in hidden.box)
    box_px = (max(1, right - left), max(1, lower - upper))
    if image.size != box_px:
        image = image.resize(box_px, Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", canvas_px, colour.WHITE).convert(image.mode)
    canvas.paste(image, (left, upper))
    return replace(frame, image=canvas, size_px=whole_px)


def _decode_jpeg(job: DecodeJob) -> DecodedImage:
    header = read_jpeg_header(job.view)
    if header is None:
        raise ValueError("no frame or no scan")
    job.check_size(header.size_px)
    _check_scans(header)
    orientation = read_orientation(header.exif)
    longest_px = job.scaled_longest_px(header.size_px, orientation)
    scale = choose_draft_scale(header.size_px, longest_px) if header.is_scalable else 1
    job.reserve_for(
        header.size_px,
        cost_model.estimate_jpeg_memory_bytes(header, scale),
        cost_model.estimate_jpeg_work_ms(header) + colour.estimate_profile_ms(header.profile),
        orientation,
    )
    image = None
    if max(header.size_px) > longest_px and header.is_scalable:
        eighths = choose_eighths(header.size_px, longest_px)
        image = libjpeg_turbo.decode_jpeg(job.view, header, eighths, longest_px)
    if image is None:
        libjpeg_turbo.refuse_truncated(job.view, header)
        image = pillow.load_jpeg(job.view, header, scale)
    return DecodedImage(image, header.size_px, orientation, Colours(header.profile))


def _check_scans(header: JpegHeader) -> None:
    width, height = header.size_px
    affordable = _MAX_SCAN_PIXELS // max(1, width * height)
    if header.scans > max(_SCANS_ALLOWED, min(_MAX_SCANS, affordable)):
        raise JobRefused("too_expensive", f"{header.scans} scans")


def _decode_png(job: DecodeJob) -> DecodedImage:
    chunks = PngImageChunks(job.view)
    opened = pillow.open_image(chunks, "png")  # for profile, gamma and orientation
    job.check_size(opened.size)
    orientation = read_orientation(opened.info.get("exif") or read_png_exif(job.view))
    to_px = fit(opened.size, job.scaled_longest_px(opened.size, orientation))
    colours = read_colours("png", opened.info, job.view)
    try:
        png = libvips.open_png(chunks.contiguous())
    except libvips.LibvipsError:
        # libpng refuses some files that look fine, with a thousand comments or a damaged one.
        return pillow.decode(job)
    if colour.has_alpha(opened) and colours.change_something():
        return pillow.decode(job)  # libvips composites on white, which must follow the conversion
    job.reserve_for(
        opened.size,
        cost_model.estimate_libvips_png_memory_bytes(png, to_px),
        cost_model.estimate_libvips_png_work_ms(png, len(job.view))
        + colour.estimate_colours_ms(colours, to_px),
        orientation,
    )
    try:
        image = libvips.decode_png(png, to_px)
    except libvips.LibvipsError:
        # Pillow may try, too. But a second reservation is impossible, and of a damaged file it
        # would make an image that is partly black.
        pillow_bytes = opened.size[0] * opened.size[1] * cost_model.CANVAS_BYTES_PER_PIXEL
        if pillow_bytes > _UNRESERVED_PILLOW_BYTES or is_damaged(job.view):
            raise
        return pillow.load(job, opened)
    return DecodedImage(image, opened.size, orientation, colours)


def _decode_webp(job: DecodeJob, header: WebpHeader) -> DecodedImage:
    orientation = read_orientation(header.exif)
    to_px = fit(header.size_px, job.scaled_longest_px(header.size_px, orientation))
    job.reserve_for(
        header.size_px,
        cost_model.estimate_libvips_webp_memory_bytes(header, to_px),
        cost_model.estimate_webp_work_ms(header.size_px, job.view)
        + colour.estimate_profile_ms(header.profile),
        orientation,
    )
    image = libvips.decode_webp(job.view, header, to_px)
    return DecodedImage(image, header.size_px, orientation, Colours(header.profile))
