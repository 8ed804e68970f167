"""A light HTTP load: raw asyncio sockets, kept alive, so that what is measured is the server.

It shares the machine's processors with the server, so it parses no more than it must.
"""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

CUT = 0
"""Stands for a status where the connection ended without an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long that took."""

    status: int
    took_s: float
    body: bytes = b""
    headers: bytes = b""
    """The head as it came, in lower case."""
    began_s: float = 0.0

    @property
    def code(self) -> str:
        """`ok`, the problem's code, or `cut`."""
        if self.status == CUT:
            return "cut"
        return "ok" if self.status == 200 else str(self.json().get("code", self.status))

    def json(self) -> dict[str, Any]:
        """The body as an object; an empty one where it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def request(method: str, path: str, body: object = None, **headers: str) -> bytes:
    """The bytes of a request; `body` is sent as JSON."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: load"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, "", ""]).encode() + data


def caption(image_url: str, **fields: object) -> bytes:
    """A request for one caption."""
    return request("POST", "/v1/image/caption", {"image_url": image_url, **fields})


class Connection:
    """One kept-alive connection, which is opened anew where the server closed it."""

    def __init__(self, url: str, *, own_address: str | None = None) -> None:
        """`own_address` is the address to come from, of 127.0.0.0/8: another caller."""
        parts = urlsplit(url)
        self._from = (own_address, 0) if own_address else None
        self._address = (parts.hostname or "", parts.port or 80)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, message: bytes, *, timeout_s: float = 60.0) -> Answer:
        """Send a request and read its answer. A connection that breaks is an answer too: CUT."""
        began_s = time.perf_counter()
        fresh = self._streams is None
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._ask(message, began_s)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            await self.aclose()
            if fresh:
                return Answer(CUT, time.perf_counter() - began_s, began_s=began_s)
            return await self.ask(message, timeout_s=timeout_s)  # it was closed while idle
        if b"connection: close" in answer.headers:
            await self.aclose()
        return answer

    async def _ask(self, message: bytes, began_s: float) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address, local_addr=self._from)
        reader, writer = self._streams
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : head.index(b"\r", at)]) if at >= 0 else 0
        body = await reader.readexactly(length) if length else b""
        return Answer(int(head[9:12]), time.perf_counter() - began_s, body, head, began_s)

    async def aclose(self) -> None:
        """Hang up."""
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


@dataclass(slots=True)
class Told:
    """Every answer of a run."""

    answers: list[Answer] = field(default_factory=list)

    def codes(self) -> Counter[str]:
        """How often each code came."""
        return Counter(answer.code for answer in self.answers)

    def of(self, *codes: str) -> "Told":
        """The answers with one of these codes."""
        return Told([answer for answer in self.answers if answer.code in codes])

    def percentile_ms(self, share: float) -> float:
        """Milliseconds within which that share of the answers came; NaN where there is none."""
        return percentile((answer.took_s for answer in self.answers), share) * 1000


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest-rank percentile: a value that did occur."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


async def closed_loop(
    url: str,
    messages: Sequence[bytes],
    *,
    in_flight: int,
    seconds: float,
    pause_s: float = 0.0,
    own_addresses: bool = False,
) -> Told:
    """`in_flight` callers, each asking again as soon as it is answered (and `pause_s` later).

    With `own_addresses` each comes from an address of its own.
    """
    told = Told()
    until_s = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        own = f"127.0.1.{number + 1}" if own_addresses else None
        async with Connection(url, own_address=own) as connection:
            turn = number
            while time.perf_counter() < until_s:
                told.answers.append(await connection.ask(messages[turn % len(messages)]))
                turn += 1
                if pause_s:
                    await asyncio.sleep(pause_s)

    await asyncio.gather(*(caller(number) for number in range(in_flight)))
    return told


async def open_loop(
    url: str,
    messages: Sequence[bytes],
    *,
    a_second: float,
    seconds: float,
    connections: int,
    timeout_s: float = 60.0,
) -> Told:
    """Requests at a fixed rate, whatever the answers: an overload that does not wait politely.

    A request starts late only where all `connections` still wait for an answer; time counts from
    the moment it is written.
    """
    told = Told()
    everyone = [Connection(url) for _ in range(connections)]
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for connection in everyone:
        idle.put_nowait(connection)

    async def one(connection: Connection, message: bytes) -> None:
        told.answers.append(await connection.ask(message, timeout_s=timeout_s))
        idle.put_nowait(connection)

    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for turn in range(int(a_second * seconds)):
            ahead_s = began_s + turn / a_second - time.perf_counter()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            elif time.perf_counter() - began_s > seconds:
                break
            group.create_task(one(await idle.get(), messages[turn % len(messages)]))
    for connection in everyone:
        await connection.aclose()
    return told
