"""Parse HTTP responses of the API into values and errors. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from altwright.errors import (
    BY_CODE,
    ConnectionFailed,
    FieldError,
    Problem,
    Reason,
    UnexpectedResponse,
)
from altwright.image_input import PreparedImage
from altwright.models import (
    Caption,
    CaptionResult,
    Check,
    Cost,
    ExpectedTokens,
    FailedCaption,
    ImageFacts,
    PriceOfTokens,
    Quota,
    Style,
    StyleLimits,
    StyleRule,
    UnknownUsage,
    Usage,
    UsagePeriod,
    UsageReport,
    Verdict,
)
from altwright.retry import parse_retry_after

T = TypeVar("T")

MAX_RESPONSE_BYTES = 8 * 1024 * 1024
"""Twelve captions with all their metadata, escaped as JSON, are smaller."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete HTTP response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_unix_s: float
    """When its headers arrived: a Retry-After that is a date counts from then."""

    @property
    def request_id(self) -> str | None:
        """Identifies the request in the server's log."""
        return self.headers.get("x-request-id")


def parse_response(response: Response, parse_body: Callable[[Any, Response], T]) -> T:
    """The value that the response holds. Raises Problem, UnexpectedResponse or ConnectionFailed.

    `parse_body` takes the decoded JSON; an error in it means that the body breaks the contract.
    """
    if response.status != 200:
        _raise_problem(response)
    try:
        data = json.loads(response.body)
    except ValueError:
        if not _is_json(response):
            raise _unexpected(response, "is not Altwright's") from None
        # Without a Content-Length only the JSON shows that the end is missing.
        raise ConnectionFailed(
            "The connection closed before the response was complete.",
            request_id=response.request_id,
        ) from None
    try:
        return parse_body(data, response)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unexpected(response, "does not match the API's contract") from error


def parse_caption(data: Mapping[str, Any], response: Response, sent: PreparedImage) -> Caption:
    """A caption; `sent` is the image that it was requested for."""
    image = data["image"]
    facts = ImageFacts(**{name: image[name] for name in ImageFacts.__dataclass_fields__})
    if (local := sent.local) is not None:
        facts = ImageFacts(
            width=local.width,
            height=local.height,
            format=local.format,
            bytes=local.bytes,
            sha256=local.sha256,
            sent_width=facts.sent_width,
            sent_height=facts.sent_height,
        )
    cache = response.headers.get("x-cache")
    return Caption(
        caption=_checked(str, data["caption"]),
        style=data["style"],
        locale=data["locale"],
        decorative=_checked(bool, data["decorative"]),
        truncated=data["truncated"],
        warnings=tuple(data["warnings"]),
        model=data["model"],
        usage=Usage(data["usage"]["input_tokens"], data["usage"]["output_tokens"]),
        image=facts,
        metadata=data["metadata"],
        checks=_checks(data),
        request_id=response.request_id,
        cached=None if cache is None else cache.lower() == "hit",
        url=sent.url,
    )


def parse_captions(
    data: Mapping[str, Any], response: Response, sent: PreparedImage
) -> list[CaptionResult]:
    """Several captions of one image, each of which may have failed."""
    return [
        FailedCaption(each["style"], each["locale"], parse_problem(each["problem"], response))
        if "problem" in each
        else parse_caption(each, response, sent)
        for each in data["results"]
    ]


def parse_verdict(data: Mapping[str, Any], _response: Response) -> Verdict:
    """The result of checking a text."""
    return Verdict(
        ok=_checked(bool, data["ok"]),
        caption=_checked(str, data["caption"]),
        hard=tuple(data["hard"]),
        soft=tuple(data["soft"]),
        checks=_checks(data),
    )


def parse_styles(data: Mapping[str, Any], _response: Response) -> list[Style]:
    """The styles of the server."""
    return [_style(each) for each in data["styles"]]


