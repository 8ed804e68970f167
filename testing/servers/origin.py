"""An origin on loopback: it serves the images of a test and has paths that misbehave.

Raw asyncio in a thread of its own, because no web framework sends what some of these paths send.
`FAULTY_PATHS` lists them; `serve` and `redirect` add a test's own paths.
"""

import asyncio
import contextlib
import gzip
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

MAX_HANG_S = 60.0
"""No handler lasts longer, even if the client stays connected."""
_ENDLESS_BYTES = 512 * 1024 * 1024
"""Where an endless body ends: far over every limit, and still bounded."""
_DRIP_S = 0.1
LOGIN_PAGE = b"""<!doctype html><html><head><title>Sign in</title></head><body>
<form method="post"><input name="user"><input type="password" name="password"></form></body></html>
"""
JPEG_START = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
"""The first bytes of a JPEG, so that the format is not the reason for a refusal."""

Handler = Callable[[asyncio.StreamWriter, str], Awaitable[None]]
"""Writes the response to one request; gets the stream and the request's target."""


@dataclass(frozen=True, slots=True)
class OriginRequest:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


def _head(status: int, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers), "", ""]).encode()


def _whole(
    status: int, body: bytes, content_type: str, headers: Sequence[tuple[str, str]] = ()
) -> Handler:
    """A complete response."""
    fields = [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers]

    async def handle(writer: asyncio.StreamWriter, _target: str) -> None:
        writer.write(_head(status, fields) + body)
        await writer.drain()

    return handle


def _plain(status: int, headers: Sequence[tuple[str, str]] = ()) -> Handler:
    return _whole(status, f"{status}\n".encode(), "text/plain", headers)


def _redirect(location: str, status: int = 302) -> Handler:
    return _plain(status, [("Location", location)])


async def _redirect_many(writer: asyncio.StreamWriter, target: str) -> None:
    """Redirect to the next number, endlessly: no URL comes twice."""
    number = target.rpartition("/")[2]
    following = int(number) + 1 if number.isdigit() else 1
    await _redirect(f"/redirect-many/{following}")(writer, target)


async def _endless(writer: asyncio.StreamWriter, _target: str) -> None:
    """Send a chunked body without an end, as fast as it is read."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Transfer-Encoding", "chunked")]))
    chunk = JPEG_START + bytes(64 * 1024 - len(JPEG_START))
    for _ in range(_ENDLESS_BYTES // len(chunk)):
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()


async def _drip(writer: asyncio.StreamWriter, _target: str) -> None:
    """Send the body byte by byte: no single read is slow."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", "100000")]))
    for n in range(int(MAX_HANG_S / _DRIP_S)):
        writer.write(JPEG_START[n : n + 1] or b"\0")
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


async def _drip_head(writer: asyncio.StreamWriter, _target: str) -> None:
    """Send one header field after another, slowly."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for n in range(int(MAX_HANG_S / _DRIP_S)):
        writer.write(f"X-{n}: {n}\r\n".encode())
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


async def _endless_head(writer: asyncio.StreamWriter, _target: str) -> None:
    """Send header fields without an end, as fast as they are read."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for n in range(100_000):
        writer.write(f"X-{n}: {'x' * 1000}\r\n".encode())
        await writer.drain()


async def _early_hints(writer: asyncio.StreamWriter, _target: str) -> None:
    """Send interim responses without an end and never the final one."""
    for _ in range(200_000):
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
        await writer.drain()


async def _silence(_writer: asyncio.StreamWriter, _target: str) -> None:
    """Read the request and send nothing."""
    await asyncio.sleep(MAX_HANG_S)


