"""Build the HTTP requests of the API, one function for each endpoint. No I/O."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from altwright.errors import UsageError
from altwright.image_input import PreparedImage
from altwright.models import (
    Caption,
    CaptionResult,
    ExpectedTokens,
    Role,
    Style,
    UsageReport,
    Verdict,
)
from altwright.response_parser import (
    Response,
    parse_caption,
    parse_captions,
    parse_expected_tokens,
    parse_styles,
    parse_usage,
    parse_verdict,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request, which is the same for every retry."""

    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One HTTP request, and how to parse the body of its response."""

    method: str
    path: str
    body: Body | None
    parse_body: Callable[[Any, Response], T]
    """Takes the decoded JSON; see `response_parser.parse_response`."""


def build_caption(
    image: PreparedImage,
    *,
    style: str | None = None,
    max_tokens: int | None = None,
    locale: str | None = None,
    context: str | None = None,
    role: Role | None = None,
    visible_text: str | None = None,
    keywords: Sequence[str] | None = None,
    verify: bool | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Request[Caption]:
    """POST /v1/image/caption. Fields that are None are left to the server's defaults."""
    body = _encode_body(
        image,
        style=style,
        max_tokens=max_tokens,
        locale=locale,
        context=context,
        role=role,
        visible_text=visible_text,
        keywords=_checked_list("keywords", keywords),
        verify=verify,
        metadata=_checked_strings("metadata", metadata),
    )
    return Request(
        "POST",
        "/v1/image/caption",
        body,
        lambda data, response: parse_caption(data, response, image),
    )


def build_captions(
    image: PreparedImage,
    *,
    styles: Sequence[str],
    max_tokens: int | None = None,
    locale: str | None = None,
    locales: Sequence[str] | None = None,
    context: str | None = None,
    role: Role | None = None,
    visible_text: str | None = None,
    keywords: Sequence[str] | None = None,
    verify: bool | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Request[list[CaptionResult]]:
    """POST /v1/image/captions: several styles and locales of one image."""
    body = _encode_body(
        image,
        styles=_checked_list("styles", styles),
        max_tokens=max_tokens,
        locale=locale,
        locales=_checked_list("locales", locales),
        context=context,
        role=role,
        visible_text=visible_text,
        keywords=_checked_list("keywords", keywords),
        verify=verify,
        metadata=_checked_strings("metadata", metadata),
    )
    return Request(
        "POST",
        "/v1/image/captions",
        body,
        lambda data, response: parse_captions(data, response, image),
    )


def build_check(
    text: str,
    *,
    image: PreparedImage | None = None,
    style: str | None = None,
    locale: str | None = None,
    context: str | None = None,
    role: Role | None = None,
    visible_text: str | None = None,
) -> Request[Verdict]:
    """POST /v1/caption/check."""
    body = _encode_body(
        image,
        caption=text,
        style=style,
        locale=locale,
        context=context,
        role=role,
        visible_text=visible_text,
    )
    return Request("POST", "/v1/caption/check", body, parse_verdict)


def build_expected_tokens() -> Request[ExpectedTokens | None]:
    """GET /v1/styles, of which the expected tokens are taken."""
    return Request("GET", "/v1/styles", None, parse_expected_tokens)


def build_styles() -> Request[list[Style]]:
    """GET /v1/styles."""
    return Request("GET", "/v1/styles", None, parse_styles)


def build_usage(month: str | None = None) -> Request[UsageReport]:
    """GET /v1/usage."""
    query = "" if month is None else "?" + urlencode({"month": month})
    return Request("GET", f"/v1/usage{query}", None, parse_usage)


def _encode_body(image: PreparedImage | None, **fields: object) -> Body:
    """The fields that are given, as JSON, or as a form with the file."""
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        if image is not None and image.file is not None:
            return _encode_form(image.file, given)
        if image is not None:
            given = {"image_url": image.image_url, **given}
        return Body("application/json", json.dumps(given, allow_nan=False).encode("ascii"))
    except (TypeError, ValueError) as error:
        raise UsageError(f"The request cannot be encoded: {error}.") from None


def _encode_form(file: bytes, fields: Mapping[str, object]) -> Body:
    """A form (RFC 7578) with a file, a part for each item of a list, and objects as JSON."""
    boundary = secrets.token_hex(16)  # no text of another person may contain it
    parts = [
        _part(boundary, f'name="{name}"', _encode_text(each))
        for name, value in fields.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    parts.append(_part(boundary, 'name="image"; filename="image"', file))
    data = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    return Body(f"multipart/form-data; boundary={boundary}", data)


def _part(boundary: str, names: str, data: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {names}\r\n\r\n"
    return b"".join([head.encode("ascii"), data, b"\r\n"])


def _encode_text(value: object) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
    return text.encode()


def _checked_list(name: str, values: Sequence[str] | None) -> list[str] | None:
    if isinstance(values, str):
        raise UsageError(f"{name} must be a list of strings, not a string: write [{values!r}].")
    return None if values is None else list(values)


def _checked_strings(name: str, values: Mapping[str, str] | None) -> dict[str, str] | None:
    if values is None:
        return None
    wrong = [key for key, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise UsageError(f"{name} must contain only strings; {wrong[0]!r} does not: use str(...).")
    return dict(values)
