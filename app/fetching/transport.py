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

    Nor is one used again on which more came than was asked for: an origin that can be made to send
    two answers to one request would put its picture under another caller's URL.
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
        return self._inner.has_expired() or (self._inner.is_idle() and self._has_more())

    def is_idle(self) -> bool:
        return self._inner.is_idle()

    def is_closed(self) -> bool:
        return self._inner.is_closed()

    def _has_more(self) -> bool:
        """Whether more came than the answer that was asked for: it would answer the next request.

        httpcore 1.0.9 looks at the socket alone, not at what its parser has read already, and
        offers no public way to ask. Where a later one keeps that elsewhere, nothing is kept alive.
        """
        state = getattr(getattr(self._inner, "_connection", None), "_h11_state", None)
        return state is None or bool(state.trailing_data[0])


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _unquoted(error: Exception) -> str:
    """What went wrong, without what came: an origin may send the request back, signature and all.

    h11 quotes up to 100 KB behind a colon.
    """
    return str(error).partition(": ")[0][:200]


@contextmanager
def _httpx_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        for theirs, ours in _SAME_IN_HTTPX:
            if isinstance(error, theirs):
                raise ours(f"{type(error).__name__}: {_unquoted(error)}") from error
        raise
