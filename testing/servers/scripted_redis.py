"""A server in Redis' place that answers every command with the same bytes, or never ends."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

REPLIES = {
    "nonsense": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "not a number": b":x\r\n",
    "a length that is no number": b"$x\r\n",
    "a negative length": b"$-5\r\n",
    "another type": b":5\r\n",
    "a list": b"*2\r\n:1\r\n:2\r\n",
    "nothing": b"$-1\r\n",
    "deep": b"*1\r\n" * 15_000,
    "many items": b"*1000000\r\n" + b":1\r\n" * 200_000,
    "two gigabytes": b"$2147483647\r\n" + b"x" * 1_000_000,
    "a line without an end": b"+" + b"x" * 1_000_000,
    "an entry of another request": b"$11\r\n{\"key\":\"x\"}\r\n",
    "a message unasked": b">3\r\n$6\r\nMOVING\r\n:1\r\n:1\r\n",
    **{
        code: b"-" + code.encode() + b" something\r\n"
        for code in ("ERR", "LOADING", "READONLY", "MOVED 1 127.0.0.1:1", "NOAUTH", "OOM",
                     "WRONGTYPE", "MASTERDOWN", "CLUSTERDOWN", "NOPERM", "BUSY", "\xff")
    },
}  # fmt: skip
"""Replies that no command of ours gets from a Redis that is well."""


@asynccontextmanager
async def scripted_redis(
    reply: bytes | Iterable[bytes], pause_s: float = 0.0
) -> AsyncIterator[str]:
    """Its `redis://` URL. `reply` answers whatever arrives; of several, one after each pause."""
    tasks: set[asyncio.Task[None]] = set()
    pieces = [reply] if isinstance(reply, bytes) else reply

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while await reader.read(65_536):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
        except (ConnectionError, asyncio.CancelledError):
            pass  # 3.11 logs a server task that ends cancelled as an error
        finally:
            writer.transport.abort()  # what the client has not read would keep it open

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)


def for_ever(piece: bytes) -> Iterable[bytes]:
    """The same bytes again and again."""
    return itertools.repeat(piece)
