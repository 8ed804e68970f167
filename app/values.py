"""The frozen values that cross from one stage to the next.

`CaptionRequest -> SourceImage -> NormalisedImage -> Draft -> Caption`, one way only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["hero", "inline", "gallery", "product", "link"]


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """One job as the caller asked it, valid in form; the style is known, the locale is a tag."""

    image_url: str
    style: str
    max_tokens: int = 64
    locale: str = "en"
    context: str | None = None
    role: Role | None = None
    keywords: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    caller: str = ""
    """Whose job it is: callers take turns where work has to wait."""


@dataclass(frozen=True, slots=True)
class SourceImage:
    """What the origin sent. It begins like `format`, one that we decode; no more is known."""

    data: bytes | memoryview
    format: str
    """jpeg, png, webp, gif, bmp, tiff, avif or heic."""
    host: str = ""
    """Where it came from, after redirects; empty for a data URL."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What there is to say of the source: size in pixels as seen upright, bytes, SHA-256 in hex."""

    width_px: int
    height_px: int
    format: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class NormalisedImage:
    """What a captioner sees: upright, sRGB, opaque, without metadata."""

    jpeg: bytes
    width_px: int
    height_px: int
    source: SourceFacts


@dataclass(frozen=True, slots=True)
class Draft:
    """A captioner's own words, not yet cleaned or judged."""

    text: str
    model: str
    cut: bool = False
    """The token ceiling ended it."""
    had_headroom: bool = False
    """More tokens than the caption's ceiling were allowed, so `validate` must hold the ceiling."""
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """Checked against every hard rule of its style: ready to store."""

    text: str
    style: str
    locale: str
    decorative: bool
    truncated: bool
    warnings: tuple[str, ...]
    model: str
    input_tokens: int | None
    output_tokens: int | None
    source: SourceFacts
    sent_width_px: int
    sent_height_px: int
    cached: bool | None = None
    """Whether it was remembered or a twin's; None where no cache is configured."""
