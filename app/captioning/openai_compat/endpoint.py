"""HTTP calls to one OpenAI-compatible server, through the openai SDK's client.

Every response is returned as status, headers and bytes, whatever its status. The SDK builds the
request; its retries, redirects and parsing are not used.
"""

import asyncio
import threading
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

import httpx2

from app.captioning.openai_compat.bounded_transport import BoundedTransport, HttpResponse, received
from app.captioning.openai_compat.request_body import RequestBody
from app.runtime.paced_work import PacedWork
from app.telemetry.tracing import outgoing_trace_headers

if TYPE_CHECKING:
    import openai

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


class Endpoint:
    """The server behind one base URL. All calls share its connections."""

    def __init__(
        self,
        base_url: str | None,
        api_key: str | None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> None:
        """`base_url` None: the openai SDK's default. `api_key` None: a placeholder is sent."""
        self._configured_url = base_url
        self._lock = threading.Lock()
        self._client: openai.AsyncOpenAI | None = None
        self.api_key = api_key or _PLACEHOLDER_KEY
        """Must never be logged."""
        self._extra_headers = dict(extra_headers or {})
        self.reading = PacedWork()
        """For reading large responses."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key and the values of the operator's headers: never logged, shown or answered."""
        return (self.api_key, *self._extra_headers.values())

    @property
    def base_url(self) -> str:
        """URL of the server's API."""
        return str(self._get_client().base_url)

    @property
    def server(self) -> tuple[str, int | None]:
        """Host and port of the server; None for the scheme's own port."""
        url = self._get_client().base_url
        return url.host, url.port

    def warm_up(self) -> None:
        """Import the SDK, which takes half a second, and create its client; in any thread."""
        self._get_client()

    async def create_chat_completion(self, body: RequestBody, timeout_s: float) -> HttpResponse:
        """POST /chat/completions. Raises TransportError or TimeoutError."""
        headers = self._headers() | {"Content-Length": str(body.length_bytes)}
        headers |= outgoing_trace_headers()
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
        set_by_operator = {name.lower() for name in self._extra_headers}
        headers = {n: value for n, value in headers.items() if n.lower() not in set_by_operator}
        return headers | self._extra_headers


def _create_client(base_url: str | None, api_key: str) -> "openai.AsyncOpenAI":
    import openai  # takes half a second, in which the server would not respond

    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=BoundedTransport(), follow_redirects=False),
    )


def _timeout(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_TIMEOUT_S))


async def _receive(call: Awaitable[httpx2.Response], timeout_s: float) -> HttpResponse:
    """The response to a call, whatever its status."""
    async with asyncio.timeout(timeout_s):
        return received(await call)