async def _stall(writer: asyncio.StreamWriter, _target: str) -> None:
    """Send the start of an image, then nothing."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", "100000")]))
    writer.write(JPEG_START)
    await writer.drain()
    await asyncio.sleep(MAX_HANG_S)


async def _close(_writer: asyncio.StreamWriter, _target: str) -> None:
    """Close the connection without a response."""


async def _reset(writer: asyncio.StreamWriter, _target: str) -> None:
    """Close the connection with a TCP reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _cut(writer: asyncio.StreamWriter, _target: str) -> None:
    """Send fewer bytes than Content-Length says, then close."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", "100000")]))
    writer.write(JPEG_START)
    await writer.drain()


async def _huge(writer: asyncio.StreamWriter, _target: str) -> None:
    """Announce 10 GB and begin to send them."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", str(10**10))]))
    for _ in range(_ENDLESS_BYTES // 65536):
        writer.write(bytes(65536))
        await writer.drain()


async def _nonsense(writer: asyncio.StreamWriter, _target: str) -> None:
    """Respond in another protocol (SMTP)."""
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await writer.drain()


FAULTY_PATHS: Mapping[str, Handler] = {
    **{f"/{status}": _plain(status) for status in (400, 401, 402, 403, 404, 410, 451)},
    **{f"/{status}": _plain(status) for status in (500, 502, 503)},
    "/202": _plain(202, [("Retry-After", "3")]),
    "/409": _plain(409),
    "/420": _plain(420),
    "/423": _plain(423),
    "/challenge": _whole(202, b"", "text/html", [("x-amzn-waf-action", "challenge")]),
    "/brotli": _whole(200, JPEG_START, "image/jpeg", [("Content-Encoding", "br")]),
    "/204": _whole(204, b"", "image/jpeg"),
    "/206": _whole(206, JPEG_START, "image/jpeg", [("Content-Range", "bytes 0-19/5000")]),
    "/429": _plain(429, [("Retry-After", "7")]),
    "/login": _whole(200, LOGIN_PAGE, "text/html; charset=utf-8"),
    "/html.jpg": _whole(200, b"<!doctype html><title>Not a picture</title>", "image/jpeg"),
    "/empty": _whole(200, b"", "image/jpeg"),
    "/gzip": _whole(200, gzip.compress(bytes(5000)), "image/jpeg", [("Content-Encoding", "gzip")]),
    "/redirect-loop": _redirect("/redirect-loop"),
    "/redirect-many": _redirect_many,
    "/redirect-nowhere": _plain(302),
    "/redirect-file": _redirect("file:///etc/passwd"),
    "/endless": _endless,
    "/huge": _huge,
    "/drip": _drip,
    "/drip-head": _drip_head,
    "/endless-head": _endless_head,
    "/early-hints": _early_hints,
    "/slow-head": _silence,
    "/stall": _stall,
    "/close": _close,
    "/reset": _reset,
    "/cut": _cut,
    "/nonsense": _nonsense,
}


FAULT_CODES: Mapping[str, str] = {
    "/drip": "image_timeout",
    "/drip-head": "image_timeout",
    "/stall": "image_timeout",
    "/slow-head": "image_timeout",
    "/endless": "image_too_large",
    "/huge": "image_too_large",
    "/gzip": "image_unsupported",
    "/endless-head": "image_unreachable",
    "/early-hints": "image_unreachable",
    "/nonsense": "image_unreachable",
    "/cut": "image_unreachable",
    "/reset": "image_unreachable",
}
"""The code that the server returns for each path that costs time, memory or connections."""


class Origin:
    """The server, with the requests that it received."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self.connections = 0
        """Connections accepted so far."""
        self.requests: list[OriginRequest] = []
        self._handlers: dict[str, Handler] = dict(FAULTY_PATHS)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="origin", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, path: str) -> str:
        """The URL of a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{path}"

    def serve(
        self,
        path: str,
        body: bytes,
        content_type: str = "image/jpeg",
        *,
        status: int = 200,
        headers: Sequence[tuple[str, str]] = (),
    ) -> str:
        """Serve these bytes at `path` from now on; returns the URL."""
        self._handlers[path] = _whole(status, body, content_type, headers)
        return self.url(path)

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        """Redirect `path` to `location` from now on; returns the URL."""
        self._handlers[path] = _redirect(location, status)
        return self.url(path)

    def handle(self, path: str, handler: Handler) -> str:
        """Let `handler` respond to `path` from now on; returns the URL."""
        self._handlers[path] = handler
        return self.url(path)

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        if not self._started.wait(5):
            pytest.fail("the origin did not start within 5 seconds")

    def stop(self) -> None:
        """Close all connections and the port; does nothing the second time."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, self.host, 0, limit=1024 * 1024)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._close_connections())
        self._loop.close()

    async def _close_connections(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in the loop's next round

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # A client that disconnects is the normal end of most of these paths.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                async with asyncio.timeout(MAX_HANG_S):
                    await self._serve_one(reader, writer)
        except TimeoutError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _version = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        self.requests.append(OriginRequest(method, target, headers))
        path = target.partition("?")[0]
        if path.startswith("/redirect-many/"):
            path = "/redirect-many"
        await self._handlers.get(path, _plain(404))(writer, target)


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin for one test on 127.0.0.1."""
    server = Origin()
    server.start()
    yield server
    server.stop()
