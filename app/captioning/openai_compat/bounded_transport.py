"""httpx2 transport that reads a model server's response within limits, and nothing else of it.

The openai SDK and httpx2 never see the response. They would store its cookies, build its redirect,
decode its error body by the charset that it names (`punycode` takes minutes for a megabyte) and
parse it. They get an empty 200; `received` finds what arrived.
"""

import asyncio
import ssl
import urllib.request
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpcore2
import httpx2

from app.captioning.openai_compat.errors import (
    ConnectionBroken,
    ConnectionFailed,
    ConnectTimeout,
    ResponseRejected,
)
from app.runtime.header_filter import HeadTooLong
from app.runtime.piece_limit import PieceLimit
from app.runtime.receive_guard import BodyTooLong, ReceiveGuard

_MAX_BODY_BYTES = 2 * 1024 * 1024
"""A response with a caption has some kilobytes. One of a megabyte is still read and judged."""
_MAX_WIRE_BYTES = 2 * _MAX_BODY_BYTES + 256 * 1024
_NOT_CODED = ("", "identity")
_UNPACKED = ("gzip", "x-gzip", "deflate")
"""One layer, and no more than the limit of a body is unpacked."""
_BODY_READ_BYTES = 64 * 1024
_FREE_PIECES, _MIN_PIECE_BYTES = 256, 48
"""The smallest event of a stream, with one token, has 56 bytes. A piece takes the event loop some
30 us."""
_PIECES_PER_TURN = 8

# 64 requests at once, each with up to 12 captions in parallel. Idle connections are closed before
# the 5 seconds after which uvicorn and Node close theirs, so that none is used while it closes.
_MAX_CONNECTIONS = 1_000
_MAX_KEEPALIVE_CONNECTIONS = 128
_KEEPALIVE_EXPIRY_S = 4.0

_RECEIVED = "altwright.received"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, headers (names in lower case) and body, as received."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def received(response: httpx2.Response) -> HttpResponse:
    """What the model server sent, behind the response that BoundedTransport returned."""
    found: HttpResponse = response.extensions[_RECEIVED]
    return found


