"""The shapes of requests and answers on the wire (design of the contract: openapi/openapi.json)."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict

from app.types import Caption, CaptionRequest
from app.validation.language_tags import parse_locale

MAX_URL_CHARS = 8_192
"""Signed URLs are long; no CDN signs past 8 KiB, the usual limit of a request line."""
MAX_RESULTS = 12
"""Styles times locales of one request."""
_SCHEMA_PICTURE = "https://images.example.com/mug.jpg"

_EXAMPLE_ANSWER: JsonDict = {
    "caption": "White ceramic mug with a blue rim on a plain white ground.",
    "style": "concise",
    "locale": "en",
    "decorative": False,
    "truncated": False,
    "warnings": [],
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

_MANY = 100
"""More than any list or object of a request may have."""

Keyword = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
MetadataKey = Annotated[str, StringConstraints(max_length=200)]
MetadataValue = Annotated[str, StringConstraints(max_length=2_000)]
Locale = Annotated[str, Field(description="A BCP 47 tag, for instance `en`, `pt-BR`, `zh-Hant`.")]


class _Request(BaseModel):
    """No request takes a field that it does not know: a typo must not pass silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _is_not_made_to_be_expensive(cls, value: object) -> object:
        """A million wrong items would each become an error of its own before the first is told."""
        if isinstance(value, dict):
            if len(value) > _MANY:
                raise ValueError(f"has {len(value):,} fields; send only those that there are")
            for name, inner in value.items():
                if isinstance(inner, list | dict) and len(inner) > _MANY:
                    raise ValueError(f"{name[:50]} has {len(inner):,} items; that is too many")
        return value


class _Job(_Request):
    """What both caption routes take."""

    image_url: str = Field(
        description="An `http(s)://` URL of up to 8,192 characters, or "
        "`data:image/...;base64,...`.",
        min_length=1,
        examples=[_SCHEMA_PICTURE],
    )
    max_tokens: int = Field(
        64,
        ge=32,
        le=256,
        description="Hard ceiling on the caption's length. Never a target, never another register.",
    )
    context: str | None = Field(
        None,
        max_length=2_000,
        description="Text around the image: product name, paragraph. The only place that a proper "
        "noun may come from. It is data; instructions in it change nothing.",
    )
    role: Literal["hero", "inline", "gallery", "product", "link"] | None = Field(
        None, description="What the image does on its page; for `link`: say where it leads."
    )
    keywords: list[Keyword] = Field(
        default_factory=list,
        max_length=10,
        description="Terms that `seo` works in where they are true of the image.",
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=30,
        description="Returned as it came, so that a queue can match answers to jobs: up to 30 "
        "strings of up to 2,000 characters.",
    )

    @field_validator("image_url")
    @classmethod
    def _is_of_a_sane_length(cls, value: str) -> str:
        if value[:5].lower() != "data:" and len(value) > MAX_URL_CHARS:
            msg = f"A URL may have up to {MAX_URL_CHARS:,} characters; this one has {len(value):,}"
            raise ValueError(msg)
        if not value.strip():
            raise ValueError("is empty; send an http(s):// URL or a data: URL")
        return value


