"""Tokens of a picture before it is sent, by the formulas that providers publish.

A rule is data of a provider's file. Each counts the picture alone: what the prompt and the server's
own template add is not in it.
"""

import math
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Size = tuple[int, int]
"""Width and height in pixels."""


ImageDetail = Literal["low", "high", "auto", "original"]
"""How closely a model looks, where its provider has that parameter."""


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def count_low_detail(self, size: Size) -> int | None:  # noqa: ARG002 - others need it
        """Tokens of a picture with `detail: low`; None where no document says."""
        return None


class PatchTokens(_Rule):
    """OpenAI: squares of 32 px, times a factor; shrunk where there are too many squares."""

    rule: Literal["patches"]
    patch_px: int = Field(32, ge=8, le=64)
    multiplier: float = Field(1.0, gt=0, le=100)
    max_patches: int | None = Field(None, ge=1)
    max_edge_px: int | None = Field(None, ge=64)
    low_edge_px: int | None = Field(None, ge=64)
    """The longer side with `detail: low`."""

    def count(self, size: Size) -> int:
        """Tokens of a picture of this size."""
        width, height = _fit(size, self.max_edge_px)
        patches = self._patches(width, height)
        if self.max_patches is not None and patches > self.max_patches:
            scale = math.sqrt(self.max_patches * self.patch_px**2 / (width * height))
            sides = [side * scale / self.patch_px for side in (width, height)]
            # Whole squares along the side that loses the larger part of one.
            scale *= min(math.floor(side) / side for side in sides)
            patches = self._patches(width * scale, height * scale)
        return self._tokens(patches)

    def count_low_detail(self, size: Size) -> int | None:
        """Tokens of a picture that is scaled down to `low_edge_px`."""
        if self.low_edge_px is None:
            return None
        return self._tokens(self._patches(*_fit(size, self.low_edge_px)))

    def _tokens(self, patches: int) -> int:
        return math.ceil(patches * self.multiplier - 1e-9)

    def _patches(self, width: float, height: float) -> int:
        return _count(width, self.patch_px) * _count(height, self.patch_px)


class BoundedPatchTokens(_Rule):
    """Claude: squares of 28 px of the largest picture of that ratio within both limits."""

    rule: Literal["bounded_patches"]
    patch_px: int = Field(28, ge=8, le=64)
    max_patches: int = Field(ge=1)
    max_edge_px: int = Field(ge=64)

    def count(self, size: Size) -> int:
        """Tokens of a picture of this size."""
        return self._patches(self.sent_size(size))

    def sent_size(self, size: Size) -> Size:
        """What the model sees: the picture, scaled down until it is within both limits."""
        longest = max(size)
        low, high = 1, min(longest, self.max_edge_px)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self._patches(_scale_to(size, middle)) <= self.max_patches
            low, high = (middle, high) if fits else (low, middle - 1)
        return _scale_to(size, low)

    def _patches(self, size: Size) -> int:
        return math.ceil(size[0] / self.patch_px) * math.ceil(size[1] / self.patch_px)


class TileTokens(_Rule):
    """GPT-4o and others before the patches: tiles of 512 px after two scalings, and a base."""

    rule: Literal["tiles"]
    base: int = Field(ge=0)
    per_tile: int = Field(ge=1)
    tile_px: int = Field(512, ge=64)
    max_edge_px: int = Field(2048, ge=64)
    short_edge_px: int = Field(768, ge=64)

    def count(self, size: Size) -> int:
        """Tokens of a picture of this size."""
        width, height = _fit(size, self.max_edge_px)
        scale = min(1.0, self.short_edge_px / min(width, height))
        tiles = _count(width * scale, self.tile_px) * _count(height * scale, self.tile_px)
        return self.base + self.per_tile * tiles

    def count_low_detail(self, size: Size) -> int:  # noqa: ARG002 - every rule has the same form
        """The base alone: the model gets the picture in one piece of 512 px."""
        return self.base


class CropTokens(_Rule):
    """Gemini before version 3: 258 for a small picture, else for each crop of two thirds."""

    rule: Literal["crops"]
    per_crop: int = Field(258, ge=1)
    small_px: int = Field(384, ge=1)

    def count(self, size: Size) -> int:
        """Tokens of a picture of this size. Google calls the formula rough."""
        if max(size) <= self.small_px:
            return self.per_crop
        crop_px = max(1, math.floor(min(size) / 1.5))
        return self.per_crop * math.ceil(size[0] / crop_px) * math.ceil(size[1] / crop_px)


class MergedPatchTokens(_Rule):
    """Qwen-VL: sides rounded to whole squares, within a least and a largest number of pixels."""

    rule: Literal["merged_patches"]
    patch_px: int = Field(28, ge=8, le=64)
    min_pixels: int = Field(3_136, ge=1)
    max_pixels: int = Field(12_845_056, ge=1)
    extra: int = Field(2, ge=0)
    """Marks around the picture."""

    def count(self, size: Size) -> int:
        """Tokens of a picture of this size."""
        patch_px, pixels = self.patch_px, size[0] * size[1]
        sides = [max(patch_px, round(side / patch_px) * patch_px) for side in size]
        rounded = sides[0] * sides[1]
        to_whole: Callable[[float], int] | None = None
        if rounded > self.max_pixels:
            scale, to_whole = math.sqrt(self.max_pixels / pixels), math.floor
        elif rounded < self.min_pixels:
            scale, to_whole = math.sqrt(self.min_pixels / pixels), math.ceil
        if to_whole is not None:
            sides = [max(patch_px, to_whole(side * scale / patch_px) * patch_px) for side in size]
        return sides[0] * sides[1] // patch_px**2 + self.extra


class GridTokens(_Rule):
    """Llama vision models at Together: a grid of at most two by two tiles of 560 px."""

    rule: Literal["grid"]
    per_tile: int = Field(1_601, ge=1)
    tile_px: int = Field(560, ge=64)
    max_tiles_a_side: int = Field(2, ge=1)

    def count(self, size: Size) -> int:
        """Tokens of a picture of this size."""
        tiles = [min(self.max_tiles_a_side, side // self.tile_px + 1) for side in size]
        return self.per_tile * tiles[0] * tiles[1]


class FixedTokens(_Rule):
    """Gemini from version 3 on: at most so many, whatever the size."""

    rule: Literal["at_most"]
    tokens: int = Field(ge=1)

    def count(self, size: Size) -> int:  # noqa: ARG002 - every rule has the same form
        """The most tokens of any picture."""
        return self.tokens


ImageTokenRule = Annotated[
    PatchTokens | BoundedPatchTokens | TileTokens | CropTokens | MergedPatchTokens | GridTokens
    | FixedTokens,
    Field(discriminator="rule"),
]  # fmt: skip


def _fit(size: Size, max_edge_px: int | None) -> tuple[float, float]:
    scale = 1.0 if max_edge_px is None else min(1.0, max_edge_px / max(size))
    return size[0] * scale, size[1] * scale


def _scale_to(size: Size, longest: int) -> Size:
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _count(side: float, part_px: int) -> int:
    """Parts that a side needs. Scaled, 44 squares of 32 px are 1,408.0000000002 px."""
    return math.ceil(round(side / part_px, 6))
