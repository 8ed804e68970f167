"""The child's side of normalising: foreign bytes in, one small upright sRGB JPEG out.

`render` is the handler that `normalise.py` calls; it runs where nothing can be opened or reached.
"""

import io
from typing import Any

from PIL import Image

from app.imaging import colour, resize
from app.imaging.decoders import decode
from app.workers.errors import JobRefused
from app.workers.handler import JobInput, JsonValue, Reserve

QUALITY = 85
"""JPEG quality of what a model sees. What is lost here is most of what is lost at all: at 85 a
picture that was scaled the cheap way is nearer to the source than a perfect one at 80."""

# What turns a picture stored with EXIF orientation 2 to 8 upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})

_PRACTICE = (("jpeg", "RGB"), ("png", "P"), ("webp", "RGBA"), ("gif", "P"), ("tiff", "CMYK"))


def warm_up() -> None:
    """Do everything once, so that nothing is imported or looked for when a job comes."""
    decode.warm_up()
    for image_format, mode in _PRACTICE:
        file = io.BytesIO()
        Image.new(mode, (8, 8)).save(file, image_format)
        practice = {"format": image_format, "longest_edge_px": 4, "max_pixels": 100}
        render(JobInput(file.getvalue()), practice, lambda *_: None)
    colour.to_srgb(Image.new("LAB", (1, 1)), None, None)


def render(
    data: JobInput, args: dict[str, Any], room: Reserve
) -> tuple[dict[str, JsonValue], bytes]:
    """Normalise the picture in `data`.

    `args`: format (as sniffed), longest_edge_px, max_pixels. Answers width and height of the
    source as seen upright, sent_width and sent_height, and the JPEG. Raises JobRefused, code
    too_large, corrupt, costly or unsupported.
    """
    longest_px = int(args["longest_edge_px"])
    decoded = decode.decode(
        args["format"],
        data,
        longest_edge_px=longest_px,
        max_pixels=int(args["max_pixels"]),
        room=room,
    )
    try:
        picture = _finish(decoded, longest_px)
    except (ValueError, OSError, SyntaxError) as error:
        raise JobRefused("corrupt", f"{type(error).__name__}: {error}") from error
    width, height = decoded.size_px
    if decoded.orientation in _SIDEWAYS:
        width, height = height, width
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, subsampling="4:2:0")
    facts: dict[str, JsonValue] = {
        "width": width,
        "height": height,
        "sent_width": picture.width,
        "sent_height": picture.height,
    }
    return facts, file.getvalue()


def _finish(decoded: decode.Decoded, longest_px: int) -> Image.Image:
    picture = decoded.picture
    info = picture.info
    gamma = None if "srgb" in info else info.get("gamma")
    small = resize.shrink(picture, longest_px, colour.flattener(picture))
    rgb = colour.to_srgb(small, info.get("icc_profile"), gamma)
    turn = _UPRIGHT.get(decoded.orientation)
    if turn is not None:
        rgb = rgb.transpose(turn)
    if rgb is picture:
        rgb = picture.copy()  # saving a picture that came from a file looks for that file
    rgb.info = {}  # comment, profile and resolution would be written along
    return rgb
