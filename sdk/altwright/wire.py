"""The pure core that both clients share: what to send, and what an answer means.

Nothing here does I/O: `Call` is a request, `Answer` what came back, `judge` turns one into a value
or raises the error it stands for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NoReturn, TypeVar

from altwright import retry
from altwright.errors import (
    BY_CODE,
    ConnectionFailed,
    FieldError,
    Problem,
    Reason,
    UnexpectedResponse,
    UsageError,
)
from altwright.image_input import PreparedImage
from altwright.models import (
    Caption,
    FailedCaption,
    ImageFacts,
    Style,
    StyleLimits,
    StyleRule,
    Usage,
    Verdict,
)

T = TypeVar("T")

Role = Literal["hero", "inline", "gallery", "product", "link"]
"""What a picture does on its page."""
Result = Caption | FailedCaption

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Twelve captions with all their metadata, escaped, stay below; more is no answer of ours."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that came whole. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_unix_s: float
    """When its head came: a Retry-After that is a date counts from there."""

    @property
    def request_id(self) -> str | None:
        """What the server's log calls the request."""
        return self.headers.get("x-request-id")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how to read its answer."""

    method: str
    path: str
    body: bytes | None
    read: Callable[[Any, Answer], T]
    """From the decoded JSON; what it raises means that the answer is not the contract's."""


