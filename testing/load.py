"""A light HTTP load generator on raw asyncio sockets with kept-alive connections.

It shares the machine's processors with the server, so it parses no more than it must.
"""

import asyncio
import contextlib
import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_PIECE_BYTES = 256 * 1024
CONNECTION_LOST = 0
"""The status of a response that never came: the connection ended before it."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response and how long it took."""

    status: int
    duration_s: float
    body: bytes = b""
    head: bytes = b""
    """The status line and header fields, in lower case."""
    started_at_s: float = 0.0
    """`time.perf_counter()` when the request was written."""

    @property
    def code(self) -> str:
        """`ok`, the problem's code, or `connection_lost`."""
        if self.status == CONNECTION_LOST:
            return "connection_lost"
        return "ok" if self.status == 200 else str(self.json().get("code", self.status))

    def json(self) -> dict[str, Any]:
        """The body as an object; an empty object where the body is anything else."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def http_request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    """The bytes of an HTTP/1.1 request; `body` is sent as JSON, `_` in a header name means `-`."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: load"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


def caption_request(image_url: str, **fields: object) -> bytes:
    """The bytes of a request for one caption."""
    return http_request("POST", "/v1/image/caption", {"image_url": image_url, **fields})


def form_request(
    path: str, data: bytes, fields: Sequence[tuple[str, str]] = (), **headers: str
) -> bytes:
    """The bytes of a request with `data` as the file of a form, and its other fields."""
    start = b"--form\r\nContent-Disposition: form-data; name="
    parts = [b'%b"%b"\r\n\r\n%b\r\n' % (start, n.encode(), v.encode()) for n, v in fields]
    parts += [b'%b"image"; filename="a"\r\n\r\n' % start, data, b"\r\n--form--\r\n"]
    body = b"".join(parts)
    more = {"Content_Type": "multipart/form-data; boundary=form", "Content_Length": str(len(body))}
    return http_request("POST", path, **headers, **more) + body


class Connection:
    """One kept-alive connection. It is opened again where the server closed it."""

    def __init__(self, url: str, *, source_address: str | None = None) -> None:
        """`source_address` of 127.0.0.0/8 lets the server see another client."""
        parts = urlsplit(url)
        self._source = (source_address, 0) if source_address else None
        self._address = (parts.hostname or "", parts.port or 80)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(
        self, message: bytes, *, timeout_s: float = 60.0, may_resend: bool = True
    ) -> Response:
        """Send a request and read its response.

        A connection that breaks gives a response with the status CONNECTION_LOST. A request on a
        kept-alive connection that turns out to be closed is sent again on a new one, unless
        `may_resend` is false.
        """
        started_at_s = time.perf_counter()
        is_new = self._streams is None
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._send(message, started_at_s)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            await self.aclose()
            if is_new or not may_resend:
                took_s = time.perf_counter() - started_at_s
                return Response(CONNECTION_LOST, took_s, started_at_s=started_at_s)
            return await self.send(message, timeout_s=timeout_s)
        if b"connection: close" in response.head:
            await self.aclose()
        return response

    async def _send(self, message: bytes, started_at_s: float) -> Response:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, local_addr=self._source)
        reader, writer = self._streams
        reading = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        try:
            await _write(writer, message, reading)
            head = (await reading).lower()
        finally:
            reading.cancel()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : head.index(b"\r", at)]) if at >= 0 else 0
        body = await reader.readexactly(length) if length else b""
        took_s = time.perf_counter() - started_at_s
        return Response(int(head[9:12]), took_s, body, head, started_at_s)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _write(
    writer: asyncio.StreamWriter, message: bytes, response: "asyncio.Future[bytes]"
) -> None:
    """Write a message, a large one in pieces: a transport would copy all of it.

    A server may respond before it has read the whole message, and close.
    """
    if len(message) <= _PIECE_BYTES:
        writer.write(message)
        return
    with contextlib.suppress(ConnectionError):
        view = memoryview(message)
        for at in range(0, len(view), _PIECE_BYTES):
            if response.done():
                return
            writer.write(view[at : at + _PIECE_BYTES])
            await writer.drain()


@dataclass(slots=True)
class Responses:
    """The responses of a run."""

    items: list[Response] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items)

    def codes(self) -> Counter[str]:
        """How often each code came."""
        return Counter(response.code for response in self.items)

    def with_codes(self, *codes: str) -> "Responses":
        """The responses that have one of these codes."""
        return Responses([response for response in self.items if response.code in codes])

    def percentile_ms(self, fraction: float) -> float:
        """The latency that this fraction of the responses did not exceed; NaN without any."""
        return percentile((response.duration_s for response in self.items), fraction) * 1000


def percentile(values: Iterable[float], fraction: float) -> float:
    """The nearest-rank percentile: always one of the values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)] if ordered else math.nan


async def send_all(url: str, messages: Sequence[bytes], *, in_flight: int) -> Responses:
    """Send each message once, at most `in_flight` at a time."""
    responses = Responses()
    waiting = list(messages)

    async def client() -> None:
        async with Connection(url) as connection:
            while waiting:
                responses.items.append(await connection.send(waiting.pop()))

    await asyncio.gather(*(client() for _ in range(in_flight)))
    return responses


async def closed_loop(
    url: str,
    messages: Sequence[bytes],
    *,
    in_flight: int,
    seconds: float,
    pause_s: float = 0.0,
    own_addresses: bool = False,
) -> Responses:
    """A closed workload: `in_flight` clients, each sending again after its response and `pause_s`.

    With `own_addresses` each client has a source address of its own.
    """
    responses = Responses()
    end_s = time.perf_counter() + seconds

    async def client(number: int) -> None:
        source = f"127.0.1.{number + 1}" if own_addresses else None
        async with Connection(url, source_address=source) as connection:
            sent = number
            while time.perf_counter() < end_s:
                responses.items.append(await connection.send(messages[sent % len(messages)]))
                sent += 1
                if pause_s:
                    await asyncio.sleep(pause_s)

    await asyncio.gather(*(client(number) for number in range(in_flight)))
    return responses


async def open_loop(
    url: str,
    messages: Sequence[bytes],
    *,
    per_second: float,
    seconds: float,
    connections: int,
    timeout_s: float = 60.0,
) -> Responses:
    """An open workload: requests at a fixed rate that does not depend on the responses.

    A request starts late only while all `connections` wait for a response. Its latency counts from
    the moment when it is written.
    """
    responses = Responses()
    pool = [Connection(url) for _ in range(connections)]
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for connection in pool:
        idle.put_nowait(connection)

    async def send(connection: Connection, message: bytes) -> None:
        responses.items.append(await connection.send(message, timeout_s=timeout_s))
        idle.put_nowait(connection)

    started_at_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(per_second * seconds)):
            early_s = started_at_s + number / per_second - time.perf_counter()
            if early_s > 0:
                await asyncio.sleep(early_s)
            elif time.perf_counter() - started_at_s > seconds:
                break
            group.create_task(send(await idle.get(), messages[number % len(messages)]))
    for connection in pool:
        await connection.aclose()
    return responses
