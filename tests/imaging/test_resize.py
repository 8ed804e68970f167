"""Scaling an image down."""

from PIL import Image

from app.imaging.resize import shrink


def test_every_length_can_be_scaled_into_the_bounds():
    """0.75 to 1.0 of the limit, by blocks and a filter, for sources up to ten times as long."""
    for longest in range(64, 700):
        small = shrink(Image.new("L", (longest, 8)), 64, lambda strip: strip)
        assert 48 <= small.width <= 64, longest
        assert small.height >= 1
