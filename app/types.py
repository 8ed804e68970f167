"""The frozen values that cross from one stage to the next.

`CaptionRequest -> SourceImage -> NormalisedImage -> Draft -> Caption`, one way only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["hero", "inline", "gallery", "product", "link"]


@dataclass(frozen=True, slots=True)
class Style:
    """One register, read from one TOML file. Lengths are characters of the finished caption."""

    name: str
    purpose: str
    """One sentence for GET /v1/styles: who reads the text and where it stands."""
    prompt: str
    """What this style adds to the frame that all styles share."""
    min_chars: int
    aim_chars: int
    """What the prompt asks for."""
    max_chars: int
    warn_over_chars: int | None
    """Longer than this passes with `long_for_screen_readers`."""
    min_sentences: int
    max_sentences: int
    max_word_repeats: int | None
    """A content word may stand this often (`seo`: twice); None: as often as it likes."""
    uses_keywords: bool
    banned: tuple[str, ...]
    """Words and phrases that must never appear, matched as whole words in any case."""
    version: str
    """Changes when the file does: the first 12 hex digits of its SHA-256."""
    instructions: tuple[str, ...]
    """The sentences of the prompt that every picture gets; a draft must not repeat one."""


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
