"""What an origin's answer means before its body is read: status, headers, redirects. Pure."""

import re
from dataclasses import dataclass

import httpx

from app.fetching.errors import ImageDenied, ImageNotFound, ImageUnreachable
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported

_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_GONE = frozenset({404, 410})
_LATER = frozenset({408, 425, 429})
"""4xx that ask to come back: too slow, too early, too many."""
_WITHOUT_BODY = frozenset({204, 205})
_CONTENT_RANGE = re.compile(r"bytes 0-(\d{1,15})/(\d{1,15})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer whose body is worth reading."""

    expected_bytes: int | None
    """The body's length where the origin says one; a hint for memory, never for trust."""
    whole_bytes: int | None = None
    """The length that the body must have to be the whole file (206 only)."""


def redirect_of(response: httpx.Response) -> bytes | None:
    """The raw `Location` where the answer sends us elsewhere, None where it does not.

    Raises ImageDenied for a 3xx that leads nowhere.
    """
    if not 300 <= response.status_code < 400:
        return None
    locations = [value for name, value in response.headers.raw if name.lower() == b"location"]
    if response.status_code in _FOLLOWED and len(locations) == 1 and locations[0].strip():
        return locations[0]
    raise ImageDenied(
        f"The image's server answered {response.status_code} instead of sending the image. "
        "Use the image's final URL.",
        log_reason=f"status {response.status_code} with {len(locations)} locations",
    )


def check_head(response: httpx.Response, max_bytes: int) -> Head:
    """What comes, or the CaptionError that the answer's status and headers amount to."""
    _judge_status(response.status_code)
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise ImageUnsupported(
            "The image's server sent it compressed (Content-Encoding), although it was asked not "
            "to. Serve the image file as it is.",
            log_reason=f"content-encoding {coding[:40]!r}",
        )
    # Chunks override a Content-Length (RFC 9112, 6.3), which then says nothing of the body.
    chunked = "transfer-encoding" in response.headers
    expected = None if chunked else _length(response.headers.get("content-length"))
    if expected is not None and expected > max_bytes:
        raise ImageTooLarge.over_bytes(max_bytes)
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        return Head(expected)
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
    if found is None or int(found[1]) + 1 != int(found[2]):
        raise partial_image()
    return Head(expected, whole_bytes=int(found[2]))


def partial_image() -> ImageCorrupt:
    """The refusal of a 206 that nobody asked for and that is not the whole."""
    return ImageCorrupt(
        "The image's server sent only a part of the image (status 206). Use a URL that gives the "
        "whole file."
    )


def crumbled_image() -> ImageCorrupt:
    """The refusal of a body that comes in pieces of a few bytes."""
    return ImageCorrupt(
        "The image's server sent the image in very many very small pieces. Serve the image file as "
        "it is."
    )


def _judge_status(status: int) -> None:
    if status in _WITHOUT_BODY:
        raise ImageUnsupported(
            f"The image's server answered {status}, without a body. The URL must lead to the "
            "image file itself."
        )
    if 200 <= status < 300:
        return
    if status in _GONE:
        raise ImageNotFound(log_reason=f"status {status}")
    if 400 <= status < 500 and status not in _LATER:
        raise ImageDenied(
            f"The image's server refused with status {status}. Use a URL that opens without "
            "logging in, for instance a signed one.",
            log_reason=f"status {status}",
        )
    raise ImageUnreachable(
        f"The image's server answered with status {status}. Try again later.",
        log_reason=f"status {status}",
    )


def _length(value: str | None) -> int | None:
    # h11 has checked the header's form; several equal values are one to it.
    first = (value or "").split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() else None