def parse_usage(data: Mapping[str, Any], _response: Response) -> UsageReport:
    """What a key used in a month."""
    period, cost, quota, unknown = (data[name] for name in ("period", "cost", "quota", "unknown"))
    return UsageReport(
        key=_checked(str, data["key"]),
        period=UsagePeriod(_moment(period["start"]), _moment(period["end"])),
        requests=_checked(int, data["requests"]),
        captions={name: _checked(int, count) for name, count in data["captions"].items()},
        input_tokens=_checked(int, data["input_tokens"]),
        output_tokens=_checked(int, data["output_tokens"]),
        cost=None if cost is None else Cost(cost["currency"], float(cost["amount"])),
        quota=None
        if quota is None
        else Quota(quota["limit"], quota["remaining"], _moment(quota["resets_at"])),
        unknown=UnknownUsage(unknown["tokens"], unknown["cost"]),
    )


def parse_problem(data: Mapping[str, Any], response: Response) -> Problem:
    """The error for an error body; of class Problem itself if its code is unknown.

    A failed result among several has a status of its own; the headers belong to the response.
    """
    status = int(data.get("status", response.status))
    code = _checked(str, data["code"])
    # Proxies and other clients see the status of the HTTP response: it wins over the body's.
    if response.status != 200:
        status = response.status
    return BY_CODE.get(code, Problem)(
        str(data.get("detail") or data.get("title") or code),
        status=status,
        code=code,
        title=str(data.get("title", "")),
        type=str(data.get("type", "")),
        retryable=data.get("retryable"),
        request_id=data.get("request_id") or response.request_id,
        retry_after=_retry_after_s(response) if response.status != 200 else None,
        errors=[FieldError(str(e["field"]), str(e["message"])) for e in data.get("errors", ())],
        draft=data.get("draft"),
        reasons=[Reason(str(r["code"]), str(r["reason"])) for r in data.get("reasons", ())],
    )


def _raise_problem(response: Response) -> NoReturn:
    try:
        problem = parse_problem(json.loads(response.body), response)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unexpected(response, "is not Altwright's") from None
    raise problem


def _unexpected(response: Response, reason: str) -> UnexpectedResponse:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip() or "no type"
    sentence = f"The response ({response.status}, {media_type}) {reason}"
    if 300 <= response.status < 400:
        sentence += ": it redirects, and the API key is not sent elsewhere. Correct base_url"
    elif response.status in (200, 404):
        sentence += ": base_url points to another program, or a proxy responds in its place"
    elif response.status == 413:
        sentence += (
            ": a proxy before the server takes no request of this size. Let it take more (nginx: "
            "client_max_body_size), or send a smaller image"
        )
    return UnexpectedResponse(
        f"{sentence}.",
        status=response.status,
        request_id=response.request_id,
        retry_after=_retry_after_s(response),
    )


def _is_json(response: Response) -> bool:
    return "json" in response.headers.get("content-type", "")


def _retry_after_s(response: Response) -> float | None:
    return parse_retry_after(response.headers.get("retry-after"), response.received_unix_s)


def parse_expected_tokens(data: Mapping[str, Any], _response: Response) -> ExpectedTokens | None:
    """What a picture takes; None of a server that does not say."""
    expected = data.get("expected")
    if expected is None:
        return None
    names = ("model", "image_width", "image_height", "image_tokens")
    price = expected["price"]
    return ExpectedTokens(
        **{name: expected[name] for name in names},
        price=None
        if price is None
        else PriceOfTokens(
            input=_checked(float, float(price["input"])),
            output=_checked(float, float(price["output"])),
            currency=_checked(str, price["currency"]),
        ),
        thinks=expected.get("thinks") is True,
    )


def _style(data: Mapping[str, Any]) -> Style:
    limits = data["limits"]
    return Style(
        name=_checked(str, data["name"]),
        purpose=data["purpose"],
        limits=StyleLimits(**{name: limits[name] for name in StyleLimits.__dataclass_fields__}),
        uses_keywords=data["uses_keywords"],
        rules=tuple(
            StyleRule(**{name: rule[name] for name in StyleRule.__dataclass_fields__})
            for rule in data["rules"]
        ),
    )


def _checks(data: Mapping[str, Any]) -> tuple[Check, ...] | None:
    checks = data.get("checks")  # an older server has none
    if checks is None:
        return None
    return tuple(
        Check(
            kind=_checked(str, each["kind"]),
            claim=_checked(str, each["claim"]),
            verdict=_checked(str, each["verdict"]),
            seen=None if each.get("seen") is None else _checked(str, each["seen"]),
        )
        for each in checks
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _checked(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return value
