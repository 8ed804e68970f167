"""An origin on loopback that sends, byte for byte, what a test's handler writes."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

KEEP_OPEN = object()
"""A handler returns this to leave the connection open for another request."""

Handler = Callable[[str, asyncio.StreamWriter], Awaitable[object]]
"""Writes a response; gets the target of the request. Then the connection closes."""


class ScriptedOrigin:
    """`async with ScriptedOrigin(handler) as origin:` listens on a free port of loopback."""

    def __init__(
        self, handler: Handler, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
    ) -> None:
        self._handler = handler
        self._address = address
        self._tls = tls
        self.connections = 0
        self.heads: list[bytes] = []
        """The heads of all requests, as they arrived."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, self._address, 0, ssl=self._tls, limit=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def url(self, target: str = "/image.jpg", host: str = "") -> str:
        return f"{'https' if self._tls else 'http'}://{host or self._address}:{self.port}{target}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            is_open = True
            while is_open:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                target = head.split(b" ")[1].decode("ascii")
                is_open = await self._handler(target, writer) is KEEP_OPEN
                await writer.drain()
        self._tasks.discard(task)
        with suppress(OSError, asyncio.CancelledError):
            writer.close()
            await writer.wait_closed()


def respond(
    body: bytes = b"",
    status: str = "200 OK",
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> Handler:
    """A handler that sends one response. `length` is what Content-Length claims."""
    fields = {"Content-Length": str(len(body) if length is None else length)} | (headers or {})
    head = f"HTTP/1.1 {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"

    async def handler(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode("latin-1") + body)

    return handler


def redirect(location: str) -> Handler:
    """A handler that redirects with 302."""
    return respond(status="302 Found", headers={"Location": location})


def send(data: bytes, then: Handler | None = None) -> Handler:
    """A handler that sends raw bytes and then goes on with `then`."""

    async def handler(target: str, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then:
            await then(target, writer)

    return handler


def send_forever(data: bytes, pause_s: float = 0.0) -> Handler:
    """A handler that sends raw bytes again and again."""

    async def handler(_: str, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return handler


async def stay_silent(_: str, __: asyncio.StreamWriter) -> None:
    """A handler that sends nothing and keeps the connection open."""
    await asyncio.sleep(60)


async def close(_: str, __: asyncio.StreamWriter) -> None:
    """A handler that closes the connection without a response."""


async def reset(_: str, writer: asyncio.StreamWriter) -> None:
    """A handler that resets the connection (TCP RST)."""
    await asyncio.sleep(0.05)
    writer.transport.abort()
