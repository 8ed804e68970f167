"""What a misbehaving model server sends instead of a completion.

Large answers are prepared once, so that sending them costs the sender little.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

from testing.servers.chat_completions_server import chat_completion

Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes to the connection, or breaks it."""

_MIB = 1_048_576
_MAX_HANG_S = 60.0
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_SENTENCE = "A brown wooden bench beside a gravel path in a park. "


def _whole(body: bytes, status: int = 200, fields: str = "") -> Fault:
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{fields}"
    data = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return _raw(data)


def _raw(data: bytes) -> Fault:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return send


def _json(value: object) -> Fault:
    return _whole(json.dumps(value).encode())


async def _hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(_MAX_HANG_S)
    writer.close()


async def _drip(writer: asyncio.StreamWriter) -> None:
    """A byte of the body every 20 ms."""
    writer.write(_HEAD + b"Content-Length: 100000\r\n\r\n")
    for _ in range(int(_MAX_HANG_S / 0.02)):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    for _ in range(1_024):
        writer.write(chunk)
        await writer.drain()


_WRONG_TYPES = {"id": 1, "object": [], "model": {"a": 1}, "usage": "many", "choices": {"0": None}}

FAULTS: Mapping[str, Callable[[], Fault]] = {
    "tiny-chunks": lambda: _raw(
        _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 300_000 + b"0\r\n\r\n"
    ),
    "early-hints": lambda: _raw(b"HTTP/1.1 103 x\r\nLink: </a>\r\n\r\n" * 100_000),
    "huge-head": lambda: _raw(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * 1_000 + b"\r\n") * 4_000),
    "hang": lambda: _hang,
    "drip": lambda: _drip,
    "reset": lambda: _reset,
    "endless": lambda: _endless,
    "two-mebibytes": lambda: _json(chat_completion(_SENTENCE * (2 * _MIB // len(_SENTENCE) - 100))),
    "long-text": lambda: _json(chat_completion(_SENTENCE * 400)),
    "worst-text": lambda: _json(chat_completion("(\"'A b' c\" - d) " * 1_300)),
    "deep-json": lambda: _whole(b'{"choices": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"),
    "many-choices": lambda: _whole(b'{"choices": [' + b"{}," * 600_000 + b"{}]}"),
    "wrong-types": lambda: _json(_WRONG_TYPES),
    "far-retry-after": lambda: _whole(
        b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}',
        429,
        "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
    ),
    "error-500": lambda: _whole(b'{"error": {"message": "boom"}}', 500),
    "nonsense": lambda: _raw(b"220 mail.example.com ESMTP\r\n"),
}
"""Makes each fault: megabytes are prepared only where they are sent."""
