"""The frozen values that the steps of the pipeline pass on.

`CaptionRequest -> SourceImage -> NormalisedImage -> Draft -> Caption`, in one direction only.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal

from app.token_use import TokenPrice, TokenUse

CheckKind = Literal["text", "colour", "subject"]
CheckVerdict = Literal["confirmed", "contradicted", "unknown"]
VerifyMode = Literal["off", "warn", "enforce"]
"""What a contradicted claim of a caption is: nothing, a warning, or a hard rule."""
Role = Literal["hero", "inline", "gallery", "product", "link", "button"]


@dataclass(frozen=True, slots=True)
class Style:
    """A caption style, from one TOML file. Lengths are characters of the finished caption."""

    name: str
    purpose: str
    """One sentence for GET /v1/styles: who reads the text, and where."""
    prompt: str
    """What this style adds to the prompt that all styles share."""
    min_chars: int
    aim_chars: int
    """The length that the prompt asks for."""
    max_chars: int
    warn_over_chars: int | None
    """A longer caption passes with the warning `long_for_screen_readers`."""
    min_sentences: int
    max_sentences: int
    max_word_repeats: int | None
    """How often a content word may occur (`seo`: twice); None: no limit."""
    uses_keywords: bool
    banned: tuple[str, ...]
    """Words and phrases that must not occur, matched as whole words in any case."""
    version: str
    """The first 12 hex digits of the file's SHA-256."""
    instructions: tuple[str, ...]
    """The sentences that the prompt has for every image; a draft must not repeat one."""


UploadedImage = AbstractAsyncContextManager["SourceImage"]
"""A file that came with the request. It is opened once, and its memory freed at the block's end."""


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """One caption that a caller asked for. Validated: the style exists, the locale is a tag."""

    image_url: str
    """Only a stand-in where there is an `upload`."""
    style: str
    max_tokens: int = 64
    locale: str = "en"
    context: str | None = None
    role: Role | None = None
    keywords: tuple[str, ...] = ()
    visible_text: str | None = None
    """Text beside the image that readers get anyway."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    verify: VerifyMode = "off"
    """Whether the caption is held against the picture."""
    caller: str = ""
    """The caller's name, for fair queueing."""
    upload: UploadedImage | None = None


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image as the origin sent it. Only its first bytes have been checked, for `format`."""

    data: bytes | memoryview
    format: str
    """jpeg, png, webp, gif, bmp, tiff, avif or heic."""
    host: str = ""
    """The origin's host after redirects; empty for a data: URL."""


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """Facts of a source image for the response: size when upright, bytes, SHA-256 in hex."""

    width_px: int
    height_px: int
    format: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelImage:
    """A JPEG of a size that every model takes."""

    jpeg: bytes
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class NormalisedImage:
    """What a captioner sees: upright, sRGB, opaque, without metadata."""

    jpeg: bytes
    width_px: int
    height_px: int
    source: SourceFacts
    enlarged_or_padded: ModelImage | None = None
    """The same image for model servers, where they would refuse its size."""
    is_small_source: bool = False
    """A captioner can see little of it: it was small, cropped, or scaled down until narrow."""

    @property
    def for_models(self) -> ModelImage:
        """The image that is sent to a model server."""
        return self.enlarged_or_padded or ModelImage(self.jpeg, self.width_px, self.height_px)


@dataclass(frozen=True, slots=True)
class Draft:
    """A captioner's raw text, not yet cleaned or validated."""

    text: str
    model: str
    cut: bool = False
    """The model stopped at its token ceiling."""
    had_headroom: bool = False
    """The model was allowed more tokens than the caption, so validation enforces the ceiling."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    sent_px: tuple[int, int] | None = None
    """Width and height of what the model saw; None: those of the normalised image."""
    is_complete: bool = True
    """False where a part of the work failed that another try may do: not to be cached."""
    served_model: str | None = None
    """The model that its server says has answered; None: `model`, as it is configured."""
    price: TokenPrice | None = None
    """Of the tokens of the model that wrote it; None where the operator named none."""
    is_free: bool = False
    """No model was called, so it took no tokens."""
    is_fallbacks: bool = False
    """A fallback wrote it, which may be the same model elsewhere."""
    earlier_uses: tuple[TokenUse, ...] = ()
    """Of calls before it, to this or other models, which gave no draft that was taken."""

    def token_uses(self) -> tuple[TokenUse, ...]:
        """The tokens that it and the calls before it took."""
        if self.is_free:
            return self.earlier_uses
        return (*self.earlier_uses, TokenUse(self.input_tokens, self.output_tokens, self.price))


@dataclass(frozen=True, slots=True)
class Check:
    """What the picture says to one claim of a caption."""

    kind: CheckKind
    claim: str
    """The words of the caption."""
    verdict: CheckVerdict
    seen: str | None = None
    """What was surely seen of this kind: the text that was read, colours with their shares, names
    of things. None where nothing was."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption that breaks no hard rule of its style: ready to store."""

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
    """Whether it came from the cache or from an equal request; None without a cache."""
    is_complete: bool = True
    """As in Draft."""
    is_fallbacks: bool = False
    """As in Draft."""
    checks: tuple[Check, ...] | None = None
    """What the picture says to its claims; None where it was not held against the picture."""
    served_model: str | None = None
    """As in Draft."""
    token_uses: tuple[TokenUse, ...] = ()
    """Of the drafts that were made for it; none of one that was shared or cached."""

    @property
    def answering_model(self) -> str:
        """The `model` of the response: an alias is resolved where the server says by which."""
        return self.served_model or self.model
