"""Small images that tests draw, and data: URLs of them."""

import base64
import io
import random

from PIL import Image, ImageDraw

BLUE = (20, 60, 200)


def jpeg(size: tuple[int, int] = (640, 480), colour: str | tuple[int, int, int] = "white") -> bytes:
    """A JPEG of a blue disc on a plain background; on a BLUE one, of nothing."""
    image = Image.new("RGB", size, colour)
    width, height = size
    box = (width // 4, height // 4, width * 3 // 4, height * 3 // 4)
    ImageDraw.Draw(image).ellipse(box, fill=BLUE)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def photograph_like(size: tuple[int, int] = (1224, 816), seed: int = 1) -> bytes:
    """A JPEG of soft patches in many colours with noise: nothing flat, nothing blank."""
    rng = random.Random(seed)
    small = Image.new("RGB", (24, 16))
    small.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(24 * 16)])
    image = small.resize(size, Image.Resampling.BICUBIC)
    image = Image.blend(image, Image.effect_noise(size, 40).convert("RGB"), 0.15)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def data_url(data: bytes, content_type: str = "image/jpeg") -> str:
    """The data: URL of an image's bytes."""
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"
