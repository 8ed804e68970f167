"""A web server on loopback that serves a test's pictures and misbehaves on demand.

Raw asyncio in a thread of its own, because no web framework would send what some paths here send.
`MISBEHAVIOURS` lists the paths; `serve` and `redirect` add a test's own.
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

_PATIENCE_S = 60.0
"""Nothing here lasts longer, whatever the client does."""
_ENDLESS_BYTES = 512 * 1024 * 1024
"""Where "endless" ends: far over every limit, and still bounded."""
_DRIP_S = 0.1
LOGIN_PAGE = b"""<!doctype html><html><head><title>Sign in</title></head><body>
<form method="post"><input name="user"><input type="password" name="password"></form></body></html>
"""
JPEG_START = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
"""Begins like a JPEG, so that nobody may hang up for the wrong reason."""

Answer = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class OriginRequest:
    """One request as it arrived; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


def _head(status: int, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers), "", ""]).encode()


def _whole(
    status: int, body: bytes, content_type: str, headers: Sequence[tuple[str, str]] = ()
) -> Answer:
    """An answer that is what it says."""
    fields = [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers]

    async def answer(writer: asyncio.StreamWriter, _target: str) -> None:
        writer.write(_head(status, fields) + body)
        await writer.drain()

    return answer


def _plain(status: int, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    return _whole(status, f"{status}\n".encode(), "text/plain", headers)


def _redirect(location: str, status: int = 302) -> Answer:
    return _plain(status, [("Location", location)])


async def _redirect_many(writer: asyncio.StreamWriter, target: str) -> None:
    """Each hop leads to the next number, for ever: never the same address twice."""
    number = target.rpartition("/")[2]
    following = int(number) + 1 if number.isdigit() else 1
    await _redirect(f"/redirect-many/{following}")(writer, target)


async def _endless(writer: asyncio.StreamWriter, _target: str) -> None:
    """A chunked body without an end, as fast as it is read."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Transfer-Encoding", "chunked")]))
    chunk = JPEG_START + bytes(64 * 1024 - len(JPEG_START))
    for _ in range(_ENDLESS_BYTES // len(chunk)):
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()


async def _drip(writer: asyncio.StreamWriter, _target: str) -> None:
    """One byte after another: no single read is ever slow."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", "100000")]))
    for n in range(int(_PATIENCE_S / _DRIP_S)):
        writer.write(JPEG_START[n : n + 1] or b"\0")
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


async def _drip_head(writer: asyncio.StreamWriter, _target: str) -> None:
    """The same, in the headers."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for n in range(int(_PATIENCE_S / _DRIP_S)):
        writer.write(f"X-{n}: {n}\r\n".encode())
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


async def _endless_head(writer: asyncio.StreamWriter, _target: str) -> None:
    """Headers without an end, as fast as they are read."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for n in range(100_000):
        writer.write(f"X-{n}: {'x' * 1000}\r\n".encode())
        await writer.drain()


async def _early_hints(writer: asyncio.StreamWriter, _target: str) -> None:
    """Interim answers without an end, and never the final one."""
    for _ in range(200_000):
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
        await writer.drain()


async def _silence(_writer: asyncio.StreamWriter, _target: str) -> None:
    """Accepts, reads, and never says a word."""
    await asyncio.sleep(_PATIENCE_S)


async def _stall(writer: asyncio.StreamWriter, _target: str) -> None:
    """Half a picture, then nothing."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", "100000")]))
    writer.write(JPEG_START)
    await writer.drain()
    await asyncio.sleep(_PATIENCE_S)


async def _close(_writer: asyncio.StreamWriter, _target: str) -> None:
    """Hangs up without an answer."""


async def _reset(writer: asyncio.StreamWriter, _target: str) -> None:
    """Hangs up with a TCP reset."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _cut(writer: asyncio.StreamWriter, _target: str) -> None:
    """Promises more than it sends."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", "100000")]))
    writer.write(JPEG_START)
    await writer.drain()


async def _huge(writer: asyncio.StreamWriter, _target: str) -> None:
    """Promises 10 GB and begins to send them."""
    writer.write(_head(200, [("Content-Type", "image/jpeg"), ("Content-Length", str(10**10))]))
    for _ in range(_ENDLESS_BYTES // 65536):
        writer.write(bytes(65536))
        await writer.drain()


async def _nonsense(writer: asyncio.StreamWriter, _target: str) -> None:
    """Speaks another protocol."""
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await writer.drain()


MISBEHAVIOURS: Mapping[str, Answer] = {
    **{f"/{status}": _plain(status) for status in (400, 401, 402, 403, 404, 410, 451)},
    **{f"/{status}": _plain(status) for status in (500, 502, 503)},
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


class Origin:
    """The server: where it is, what it serves, and who came."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self.connections = 0
        """How many were accepted so far."""
        self.requests: list[OriginRequest] = []
        self._answers: dict[str, Answer] = dict(MISBEHAVIOURS)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="origin", daemon=True)
        self._working: set[asyncio.Task[None]] = set()

    def url(self, path: str) -> str:
        """The full address of a path."""
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
        """Answer `path` with these bytes from now on; returns its address."""
        self._answers[path] = _whole(status, body, content_type, headers)
        return self.url(path)

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        """Lead from `path` to `location` from now on; returns its address."""
        self._answers[path] = _redirect(location, status)
        return self.url(path)

    def answer(self, path: str, answer: Answer) -> str:
        """Whatever else a test wants to send: `answer` gets the stream and the target."""
        self._answers[path] = answer
        return self.url(path)

    def start(self) -> None:
        """Listen on a free port."""
        self._thread.start()
        if not self._started.wait(5):
            pytest.fail("the origin did not start within 5 seconds")

    def stop(self) -> None:
        """Hang up on everyone and let the port go; a second time does nothing."""
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
        self._loop.run_until_complete(self._hang_up())
        self._loop.close()

    async def _hang_up(self) -> None:
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in the loop's next round

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._working.add(task)
        try:
            # A client that goes away in the middle is what most paths here are for.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                async with asyncio.timeout(_PATIENCE_S):
                    await self._one(reader, writer)
        except TimeoutError:
            pass
        finally:
            self._working.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _version = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        self.requests.append(OriginRequest(method, target, headers))
        path = target.partition("?")[0]
        if path.startswith("/redirect-many/"):
            path = "/redirect-many"
        await self._answers.get(path, _plain(404))(writer, target)


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin of this test's own on 127.0.0.1."""
    server = Origin()
    server.start()
    yield server
    server.stop()
