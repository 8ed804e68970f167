"""What the child's handler makes of a file, as a picture and in figures."""

import io

from PIL import Image

from app.imaging.render import render
from app.workers.handler import JobInput


def see(data, image_format, *, longest=1200, max_pixels=150_000_000, room=lambda *_: None):
    args = {"format": image_format, "longest_edge_px": longest, "max_pixels": max_pixels}
    facts, jpeg = render(JobInput(data), args, room)
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    assert (picture.format, picture.mode) == ("JPEG", "RGB")
    assert picture.size == (facts["sent_width"], facts["sent_height"])
    return picture, facts


def colour_of(data, image_format, at=(0.5, 0.5)):
    picture, _ = see(data, image_format)
    return picture.getpixel((int(picture.width * at[0]), int(picture.height * at[1])))


def is_close(one, two, by=4):
    return all(abs(a - b) <= by for a, b in zip(one, two, strict=True))


def flat(mode, colour, size=(48, 48)):
    return Image.new(mode, size, colour)
