"""Clients that misbehave: half-open, slow, torn off, never reading, not speaking HTTP.

Most need no key.
"""

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from benchmarks.chaos.attack import ATTACKER_KEYS, Attack, Prepared, Run, Tally, caption
from testing import load, photographs
from testing.images import data_url
from testing.photographs import Photograph

_Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Tally, int], Awaitable[None]]
"""What one connection does; gets the connection, the tally and a running number."""

_POST = (
    b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + ATTACKER_KEYS[0].encode() + b"\r\n"
)
_GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
_ANSWER_MAX_BYTES = 65_536


def _connections(client: _Client, *, at_once: int, per_second: float) -> Run:
    """Open connections all the time: `at_once` of them, at most `per_second` new ones."""

    async def run(url: str, tally: Tally) -> None:
        address = urlsplit(url)
        numbers = itertools.count()

        async def one() -> None:
            while True:
                number = next(numbers)
                tally.sent += 1
                pause = asyncio.create_task(asyncio.sleep(at_once / per_second))
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    reader, writer = await asyncio.open_connection(address.hostname, address.port)
                    try:
                        await client(reader, writer, tally, number)
                    finally:
                        writer.close()
                await pause

        async with asyncio.TaskGroup() as group:
            for number in range(at_once):
                group.create_task(one())
                if number % 20 == 0:  # no more in the kernel's queue than it holds
                    await asyncio.sleep(0.02)

    return run


async def _count_answer(reader: asyncio.StreamReader, tally: Tally) -> None:
    """Read one answer, or the end of the connection."""
    head = await reader.read(_ANSWER_MAX_BYTES)
    _, _, body = head.partition(b"\r\n\r\n")
    status = int(head[9:12]) if head[9:12].isdigit() else load.CONNECTION_LOST
    tally.count(load.Response(status, 0.0, body))


async def _idle(
    reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, _tally: Tally, _number: int
) -> None:
    await reader.read()


async def _slow_head(
    _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _tally: Tally, _number: int
) -> None:
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    for number in itertools.count():
        await asyncio.sleep(1)
        writer.write(b"X-%d: a\r\n" % number)
        await writer.drain()


async def _slow_body(
    _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _tally: Tally, _number: int
) -> None:
    writer.write(_POST + b"Content-Length: 5000\r\n\r\n{")
    while True:
        await asyncio.sleep(1)
        writer.write(b" ")
        await writer.drain()


def _sends(*requests: bytes) -> _Client:
    """Sends one of the requests and reads its answer."""

    async def client(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tally: Tally, number: int
    ) -> None:
        writer.write(requests[number % len(requests)])
        async with asyncio.timeout(5):
            await _count_answer(reader, tally)

    return client


def _leaves(request: bytes, after_s: float, *, resets: bool = False) -> _Client:
    """Sends a request and disconnects before the answer."""

    async def client(
        _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tally: Tally, _number: int
    ) -> None:
        writer.write(request)
        await writer.drain()
        await asyncio.sleep(after_s)
        if resets:
            opened = writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tally.codes["left"] += 1

    return client


async def _never_reads(
    _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _tally: Tally, _number: int
) -> None:
    """Asks for large answers and reads none of them."""
    writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 200)
    await asyncio.sleep(60)


async def _pipelines(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tally: Tally, _number: int
) -> None:
    writer.write(_GET * 20)
    for _ in range(20):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}")
        tally.codes["ok"] += 1


_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_MALFORMED = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\0" * 1_000,
    _CHUNKED + b"ffffffffffffffffff\r\n",
    _CHUNKED + b"-1\r\n",
    _CHUNKED + b"5;" + b"a" * 60_000 + b"\r\n",
    _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 60_000 + b"\r\n\r\n",
)
_WRONG_KEYS = tuple(
    load.http_request("POST", "/v1/image/caption", {"image_url": "a"}, Authorization=f"Bearer {n}")
    for n in range(50)
)


def _large_photograph() -> bytes:
    photograph = Photograph("2mp", "baseline")
    photographs.draw_missing([photograph])
    return caption(data_url(photograph.path.read_bytes()))


def _attack(
    name: str,
    what: str,
    make_client: Callable[[], _Client],
    *,
    at_once: int,
    per_second: float = 50.0,
    allowed: Sequence[str] = (),
) -> Attack:
    async def prepare(_stack: AsyncExitStack) -> Prepared:
        return Prepared(_connections(make_client(), at_once=at_once, per_second=per_second))

    return Attack(name, what, prepare, allowed=frozenset(allowed))


_CHUNK_STORM = _CHUNKED + b"1\r\n \r\n" * 200_000

ATTACKS = (
    _attack("http-idle", "400 connections that send nothing", lambda: _idle, at_once=400),
    _attack("http-slow-heads", "400 clients, a header field a second", lambda: _slow_head,
            at_once=400),
    _attack("http-slow-bodies", "100 clients, a byte of the body a second", lambda: _slow_body,
            at_once=100),
    _attack("http-chunk-storm", "bodies in 200,000 chunks of one byte",
            lambda: _sends(_CHUNK_STORM), at_once=16, per_second=20.0),
    _attack("http-disconnects", "sends 2 megapixels and disconnects at once",
            lambda: _leaves(_large_photograph(), 0.0), at_once=16, per_second=30.0),
    _attack("http-disconnects-late", "disconnects while the image is decoded",
            lambda: _leaves(_large_photograph(), 0.03, resets=True), at_once=16, per_second=30.0),
    _attack("http-never-reads", "32 clients that read no answer", lambda: _never_reads, at_once=32,
            per_second=16.0),
    _attack("http-pipelines", "20 requests in one packet, 15 times a second", lambda: _pipelines,
            at_once=8, per_second=15.0),
    _attack("http-malformed", "TLS, HTTP/2, absolute form, wrong chunk sizes, huge fields",
            lambda: _sends(*_MALFORMED), at_once=24, per_second=60.0),
    _attack("http-wrong-keys", "100 wrong keys a second", lambda: _sends(*_WRONG_KEYS), at_once=16,
            per_second=100.0),
)  # fmt: skip
