"""Plain backgrounds."""

from PIL import Image

from app.vision.analyse import analyse
from tests.vision import drawn


def test_a_thin_frame_is_not_a_background():
    """A window with a dark border is not a subject on black."""
    image = Image.new("RGB", (600, 800), "#151515")
    image.paste("white", (10, 40, 590, 790))
    image.paste("#1f5fd0", (250, 200, 350, 300))
    assert analyse(drawn.jpeg(image)).background != "black"
