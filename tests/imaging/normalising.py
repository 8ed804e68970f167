"""The handler run in this process, and comparisons of images and colours."""

import io

from PIL import Image

from app.imaging.normalise_handler import normalise_job
from app.workers.handler import JobInput
from tests.imaging.image_files import P3_TO_XYZ


def normalise(data, image_format, *, longest=1200, max_pixels=150_000_000, reserve=lambda *_: None):
    """Normalise a file: the image that a model would see, and the facts."""
    args = {"format": image_format, "longest_edge_px": longest, "max_pixels": max_pixels}
    facts, jpeg = normalise_job(JobInput(data), args, reserve)
    image = Image.open(io.BytesIO(jpeg))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert image.size == (facts["sent_width"], facts["sent_height"])
    return image, facts


def normalised_colour(data, image_format, at=(0.5, 0.5)):
    """The colour at a place of the normalised image; 0 to 1 from the upper left corner."""
    image, _ = normalise(data, image_format)
    return image.getpixel((int(image.width * at[0]), int(image.height * at[1])))


def is_close(one, two, by=4):
    """Whether two colours differ by at most so many levels."""
    return all(abs(a - b) <= by for a, b in zip(one, two, strict=True))


def solid(mode, colour, size=(48, 48)):
    """An image of one colour."""
    return Image.new(mode, size, colour)


def mean_difference(one, two):
    """Mean absolute difference of two images, in levels."""
    pairs = zip(one.convert("L").tobytes(), two.convert("L").tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / (one.width * one.height)


def p3_in_srgb(colour, gamma=2.2):
    """A Display P3 colour in sRGB by the standards: XYZ (D50), linear sRGB, encoded."""
    linear = [(value / 255) ** gamma for value in colour]
    x, y, z = (sum(m * v for m, v in zip(row, linear, strict=True)) for row in P3_TO_XYZ)
    # The inverse of sRGB's own matrix at D50 (Lindbloom).
    rgb = (
        3.1338561 * x - 1.6168667 * y - 0.4906146 * z,
        -0.9787684 * x + 1.9161415 * y + 0.0334540 * z,
        0.0719453 * x - 0.2289914 * y + 1.4052427 * z,
    )
    return [
        round(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055))
        for v in (min(1, max(0, v)) for v in rgb)
    ]
