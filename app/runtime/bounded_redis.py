"""Connections to Redis whose replies are limited in size and time.

redis-py reads whatever length a reply names, and its timeout is for each read: a server that sends
a byte now and then, or two gigabytes, holds its reader for as long as it likes. RESP2 is spoken:
in RESP3 a server may send messages unasked, one of which names another server to connect to.

Importing redis takes a tenth of a second: import this module where Redis is used.
"""

import asyncio
import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, UnixDomainSocketConnection

MAX_REPLY_BYTES = 64 * 1024
"""Ours have some kilobytes."""


class ReplyTooLarge(redis.RedisError):
    """Redis sent more than MAX_REPLY_BYTES for one command."""


def async_client(url: str, timeout_s: float) -> redis.asyncio.Redis:
    """A client for the event loop. `timeout_s` is for connecting, and for each reply."""
    kinds: dict[str, type[redis.asyncio.Connection]] = {
        "rediss": _AsyncTlsConnection,
        "unix": cast("type[redis.asyncio.Connection]", _AsyncUnixConnection),
    }
    pool = redis.asyncio.ConnectionPool.from_url(
        url,
        connection_class=kinds.get(urlsplit(url).scheme, _AsyncConnection),
        retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
        **_options(timeout_s),
    )
    return redis.asyncio.Redis.from_pool(pool)


def connection_pool(url: str, timeout_s: float) -> redis.ConnectionPool:
    """Connections for threads. `timeout_s` is for connecting, and for each whole reply."""
    kinds: dict[str, type[redis.Connection]] = {
        "rediss": _TlsConnection,
        "unix": cast("type[redis.Connection]", _UnixConnection),
    }
    return redis.ConnectionPool.from_url(
        url,
        connection_class=kinds.get(urlsplit(url).scheme, _Connection),
        retry=redis.retry.Retry(NoBackoff(), 0),
        **_options(timeout_s),
    )


def _options(timeout_s: float) -> dict[str, Any]:
    return {"protocol": 2, "socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}


class _BoundedSocket:
    """A socket that receives a limited number of bytes, for a limited time, after each send."""

    def __init__(self, inner: socket.socket, timeout_s: float) -> None:
        self._inner = inner
        self._timeout_s = timeout_s
        self._begin_reply()

    def sendall(self, data: bytes) -> None:
        self._inner.sendall(data)
        self._begin_reply()

    def recv(self, size: int) -> bytes:
        if time.monotonic() > self._ends_at_s:
            raise TimeoutError("the reply takes too long")
        data = self._inner.recv(size)
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise ReplyTooLarge(f"more than {MAX_REPLY_BYTES} bytes")
        return data

    def _begin_reply(self) -> None:
        self._left_bytes = MAX_REPLY_BYTES
        self._ends_at_s = time.monotonic() + self._timeout_s

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the inner one has
        return getattr(self._inner, name)


class _BoundedReader:
    """A StreamReader that gives a limited number of bytes for each command."""

    def __init__(self, inner: asyncio.StreamReader) -> None:
        self._inner = inner
        self.begin_reply()

    def begin_reply(self) -> None:
        self._left_bytes = MAX_REPLY_BYTES

    async def readexactly(self, size: int) -> bytes:
        self._count(size)
        return await self._inner.readexactly(size)

    async def readline(self) -> bytes:
        line = await self._inner.readline()
        self._count(len(line))
        return line

    def _count(self, size: int) -> None:
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise ReplyTooLarge(f"more than {MAX_REPLY_BYTES} bytes")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the inner one has
        return getattr(self._inner, name)


if TYPE_CHECKING:
    _Base = redis.Connection
    _AsyncBase = redis.asyncio.Connection
else:
    _Base = _AsyncBase = object


class _BoundedMixin(_Base):
    # The one place where redis-py lets a subclass open the socket.
    def _connect(self) -> _BoundedSocket:
        timeout_s = self.socket_timeout or 0.0
        return _BoundedSocket(super()._connect(), timeout_s)  # type: ignore[no-untyped-call]


class _Connection(_BoundedMixin, redis.Connection):
    pass


class _TlsConnection(_BoundedMixin, SSLConnection):
    pass


class _UnixConnection(_BoundedMixin, UnixDomainSocketConnection):
    pass


class _AsyncBoundedMixin(_AsyncBase):
    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[no-untyped-call]
        self._reader: Any = _BoundedReader(cast("asyncio.StreamReader", self._reader))

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        if self._reader is not None:
            self._reader.begin_reply()
        await super().send_packed_command(command, check_health)


class _AsyncConnection(_AsyncBoundedMixin, redis.asyncio.Connection):
    pass


class _AsyncTlsConnection(_AsyncBoundedMixin, redis.asyncio.SSLConnection):
    pass


class _AsyncUnixConnection(_AsyncBoundedMixin, redis.asyncio.UnixDomainSocketConnection):
    pass
