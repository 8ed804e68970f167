"""What the server answers, as small frozen values.

The fields are those of the contract, by the same names; what the SDK adds says so. A field that a
newer server adds is left out, so that an older SDK goes on reading its answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from altwright import markup
from altwright.errors import Problem


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the model's server counted them; None where unknown."""

    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The source, seen upright, in pixels and bytes; and the size in pixels that the model saw.

    Of a local picture that was shrunk before it was sent, these are the facts of your file.
    """

    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    sent_width: int
    sent_height: int


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption that obeys every hard rule of its style; `str()` is its text."""

    caption: str
    """The text; empty only where `decorative` is true."""
    style: str
    locale: str
    decorative: bool
    """The picture carries no information: write `alt=""`."""
    truncated: bool
    """The ceiling cut the model off; the text ends at a whole sentence or word."""
    warnings: tuple[str, ...]
    """Codes of soft rules that the text breaks."""
    model: str
    usage: Usage
    image: ImageFacts
    metadata: Mapping[str, str]
    request_id: str | None = field(default=None, compare=False)
    """From the answer's X-Request-ID: what the server's log calls the request."""
    cached: bool | None = field(default=None, compare=False)
    """From X-Cache; None where the server has no cache."""
    url: str | None = field(default=None, compare=False, repr=False)
    """The URL that was asked for, None for a local picture. Not shown: it may be signed."""

    def __str__(self) -> str:
        return self.caption

    def html_alt(self) -> str:
        """The whole attribute, escaped: `alt="White mug"`, or `alt=""` where decorative."""
        return markup.attribute("alt", "" if self.decorative else self.caption)

    def og_image(self, url: str | None = None) -> str:
        """Open Graph's meta tags for a page's head: the picture, its size, and the caption as alt.

        `url` is where the picture is online, by default the URL that was captioned. Raises
        UsageError if there is none, or if it is signed: every reader of the page could use it.
        """
        return markup.open_graph(
            markup.public_url(url, self.url),
            alt="" if self.decorative else self.caption,
            size_px=(self.image.width, self.image.height),
        )

    def structured_data(self, url: str | None = None) -> str:
        """A `<script type="application/ld+json">` with schema.org's ImageObject.

        `url` as in `og_image`. Safe inside HTML whatever the caption says.
        """
        return markup.image_object(
            markup.public_url(url, self.url),
            text="" if self.decorative else self.caption,
            locale=self.locale,
            size_px=(self.image.width, self.image.height),
            image_format=self.image.format,
        )


@dataclass(frozen=True, slots=True)
class FailedCaption:
    """One of several captions of a picture that failed; the others are not lost."""

    style: str
    locale: str
    problem: Problem
    """Not raised; raise it where you want to."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of a text that a person or another tool wrote; `str()` is the text."""

    ok: bool
    """No hard rule is broken."""
    caption: str
    """The text as cleaning leaves it."""
    hard: tuple[str, ...]
    soft: tuple[str, ...]

    def __str__(self) -> str:
        return self.caption


@dataclass(frozen=True, slots=True)
class StyleLimits:
    """Lengths in characters and sentences; None where the style has no such limit."""

    min_chars: int | None
    aim_chars: int | None
    max_chars: int | None
    warn_over_chars: int | None
    min_sentences: int | None
    max_sentences: int | None
    max_word_repeats: int | None


@dataclass(frozen=True, slots=True)
class StyleRule:
    """A rule that captions of a style keep: `hard` ones always, `soft` ones with a warning."""

    name: str
    severity: str
    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Style:
    """A style that the server accepts; `str()` is its name."""

    name: str
    purpose: str
    limits: StyleLimits
    uses_keywords: bool
    rules: tuple[StyleRule, ...]

    def __str__(self) -> str:
        return self.name
