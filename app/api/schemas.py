"""Schemas of request and response bodies. The contract made from them is openapi/openapi.json."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from app.api.problems import problem_body
from app.errors import CaptionError
from app.types import Caption, CaptionRequest, Check, CheckKind, CheckVerdict, Role, VerifyMode
from app.validation.language_tags import parse_locale
from app.validation.rules import RULES
from app.validation.verdict import Verdict
from app.verification.verifier import VERIFICATION_CODES

MAX_URL_CHARS = 8_192
"""Signed URLs are long. 8 KiB is the usual limit of a request line, so no CDN signs longer ones."""
_URL_WHITE_SPACE = " \t\n\f\r"
"""At the ends it is no part of a URL (WHATWG). It comes with lines of files and cells of tables."""
MAX_RESULTS = 12
"""Styles times locales of one request."""
_VISIBLE_TEXT_MAX_CHARS = 500
_SOFT_CODES = [rule.code for rule in RULES if rule.severity == "soft"]
# Later versions may add codes, so the lists are open: a client must accept any string.
SoftCode = Annotated[
    str,
    Field(json_schema_extra={"x-extensible-enum": [*_SOFT_CODES, *VERIFICATION_CODES.values()]}),
]
WarningCode = Annotated[
    str,
    Field(
        json_schema_extra={
            "x-extensible-enum": [*_SOFT_CODES, "small_source", *VERIFICATION_CODES.values()]
        }
    ),
]
_EXAMPLE_IMAGE_URL = "https://images.example.com/mug.jpg"

_EXAMPLE_RESPONSE: JsonDict = {
    "caption": "White ceramic mug with a blue rim on a plain white background.",
    "style": "concise",
    "locale": "en",
    "decorative": False,
    "truncated": False,
    "warnings": [],
    "checks": None,
    "model": "qwen3-vl:8b",
    "usage": {"input_tokens": 1134, "output_tokens": 15},
    "image": {
        "width": 4000,
        "height": 3000,
        "format": "jpeg",
        "bytes": 2914402,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sent_width": 1000,
        "sent_height": 750,
    },
    "metadata": {"row": "17000"},
}

_ITEMS_MAX = 100
"""Items of a list or an object in a request. Every field has a lower limit of its own."""


def _validate_locale(value: str) -> str:
    parse_locale(value)
    return value


Keyword = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
MetadataKey = Annotated[str, StringConstraints(max_length=200)]
MetadataValue = Annotated[str, StringConstraints(max_length=2_000)]
Locale = Annotated[
    str,
    AfterValidator(_validate_locale),
    Field(description="A BCP 47 tag, for instance `en`, `pt-BR`, `zh-Hant`."),
]


def _parse_image_url(value: str) -> str:
    value = value.strip(_URL_WHITE_SPACE)
    if value[:5].lower() != "data:" and len(value) > MAX_URL_CHARS:
        msg = f"A URL may have up to {MAX_URL_CHARS:,} characters; this one has {len(value):,}"
        raise ValueError(msg)
    if not value:
        raise ValueError("is empty; send an http(s):// URL or a data: URL")
    return value


def _verify_mode(asked: bool | None, setting: VerifyMode) -> VerifyMode:
    """What a request asks for; absent: the server's setting, which `true` never weakens."""
    if asked is None:
        return setting
    if not asked:
        return "off"
    return "warn" if setting == "off" else setting


