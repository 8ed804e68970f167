"""An image server on loopback that does, byte for byte, what a test tells it."""

import asyncio
import io
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from PIL import Image

Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
"""Gets the request's target and writes whatever it likes; the connection closes afterwards."""


class Origin:
    """`async with Origin(handler) as origin:` listens on a free port of loopback."""

    def __init__(
        self, handler: Handler, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
    ) -> None:
        self._handler = handler
        self._address = address
        self._tls = tls
        self.accepted = 0
        self.closed = 0
        self.heads: list[bytes] = []
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
        self.accepted += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._handler(head.split(b" ")[1].decode("ascii"), writer)
                await writer.drain()
                if getattr(writer, "stay", False) is False:
                    break
        self._tasks.discard(task)
        self.closed += 1
        with suppress(OSError, asyncio.CancelledError):
            writer.close()
            await writer.wait_closed()


def answer(
    body: bytes = b"",
    status: str = "200 OK",
    headers: dict[str, str] | None = None,
    length: int | None = None,
) -> Handler:
    """A handler that gives one whole answer. `length` is what Content-Length claims."""
    fields = {"Content-Length": str(len(body) if length is None else length)} | (headers or {})
    head = f"HTTP/1.1 {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"

    async def handler(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode("latin-1") + body)

    return handler


def raw(data: bytes, then: Handler | None = None) -> Handler:
    """A handler that writes `data` as it is, and then goes on with `then`."""

    async def handler(target: str, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then:
            await then(target, writer)

    return handler


def repeated(data: bytes, pause_s: float = 0.0) -> Handler:
    """A handler that writes `data` without end."""

    async def handler(_: str, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return handler


async def silence(_: str, __: asyncio.StreamWriter) -> None:
    """A handler that says nothing and keeps the connection open."""
    await asyncio.sleep(60)


def jpeg(width: int = 64, height: int = 48) -> bytes:
    """A small picture."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(out, "JPEG")
    return out.getvalue()


def closed_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
