"""Plain backgrounds."""

import numpy as np
from PIL import Image, ImageDraw

from app.vision.analyse import analyse
from app.vision.background import Background, find_background
from app.vision.oklab import to_oklab
from tests.vision import drawn


def test_a_thin_frame_is_not_a_background():
    """A window with a dark border is not a subject on black."""
    image = Image.new("RGB", (600, 800), "#151515")
    image.paste("white", (10, 40, 590, 790))
    image.paste("#1f5fd0", (250, 200, 350, 300))
    assert analyse(drawn.jpeg(image)).background != "black"


def framed(margin_px: int, top_px: int) -> Background | None:
    """The background of a scene inside a white border."""
    image = Image.new("RGB", (192, 192), "white")
    scene = drawn.noisy_scene().resize((192 - 2 * margin_px, 192 - margin_px - top_px))
    image.paste(scene, (margin_px, top_px))
    return find_background(to_oklab(np.asarray(image)))


def test_the_frame_of_a_picture_is_no_background():
    """What is in it does not stand before a plain wall."""
    assert framed(16, 16) is None


def test_a_box_with_room_above_it_stands_on_a_background():
    assert framed(16, 60) is not None


def test_packs_fill_their_box_and_animals_do_not():
    """What fills it may have a picture on it."""
    pack = Image.new("RGB", (400, 400), "white")
    pack.paste("navy", (100, 60, 300, 340))
    seated = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(seated).polygon([(200, 60), (300, 340), (100, 340)], fill="brown")
    assert analyse(drawn.jpeg(pack)).fills_box
    assert not analyse(drawn.jpeg(seated)).fills_box
    assert not analyse(drawn.jpeg(drawn.noise())).fills_box
