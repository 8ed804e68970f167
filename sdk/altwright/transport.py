"""What both shells hand to httpx and make of its errors."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from altwright._version import __version__
from altwright.client_options import ClientOptions
from altwright.errors import AltwrightError, ConnectionFailed, TimedOut, UnexpectedResponse
from altwright.wire import MAX_ANSWER_BYTES, Answer, Call

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S = 10.0
"""A server that does not take a connection by then is not there; the rest is left for a retry."""


def new_request_id() -> str:
    """One for each call, the same for its retries: they belong together in the server's log."""
    return os.urandom(12).hex()


def chance() -> float:
    """0 to 1, for the jitter of waits."""
    return random.random()  # noqa: S311 - nothing secret depends on it


def pool_limits() -> httpx.Limits:
    """Enough for caption_many; connections are dropped before the server (75 s) drops them."""
    import httpx  # not at import time: it takes longer to import than all the rest

    return httpx.Limits(max_connections=1_000, max_keepalive_connections=256, keepalive_expiry=30)


def request_arguments(
    settings: ClientOptions, call: Call[Any], request_id: str, left_s: float | None
) -> dict[str, Any]:
    """What `httpx.Client.stream` takes, for one try with `left_s` seconds left for it."""
    import httpx

    headers = {
        "Accept": "application/json, application/problem+json",
        "User-Agent": f"altwright-python/{__version__}",
        "X-Request-ID": request_id,
    }
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    if settings.api_key is not None:
        headers["Authorization"] = f"Bearer {settings.api_key}"
    connect_s = CONNECT_TIMEOUT_S if left_s is None else min(CONNECT_TIMEOUT_S, left_s)
    return {
        "method": call.method,
        "url": settings.base_url + call.path,
        "content": call.body,
        "headers": headers,
        "timeout": httpx.Timeout(left_s, connect=connect_s),
        # A redirect would take the key and the picture to wherever it says.
        "follow_redirects": False,
    }


class Collector:
    """One answer while it arrives."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._received_unix_s = time.time()
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Raises UnexpectedResponse where it grows over every bound."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_ANSWER_BYTES:
            raise UnexpectedResponse(
                "The answer does not end: base_url leads to another program.",
                status=self._response.status_code,
            )

    def whole(self) -> Answer:
        """The answer, after its last byte."""
        return Answer(
            status=self._response.status_code,
            headers={name.lower(): value for name, value in self._response.headers.items()},
            body=b"".join(self._chunks),
            received_unix_s=self._received_unix_s,
        )


def timed_out(settings: ClientOptions, request_id: str) -> TimedOut:
    """The call took too long."""
    return TimedOut(
        f"There was no answer from {_where(settings)} within {settings.timeout_s:g} seconds.",
        request_id=request_id,
    )


def translated(error: Exception, settings: ClientOptions, request_id: str) -> AltwrightError | None:
    """The SDK's error for one of httpx's; None for one that is none of httpx's."""
    import httpx

    if isinstance(error, httpx.ConnectTimeout):
        failed = ConnectionFailed(
            f"{_where(settings)} did not take a connection in time.", request_id=request_id
        )
        failed.reached = False
        return failed
    if isinstance(error, httpx.TimeoutException):
        return timed_out(settings, request_id)
    if isinstance(error, httpx.ConnectError):
        reason = str(error) or type(error).__name__
        failed = ConnectionFailed(
            f"{_where(settings)} cannot be reached ({reason}).", request_id=request_id
        )
        failed.reached = False
        return failed
    if isinstance(error, httpx.RequestError):
        reason = str(error) or type(error).__name__
        return ConnectionFailed(
            f"The connection to {_where(settings)} broke ({reason}).", request_id=request_id
        )
    return None


def _where(settings: ClientOptions) -> str:
    return urlsplit(settings.base_url).netloc
