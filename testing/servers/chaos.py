"""A proxy that misbehaves on demand, in front of the real server: what clients meet on the way.

Raw asyncio in a thread of its own. `then` queues what becomes of the next requests, in order;
`always` says what becomes of all others; without either everything passes.
"""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pytest

_PATIENCE_S = 60.0
"""Nothing here lasts longer, whatever the client does."""


@dataclass(slots=True)
class Seen:
    """One request as it arrived, and what became of it. Times are `time.monotonic()`."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float
    answered_at_s: float | None = None
    did: str = ""

    def json(self) -> dict[str, object]:
        """The body as an object."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


Deed = Callable[["Chaos", Seen, asyncio.StreamWriter], Awaitable[None]]


def answer(
    status: int, body: bytes | object, *, content_type: str = "application/json", **headers: str
) -> bytes:
    """The bytes of an answer; header names with _ for -."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": content_type, "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + data


def problem(status: int, code: str, *, retry_after: str | None = None) -> Deed:
    """A problem as the server writes it, from somewhere in between."""

    async def deed(_chaos: "Chaos", seen: Seen, writer: asyncio.StreamWriter) -> None:
        request_id = seen.headers.get("x-request-id", "none")
        body = {
            "type": f"/docs#problem-{code}",
            "title": code,
            "status": status,
            "detail": f"{code} said the proxy",
            "code": code,
            "retryable": status in (408, 429) or status >= 500,
            "request_id": request_id,
        }
        more = {} if retry_after is None else {"Retry_After": retry_after}
        writer.write(
            answer(
                status,
                body,
                content_type="application/problem+json",
                X_Request_ID=request_id,
                **more,
            )
        )
        await writer.drain()

    deed.__name__ = code
    return deed


def raw(data: bytes, *, then_close: bool = False) -> Deed:
    """Exactly these bytes."""

    async def deed(_chaos: "Chaos", _seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()

    return deed


async def forward(chaos: "Chaos", seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Pass it on and bring the answer back."""
    writer.write(await chaos.ask(seen))
    await writer.drain()


async def reset(_chaos: "Chaos", _seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Hang up with RST before any answer."""
    _rst(writer)


async def half(chaos: "Chaos", seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Half of the real answer, then RST."""
    whole = await chaos.ask(seen)
    writer.write(whole[: len(whole) - len(whole) // 4])
    await writer.drain()
    await asyncio.sleep(0.02)
    _rst(writer)


async def drip(chaos: "Chaos", seen: Seen, writer: asyncio.StreamWriter) -> None:
    """The head at once and the body byte by byte, ten a second."""
    head, _, body = (await chaos.ask(seen)).partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def hang(_chaos: "Chaos", _seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Say nothing until the client goes."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while not writer.is_closing():
                await asyncio.sleep(0.02)


def _rst(writer: asyncio.StreamWriter) -> None:
    opened = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@dataclass
class TokenBucket:
    """Passes `per_s` requests a second, up to `burst` at once; refuses the rest with 429."""

    per_s: float
    burst: float
    retry_after: str | None = None
    _tokens: float = field(default=0.0, init=False)
    _at_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._tokens, self._at_s = self.burst, time.monotonic()

    async def __call__(self, chaos: "Chaos", seen: Seen, writer: asyncio.StreamWriter) -> None:
        now_s = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now_s - self._at_s) * self.per_s)
        self._at_s = now_s
        if self._tokens < 1:
            seen.did = "rate_limited"
            refuse = problem(429, "rate_limited", retry_after=self.retry_after)
            await refuse(chaos, seen, writer)
            return
        self._tokens -= 1
        seen.did = "forward"
        await forward(chaos, seen, writer)


class Chaos:
    """The proxy; `url` is what clients take for the server."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self._queue: deque[Deed] = deque()
        self._always: Deed = forward
        self.seen: list[Seen] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.url = ""
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    def then(self, *deeds: Deed) -> Self:
        """What becomes of the next requests, one each."""
        self._queue.extend(deeds)
        return self

    def always(self, deed: Deed) -> Self:
        """What becomes of every request that nothing is queued for."""
        self._always = deed
        return self

    def reset(self) -> None:
        """Forget scripts and requests."""
        self._queue.clear()
        self._always = forward
        self.seen.clear()
        self.most_in_flight = self.connections = 0

    def gaps_s(self) -> list[float]:
        """Seconds between the answer to one request and the arrival of the next, in order."""
        answered = [seen.answered_at_s or seen.at_s for seen in self.seen]
        return [seen.at_s - before for before, seen in zip(answered, self.seen[1:], strict=False)]

    async def ask(self, seen: Seen) -> bytes:
        """The real server's answer, as its bytes."""
        while True:
            fresh = not self._idle
            pair = await asyncio.open_connection(*self._upstream) if fresh else self._idle.pop()
            reader, writer = pair
            try:
                method = "POST" if seen.body else "GET"
                passed = {k: v for k, v in seen.headers.items() if k not in ("host", "connection")}
                lines = [f"{method} {seen.path} HTTP/1.1", "Host: upstream"]
                lines += [f"{name}: {value}" for name, value in passed.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + seen.body)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _length(head)
                body = await reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                if fresh:
                    raise
                continue
            except asyncio.CancelledError:  # the client has gone in the middle
                writer.close()
                raise
            self._idle.append(pair)
            return head + body

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, work: Awaitable[None]) -> None:
        async def wrapped() -> None:
            await work

        asyncio.run_coroutine_threadsafe(wrapped(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=16 * 1024 * 1024, backlog=1024
        )
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, writer in self._idle:
            writer.close()
        writers = [*self._writers, *(writer for _, writer in self._idle)]
        await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.append(writer)
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    head = await reader.readuntil(b"\r\n\r\n")
                    body = await reader.readexactly(_length(head))
                    await self._handle(head, body, reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _handle(
        self,
        head: bytes,
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines if ": " in line)
        headers = {name.lower(): value for name, value in pairs}
        seen = Seen(first.split()[1], headers, body, time.monotonic())
        self.seen.append(seen)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        deed = self._queue.popleft() if self._queue else self._always
        seen.did = getattr(deed, "__name__", type(deed).__name__)
        work = asyncio.ensure_future(deed(self, seen, writer))
        gone = asyncio.ensure_future(_until_gone(reader, writer))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for each in (work, gone):
                each.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
            self.in_flight -= 1
            seen.answered_at_s = time.monotonic()


async def _until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Returns when the client has hung up: its request is then nobody's any more."""
    while not reader.at_eof() and not writer.is_closing():
        await asyncio.sleep(0.02)


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    return int(lowered[at + 17 : lowered.index(b"\r", at + 17)]) if at >= 0 else 0


@pytest.fixture
def make_chaos() -> Iterator[Callable[[str], Chaos]]:
    """Puts a proxy in front of a server."""
    with contextlib.ExitStack() as stack:
        yield lambda upstream: stack.enter_context(Chaos(upstream))
