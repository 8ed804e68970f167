"""Response policy: what the status and the headers of an origin's response mean. Pure, no I/O."""

import re
from dataclasses import dataclass

import httpx

from app.fetching.errors import ImageDenied, ImageNotFound, ImageUnreachable
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_FOUND = frozenset({404, 410})
_RETRYABLE = frozenset({408, 425, 429})
"""4xx that ask to come back: too slow, too early, too many requests."""
_WITHOUT_BODY = frozenset({204, 205})
_CONTENT_RANGE = re.compile(r"bytes 0-(\d{1,15})/(\d{1,15})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What the head says of a body that is worth reading."""

    content_length: int | None
    """As the origin states it: a hint for allocating memory, never trusted."""
    complete_bytes: int | None = None
    """The length that the body of a 206 must have to be the complete file."""


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


def check_head(response: httpx.Response, max_bytes: int) -> ResponseHead:
    """Check status and headers. Raises the CaptionError that they mean."""
    _check_status(response.status_code)
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise ImageUnsupported(
            "The image's server sent it compressed (Content-Encoding), although it was asked not "
            "to. Serve the image file as it is.",
            log_reason=f"content-encoding {coding[:40]!r}",
        )
    # With Transfer-Encoding a Content-Length has no meaning (RFC 9112, 6.3).
    is_chunked = "transfer-encoding" in response.headers
    length = None if is_chunked else _parse_length(response.headers.get("content-length"))
    if length is not None and length > max_bytes:
        raise ImageTooLarge.over_bytes(max_bytes)
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return ResponseHead(length)
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
    if found is None or int(found[1]) + 1 != int(found[2]):
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


def _check_status(status: int) -> None:
    if status in _WITHOUT_BODY:
        raise ImageUnsupported(
            f"The image's server answered {status}, without a body. The URL must lead to the "
            "image file itself."
        )
    if 200 <= status < 300:
        return
    if status in _NOT_FOUND:
        raise ImageNotFound(log_reason=f"status {status}")
    if 400 <= status < 500 and status not in _RETRYABLE:
        raise ImageDenied(
            f"The image's server refused with status {status}. Use a URL that opens without "
            "logging in, for instance a signed one.",
            log_reason=f"status {status}",
        )
    raise ImageUnreachable(
        f"The image's server answered with status {status}. Try again later.",
        log_reason=f"status {status}",
    )


def _parse_length(value: str | None) -> int | None:
    # h11 has checked the form of the header, and merges several equal values.
    first = (value or "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() else None
