"""Synthetic photographs: detail at every scale, edges and grain; the same on every machine.

The cost of decoding depends on how much a file holds, so these have the bit rate of camera files:
3.2 bits a pixel at 1 megapixel, 2.4 at 12. Once drawn they are kept in build/bench/.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw

FOLDER = Path(__file__).parents[1] / "build/bench/photographs"

SIZES = {
    "1mp": (1224, 816),
    "2mp": (1632, 1224),
    "12mp": (4000, 3000),
    "24mp": (6000, 4000),
    "42mp": (7952, 5304),
}
"""Width and height in pixels."""

_COARSEST_PX = 12
_CONTRAST, _CONTRAST_FALLOFF = 60.0, 0.71
"""Standard deviation of the coarsest detail, and the factor for each halving of the scale."""
_COLOURED_SCALES = 5
"""Finer detail is grey, as it mostly is in photographs."""
_GRAIN = 6.0
_EDGES = 40


@dataclass(frozen=True, slots=True)
class Photograph:
    """One file to decode."""

    size: str
    """A key of SIZES."""
    kind: str
    """`baseline` or `progressive` (both JPEG), `png` or `webp`."""

    @property
    def path(self) -> Path:
        """Where the file is kept."""
        suffix = {"baseline": ".jpg", "progressive": ".progressive.jpg"}.get(
            self.kind, f".{self.kind}"
        )
        return FOLDER / f"{self.size}{suffix}"

    @property
    def format(self) -> str:
        """The name of the file format in lower case."""
        return self.kind if self.kind in ("png", "webp") else "jpeg"


def draw_missing(wanted: Sequence[Photograph]) -> None:
    """Draw the files that do not exist yet. 42 megapixels take half a minute."""
    for size, size_px in SIZES.items():
        missing = [one for one in wanted if one.size == size and not one.path.exists()]
        if not missing:
            continue
        FOLDER.mkdir(parents=True, exist_ok=True)
        image = draw(size_px)
        for one in missing:
            unfinished = one.path.with_suffix(f".{os.getpid()}")  # another process may draw it too
            _save(image, unfinished, one.kind)
            unfinished.rename(one.path)


def draw(size_px: tuple[int, int]) -> Image.Image:
    """Draw a photograph of this size; equal sizes give equal pixels."""
    rng = np.random.default_rng(7)
    scales = [size_px]
    while max(scales[0]) > _COARSEST_PX:
        width, height = scales[0]
        scales.insert(0, (max(1, -(-width // 2)), max(1, -(-height // 2))))
    image = Image.new("RGB", scales[0], (118, 122, 112))
    contrast = _CONTRAST
    for number, scale in enumerate(scales):
        image = image.resize(scale, Image.Resampling.BICUBIC)
        if scale == size_px:
            _draw_edges(image, rng)
            contrast = max(contrast, _GRAIN)
        detail = _noise(rng, scale, contrast, coloured=number < _COLOURED_SCALES)
        image = ImageChops.add(image, detail, offset=-128)
        contrast *= _CONTRAST_FALLOFF
    return image


def _noise(
    rng: np.random.Generator, size_px: tuple[int, int], contrast: float, *, coloured: bool
) -> Image.Image:
    width, height = size_px
    shape = (height, width, 3) if coloured else (height, width)
    samples = rng.standard_normal(shape, dtype=np.float32) * contrast + 128.5
    noise = Image.fromarray(np.clip(samples, 0, 255).astype(np.uint8))
    return noise if coloured else Image.merge("RGB", (noise,) * 3)


def _draw_edges(image: Image.Image, rng: np.random.Generator) -> None:
    width, height = image.size
    pen = ImageDraw.Draw(image)
    for _ in range(_EDGES):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        reach = max(2, int(rng.integers(width // 60, width // 8)))
        corners = [
            (x + int(rng.integers(-reach, reach)), y + int(rng.integers(-reach, reach)))
            for _ in range(int(rng.integers(3, 7)))
        ]
        red, green, blue = (int(value) for value in rng.integers(20, 235, 3))
        pen.line([*corners, corners[0]], fill=(red, green, blue), width=max(1, width // 600))


def _save(image: Image.Image, path: Path, kind: str) -> None:
    if kind == "png":
        image.save(path, "PNG", compress_level=6)
    elif kind == "webp":
        image.save(path, "WEBP", quality=82, method=2)
    else:
        image.save(path, "JPEG", quality=88, progressive=kind == "progressive")
