"""One OpenAI-compatible server on the wire: what goes out, and every answer as plain bytes."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import httpx2
from pydantic import SecretStr

from app.captioning.openai_compat.request_body import RequestBody

if TYPE_CHECKING:
    import openai

_BODY_BYTES = 2 * 1024 * 1024
"""A caption's answer has some kilobytes; a megabyte is still read and judged, more is not."""
_CONNECT_S = 5.0
"""As the SDK's own default."""
_ABOUT_US = ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
"""What the SDK tells every server about our machine: nobody's business, and ten more headers."""
_NO_KEY = "none-needed"
"""Ollama, vLLM and llama.cpp ask for no key, but the SDK for one that is not empty."""

# 64 requests in work, each with up to 12 captions side by side. An idle connection is closed before
# the 5 seconds after which uvicorn and Node close theirs, so that none is used as it dies.
_LIMITS = httpx2.Limits(
    max_connections=1_000, max_keepalive_connections=128, keepalive_expiry=4.0
)  # fmt: skip


class ConnectionFailed(Exception):
    """No answer came over the wire: refused, reset, no such name, a bad certificate.

    `slow`: nobody picked up in time, and another try would cost as much. `unfit`: the body is too
    large or compressed.
    """

    def __init__(self, reason: str, kind: Literal["down", "slow", "unfit"] = "down") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


class UnfitBody(httpx2.RequestError):
    """The body is larger than any answer, or encoded although `identity` was asked for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (names in lower case) and body, as they came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def key_for(base_url: str | None, api_key: SecretStr | None) -> str | None:
    """The key to send there, None for a server that may need none.

    Raises ValueError where OpenAI itself would be asked without a key.
    """
    key = api_key.get_secret_value() if api_key is not None else None
    if key is None and base_url is None:
        key = os.environ.get("OPENAI_API_KEY") or None
    if key is None and not (base_url or os.environ.get("OPENAI_BASE_URL")):
        raise ValueError(
            "there is no API key for OpenAI: set ALTWRIGHT_MODEL_API_KEY (or OPENAI_API_KEY), or "
            "ALTWRIGHT_MODEL_BASE_URL for a server that needs none"
        )
    return key


class Endpoint:
    """The server behind one base URL. Connections are kept and shared by all calls."""

    def __init__(self, base_url: str | None, api_key: SecretStr | None) -> None:
        """Raises ValueError where OpenAI itself would be asked without a key."""
        self._given_url = base_url
        self._key = key_for(base_url, api_key) or _NO_KEY
        self._making = threading.Lock()
        self._made: openai.AsyncOpenAI | None = None
        self.secrets: tuple[str, ...] = (self._key,)
        """What must never be logged."""

    @property
    def base_url(self) -> str:
        """Where the server's API begins."""
        return str(self._client().base_url)

    def warm_up(self) -> None:
        """Import the SDK, which takes half a second, and make its client; in any thread."""
        self._client()

    def _client(self) -> "openai.AsyncOpenAI":
        with self._making:
            if self._made is None:
                self._made = _client_for(self._given_url, self._key)
            return self._made

    def _headers(self) -> dict[str, "str | openai.Omit"]:
        from openai import Omit

        headers: dict[str, str | Omit] = {"Accept-Encoding": "identity"}
        headers |= {f"X-Stainless-{name}": Omit() for name in _ABOUT_US}
        headers |= {"X-Stainless-Retry-Count": Omit(), "X-Stainless-Read-Timeout": Omit()}
        if self._given_url is not None:
            # The environment's OpenAI account is no business of another server.
            headers |= {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
        return headers

    async def complete(self, body: RequestBody, timeout_s: float) -> Reply:
        """One chat completion, whatever its status.

        Raises ConnectionFailed or TimeoutError.
        """
        client = self._client()
        headers = self._headers() | {"Content-Length": str(body.length_bytes)}
        import openai

        async with asyncio.timeout(timeout_s):
            try:
                answer = await client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    content=body,
                    options={"headers": headers, "timeout": _timeout(timeout_s)},
                )
            except openai.OpenAIError as error:
                return _reply_or_raise(error)
            return _reply(answer)

    async def models(self, timeout_s: float) -> Reply:
        """The list of models, whatever its status. Raises ConnectionFailed or TimeoutError."""
        client, headers = self._client(), self._headers()
        import openai

        async with asyncio.timeout(timeout_s):
            try:
                answer = await client.get(
                    "/models",
                    cast_to=httpx2.Response,
                    options={"headers": headers, "timeout": _timeout(timeout_s)},
                )
            except openai.OpenAIError as error:
                return _reply_or_raise(error)
            return _reply(answer)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._made is not None:
            await self._made.close()


def _client_for(base_url: str | None, key: str) -> "openai.AsyncOpenAI":
    import openai  # half a second, in which the server would not answer yet

    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=key,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            limits=_LIMITS,
            # A redirect would carry picture and context to a place that nobody configured.
            follow_redirects=False,
            event_hooks={"response": [_bounded]},
        ),
    )


def _timeout(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_S))


def _reply(response: httpx2.Response) -> Reply:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content)


def _reply_or_raise(error: "openai.OpenAIError") -> Reply:
    """The SDK raises for every status but 2xx; here an answer is an answer."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _reply(error.response)
    cause = error.__cause__
    if isinstance(cause, httpx2.ConnectTimeout):
        raise ConnectionFailed("no connection in time", "slow") from None
    if isinstance(error, openai.APITimeoutError):
        raise TimeoutError from None
    if isinstance(cause, UnfitBody):
        raise ConnectionFailed(str(cause), "unfit") from None
    # The cause's text is the system's ("Connection refused"), never the URL's or the request's.
    words = f"{type(cause or error).__name__}: {cause}" if cause else type(error).__name__
    raise ConnectionFailed(words[:200]) from None


async def _bounded(response: httpx2.Response) -> None:
    """Before the body is read: no unpacking, and not more than an answer can have."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", ""):
        raise UnfitBody("the answer is compressed, although identity was asked for")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _BoundedStream(response.stream)


class _BoundedStream(httpx2.AsyncByteStream):
    """Counts what arrives, because no header can be trusted with it."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        chunks = self._stream.__aiter__()
        try:
            async for chunk in chunks:
                count += len(chunk)
                if count > _BODY_BYTES:
                    raise UnfitBody("the answer is larger than 2 MiB")
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):  # left in its middle, it would wait for the GC
                await chunks.aclose()

    async def aclose(self) -> None:
        await self._stream.aclose()