class BoundedTransport(httpx2.AsyncBaseTransport):
    """HTTP/1.1 to one model server, through the proxy that the environment names for it.

    Raises ConnectTimeout, ConnectionFailed, ConnectionBroken, ResponseRejected or TimeoutError.
    """

    def __init__(self) -> None:
        self._ssl_context = httpx2.create_ssl_context()
        self._pool: httpcore2.AsyncConnectionPool | None = None
        self._turn = asyncio.Lock()
        """Responses in small pieces share the event loop's time; see `_read_body`."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and read the whole response."""
        if self._pool is None:
            self._pool = _create_pool(request.url, self._ssl_context)
        try:
            response = await self._exchange(self._pool, request)
        except HeadTooLong as error:
            raise ResponseRejected(str(error)) from None
        except BodyTooLong:
            raise ResponseRejected("the response is larger than 2 MiB") from None
        except httpcore2.ConnectTimeout:
            raise ConnectTimeout("no connection in time") from None
        except httpcore2.TimeoutException:
            raise TimeoutError from None
        except httpcore2.ConnectError as error:
            raise ConnectionFailed(_describe(error)) from None
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.ProxyError,
            httpcore2.UnsupportedProtocol,
            ssl.SSLError,  # of a broken record; httpcore2 passes it on
        ) as error:
            raise ConnectionBroken(_describe(error)) from None
        return httpx2.Response(200, extensions={_RECEIVED: response})

    async def aclose(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _exchange(
        self, pool: httpcore2.AsyncConnectionPool, request: httpx2.Request
    ) -> HttpResponse:
        assert isinstance(request.stream, httpx2.AsyncByteStream)  # noqa: S101 - for the type
        response = await pool.handle_async_request(
            httpcore2.Request(
                request.method,
                httpcore2.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        try:
            headers = _join_headers(response.headers)
            coding = headers.get("content-encoding", "").strip().lower()
            if coding not in (*_NOT_CODED, *_UNPACKED):
                raise ResponseRejected("the response is compressed, which was not asked for")
            stream = response.extensions.get("network_stream")
            if isinstance(stream, _BoundedStream):
                stream.begin_body(_MAX_WIRE_BYTES)
            body = await self._read_body(response)
            if coding in _UNPACKED:
                body = await asyncio.to_thread(_unpack, body)
            return HttpResponse(response.status, headers, body)
        finally:
            await response.aclose()

    async def _read_body(self, response: httpcore2.Response) -> bytes:
        """The body. A Content-Length may be wrong or missing: what arrives is counted.

        After some pieces other tasks run, and one response at a time goes on: hundreds of them in
        tiny pieces delay the others as much as one.
        """
        body = bytearray()
        pieces = PieceLimit(_FREE_PIECES, _MIN_PIECE_BYTES)
        async for piece in response.aiter_stream():
            body += piece
            if len(body) > _MAX_BODY_BYTES:
                raise ResponseRejected("the response is larger than 2 MiB")
            if not pieces.add(len(piece)):
                raise ResponseRejected("the response came in too many small pieces")
            if pieces.pieces % _PIECES_PER_TURN == 0:
                async with self._turn:
                    await asyncio.sleep(0)
        return bytes(body)


class _BoundedBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections whose received bytes are limited."""

    def __init__(self) -> None:
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _BoundedStream(
            await self._sockets.connect_tcp(host, port, timeout, local_address, socket_options)
        )

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _BoundedStream(httpcore2.AsyncNetworkStream):
    """A connection whose received bytes pass a ReceiveGuard."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._guard = ReceiveGuard(_BODY_READ_BYTES)

    def begin_body(self, max_bytes: int) -> None:
        self._guard.begin_body(max_bytes)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        passed = None
        while passed is None:
            read_bytes = self._guard.bytes_to_read(max_bytes)
            passed = self._guard.receive(await self._stream.read(read_bytes, timeout), read_bytes)
        return passed

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._guard.begin_head()
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> object:
        if info == "is_readable" and self._guard.must_not_reuse:
            return True
        return self._stream.get_extra_info(info)


def _create_pool(url: httpx2.URL, ssl_context: ssl.SSLContext) -> httpcore2.AsyncConnectionPool:
    proxy = _environment_proxy(url)
    is_socks = proxy is not None and proxy.url.scheme.startswith(b"socks")
    return httpcore2.AsyncConnectionPool(
        ssl_context=ssl_context,
        proxy=proxy,
        max_connections=_MAX_CONNECTIONS,
        max_keepalive_connections=_MAX_KEEPALIVE_CONNECTIONS,
        keepalive_expiry=_KEEPALIVE_EXPIRY_S,
        # What a SOCKS proxy sends first is no HTTP.
        network_backend=None if is_socks else _BoundedBackend(),
    )


def _environment_proxy(url: httpx2.URL) -> httpcore2.Proxy | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY name for this URL."""
    proxies = urllib.request.getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    host = url.host if url.port is None else f"{url.host}:{url.port}"
    if not found or urllib.request.proxy_bypass(host):
        return None
    proxy = httpx2.Proxy(found if "://" in found else f"http://{found}")
    return httpcore2.Proxy(
        httpcore2.URL(
            scheme=proxy.url.raw_scheme,
            host=proxy.url.raw_host,
            port=proxy.url.port,
            target=proxy.url.raw_path,
        ),
        auth=proxy.raw_auth,
        headers=proxy.headers.raw,
    )


def _unpack(body: bytes) -> bytes:
    """The body of a server or proxy that compresses although it was asked not to."""
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)  # of gzip or zlib, as the first bytes say
    try:
        unpacked = inflater.decompress(body, _MAX_BODY_BYTES + 1)
    except zlib.error:
        raise ResponseRejected("the response does not have the coding that it names") from None
    if len(unpacked) > _MAX_BODY_BYTES:
        raise ResponseRejected("the response is larger than 2 MiB")
    if not inflater.eof:
        raise ResponseRejected("the compressed response breaks off")
    return unpacked


def _join_headers(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    joined: dict[str, list[str]] = {}
    for name, value in headers:
        joined.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in joined.items()}


def _describe(error: Exception) -> str:
    """The operating system's text ("Connection refused"), without received bytes.

    h11 quotes those after a colon, and the server may send the request back. A proxy's refusal is
    its own text.
    """
    if isinstance(error, httpcore2.ProxyError):
        return "the proxy refused"
    return f"{type(error).__name__}: {str(error).partition(': ')[0]}"[:200]
