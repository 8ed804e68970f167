"""An httpx transport over httpcore's pool, with our own dialling and without proxies.

httpx's own transport takes a network backend only through private attributes; httpcore takes one
openly. Nothing here reads the environment, so no proxy variable goes around the guard.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import certifi
import httpcore
import httpx

_KEEPALIVE_CONNECTIONS = 32
_KEEPALIVE_EXPIRY_S = 5.0
"""Many jobs in a row name one origin; after this a connection goes, and its address is judged
anew."""

# What matters to a fetch; the rest of the two trees mirror each other by name.
_SAME_IN_HTTPX: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.TimeoutException, httpx.TimeoutException),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.ProtocolError, httpx.RemoteProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
)


class GuardedTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over connections that `backend` opens. Follows no redirect, keeps no cookie.

    Errors that the backend raises come through as they are; others as httpx.TransportError.
    """

    def __init__(
        self,
        backend: httpcore.AsyncNetworkBackend,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = _Pool(
            ssl_context=ssl_context or ssl.create_default_context(cafile=certifi.where()),
            # Whoever fetches was admitted already: a second queue here would hide from the
            # deadline what it waits for.
            max_connections=None,
            max_keepalive_connections=_KEEPALIVE_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE_EXPIRY_S,
            network_backend=backend,
        )

    @property
    def open_connections(self) -> int:
        """Connections in use or kept alive."""
        return len(self._pool.connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; the body is read by iterating over `stream`, then closed."""
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
            stream=_Body(response),
            extensions=response.extensions,
            request=request,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Pool(httpcore.AsyncConnectionPool):
    """httpcore's pool, with connections that are let go of however their request ends."""

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        return _Connection(super().create_connection(origin))


class _Connection(httpcore.AsyncConnectionInterface):
    """A connection that is closed where its request is cancelled before a byte is sent.

    httpcore 1.0.9 leaves such a one open, neither idle nor closed, in the pool for ever: callers
    who go away at the right moment would use up all descriptors.
    """

    def __init__(self, inner: httpcore.AsyncConnectionInterface) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        try:
            return await self._inner.handle_async_request(request)
        except httpcore.ConnectionNotAvailable:
            raise  # another request has it; the pool looks for one more
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
        return self._inner.has_expired()

    def is_idle(self) -> bool:
        return self._inner.is_idle()

    def is_closed(self) -> bool:
        return self._inner.is_closed()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        for theirs, ours in _SAME_IN_HTTPX:
            if isinstance(error, theirs):
                # The text may quote what the origin sent, never the request.
                raise ours(f"{type(error).__name__}: {error}") from error
        raise
