"""A fault-injecting HTTP proxy in front of the real server, for tests of clients.

Raw asyncio in a thread of its own. `then` queues actions for the next requests, in order. `always`
sets the action for all other requests. Without either, every request is forwarded.
"""

import asyncio
import contextlib
import email
import email.policy
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pytest

_MAX_HANG_S = 60.0
"""No action lasts longer, even if the client stays connected."""


@dataclass(slots=True)
class RecordedRequest:
    """One request and the action that was taken. Times are `time.monotonic()`."""

    path: str
    headers: dict[str, str]
    body: bytes
    arrived_at_s: float
    finished_at_s: float | None = None
    action: str = ""

    def json(self) -> dict[str, object]:
        """The body as an object."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    def form(self) -> dict[str, str | bytes]:
        """The body as a form: text fields, and files as bytes; the last of each name."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        fields: dict[str, str | bytes] = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="Content-Disposition")
            data = part.get_payload(decode=True)
            assert isinstance(name, str)
            assert isinstance(data, bytes)
            fields[name] = data.decode() if part.get_filename() is None else data
        return fields


Action = Callable[["FaultProxy", RecordedRequest, asyncio.StreamWriter], Awaitable[None]]
"""What the proxy does with one request; the writer leads to the client."""


def http_response(
    status: int, body: bytes | object, *, content_type: str = "application/json", **headers: str
) -> bytes:
    """The bytes of a response; `_` in a header name means `-`."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Type": content_type, "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Status", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + data


def problem(status: int, code: str, *, retry_after: str | None = None) -> Action:
    """Respond with a problem document in the server's format."""

    async def act(
        _proxy: "FaultProxy", request: RecordedRequest, writer: asyncio.StreamWriter
    ) -> None:
        request_id = request.headers.get("x-request-id", "none")
        body = {
            "type": f"/docs#problem-{code}",
            "title": code,
            "status": status,
            "detail": f"{code} from the proxy",
            "code": code,
            "retryable": status in (408, 429) or status >= 500,
            "request_id": request_id,
        }
        more = {} if retry_after is None else {"Retry_After": retry_after}
        writer.write(
            http_response(
                status,
                body,
                content_type="application/problem+json",
                X_Request_ID=request_id,
                **more,
            )
        )
        await writer.drain()

    act.__name__ = code
    return act


def raw(data: bytes, *, then_close: bool = False) -> Action:
    """Respond with exactly these bytes."""

    async def act(
        _proxy: "FaultProxy", _request: RecordedRequest, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()

    return act


async def forward(
    proxy: "FaultProxy", request: RecordedRequest, writer: asyncio.StreamWriter
) -> None:
    """Forward the request and return the server's response."""
    writer.write(await proxy.fetch(request))
    await writer.drain()


async def reset(
    _proxy: "FaultProxy", _request: RecordedRequest, writer: asyncio.StreamWriter
) -> None:
    """Close the connection with RST before any response."""
    _rst(writer)


async def truncate(
    proxy: "FaultProxy", request: RecordedRequest, writer: asyncio.StreamWriter
) -> None:
    """Send three quarters of the server's response, then RST."""
    whole = await proxy.fetch(request)
    writer.write(whole[: len(whole) - len(whole) // 4])
    await writer.drain()
    await asyncio.sleep(0.02)
    _rst(writer)


async def drip(proxy: "FaultProxy", request: RecordedRequest, writer: asyncio.StreamWriter) -> None:
    """Send the head at once and the body byte by byte, ten bytes a second."""
    head, _, body = (await proxy.fetch(request)).partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def hang(
    _proxy: "FaultProxy", _request: RecordedRequest, writer: asyncio.StreamWriter
) -> None:
    """Send nothing until the client disconnects."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_MAX_HANG_S):
            while not writer.is_closing():
                await asyncio.sleep(0.02)


def _rst(writer: asyncio.StreamWriter) -> None:
    opened = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class FaultProxy:
    """The proxy. Clients use `url` as the server's address."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self._queue: deque[Action] = deque()
        self._always: Action = forward
        self.requests: list[RecordedRequest] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.connections = 0
        self.url = ""
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    def then(self, *actions: Action) -> Self:
        """Queue actions, one for each of the next requests."""
        self._queue.extend(actions)
        return self

    def always(self, action: Action) -> Self:
        """Set the action for every request that has none queued."""
        self._always = action
        return self

    def reset(self) -> None:
        """Forget actions and recorded requests."""
        self._queue.clear()
        self._always = forward
        self.requests.clear()
        self.max_in_flight = self.connections = 0

    def gaps_s(self) -> list[float]:
        """Seconds between the end of one request and the arrival of the next, in order."""
        finished = [one.finished_at_s or one.arrived_at_s for one in self.requests]
        following = self.requests[1:]
        return [one.arrived_at_s - end_s for end_s, one in zip(finished, following, strict=False)]

    async def fetch(self, request: RecordedRequest) -> bytes:
        """The real server's response as bytes."""
        while True:
            is_new = not self._idle
            pair = await asyncio.open_connection(*self._upstream) if is_new else self._idle.pop()
            reader, writer = pair
            try:
                method = "POST" if request.body else "GET"
                passed = {
                    k: v for k, v in request.headers.items() if k not in ("host", "connection")
                }
                lines = [f"{method} {request.path} HTTP/1.1", "Host: upstream"]
                lines += [f"{name}: {value}" for name, value in passed.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + request.body)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _length(head)
                body = await reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                if is_new:
                    raise
                continue
            except asyncio.CancelledError:  # the client disconnected
                writer.close()
                raise
            self._idle.append(pair)
            return head + body

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Awaitable[None]) -> None:
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
        request = RecordedRequest(first.split()[1], headers, body, time.monotonic())
        self.requests.append(request)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        action = self._queue.popleft() if self._queue else self._always
        request.action = getattr(action, "__name__", type(action).__name__)
        work = asyncio.ensure_future(action(self, request, writer))
        disconnected = asyncio.ensure_future(_wait_for_disconnect(reader, writer))
        try:
            await asyncio.wait({work, disconnected}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for each in (work, disconnected):
                each.cancel()
            await asyncio.gather(work, disconnected, return_exceptions=True)
            self.in_flight -= 1
            request.finished_at_s = time.monotonic()


async def _wait_for_disconnect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return when the client has disconnected."""
    while not reader.at_eof() and not writer.is_closing():
        await asyncio.sleep(0.02)


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    return int(lowered[at + 17 : lowered.index(b"\r", at + 17)]) if at >= 0 else 0


@pytest.fixture
def make_fault_proxy() -> Iterator[Callable[[str], FaultProxy]]:
    """Put a proxy in front of a server."""
    with contextlib.ExitStack() as stack:
        yield lambda upstream: stack.enter_context(FaultProxy(upstream))
