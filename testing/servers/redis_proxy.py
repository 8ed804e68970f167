"""A proxy in front of Redis that passes everything on until it is told to misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

_CHUNK_BYTES = 65_536

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Writes something to the client in place of, or after, what Redis answered."""


def late(seconds: float) -> Answer:
    """Every answer comes this much later."""

    async def answer(data: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(data)

    return answer


def instead(data: bytes) -> Answer:
    """Always answers these bytes."""

    async def answer(_data: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


async def slowly(data: bytes, writer: asyncio.StreamWriter) -> None:
    """Every answer comes byte by byte."""
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await writer.drain()
        await asyncio.sleep(0.03)


def of_another() -> Answer:
    """Every answer is that to the request before it, on whatever connection."""
    before = b"$-1\r\n"

    async def answer(data: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal before
        writer.write(before)
        before = data

    return answer


def bulk(value: bytes) -> bytes:
    """A value in Redis's protocol."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


FAULTS: Mapping[str, Callable[[], Answer]] = {
    "late": lambda: late(0.2),
    "never": lambda: late(60.0),
    "slowly": lambda: slowly,
    "garbage": lambda: instead(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>"),
    "half-a-character": lambda: instead(bulk(b'{"text": "\xc3"}')),
    "deep": lambda: instead(bulk(b"[" * 200_000)),
    "large": lambda: instead(bulk(b'{"text": "' + b"a" * 24_000_000 + b'"}')),
    "nested-reply": lambda: instead(b"*1\r\n" * 50_000),
    "endless-line": lambda: instead(b"+" + b"a" * 8_000_000),
    "of-another": of_another,
}


class RedisProxy:
    """Forwards between clients and Redis; `fault` is None or what happens to every answer."""

    def __init__(self, redis_port: int) -> None:
        self._redis_port = redis_port
        self.url = ""
        self.fault: Answer | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", self._redis_port)
        requests = asyncio.create_task(_pump(reader, redis_writer))
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await redis_reader.read(_CHUNK_BYTES):
                if self.fault is None:
                    writer.write(data)
                else:
                    await self.fault(data, writer)
                await writer.drain()
        requests.cancel()
        writer.close()
        redis_writer.close()
        self.tasks.discard(task)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
    writer.close()


@asynccontextmanager
async def redis_proxy(redis_port: int) -> AsyncIterator[RedisProxy]:
    """A RedisProxy on a free port of loopback."""
    proxy = RedisProxy(redis_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield proxy
    finally:
        server.close()
        for task in proxy.tasks:
            task.cancel()
        await asyncio.sleep(0)
