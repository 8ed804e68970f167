"""Response policy: what the status and the headers of an origin's response mean. Pure, no I/O."""

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from app.fetching.content_coding import Coding, parse_content_encoding
from app.fetching.errors import ImageDenied, ImageNotFound, ImageUnreachable
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_FOUND = frozenset({404, 410})
_NOT_YET = frozenset({202, 409, 420, 423, 425, 429})
"""Accepted and still being made, in conflict, locked, too early, too many requests (420 is what
some servers send for 429)."""
_RETRYABLE = _NOT_YET | {408}
_MAX_RETRY_AFTER_S = 3600.0
"""A longer wait is shortened to this, so that an origin cannot keep a caller's job for days."""
_SECONDS = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_CHALLENGES = (
    ("x-amzn-waf-action", ("challenge", "captcha")),  # AWS WAF: 202 and 405, mostly without a body
    ("cf-mitigated", ("challenge",)),  # Cloudflare: 403, formerly 503
    ("x-vercel-mitigated", ("challenge", "deny")),  # Vercel: 429 and 403
    ("sg-captcha", ("challenge",)),  # SiteGround: 202
)
"""Headers by which a firewall says that it keeps robots out, whatever the status. Asking again is
answered in the same way."""
_WITHOUT_BODY = frozenset({204, 205})
_CONTENT_RANGE = re.compile(r"bytes 0-(\d{1,15})/(\d{1,15})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What the head says of a body that is worth reading."""

    content_length: int | None
    """As the origin states it: a hint for allocating memory, never trusted."""
    complete_bytes: int | None = None
    """The length that the body of a 206 must have to be the complete file."""
    coding: Coding | None = None
    """How the body is compressed."""


def redirect_location(response: httpx.Response) -> bytes | None:
    """The raw `Location` of a redirect, None for any other response.

    Raises ImageDenied for a 3xx that does not lead anywhere.
    """
    if not 300 <= response.status_code < 400:
        return None
    locations = [value for name, value in response.headers.raw if name.lower() == b"location"]
    if response.status_code in _REDIRECTS and len(locations) == 1 and locations[0].strip():
        return locations[0]
    raise ImageDenied(
        f"The image's server answered {response.status_code} instead of sending the image. "
        "Use the image's final URL.",
        log_reason=f"status {response.status_code} with {len(locations)} locations",
    )


def check_head(response: httpx.Response, max_bytes: int, now_s: float) -> ResponseHead:
    """Check status and headers. Raises the CaptionError that they mean.

    `now_s` is the wall clock in seconds since 1970, for a date in Retry-After.
    """
    _check_challenge(response)
    _check_status(response, now_s)
    coding = parse_content_encoding(response.headers.get("content-encoding", ""))
    # With Transfer-Encoding a Content-Length has no meaning (RFC 9112, 6.3).
    is_chunked = "transfer-encoding" in response.headers
    length = None if is_chunked else _parse_length(response.headers.get("content-length"))
    if length is not None and length > max_bytes:
        raise ImageTooLarge.over_bytes(max_bytes)
    if coding is not None:
        length = None  # that of the compressed data
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return ResponseHead(length, coding=coding)
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
    if found is None or int(found[1]) + 1 != int(found[2]) or coding is not None:
        raise partial_image()
    return ResponseHead(length, complete_bytes=int(found[2]))


def partial_image() -> ImageCorrupt:
    """The error for a 206, which was not asked for, with less than the complete file."""
    return ImageCorrupt(
        "The image's server sent only a part of the image (status 206). Use a URL that gives the "
        "whole file."
    )


def tiny_chunks() -> ImageCorrupt:
    """The error for a body that arrives in chunks of a few bytes."""
    return ImageCorrupt(
        "The image's server sent the image in too many small chunks. Serve the image file as it is."
    )


def malformed_header() -> ImageCorrupt:
    """The error for a header line that could be read in two ways."""
    return ImageCorrupt(
        "The image's server sends a header line that is not valid HTTP. The server must be "
        "corrected, or the image served from another one.",
        log_reason="malformed header line",
    )


def _check_challenge(response: httpx.Response) -> None:
    for name, values in _CHALLENGES:
        if response.headers.get(name, "").strip().lower() in values:
            raise ImageDenied(
                "The image's server lets no programs in (it asks for a browser check). Use a URL "
                "without that check, or have this server's User-Agent or address admitted.",
                log_reason=f"status {response.status_code}, {name}",
            )


def _check_status(response: httpx.Response, now_s: float) -> None:
    status = response.status_code
    if status in _WITHOUT_BODY:
        raise ImageUnsupported(
            f"The image's server answered {status}, without a body. The URL must lead to the "
            "image file itself."
        )
    if 200 <= status < 300 and status not in _NOT_YET:
        return
    if status in _NOT_FOUND:
        raise ImageNotFound(log_reason=f"status {status}")
    if 400 <= status < 500 and status not in _RETRYABLE:
        raise ImageDenied(
            f"The image's server refused with status {status}. Use a URL that opens without "
            "logging in, for instance a signed one.",
            log_reason=f"status {status}",
        )
    meaning = "; the image is not ready yet" if status in _NOT_YET - {429} else ""
    raise ImageUnreachable(
        f"The image's server answered with status {status}{meaning}. Try again later.",
        log_reason=f"status {status}",
        retry_after_s=_parse_retry_after_s(response, now_s),
    )


def _parse_retry_after_s(response: httpx.Response, now_s: float) -> float | None:
    """The longest wait that Retry-After names (RFC 9110, 10.2.3), an hour at most."""
    values = response.headers.get_list("retry-after")
    waits = [wait for value in values if (wait := _parse_wait_s(value.strip(), now_s)) is not None]
    return min(max(waits), _MAX_RETRY_AFTER_S) if waits else None


def _parse_wait_s(value: str, now_s: float) -> float | None:
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        return max(0.0, aware.timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


def _parse_length(value: str | None) -> int | None:
    # h11 has checked the form of the header, and merges several equal values.
    first = (value or "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() else None
