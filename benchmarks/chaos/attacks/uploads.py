"""Forms with files: large, slow, with many fields, and full of what looks like their boundary."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from benchmarks.chaos.attack import ATTACKER_KEYS, Attack, Prepared, Tally, sends
from testing import bombs, load, photographs
from testing.photographs import Photograph

_PATH = "/v1/image/caption"
_SLOW_CLIENTS = 100


def _form(data: bytes, *fields: tuple[str, str]) -> bytes:
    return load.form_request(_PATH, data, fields, Authorization=f"Bearer {ATTACKER_KEYS[0]}")


def _photograph() -> bytes:
    photograph = Photograph("12mp", "baseline")
    photographs.draw_missing([photograph])
    return photograph.path.read_bytes()


def _large() -> bytes:
    return bombs.jpeg_start() + bytes(40_000_000)


def _boundaries() -> bytes:
    """As often as it is allowed, and then beginnings of one."""
    return bombs.jpeg_start() + b"\r\n--formx" * 150 + b"\r\n--for" * 2_000_000


async def _slow(_stack: AsyncExitStack) -> Prepared:
    """Forms of 60 MB that hold memory after their first 2 MB, and then send a byte a second."""
    start = _form(bombs.jpeg_start() + bytes(60_000_000))[:2_000_000]

    async def run(url: str, tally: Tally) -> None:
        address = urlsplit(url)

        async def client() -> None:
            while True:
                tally.sent += 1
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    reader, writer = await asyncio.open_connection(address.hostname, address.port)
                    writer.write(start)
                    answer = asyncio.create_task(reader.readuntil(b"\r\n"))
                    try:
                        while not answer.done():
                            await asyncio.sleep(1)
                            writer.write(b"0")
                        tally.codes[(await answer).decode()[9:12]] += 1
                    finally:
                        answer.cancel()
                        writer.close()
                await asyncio.sleep(0.5)

        async with asyncio.TaskGroup() as group:
            for _ in range(_SLOW_CLIENTS):
                group.create_task(client())

    return Prepared(run)


def _attack(
    name: str, what: str, make: Callable[[], bytes], *, in_flight: int = 8, per_second: float = 20.0
) -> Attack:
    async def prepare(_stack: AsyncExitStack) -> Prepared:
        return Prepared(sends([make()], in_flight=in_flight, per_second=per_second))

    return Attack(name, what, prepare)


ATTACKS = (
    _attack("uploads-large", "64 uploads of 40 MB at once", lambda: _form(_large()), in_flight=64),
    _attack("uploads-photographs", "64 uploads of 12 megapixels at once",
            lambda: _form(_photograph()), in_flight=64, per_second=64.0),
    Attack("uploads-slow", "100 uploads of 60 MB, a byte a second after the first 2 MB", _slow),
    _attack("uploads-many-fields", "forms of 200,000 fields",
            lambda: _form(b"", *[("keywords", "mug")] * 200_000)),
    _attack("uploads-boundaries", "files of beginnings of their boundary, 14 MB",
            lambda: _form(_boundaries())),
    _attack("uploads-texts", "forms with a text of 8 MB",
            lambda: _form(b"", ("context", "a" * 8_000_000))),
)  # fmt: skip
