"""HTTP calls to one OpenAI-compatible server, through the openai SDK's client.

Every response is returned as status, headers and bytes, whatever its status. The SDK's retries,
redirects and parsing are not used.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from app.captioning.openai_compat.errors import (
    ConnectionBroken,
    ConnectionFailed,
    ConnectTimeout,
    ResponseBodyRejected,
)
from app.captioning.openai_compat.request_body import RequestBody

if TYPE_CHECKING:
    import openai

_MAX_BODY_BYTES = 2 * 1024 * 1024
"""A response with a caption has some kilobytes. One of a megabyte is still read and judged."""
_CONNECT_TIMEOUT_S = 5.0
"""The SDK's own default."""
_SDK_HEADERS = (
    "X-Stainless-Lang",
    "X-Stainless-Package-Version",
    "X-Stainless-OS",
    "X-Stainless-Arch",
    "X-Stainless-Runtime",
    "X-Stainless-Runtime-Version",
    "X-Stainless-Async",
    "X-Stainless-Retry-Count",
    "X-Stainless-Read-Timeout",
)
"""Headers of the SDK that describe this machine to every server. They are removed."""
_ACCOUNT_HEADERS = ("OpenAI-Organization", "OpenAI-Project")
_PLACEHOLDER_KEY = "none-needed"
"""Ollama, vLLM and llama.cpp need no key, but the SDK requires one that is not empty."""

# 64 requests at once, each with up to 12 captions in parallel. Idle connections are closed before
# the 5 seconds after which uvicorn and Node close theirs, so that none is used while it closes.
_LIMITS = httpx2.Limits(
    max_connections=1_000, max_keepalive_connections=128, keepalive_expiry=4.0
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, headers (names in lower case) and body, as received."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    """The server behind one base URL. All calls share its connections."""

    def __init__(self, base_url: str | None, api_key: str | None) -> None:
        """`base_url` None: the openai SDK's default. `api_key` None: a placeholder is sent."""
        self._configured_url = base_url
        self._lock = threading.Lock()
        self._client: openai.AsyncOpenAI | None = None
        self.api_key = api_key or _PLACEHOLDER_KEY
        """Must never be logged."""

    @property
    def base_url(self) -> str:
        """URL of the server's API."""
        return str(self._get_client().base_url)

    def warm_up(self) -> None:
        """Import the SDK, which takes half a second, and create its client; in any thread."""
        self._get_client()

    async def create_chat_completion(self, body: RequestBody, timeout_s: float) -> HttpResponse:
        """POST /chat/completions. Raises TransportError or TimeoutError."""
        headers = self._headers() | {"Content-Length": str(body.length_bytes)}
        call = self._get_client().post(
            "/chat/completions",
            cast_to=httpx2.Response,
            content=body,
            options={"headers": headers, "timeout": _timeout(timeout_s)},
        )
        return await _receive(call, timeout_s)

    async def list_models(self, timeout_s: float) -> HttpResponse:
        """GET /models. Raises TransportError or TimeoutError."""
        call = self._get_client().get(
            "/models",
            cast_to=httpx2.Response,
            options={"headers": self._headers(), "timeout": _timeout(timeout_s)},
        )
        return await _receive(call, timeout_s)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()

    def _get_client(self) -> "openai.AsyncOpenAI":
        with self._lock:
            if self._client is None:
                self._client = _create_client(self._configured_url, self.api_key)
            return self._client

    def _headers(self) -> dict[str, "str | openai.Omit"]:
        from openai import Omit

        headers: dict[str, str | Omit] = {"Accept-Encoding": "identity"}
        headers |= {name: Omit() for name in _SDK_HEADERS}
        if self._configured_url is not None:
            # The environment's OpenAI account is not disclosed to another server.
            headers |= {name: Omit() for name in _ACCOUNT_HEADERS}
        return headers


def _create_client(base_url: str | None, api_key: str) -> "openai.AsyncOpenAI":
    import openai  # takes half a second, in which the server would not respond

    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            limits=_LIMITS,
            # A redirect would send image and context to a server that nobody configured.
            follow_redirects=False,
            event_hooks={"response": [_limit_body]},
        ),
    )


def _timeout(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_TIMEOUT_S))


async def _receive(call: Awaitable[httpx2.Response], timeout_s: float) -> HttpResponse:
    """The response to a call, also where the SDK raises for its status."""
    import openai

    async with asyncio.timeout(timeout_s):
        try:
            response = await call
        except openai.APIStatusError as error:
            response = error.response
        except openai.OpenAIError as error:
            cause = error.__cause__
            if isinstance(cause, httpx2.ConnectTimeout):
                raise ConnectTimeout("no connection in time") from None
            if isinstance(error, openai.APITimeoutError):
                raise TimeoutError from None
            # The text is the operating system's ("Connection refused"), without URL and request.
            text = f"{type(cause or error).__name__}: {cause}" if cause else type(error).__name__
            was_connected = not isinstance(cause, httpx2.ConnectError)
            raise (ConnectionBroken if was_connected else ConnectionFailed)(text[:200]) from None
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpResponse(response.status_code, headers, response.content)


async def _limit_body(response: httpx2.Response) -> None:
    """Before the body is read: refuse a compressed one, and stop at `_MAX_BODY_BYTES`."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise ResponseBodyRejected("the response is compressed, although identity was requested")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _LimitedStream(response.stream)


class _LimitedStream(httpx2.AsyncByteStream):
    """Counts the bytes that arrive: a Content-Length may be wrong or missing."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        chunks = self._stream.__aiter__()
        try:
            async for chunk in chunks:
                count += len(chunk)
                if count > _MAX_BODY_BYTES:
                    raise ResponseBodyRejected("the response is larger than 2 MiB")
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):  # else it stays open until garbage collection
                await chunks.aclose()

    async def aclose(self) -> None:
        await self._stream.aclose()