class _RequestBody(BaseModel):
    """Base of the request bodies. Unknown fields are refused, so that typing errors are noticed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _limit_items(cls, value: object) -> object:
        """Refuse a million wrong items with one error, instead of making an error for each."""
        if isinstance(value, dict):
            if len(value) > _ITEMS_MAX:
                raise ValueError(f"has {len(value):,} fields; send only those that there are")
            for name, inner in value.items():
                if isinstance(inner, list | dict) and len(inner) > _ITEMS_MAX:
                    raise ValueError(f"{name[:50]} has {len(inner):,} items; that is too many")
        return value


class _ImageBody(_RequestBody):
    """The fields that both caption routes have."""

    image_url: str = Field(
        description="An `http(s)://` URL of up to 8,192 characters, or "
        "`data:image/...;base64,...`.",
        min_length=1,
        examples=[_EXAMPLE_IMAGE_URL],
    )
    max_tokens: int = Field(
        64,
        ge=32,
        le=256,
        description="The maximum length of the caption. It is not a target and does not change "
        "the style.",
    )
    context: str | None = Field(
        None,
        max_length=2_000,
        description="Text around the image: product name, paragraph. Proper nouns in the caption "
        "come only from here. It is data: instructions in it are not followed.",
    )
    role: Role | None = Field(
        None,
        description="What the image does on its page. For `link` the caption says where it leads, "
        "for `button` what it does, unless `visible_text` says so.",
    )
    visible_text: str | None = Field(
        None,
        max_length=_VISIBLE_TEXT_MAX_CHARS,
        description="Text beside the image that is read anyway: figcaption, link text, heading. A "
        "caption that only repeats it breaks the rule `repeats_visible_text`. It is data, like "
        "`context`.",
    )
    keywords: list[Keyword] = Field(
        default_factory=list,
        max_length=10,
        description="Terms that `seo` uses where they are true of the image.",
    )
    verify: bool | None = Field(
        None,
        description="Hold the caption against the picture; absent: as the server's setting VERIFY "
        "says. With `true` where VERIFY is off, what the picture contradicts is a warning.",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=30,
        description="Returned unchanged, so that a queue can match responses to jobs: up to 30 "
        "strings of up to 2,000 characters.",
    )

    @field_validator("image_url")
    @classmethod
    def _validate_image_url(cls, value: str) -> str:
        return _parse_image_url(value)

    def _caption_request(
        self, style: str, locale: str, caller: str, verify: VerifyMode
    ) -> CaptionRequest:
        return CaptionRequest(
            image_url=self.image_url,
            style=style,
            max_tokens=self.max_tokens,
            locale=locale,
            context=self.context,
            role=self.role,
            keywords=tuple(self.keywords),
            visible_text=self.visible_text,
            verify=_verify_mode(self.verify, verify),
            caller=caller,
        )


class CaptionBody(_ImageBody):
    """POST /v1/image/caption."""

    style: str = Field(
        "concise",
        description="`concise` (alt text), `seo` (meta text), `detailed` (a paragraph), or a style "
        "that the operator added: GET /v1/styles lists them.",
        examples=["concise"],
    )
    locale: Locale = "en"

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_url": _EXAMPLE_IMAGE_URL},
                {
                    "image_url": _EXAMPLE_IMAGE_URL,
                    "style": "seo",
                    "max_tokens": 96,
                    "locale": "en-GB",
                    "context": "Mighty Mug, 350 ml",
                    "role": "product",
                    "keywords": ["white mug"],
                    "metadata": {"row": "17000"},
                },
            ]
        }
    )

    def caption_request(self, caller: str, verify: VerifyMode = "off") -> CaptionRequest:
        """The request for the pipeline. `verify` is the server's setting."""
        return self._caption_request(self.style, self.locale, caller, verify)


class CaptionsBody(_ImageBody):
    """POST /v1/image/captions: several styles and locales of one image."""

    styles: list[str] = Field(
        min_length=1, max_length=MAX_RESULTS, examples=[["concise", "seo", "detailed"]]
    )
    locale: Locale = "en"
    locales: list[str] | None = Field(
        None,
        min_length=1,
        max_length=MAX_RESULTS,
        description="Instead of `locale`.",
        examples=[["en", "de"]],
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"image_url": _EXAMPLE_IMAGE_URL, "styles": ["concise", "seo"]}]
        }
    )

    @field_validator("locales")
    @classmethod
    def _validate_locales(cls, value: list[str] | None) -> list[str] | None:
        for tag in value or ():
            parse_locale(tag)
        return value

    @model_validator(mode="after")
    def _limit_results(self) -> Self:
        if self.locales is not None and "locale" in self.model_fields_set:
            raise ValueError("send either `locale` or `locales`, not both")
        count = len(self.styles) * len(self.locales or [self.locale])
        if count > MAX_RESULTS:
            msg = f"styles times locales may be up to {MAX_RESULTS}; these are {count}"
            raise ValueError(msg)
        return self

    def caption_requests(self, caller: str, verify: VerifyMode = "off") -> list[CaptionRequest]:
        """One request for each result, styles outer, locales inner. `verify` as above."""
        return [
            self._caption_request(style, locale, caller, verify)
            for style in self.styles
            for locale in self.locales or [self.locale]
        ]


class CheckBody(_RequestBody):
    """POST /v1/caption/check: a text that a person or another tool wrote."""

    image_url: str | None = Field(
        None,
        min_length=1,
        description="The picture that the text is about, as for a caption: the text is held "
        "against it, whatever VERIFY says.",
    )
    caption: str = Field(max_length=5_000, examples=["A white mug on a plain white background."])
    style: str = Field("concise", examples=["concise"])
    locale: Locale = "en"
    context: str | None = Field(None, max_length=2_000)
    role: Role | None = Field(
        None, description="What the image does on its page. No rule depends on it so far."
    )
    visible_text: str | None = Field(
        None,
        max_length=_VISIBLE_TEXT_MAX_CHARS,
        description="Text beside the image, which the caption must not only repeat.",
    )

    @field_validator("image_url")
    @classmethod
    def _validate_image_url(cls, value: str | None) -> str | None:
        return None if value is None else _parse_image_url(value)

    def check_request(self, image_url: str, caller: str, verify: VerifyMode) -> CaptionRequest:
        """The request for the pipeline, where there is a picture."""
        return CaptionRequest(
            image_url=image_url,
            style=self.style,
            locale=self.locale,
            context=self.context,
            role=self.role,
            visible_text=self.visible_text,
            verify=_verify_mode(True, verify),
            caller=caller,
        )


