"""Handler that normalises an image in a child process: a file in, a small upright sRGB JPEG out.

The server's side is normaliser.py.
"""

import io
from typing import Any

from PIL import Image

from app.imaging import colour, model_image, resize
from app.imaging.decoders import decode
from app.imaging.decoders.types import DecodedImage, DecodeJob
from app.imaging.geometry import choose_scaled_longest, is_small_source, turn_upright
from app.workers.errors import JobRefused
from app.workers.handler import JobInput, JsonValue, Reserve

JPEG_QUALITY = 85
"""Quality of the JPEG that a model sees. Encoding loses more than scaling does: at 85, an image
that was scaled the cheap way is nearer to the source than a perfectly scaled one at 80."""

# How an image with EXIF orientation 2 to 8 is made upright.
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_WARM_UP_IMAGES = (
    ("jpeg", "RGB"), ("png", "P"), ("webp", "RGBA"), ("gif", "P"), ("tiff", "CMYK"),
)  # fmt: skip


def warm_up() -> None:
    """Decode one small image of each kind, so that everything is imported before the first job."""
    decode.warm_up()
    for image_format, mode in _WARM_UP_IMAGES:
        file = io.BytesIO()
        Image.new(mode, (8, 8)).save(file, image_format)
        args = {"format": image_format, "longest_edge_px": 4, "max_pixels": 100}
        normalise_job(JobInput(file.getvalue()), args, lambda *_: None)
    colour.convert_to_srgb(Image.new("LAB", (1, 1)), colour.Colours())


def normalise_job(
    data: JobInput, args: dict[str, Any], reserve: Reserve
) -> tuple[dict[str, JsonValue], bytes]:
    """Normalise the image in `data`.

    `args` are format (as sniffed), longest_edge_px and max_pixels. Returns width and height of the
    upright source, sent_width and sent_height, is_small_source, and the JPEG. Where models would
    refuse that image, the bytes of a second JPEG for them follow those of the first, and the facts
    have its model_width and model_height, and jpeg_bytes of the first. Raises JobRefused with a
    code of `decode`.
    """
    longest_px = int(args["longest_edge_px"])
    decoded = decode.decode(
        DecodeJob(
            image_format=args["format"],
            data=data,
            longest_px=longest_px,
            max_pixels=int(args["max_pixels"]),
            reserve=reserve,
        )
    )
    try:
        image = _finish(decoded, longest_px)
        for_models = model_image.fit_for_models(image, longest_px)
    except (ValueError, OSError, SyntaxError) as error:
        raise JobRefused("corrupt", f"{type(error).__name__}: {error}") from error
    width, height = turn_upright(decoded.size_px, decoded.orientation)
    jpeg = _encode(image)
    facts: dict[str, JsonValue] = {
        "width": width,
        "height": height,
        "sent_width": image.width,
        "sent_height": image.height,
        "is_small_source": is_small_source((width, height), image.size, longest_px),
    }
    if for_models is image:
        return facts, jpeg
    facts |= {
        "model_width": for_models.width,
        "model_height": for_models.height,
        "jpeg_bytes": len(jpeg),
    }
    return facts, jpeg + _encode(for_models)


def _encode(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return file.getvalue()


def _finish(decoded: DecodedImage, longest_px: int) -> Image.Image:
    """Scale down, convert to sRGB, turn upright, crop a tall page, and remove all metadata."""
    image = decoded.image
    upright_px = turn_upright(decoded.size_px, decoded.orientation)
    to_px = choose_scaled_longest(upright_px, longest_px)
    small, alpha = _shrink(image, to_px, decoded.colours)
    rgb = colour.convert_to_srgb(small, decoded.colours, alpha)
    transpose = _TRANSPOSE.get(decoded.orientation)
    if transpose is not None:
        rgb = rgb.transpose(transpose)
    rgb = model_image.crop_tall_page(rgb, longest_px)
    if rgb is image:
        rgb = image.copy()  # saving an image that was opened from a file uses that file
    rgb.info = {}  # comment, profile and resolution would be written to the JPEG
    return rgb


def _shrink(
    image: Image.Image, to_px: int, colours: colour.Colours
) -> tuple[Image.Image, Image.Image | None]:
    """The image scaled down; its alpha too, where its colours must be converted before white."""
    flatten = colour.choose_flatten(image)
    if not (colour.has_alpha(image) and colours.change_something()) or image.mode.startswith("I"):
        return resize.shrink(image, to_px, flatten), None
    alpha = resize.shrink(image, to_px, colour.extract_alpha)
    if alpha.size == image.size:
        return colour.drop_alpha(image), alpha
    return colour.remove_white(resize.shrink(image, to_px, flatten), alpha), alpha
