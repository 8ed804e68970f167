"""Pillow: decodes every format, also files that the faster decoders refuse."""

from typing import BinaryIO, cast

from PIL import Image, ImageFile, JpegImagePlugin

from app.imaging import colour, cost_model
from app.imaging.decoders import workarounds
from app.imaging.decoders.bmp_bit_fields import decode_bmp_bit_fields
from app.imaging.decoders.bmp_two_bits import decode_bmp_two_bits
from app.imaging.decoders.colour_tags import read_colours
from app.imaging.decoders.joined_input import JoinedInput
from app.imaging.decoders.jpeg_without_end import load_jpeg_without_end
from app.imaging.decoders.png_chunks import PngImageChunks
from app.imaging.decoders.structure import open_gif
from app.imaging.decoders.tiff_samples import decode_tiff_samples
from app.imaging.decoders.types import DecodedImage, DecodeJob
from app.imaging.geometry import fit
from app.imaging.metadata.bmp import (
    BmpBitFields,
    BmpTwoBits,
    find_usual_header,
    read_bmp_bit_fields,
    read_bmp_two_bits,
)
from app.imaging.metadata.exif import read_orientation
from app.imaging.metadata.iso_media import find_repeated_associations
from app.imaging.metadata.jpeg import JpegHeader
from app.imaging.metadata.png import read_png_exif
from app.imaging.metadata.tiff_samples import UnsupportedTiff, read_tiff_samples
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
_BIG_ENDIAN_BIGTIFF = b"MM\0+"
"""Pillow does not read it."""


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
    if image_format == "webp":  # before it is opened, because opening it takes the memory
        size = read_webp_size(view) or (0, 0)
        header = read_webp_header(view)
        job.reserve_for(
            size,
            cost_model.estimate_pillow_webp_memory_bytes(size, len(view)),
            cost_model.estimate_webp_work_ms(size, view),
            1 if header is None else read_orientation(header.exif),
        )
    if image_format == "bmp" and (bmp := read_bmp_bit_fields(view) or read_bmp_two_bits(view)):
        return _decode_bmp(job, bmp)
    image = _open_with_pillow(job)
    if image is None:
        return _decode_tiff_samples(job)
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


def _open_with_pillow(job: DecodeJob) -> ImageFile.ImageFile | None:
    """None for a TIFF that Pillow does not read, or would show wrongly."""
    if job.image_format != "tiff":
        return _open(job)
    if bytes(job.view[:4]) == _BIG_ENDIAN_BIGTIFF:
        return None
    try:
        image = _open(job)
    except (OSError, KeyError):  # KeyError: a compression that Pillow does not know
        return None
    return None if workarounds.is_tiff_misread(image) else image


def _decode_bmp(job: DecodeJob, bmp: BmpBitFields | BmpTwoBits) -> DecodedImage:
    job.check_size(bmp.size_px)
    longest_px = job.scaled_longest_px(bmp.size_px)
    colours = read_colours("bmp", {}, job.view)
    job.reserve_for(
        bmp.size_px,
        cost_model.estimate_bmp_memory_bytes(bmp, longest_px),
        cost_model.estimate_bmp_work_ms(bmp)
        + colour.estimate_colours_ms(colours, fit(bmp.size_px, longest_px)),
    )
    if isinstance(bmp, BmpBitFields):
        image = decode_bmp_bit_fields(job.view, bmp)
    else:
        image = decode_bmp_two_bits(job.view, bmp)
    return DecodedImage(image, bmp.size_px, 1, colours)


def _decode_tiff_samples(job: DecodeJob) -> DecodedImage:
    try:
        tiff = read_tiff_samples(job.view)
    except UnsupportedTiff as error:
        raise JobRefused("unsupported_variant", str(error)) from error
    job.check_size(tiff.size_px)
    longest_px = job.scaled_longest_px(tiff.size_px, tiff.orientation)
    colours = read_colours("tiff", {"icc_profile": tiff.profile}, job.view)
    job.reserve_for(
        tiff.size_px,
        cost_model.estimate_tiff_samples_memory_bytes(tiff, longest_px),
        cost_model.estimate_tiff_samples_work_ms(tiff)
        + colour.estimate_colours_ms(colours, fit(tiff.size_px, longest_px)),
        tiff.orientation,
    )
    image = decode_tiff_samples(job.view, tiff)
    return DecodedImage(image, tiff.size_px, tiff.orientation, colours)


def _open(job: DecodeJob) -> ImageFile.ImageFile:
    file = job.data
    if job.image_format == "png":
        file = PngImageChunks(job.view)
    elif job.image_format == "gif":
        file = open_gif(job)
    elif job.image_format == "bmp":
        file = JoinedInput(find_usual_header(job.view))
    elif job.image_format == "avif" and (offsets := find_repeated_associations(job.view)):
        file = workarounds.AvifWithDistinctAssociations(job.data, offsets)
    return open_image(file, job.image_format)


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
