"""httpx transport over httpcore's connection pool with our own network backend.

httpx's own transport accepts a network backend only through private attributes; httpcore's pool
has a parameter for it. The environment is not read, so that no proxy variable bypasses the backend.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import certifi
import httpcore
import httpx

from app.fetching.response_policy import malformed_header

_KEEPALIVE_CONNECTIONS = 32
_KEEPALIVE_EXPIRY_S = 5.0
"""Many requests in a row name one origin. After this a connection is closed, and its address is
checked again."""

_HTTPX_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.TimeoutException, httpx.TimeoutException),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.ProtocolError, httpx.RemoteProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
    (ssl.SSLError, httpx.ReadError),  # of a broken record; httpcore passes it on
)
"""Errors of httpcore and what they are in httpx, as far as a fetch meets them."""
_MALFORMED_HEADER = (
    "illegal header line", "continuation line at start of headers", "Illegal header",
    "conflicting Content-Length", "bad Content-Length", "multiple Transfer-Encoding",
    "Only Transfer-Encoding",
)  # fmt: skip
"""How h11 begins the text of its error for a header, or a trailer, that HeaderFilter left in."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over connections that `backend` opens. Follows no redirects, stores no cookies.

    Errors that the backend raises pass through; httpcore's become httpx.TransportError, and
    ImageCorrupt for a malformed header line: asking again would not help.
    """

    def __init__(
        self,
        backend: httpcore.AsyncNetworkBackend,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = _ConnectionPool(
            ssl_context=ssl_context or ssl.create_default_context(cafile=certifi.where()),
            # Requests are limited on admission; a second queue here would hide what a fetch waits
            # for.
            max_connections=None,
            max_keepalive_connections=_KEEPALIVE_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_EXPIRY_S,
            network_backend=backend,
        )

    @property
    def open_connections(self) -> int:
        """Number of connections in use or kept alive."""
        return len(self._pool.connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and read the head of the response."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        with _httpx_errors():
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_ResponseStream(response),
            extensions=response.extensions,
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _ConnectionPool(httpcore.AsyncConnectionPool):
    """httpcore's pool of `_Connection`s."""

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _Connection(super().create_connection(origin))


class _Connection(httpcore.AsyncConnectionInterface):
    """A connection that corrects two flaws of httpcore 1.0.9.

    Where a request is cancelled before a byte is sent, httpcore leaves the connection in the pool
    for ever, neither idle nor closed. Callers who leave at that moment would use up all
    descriptors. Such a connection is closed here.

    A connection on which more than the response arrived is not reused: an origin that can be made
    to send two responses to one request would put its image under another caller's URL.
    """

    def __init__(self, inner: httpcore.AsyncConnectionInterface) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        try:
            return await self._inner.handle_async_request(request)
        except httpcore.ConnectionNotAvailable:
            raise  # another request took it; the pool tries the next one
        except BaseException:
            if not self._inner.is_idle() and not self._inner.is_closed():
                await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()

    def info(self) -> str:
        return self._inner.info()

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return self._inner.can_handle_request(origin)

    def is_available(self) -> bool:
        return self._inner.is_available()

    def has_expired(self) -> bool:
        return self._inner.has_expired() or (self._inner.is_idle() and self._has_more())

    def is_idle(self) -> bool:
        return self._inner.is_idle()

    def is_closed(self) -> bool:
        return self._inner.is_closed()

    def _has_more(self) -> bool:
        """Whether bytes after the response have been read: they would answer the next request.

        httpcore checks only the socket, not its parser's buffer, and has no public way to ask.
        Where a later version stores that elsewhere, no connection is reused.
        """
        state = getattr(getattr(self._inner, "_connection", None), "_h11_state", None)
        return state is None or bool(state.trailing_data[0])


class _ResponseStream(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _without_quotes(error: Exception) -> str:
    """The error's text without received bytes, which h11 quotes after a colon, up to 100 KB.

    An origin may send the request back, and its query may be a signature.
    """
    return str(error).partition(": ")[0][:200]


@contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, httpcore.RemoteProtocolError) and (
            str(error).startswith(_MALFORMED_HEADER)
        ):
            raise malformed_header() from None
        for httpcore_error, httpx_error in _HTTPX_ERRORS:
            if isinstance(error, httpcore_error):
                raise httpx_error(f"{type(error).__name__}: {_without_quotes(error)}") from error
        raise
