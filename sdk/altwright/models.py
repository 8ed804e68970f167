"""What the server returns, as frozen dataclasses.

Fields have the names of the API's JSON; those that the SDK adds say so. Fields that a newer server
adds are ignored, so that an older SDK still reads its responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from altwright import markup
from altwright.errors import Problem

Role = Literal["hero", "inline", "gallery", "product", "link", "button"]
"""What an image does on its page."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the model server counted them; None if unknown."""

    input_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The image's upright size in pixels, its file, and the size in pixels that the model saw.

    For a local image that was resized before it was sent, they describe the original file.
    """

    width: int
    height: int
    format: str
    bytes: int
    sha256: str
    sent_width: int
    sent_height: int


@dataclass(frozen=True, slots=True)
class Check:
    """What the image says to one claim of a text; `str()` is the claim."""

    kind: str
    """`text`, `colour` or `subject`."""
    claim: str
    """The words of the text."""
    verdict: str
    """`confirmed`, `contradicted`, or `unknown`, which is the default and no doubt."""
    seen: str | None = None
    """What was surely seen of this kind: the text that was read, colours as `name #rrggbb share %`,
    English names of things. None if nothing was, or if the server is an older one."""

    def __str__(self) -> str:
        return self.claim


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption that breaks no hard rule of its style; `str()` is its text."""

    caption: str
    """The text; empty only if `decorative` is true."""
    style: str
    locale: str
    decorative: bool
    """The image carries no information: write `alt=""`."""
    truncated: bool
    """`max_tokens` was reached; the text ends with a complete sentence or word."""
    warnings: tuple[str, ...]
    """Codes of the soft rules that the text breaks."""
    model: str
    usage: Usage
    image: ImageFacts
    metadata: Mapping[str, str]
    checks: tuple[Check, ...] | None = None
    """What the image says to each claim of the text; None if it was not verified."""
    request_id: str | None = field(default=None, compare=False)
    """From the X-Request-ID header: identifies the request in the server's log."""
    cached: bool | None = field(default=None, compare=False)
    """From the X-Cache header; None if the server has no cache."""
    url: str | None = field(default=None, compare=False, repr=False)
    """The URL that was captioned, None for a local image. Not in `repr`: it may be signed."""

    def __str__(self) -> str:
        return self.caption

    @property
    def is_generic(self) -> bool:
        """Whether it is a placeholder, which says nothing that tells this image from others."""
        return "generic" in self.warnings

    def html_alt(self) -> str:
        """The escaped HTML attribute: `alt="White mug"`, or `alt=""` if decorative."""
        return markup.html_attribute("alt", "" if self.decorative else self.caption)

    def og_image(self, url: str | None = None) -> str:
        """Open Graph meta tags for a page's head: the image, its size, and the caption as alt.

        `url` is the image's public URL, by default the URL that was captioned. Raises UsageError
        if there is none, or if it is signed: every reader of the page could use the signature.
        """
        return markup.open_graph_tags(
            markup.choose_public_url(url, self.url),
            alt="" if self.decorative else self.caption,
            size_px=(self.image.width, self.image.height),
        )

    def structured_data(self, url: str | None = None) -> str:
        """A `<script type="application/ld+json">` with schema.org's ImageObject.

        `url` as in `og_image`. Any caption is escaped so that it cannot end the script.
        """
        return markup.image_object_script(
            markup.choose_public_url(url, self.url),
            text="" if self.decorative else self.caption,
            locale=self.locale,
            size_px=(self.image.width, self.image.height),
            image_format=self.image.format,
        )


@dataclass(frozen=True, slots=True)
class FailedCaption:
    """The failure of one of several captions of an image; the others are returned."""

    style: str
    locale: str
    problem: Problem
    """Not raised; raise it yourself if you need to."""


CaptionResult = Caption | FailedCaption
"""One of several captions of an image."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a text that a person or another tool wrote; `str()` is the text."""

    ok: bool
    """The text breaks no hard rule."""
    caption: str
    """The cleaned text."""
    hard: tuple[str, ...]
    """Codes of the hard rules that it breaks."""
    soft: tuple[str, ...]
    """Codes of the soft rules that it breaks."""
    checks: tuple[Check, ...] | None = None
    """What the image says to each claim of the text; None if no image was given."""

    def __str__(self) -> str:
        return self.caption


@dataclass(frozen=True, slots=True)
class StyleLimits:
    """Limits in characters, sentences and repeats of a word; None for no limit."""

    min_chars: int | None
    aim_chars: int | None
    max_chars: int | None
    warn_over_chars: int | None
    min_sentences: int | None
    max_sentences: int | None
    max_word_repeats: int | None


@dataclass(frozen=True, slots=True)
class StyleRule:
    """A rule of a style. Breaking a `hard` one rejects a caption, a `soft` one adds a warning."""

    name: str
    severity: str
    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Style:
    """A style that the server offers; `str()` is its name."""

    name: str
    purpose: str
    limits: StyleLimits
    uses_keywords: bool
    rules: tuple[StyleRule, ...]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class PriceOfTokens:
    """What a million tokens of the server's model cost, by its operator's setting."""

    input: float
    output: float
    currency: str


@dataclass(frozen=True, slots=True)
class ExpectedTokens:
    """What a picture is expected to take of the server's model. An estimate, not a count."""

    model: str
    """As it is configured; `embedded` for the built-in one."""
    image_width: int
    """Of a picture of 4:3 in the size that the model gets."""
    image_height: int
    image_tokens: int | None
    """Without the instructions; None where no formula is known."""
    price: PriceOfTokens | None
    thinks: bool = False
    """Whether it thinks before it writes, which is paid as output. False of an older server."""


@dataclass(frozen=True, slots=True)
class UsagePeriod:
    """A calendar month in UTC."""

    start: datetime
    end: datetime
    """The first moment of the next month."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What tokens cost by the prices that the server's operator named."""

    currency: str
    amount: float


@dataclass(frozen=True, slots=True)
class Quota:
    """How many captions a key may get in the current month."""

    limit: int
    remaining: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class UnknownUsage:
    """Captions whose tokens or cost are not known, and so in no sum."""

    tokens: int
    cost: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What one key used in one month; `str()` is the name of the key."""

    key: str
    period: UsagePeriod
    requests: int
    captions: Mapping[str, int]
    """By outcome: `caption`, `decorative`, each code of a problem, and `client_gone`."""
    input_tokens: int
    output_tokens: int
    cost: Cost | None
    """None if no tokens with a price were used, or prices have several currencies."""
    quota: Quota | None
    """None if the key has none, and for other months than the current one."""
    unknown: UnknownUsage

    def __str__(self) -> str:
        return self.key
