"""An image decoded and reduced to the two sizes that the analysis works on."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from app.vision.filters import Plane, edge_strength, gradients
from app.vision.oklab import OklabPixels, to_oklab

COARSE_EDGE_PX = 192
"""Longest edge for colours and layout: at most 37,000 pixels, named in 10 ms."""
FINE_EDGE_PX = 512
"""Longest edge for sharpness, lines and texture: a 1200 px page of text still has its rows."""


@dataclass(frozen=True, slots=True)
class ReducedImage:
    """An image in two sizes, neither of them enlarged."""

    width_px: int
    """Of the original."""
    height_px: int
    """Of the original."""
    coarse: OklabPixels
    """At most COARSE_EDGE_PX long."""
    fine: OklabPixels
    """At most FINE_EDGE_PX long."""
    fine_edges: Plane
    """`edge_strength` of `fine`."""
    fine_gradients: tuple[Plane, Plane]
    """`gradients` of the lightness of `fine`."""

    @property
    def aspect_ratio(self) -> float:
        """Width divided by height."""
        return self.width_px / self.height_px


def reduce_image(encoded: bytes) -> ReducedImage:
    """Decodes a JPEG or PNG and reduces it. Raises OSError or ValueError if that fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG"))
    width_px, height_px = image.size
    # libjpeg decodes at a half or a quarter in much less time, but not below FINE_EDGE_PX.
    image.draft("RGB", (FINE_EDGE_PX, FINE_EDGE_PX))
    fine_rgb = _shrink(image.convert("RGB"), FINE_EDGE_PX)
    coarse_rgb = _shrink(fine_rgb, COARSE_EDGE_PX)
    fine = to_oklab(np.asarray(fine_rgb))
    return ReducedImage(
        width_px=width_px,
        height_px=height_px,
        coarse=to_oklab(np.asarray(coarse_rgb)),
        fine=fine,
        fine_edges=edge_strength(fine),
        fine_gradients=gradients(fine[..., 0]),
    )


def _shrink(image: Image.Image, longest_edge_px: int) -> Image.Image:
    """At most `longest_edge_px` long. BOX averages areas, so that flat areas have no ringing."""
    factor = longest_edge_px / max(image.size)
    if factor >= 1:
        return image
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BOX)