def caption(
    prepared: PreparedImage,
    *,
    style: str | None = None,
    max_tokens: int | None = None,
    locale: str | None = None,
    context: str | None = None,
    role: Role | None = None,
    keywords: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Call[Caption]:
    """POST /v1/image/caption. What is None is left to the server's default."""
    return Call(
        "POST",
        "/v1/image/caption",
        _body(
            image_url=prepared.image_url,
            style=style,
            max_tokens=max_tokens,
            locale=locale,
            context=context,
            role=role,
            keywords=_listed("keywords", keywords),
            metadata=_object("metadata", metadata),
        ),
        lambda data, answer: _caption(data, answer, prepared),
    )


def captions(
    prepared: PreparedImage,
    *,
    styles: Sequence[str],
    max_tokens: int | None = None,
    locale: str | None = None,
    locales: Sequence[str] | None = None,
    context: str | None = None,
    role: Role | None = None,
    keywords: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Call[list[Result]]:
    """POST /v1/image/captions: several styles and locales of one picture."""
    return Call(
        "POST",
        "/v1/image/captions",
        _body(
            image_url=prepared.image_url,
            styles=_listed("styles", styles),
            max_tokens=max_tokens,
            locale=locale,
            locales=_listed("locales", locales),
            context=context,
            role=role,
            keywords=_listed("keywords", keywords),
            metadata=_object("metadata", metadata),
        ),
        lambda data, answer: [_result(each, answer, prepared) for each in data["results"]],
    )


def check(
    text: str,
    *,
    style: str | None = None,
    locale: str | None = None,
    context: str | None = None,
) -> Call[Verdict]:
    """POST /v1/caption/check."""
    return Call(
        "POST",
        "/v1/caption/check",
        _body(caption=text, style=style, locale=locale, context=context),
        lambda data, _answer: Verdict(
            ok=_is(bool, data["ok"]),
            caption=_is(str, data["caption"]),
            hard=tuple(data["hard"]),
            soft=tuple(data["soft"]),
        ),
    )


def styles() -> Call[list[Style]]:
    """GET /v1/styles."""
    return Call(
        "GET", "/v1/styles", None, lambda data, _answer: [_style(each) for each in data["styles"]]
    )


def judge(call: Call[T], answer: Answer) -> T:
    """The value that the answer holds. Raises Problem or UnexpectedResponse."""
    if answer.status != 200:
        _refuse(answer)
    try:
        data = json.loads(answer.body)
    except ValueError:
        if not _is_json(answer):
            raise _unexpected(answer, "is not Altwright's") from None
        # Without a length nobody but JSON itself can tell that the end is missing.
        raise ConnectionFailed(
            "The answer broke off before its end.", request_id=answer.request_id
        ) from None
    try:
        return call.read(data, answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unexpected(answer, "is not what the contract says") from error


def problem(data: Mapping[str, Any], answer: Answer) -> Problem:
    """The error for a problem's body; Problem itself for a code that is not known here.

    A result of several has its own status inside; the headers belong to the whole answer.
    """
    status = int(data.get("status", answer.status))
    code = _is(str, data["code"])
    # Of two statuses the one that HTTP carries decides: a proxy and every other client saw it.
    if answer.status != 200:
        status = answer.status
    return BY_CODE.get(code, Problem)(
        str(data.get("detail") or data.get("title") or code),
        status=status,
        code=code,
        title=str(data.get("title", "")),
        type=str(data.get("type", "")),
        retryable=data.get("retryable"),
        request_id=data.get("request_id") or answer.request_id,
        retry_after=_retry_after_s(answer) if answer.status != 200 else None,
        errors=[FieldError(str(e["field"]), str(e["message"])) for e in data.get("errors", ())],
        draft=data.get("draft"),
        reasons=[Reason(str(r["code"]), str(r["reason"])) for r in data.get("reasons", ())],
    )


def _refuse(answer: Answer) -> NoReturn:
    try:
        told = problem(json.loads(answer.body), answer)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unexpected(answer, "is not Altwright's") from None
    raise told


def _unexpected(answer: Answer, what: str) -> UnexpectedResponse:
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip() or "no type"
    sentence = f"The answer ({answer.status}, {media_type}) {what}"
    if 300 <= answer.status < 400:
        sentence += ": it redirects, and a key is not sent elsewhere. Mend base_url"
    elif answer.status in (200, 404):
        sentence += ": base_url leads to another program, or a proxy answers in its place"
    return UnexpectedResponse(
        f"{sentence}.",
        status=answer.status,
        request_id=answer.request_id,
        retry_after=_retry_after_s(answer),
    )


def _is_json(answer: Answer) -> bool:
    return "json" in answer.headers.get("content-type", "")


def _retry_after_s(answer: Answer) -> float | None:
    return retry.retry_after_s(answer.headers.get("retry-after"), answer.received_unix_s)


def _caption(data: Mapping[str, Any], answer: Answer, prepared: PreparedImage) -> Caption:
    image = data["image"]
    facts = ImageFacts(**{name: image[name] for name in ImageFacts.__dataclass_fields__})
    if (local := prepared.local) is not None:
        facts = ImageFacts(
            width=local.width,
            height=local.height,
            format=local.format,
            bytes=local.bytes,
            sha256=local.sha256,
            sent_width=facts.sent_width,
            sent_height=facts.sent_height,
        )
    cache = answer.headers.get("x-cache")
    return Caption(
        caption=_is(str, data["caption"]),
        style=data["style"],
        locale=data["locale"],
        decorative=_is(bool, data["decorative"]),
        truncated=data["truncated"],
        warnings=tuple(data["warnings"]),
        model=data["model"],
        usage=Usage(data["usage"]["input_tokens"], data["usage"]["output_tokens"]),
        image=facts,
        metadata=data["metadata"],
        request_id=answer.request_id,
        cached=None if cache is None else cache.lower() == "hit",
        url=prepared.url,
    )


def _result(data: Mapping[str, Any], answer: Answer, prepared: PreparedImage) -> Result:
    if "problem" in data:
        return FailedCaption(data["style"], data["locale"], problem(data["problem"], answer))
    return _caption(data, answer, prepared)


def _style(data: Mapping[str, Any]) -> Style:
    limits = data["limits"]
    return Style(
        name=_is(str, data["name"]),
        purpose=data["purpose"],
        limits=StyleLimits(**{name: limits[name] for name in StyleLimits.__dataclass_fields__}),
        uses_keywords=data["uses_keywords"],
        rules=tuple(
            StyleRule(**{name: rule[name] for name in StyleRule.__dataclass_fields__})
            for rule in data["rules"]
        ),
    )


def _body(**fields: object) -> bytes:
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return json.dumps(given, allow_nan=False).encode("ascii")
    except (TypeError, ValueError) as error:
        raise UsageError(f"The request cannot be written as JSON: {error}.") from None


def _listed(name: str, values: Sequence[str] | None) -> list[str] | None:
    if isinstance(values, str):
        raise UsageError(f"{name} is a list of strings, not one string: write [{values!r}].")
    return None if values is None else list(values)


def _object(name: str, values: Mapping[str, str] | None) -> dict[str, str] | None:
    if values is None:
        return None
    wrong = [key for key, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise UsageError(f"{name} holds strings only; {wrong[0]!r} does not: write str(...).")
    return dict(values)


def _is(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value