class CheckResult(BaseModel):
    """What the picture says to one claim of a caption."""

    kind: CheckKind
    claim: str = Field(description="The words of the caption; of a quotation its text.")
    verdict: CheckVerdict = Field(
        description="`unknown` where the picture neither confirms nor surely denies it."
    )

    @classmethod
    def from_checks(cls, checks: Sequence[Check] | None) -> list[Self] | None:
        """The results in the order of the caption; None where nothing was verified."""
        if checks is None:
            return None
        return [cls(kind=c.kind, claim=c.claim, verdict=c.verdict) for c in checks]


_CHECKS_DESCRIPTION = "The claims of the text, each held against the picture; null where none was."


class Usage(BaseModel):
    """Tokens as the model server counted them; null where unknown."""

    input_tokens: int | None
    output_tokens: int | None


class ImageFacts(BaseModel):
    """The source image, upright, and the size of what the model saw of it."""

    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    format: str
    bytes: int
    sha256: str
    sent_width: int = Field(description="Pixels.")
    sent_height: int = Field(description="Pixels.")


class CaptionResponse(BaseModel):
    """One caption that obeys every hard rule of its style."""

    caption: str = Field(description='The caption; `""` only where `decorative` is true.')
    style: str
    locale: str
    decorative: bool = Field(description='The image carries no information: write `alt=""`.')
    truncated: bool = Field(
        description="`max_tokens` cut the caption off. It ends at a whole sentence or word."
    )
    warnings: list[WarningCode] = Field(
        description="Codes of soft rules that the caption breaks; `generic` where it is a "
        "placeholder that tells this image from no other, `small_source` where the image was too "
        "small, too narrow or too tall to be seen well, and the codes of what the picture "
        "contradicts."
    )
    checks: list[CheckResult] | None = Field(description=_CHECKS_DESCRIPTION)
    model: str = Field(
        description="The model that wrote it; `embedded` for the embedded captioner."
    )
    usage: Usage
    image: ImageFacts
    metadata: dict[str, str]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE_RESPONSE]})

    @classmethod
    def from_caption(cls, caption: Caption, metadata: dict[str, str]) -> Self:
        """The response for a caption."""
        return cls(
            caption=caption.text,
            style=caption.style,
            locale=caption.locale,
            decorative=caption.decorative,
            truncated=caption.truncated,
            warnings=list(caption.warnings),
            checks=CheckResult.from_checks(caption.checks),
            model=caption.model,
            usage=Usage(input_tokens=caption.input_tokens, output_tokens=caption.output_tokens),
            image=ImageFacts(
                width=caption.source.width_px,
                height=caption.source.height_px,
                format=caption.source.format,
                bytes=caption.source.bytes,
                sha256=caption.source.sha256,
                sent_width=caption.sent_width_px,
                sent_height=caption.sent_height_px,
            ),
            metadata=metadata,
        )


class FailedResult(BaseModel):
    """One of several captions that failed. The others are not lost."""

    style: str
    locale: str
    problem: dict[str, Any]

    @classmethod
    def from_error(cls, request: CaptionRequest, error: CaptionError, request_id: str) -> Self:
        """The result for a caption that failed."""
        return cls(
            style=request.style, locale=request.locale, problem=problem_body(error, request_id)
        )


class CaptionsResponse(BaseModel):
    """The results in the order of the request: styles outer, locales inner."""

    results: list[CaptionResponse | FailedResult]

    @classmethod
    def from_results(
        cls,
        requests: Sequence[CaptionRequest],
        results: Sequence[Caption | CaptionError],
        metadata: dict[str, str],
        request_id: str,
    ) -> Self:
        """The response for the results of these requests."""
        return cls(
            results=[
                CaptionResponse.from_caption(result, metadata)
                if isinstance(result, Caption)
                else FailedResult.from_error(request, result, request_id)
                for request, result in zip(requests, results, strict=True)
            ]
        )


class CheckResponse(BaseModel):
    """The rules that a text breaks."""

    ok: bool = Field(description="No hard rule is broken.")
    caption: str = Field(description="The text after cleaning.")
    hard: list[str] = Field(description="Codes of the hard rules that it breaks.")
    soft: list[SoftCode] = Field(description="Codes of the soft rules that it breaks.")
    checks: list[CheckResult] | None = Field(description=_CHECKS_DESCRIPTION)

    @classmethod
    def from_verdict(cls, verdict: Verdict, checks: Sequence[Check] | None) -> Self:
        """The response for the verdict on a text."""
        return cls(
            ok=verdict.is_valid,
            caption=verdict.caption,
            hard=[violation.code for violation in verdict.violations],
            soft=list(verdict.warnings),
            checks=CheckResult.from_checks(checks),
        )


class StylesResponse(BaseModel):
    """Every style that this server accepts."""

    styles: list[dict[str, Any]]


class Readiness(BaseModel):
    """Whether this server should get new captions."""

    status: str
    captioners: dict[str, str] = Field(description="The state of each captioner's circuit breaker.")


class Liveness(BaseModel):
    """The process responds."""

    status: Literal["ok"]
