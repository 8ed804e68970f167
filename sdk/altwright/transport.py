"""What both clients pass to httpx, and how its responses and exceptions are converted."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from altwright._version import __version__
from altwright.client_options import ClientOptions
from altwright.errors import AltwrightError, ConnectionFailed, TimedOut, UnexpectedResponse
from altwright.request_builder import Request
from altwright.response_parser import MAX_RESPONSE_BYTES, Response

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT_S = 10.0
"""A server that accepts no connection within this time counts as unreachable."""


def new_request_id() -> str:
    """A random id. All retries of a call send the same one, so that the server's log shows them."""
    return os.urandom(12).hex()


def random_jitter() -> float:
    """A random number from 0 to 1 for waits."""
    return random.random()  # noqa: S311 - not used for security


def connection_limits() -> httpx.Limits:
    """Enough for caption_many; idle connections close before the server closes them (75 s)."""
    import httpx  # not at import time: it takes longer to import than the rest of the SDK

    return httpx.Limits(max_connections=1_000, max_keepalive_connections=256, keepalive_expiry=30)


def request_arguments(
    options: ClientOptions, request: Request[Any], request_id: str, timeout_s: float | None
) -> dict[str, Any]:
    """The arguments of `httpx.Client.stream` for one try that may take `timeout_s` seconds."""
    import httpx

    headers = {
        "Accept": "application/json, application/problem+json",
        "User-Agent": f"altwright-python/{__version__}",
        "X-Request-ID": request_id,
    }
    if request.body is not None:
        headers["Content-Type"] = request.body.content_type
    if options.api_key is not None:
        headers["Authorization"] = f"Bearer {options.api_key}"
    connect_s = CONNECT_TIMEOUT_S if timeout_s is None else min(CONNECT_TIMEOUT_S, timeout_s)
    return {
        "method": request.method,
        "url": options.base_url + request.path,
        "content": None if request.body is None else request.body.data,
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, connect=connect_s),
        # A redirect would send the key and the image to another address.
        "follow_redirects": False,
    }


class ResponseBuffer:
    """Collects the body of one response while it arrives."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._received_unix_s = time.time()
        self._chunks: list[bytes] = []
        self._size_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Raises UnexpectedResponse if the body is larger than any response of Altwright."""
        self._chunks.append(chunk)
        self._size_bytes += len(chunk)
        if self._size_bytes > MAX_RESPONSE_BYTES:
            raise UnexpectedResponse(
                "The response is too large: base_url points to another program.",
                status=self._response.status_code,
            )

    def to_response(self) -> Response:
        """The complete response, once its last byte has arrived."""
        return Response(
            status=self._response.status_code,
            headers={name.lower(): value for name, value in self._response.headers.items()},
            body=b"".join(self._chunks),
            received_unix_s=self._received_unix_s,
        )


def timeout_error(options: ClientOptions, request_id: str) -> TimedOut:
    """The error of a call that took longer than its timeout."""
    return TimedOut(
        f"{_host_of(options)} sent no response within {options.timeout_s:g} seconds.",
        request_id=request_id,
    )


def convert_httpx_error(
    error: Exception, options: ClientOptions, request_id: str
) -> AltwrightError | None:
    """The SDK's error for an exception of httpx; None for any other exception."""
    import httpx

    host = _host_of(options)
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectTimeout):
        return _unreachable(f"{host} did not accept a connection in time.", request_id)
    if isinstance(error, httpx.TimeoutException):
        return timeout_error(options, request_id)
    if isinstance(error, httpx.ConnectError):
        return _unreachable(f"{host} cannot be reached ({reason}).", request_id)
    if isinstance(error, httpx.RequestError):
        return ConnectionFailed(
            f"The connection to {host} broke ({reason}).", request_id=request_id
        )
    return None


def _unreachable(message: str, request_id: str) -> ConnectionFailed:
    error = ConnectionFailed(message, request_id=request_id)
    error.reached = False
    return error


def _host_of(options: ClientOptions) -> str:
    return urlsplit(options.base_url).netloc
