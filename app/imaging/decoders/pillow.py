"""Pillow: decodes every format, also files that the faster decoders refuse."""

from typing import BinaryIO, cast

from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from app.imaging import colour, cost_model
from app.imaging.decoders import workarounds
from app.imaging.decoders.bmp_bit_fields import decode_bmp_bit_fields
from app.imaging.decoders.colour_tags import read_colours
from app.imaging.decoders.deep_tiff import DeepTiff, decode_deep_tiff, read_deep_tiff
from app.imaging.decoders.joined_input import JoinedInput
from app.imaging.decoders.jpeg_without_end import load_jpeg_without_end
from app.imaging.decoders.png_chunks import PngImageChunks
from app.imaging.decoders.structure import open_gif
from app.imaging.decoders.types import DecodedImage, DecodeJob
from app.imaging.geometry import fit
from app.imaging.metadata.bmp import BmpBitFields, read_bmp_bit_fields
from app.imaging.metadata.exif import read_orientation
from app.imaging.metadata.iso_media import find_repeated_associations
from app.imaging.metadata.jpeg import JpegHeader
from app.imaging.metadata.png import read_png_exif
from app.imaging.metadata.webp import read_webp_header, read_webp_size
from app.workers.errors import JobRefused
from app.workers.handler import JobInput

_PLUGINS = {
    "png": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "avif": "AVIF",
    "heic": "HEIF",
}
"""Names of Pillow's decoders. JPEG has functions of its own below."""


def open_image(file: JobInput, image_format: str) -> ImageFile.ImageFile:
    """Open a file with the decoder of its format, and no other."""
    return Image.open(cast("BinaryIO", file), formats=(_PLUGINS[image_format],))


def load_jpeg(view: memoryview, header: JpegHeader, scale: int) -> Image.Image:
    """Decode a JPEG, scaled down by `scale`; only its end marker may be missing.

    Pillow reads the header byte by byte, so it gets no more of it than decoding needs.
    """
    parts = [view[start:end] for start, end in header.image_spans]
    try:
        return _load_jpeg(JoinedInput(parts), scale)
    except OSError:
        return load_jpeg_without_end(parts, lambda file: _load_jpeg(file, scale))


def _load_jpeg(data: JobInput, scale: int) -> Image.Image:
    # Image.open would first follow the list of further images in the file (MPO, gain maps).
    image = JpegImagePlugin.JpegImageFile(cast("BinaryIO", data))
    if scale > 1:
        # Sides divided by the scale, so that Pillow's own division gives the scale back.
        width, height = image.size
        image.draft(None, (max(1, width // scale), max(1, height // scale)))
    image.load()
    return image


def decode(job: DecodeJob) -> DecodedImage:
    """Reserve what decoding will take, and decode the first frame of any format but JPEG.

    Raises JobRefused.
    """
    image_format, view = job.image_format, job.view
    if _PLUGINS.get(image_format) not in Image.OPEN:
        raise JobRefused("unsupported", f"no decoder for {image_format}")
    if bytes(view[:4]) == b"MM\0+":
        raise JobRefused("unsupported", "BigTIFF in big-endian order, which Pillow does not read")
    if image_format == "webp":  # before it is opened, because opening it takes the memory
        size = read_webp_size(view) or (0, 0)
        header = read_webp_header(view)
        job.reserve_for(
            size,
            cost_model.estimate_pillow_webp_memory_bytes(size, len(view)),
            cost_model.estimate_webp_work_ms(size, view),
            1 if header is None else read_orientation(header.exif),
        )
    if image_format == "bmp" and (bit_fields := read_bmp_bit_fields(view)):
        return _decode_bmp_bit_fields(job, bit_fields)
    try:
        image = _open(job)
    except UnidentifiedImageError:
        if image_format != "tiff" or (deep := read_deep_tiff(job.data)) is None:
            raise
        return _decode_deep_tiff(job, deep)
    job.check_size(image.size)
    if image_format == "tiff" and not workarounds.has_all_strips(image):
        raise JobRefused("corrupt", "strips or tiles are missing")
    if image_format == "png" and image.mode == "P" and image.palette is None:
        raise JobRefused("corrupt", "no palette")
    if image_format != "webp":
        orientation = _read_orientation(job, image)
        longest_px = job.scaled_longest_px(image.size, orientation)
        colours = read_colours(image_format, image.info, view)
        job.reserve_for(
            image.size,
            cost_model.estimate_memory_bytes(image_format, image, view, longest_px),
            cost_model.estimate_opened_work_ms(image_format, image, len(view))
            + colour.estimate_colours_ms(colours, fit(image.size, longest_px)),
            orientation,
        )
    return load(job, image)


def _decode_bmp_bit_fields(job: DecodeJob, bmp: BmpBitFields) -> DecodedImage:
    job.check_size(bmp.size_px)
    longest_px = job.scaled_longest_px(bmp.size_px)
    colours = read_colours("bmp", {}, job.view)
    job.reserve_for(
        bmp.size_px,
        cost_model.estimate_bit_fields_memory_bytes(bmp, longest_px),
        cost_model.estimate_bit_fields_work_ms(bmp)
        + colour.estimate_colours_ms(colours, fit(bmp.size_px, longest_px)),
    )
    return DecodedImage(decode_bmp_bit_fields(job.view, bmp), bmp.size_px, 1, colours)


def _decode_deep_tiff(job: DecodeJob, tiff: DeepTiff) -> DecodedImage:
    job.check_size(tiff.size_px)
    longest_px = job.scaled_longest_px(tiff.size_px, tiff.orientation)
    colours = colour.Colours(tiff.profile)
    job.reserve_for(
        tiff.size_px,
        cost_model.estimate_deep_tiff_memory_bytes(tiff, longest_px),
        cost_model.estimate_deep_tiff_work_ms(tiff)
        + colour.estimate_colours_ms(colours, fit(tiff.size_px, longest_px)),
        tiff.orientation,
    )
    return DecodedImage(decode_deep_tiff(job.view, tiff), tiff.size_px, tiff.orientation, colours)


def _open(job: DecodeJob) -> ImageFile.ImageFile:
    file = job.data
    if job.image_format == "png":
        file = PngImageChunks(job.view)
    elif job.image_format == "gif":
        file = open_gif(job)
    elif job.image_format == "avif" and (offsets := find_repeated_associations(job.view)):
        file = workarounds.AvifWithDistinctAssociations(job.data, offsets)
    image = open_image(file, job.image_format)
    if job.image_format == "tiff" and workarounds.is_16_bit_planar_tiff(image):
        return workarounds.open_with_libtiff(job.data)
    if job.image_format == "tiff":
        workarounds.fix_byte_order(image)
    return image


def load(job: DecodeJob, opened: ImageFile.ImageFile) -> DecodedImage:
    """Load the pixels of an opened image."""
    image = workarounds.load_pixels(job.image_format, opened, job.view)
    job.check_size(image.size)
    colours = read_colours(job.image_format, opened.info, job.view)
    return DecodedImage(image, image.size, _read_orientation(job, image), colours)


def _read_orientation(job: DecodeJob, image: Image.Image) -> int:
    """What EXIF says and the decoder leaves to us: those of TIFF and HEIC apply it."""
    if job.image_format not in ("png", "webp", "avif"):
        return 1
    exif = image.info.get("exif", b"")
    return read_orientation(exif or (read_png_exif(job.view) if job.image_format == "png" else b""))