class CaptionBody(_Job):
    """POST /v1/image/caption."""

    style: str = Field(
        "concise",
        description="`concise` (alt text), `seo` (meta text), `detailed` (a paragraph), or a style "
        "of the operator's: GET /v1/styles lists them.",
        examples=["concise"],
    )
    locale: Locale = "en"

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_url": _SCHEMA_PICTURE},
                {
                    "image_url": _SCHEMA_PICTURE,
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

    @field_validator("locale")
    @classmethod
    def _is_a_language_tag(cls, value: str) -> str:
        parse_locale(value)
        return value

    def request(self, caller: str) -> CaptionRequest:
        """The job as the pipeline takes it."""
        return CaptionRequest(
            image_url=self.image_url,
            style=self.style,
            max_tokens=self.max_tokens,
            locale=self.locale,
            context=self.context,
            role=self.role,
            keywords=tuple(self.keywords),
            caller=caller,
        )


class CaptionsBody(_Job):
    """POST /v1/image/captions: several styles and locales of one picture."""

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
            "examples": [{"image_url": _SCHEMA_PICTURE, "styles": ["concise", "seo"]}]
        }
    )

    @field_validator("locale")
    @classmethod
    def _is_a_language_tag(cls, value: str) -> str:
        parse_locale(value)
        return value

    @field_validator("locales")
    @classmethod
    def _are_language_tags(cls, value: list[str] | None) -> list[str] | None:
        for tag in value or ():
            parse_locale(tag)
        return value

    @model_validator(mode="after")
    def _is_not_too_much(self) -> Self:
        if self.locales is not None and "locale" in self.model_fields_set:
            raise ValueError("send either `locale` or `locales`, not both")
        count = len(self.styles) * len(self.locales or [self.locale])
        if count > MAX_RESULTS:
            msg = f"styles times locales may be up to {MAX_RESULTS}; these are {count}"
            raise ValueError(msg)
        return self

    def requests(self, caller: str) -> list[CaptionRequest]:
        """One job for each result, styles outer, locales inner."""
        return [
            CaptionRequest(
                image_url=self.image_url,
                style=style,
                max_tokens=self.max_tokens,
                locale=locale,
                context=self.context,
                role=self.role,
                keywords=tuple(self.keywords),
                caller=caller,
            )
            for style in self.styles
            for locale in self.locales or [self.locale]
        ]


class CheckBody(_Request):
    """POST /v1/caption/check: a text that a person or another tool wrote."""

    caption: str = Field(max_length=5_000, examples=["A white mug on a plain white ground."])
    style: str = Field("concise", examples=["concise"])
    locale: Locale = "en"
    context: str | None = Field(None, max_length=2_000)

    @field_validator("locale")
    @classmethod
    def _is_a_language_tag(cls, value: str) -> str:
        parse_locale(value)
        return value


class Usage(BaseModel):
    """Tokens as the model's server counted them; null where unknown."""

    input_tokens: int | None
    output_tokens: int | None


class ImageFacts(BaseModel):
    """The source as seen upright, and the size that the model saw."""

    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    format: str
    bytes: int
    sha256: str
    sent_width: int = Field(description="Pixels.")
    sent_height: int = Field(description="Pixels.")


class CaptionAnswer(BaseModel):
    """One caption that obeys every hard rule of its style."""

    caption: str = Field(description='The caption; `""` only where `decorative` is true.')
    style: str
    locale: str
    decorative: bool = Field(description='The image carries no information: write `alt=""`.')
    truncated: bool = Field(
        description="The ceiling cut the model off; the caption ends at a whole sentence or word."
    )
    warnings: list[str] = Field(description="Codes of soft rules that the caption breaks.")
    model: str = Field(description="Which model wrote it; `embedded` for the built-in one.")
    usage: Usage
    image: ImageFacts
    metadata: dict[str, str]

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE_ANSWER]})

    @classmethod
    def of(cls, caption: Caption, metadata: dict[str, str]) -> Self:
        """The caption as it goes over the wire."""
        return cls(
            caption=caption.text,
            style=caption.style,
            locale=caption.locale,
            decorative=caption.decorative,
            truncated=caption.truncated,
            warnings=list(caption.warnings),
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
    """One of several captions that failed; the others are not lost."""

    style: str
    locale: str
    problem: dict[str, Any]


class CaptionsAnswer(BaseModel):
    """In the order asked: styles outer, locales inner."""

    results: list[CaptionAnswer | FailedResult]


class CheckAnswer(BaseModel):
    """What the rules say of a text."""

    ok: bool = Field(description="No hard rule is broken.")
    caption: str = Field(description="The text as cleaning leaves it.")
    hard: list[str] = Field(description="Codes of the hard rules that it breaks.")
    soft: list[str] = Field(description="Codes of the soft rules that it breaks.")


class StylesAnswer(BaseModel):
    """Every style that this server accepts."""

    styles: list[dict[str, Any]]


class Health(BaseModel):
    """Whether the process is alive, or ready for captions."""

    status: str
    captioners: dict[str, str] = Field(description="Each captioner's breaker state.")


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]
