"""Origins that misbehave: slow, endless, in tiny pieces, in circles."""

import asyncio
import zlib
from collections.abc import Callable
from contextlib import AsyncExitStack

from benchmarks.chaos.attack import ATTACKER_KEYS, Attack, Prepared, caption, sends
from testing.servers.origin import JPEG_START, Origin

_TIMEOUT = {"FETCH__TIMEOUT_S": "4"}
"""So that hanging requests end within the measurement."""
_FAULTS = frozenset({"image_timeout", "image_unreachable"})


def _attack(
    name: str,
    what: str,
    *paths: str,
    in_flight: int = 48,
    per_second: float = 20.0,
    keys: int = 1,
    set_up: Callable[[Origin], object] = lambda _origin: None,
) -> Attack:
    async def prepare(stack: AsyncExitStack) -> Prepared:
        origin = Origin()
        origin.start()
        stack.callback(origin.stop)
        set_up(origin)
        messages = [
            caption(origin.url(path), key=key) for key in ATTACKER_KEYS[:keys] for path in paths
        ]
        return Prepared(sends(messages, in_flight=in_flight, per_second=per_second), _TIMEOUT)

    return Attack(name, what, prepare, allowed=_FAULTS)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
_ONE_BYTE_CHUNKS = b"1\r\na\r\n" * 300_000


async def _one_byte_chunks(writer: asyncio.StreamWriter, _target: str) -> None:
    writer.write(_HEAD + b"14\r\n" + JPEG_START + b"\r\n" + _ONE_BYTE_CHUNKS)
    await writer.drain()


async def _circle_with_delay(writer: asyncio.StreamWriter, target: str) -> None:
    """A redirect to a new address, each after a second."""
    await asyncio.sleep(1)
    number = len(target)
    writer.write(
        b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n"
        b"Location: /delayed?%s\r\n\r\n" % (b"a" * number)
    )
    await writer.drain()


def _serve_gzip_bomb(origin: Origin) -> None:
    packer = zlib.compressobj(9, wbits=31)
    body = packer.compress(JPEG_START)
    body += b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    origin.serve("/gzip-bomb", body, headers=[("Content-Encoding", "gzip")])


ATTACKS = (
    _attack("origin-stalls", "stalls after the start of an image", "/stall"),
    _attack("origin-slow", "a byte or a header field in a tenth of a second", "/drip",
            "/drip-head"),
    _attack("origin-tiny-chunks", "300,000 chunks of one byte", "/chunks",
            set_up=lambda origin: origin.handle("/chunks", _one_byte_chunks), in_flight=8),
    _attack("origin-early-hints", "200,000 interim responses", "/early-hints", in_flight=8),
    _attack("origin-huge-head", "100 MB of header fields", "/endless-head", in_flight=8),
    _attack("origin-endless", "a body without an end, 10 GB announced", "/endless", "/huge",
            in_flight=8),
    _attack("origin-redirects", "redirects without an end, at once or of a second each",
            "/redirect-many", "/delayed", in_flight=16,
            set_up=lambda origin: origin.handle("/delayed", _circle_with_delay)),
    _attack("origin-gzip-bomb", "200 MB in 200 KB of gzip", "/gzip-bomb",
            set_up=_serve_gzip_bomb, in_flight=8),
    _attack("origin-resets", "resets each connection", "/reset", in_flight=8, per_second=40.0),
    _attack("origin-silent", "64 requests at once to a silent origin", "/slow-head",
            in_flight=64, per_second=40.0),
    _attack("origin-silent-keys", "20 keys, four requests each, to a silent origin", "/slow-head",
            in_flight=80, per_second=40.0, keys=20),
)  # fmt: skip
