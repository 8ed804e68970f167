"""Schemas of request bodies. The contract made from them is openapi/openapi.json."""

import re
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from typing_extensions import TypeAliasType

from app.api.example_image import EXAMPLE_DATA_URL
from app.types import CaptionRequest, Role, UploadedImage, VerifyMode
from app.validation.language_tags import parse_locale

UPLOADED = "upload:"
"""Stands in `image_url` for the file of a form. Sent by a caller it is a URL of a wrong scheme."""
MAX_URL_CHARS = 8_192
"""Signed URLs are long. 8 KiB is the usual limit of a request line, so no CDN signs longer ones."""
_URL_WHITE_SPACE = " \t\n\f\r"
"""At the ends it is no part of a URL (WHATWG). It comes with lines of files and cells of tables."""
_BASE64_OF_IMAGES = ("/9j/", "iVBORw0KGgo", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "AAAA", "Qk")
"""How files of JPEG, PNG, GIF, WebP, TIFF, AVIF and BMP begin in base64."""
_BARE_BASE64_MIN_CHARS = {True: 40, False: 400}
"""Shorter ones may be a path without its scheme, the more so where they begin as no image does."""
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/=_\s-]", re.ASCII)
_MEDIA_TYPE_WITH_BASE64 = re.compile(r"(?:image/[a-z0-9.+-]{1,60})?;?base64,", re.IGNORECASE)
MAX_RESULTS = 12
"""Styles times locales of one request."""
_VISIBLE_TEXT_MAX_CHARS = 500
_EXAMPLE_IMAGE_URL = "https://images.example.com/mug.jpg"
_EXAMPLE_CAPTION = "A teal mug on a plain white background."

_ITEMS_MAX = 100
"""Items of a list or an object in a request. Every field has a lower limit of its own."""


def _validate_locale(value: str) -> str:
    parse_locale(value)
    return value


# An alias of this kind has a schema of its own, with this name.
ImageRole = TypeAliasType("ImageRole", Role)
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
    if _is_bare_base64(value):
        raise ValueError(
            "is base64 and no URL: write data:image/jpeg;base64, before it, or send the file in a "
            "form (multipart/form-data, part `image`)"
        )
    if value[:5].lower() != "data:" and len(value) > MAX_URL_CHARS:
        msg = f"A URL may have up to {MAX_URL_CHARS:,} characters; this one has {len(value):,}"
        raise ValueError(msg)
    if not value:
        raise ValueError("is empty; send an http(s):// URL or a data: URL")
    return value


def _is_bare_base64(value: str) -> bool:
    """Whether it is the base64 of a file without `data:...;base64,`, or without `data:`."""
    if _MEDIA_TYPE_WITH_BASE64.match(value[:200]):
        return True
    is_image = value.startswith(_BASE64_OF_IMAGES)
    return len(value) >= _BARE_BASE64_MIN_CHARS[is_image] and not _NO_BASE64.search(value)


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
    role: ImageRole | None = Field(
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
        self, style: str, locale: str, caller: str, verify: VerifyMode, upload: UploadedImage | None
    ) -> CaptionRequest:
        return CaptionRequest(
            image_url=self.image_url,
            upload=upload,
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
                {"image_url": EXAMPLE_DATA_URL},
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

    def caption_request(
        self, caller: str, verify: VerifyMode = "off", upload: UploadedImage | None = None
    ) -> CaptionRequest:
        """The request for the pipeline. `verify` is the server's setting."""
        return self._caption_request(self.style, self.locale, caller, verify, upload)


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
            "examples": [
                {"image_url": EXAMPLE_DATA_URL, "styles": ["concise", "seo"]},
                {
                    "image_url": _EXAMPLE_IMAGE_URL,
                    "styles": ["concise"],
                    "locales": ["en", "de", "fr"],
                },
            ]
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

    def caption_requests(
        self, caller: str, verify: VerifyMode = "off", upload: UploadedImage | None = None
    ) -> list[CaptionRequest]:
        """One request for each result, styles outer, locales inner. `verify` as above."""
        return [
            self._caption_request(style, locale, caller, verify, upload)
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
    caption: str = Field(max_length=5_000, examples=[_EXAMPLE_CAPTION])
    style: str = Field("concise", examples=["concise"])
    locale: Locale = "en"
    context: str | None = Field(None, max_length=2_000)
    role: ImageRole | None = Field(
        None, description="What the image does on its page. No rule depends on it so far."
    )
    visible_text: str | None = Field(
        None,
        max_length=_VISIBLE_TEXT_MAX_CHARS,
        description="Text beside the image, which the caption must not only repeat.",
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"caption": _EXAMPLE_CAPTION},
                {"caption": _EXAMPLE_CAPTION, "image_url": _EXAMPLE_IMAGE_URL, "locale": "en-GB"},
            ]
        }
    )

    @field_validator("image_url")
    @classmethod
    def _validate_image_url(cls, value: str | None) -> str | None:
        return None if value is None else _parse_image_url(value)

    def check_request(
        self,
        image_url: str,
        caller: str,
        verify: VerifyMode,
        upload: UploadedImage | None = None,
    ) -> CaptionRequest:
        """The request for the pipeline, where there is a picture."""
        return CaptionRequest(
            image_url=image_url,
            upload=upload,
            style=self.style,
            locale=self.locale,
            context=self.context,
            role=self.role,
            visible_text=self.visible_text,
            verify=_verify_mode(True, verify),
            caller=caller,
        )
