"""Callers who send honest requests, but very many: keys, hosts, large photographs, equal ones."""

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from benchmarks.chaos.attack import (
    ATTACKER_KEYS,
    MARKER,
    Attack,
    Prepared,
    Tally,
    caption,
    send_repeatedly,
    sends,
)
from testing import load, photographs
from testing.images import data_url, photograph_like
from testing.photographs import Photograph
from testing.servers.file_origin import file_origin
from testing.servers.redis import RedisServer

_LOCALES = ["en", "de", "fr", "es"]


def _photograph(size: str) -> bytes:
    photograph = Photograph(size, "baseline")
    photographs.draw_missing([photograph])
    return photograph.path.read_bytes()


async def _origin(stack: AsyncExitStack, size: str) -> str:
    return await stack.enter_async_context(file_origin({"a.jpg": _photograph(size)}))


async def _large_photographs(stack: AsyncExitStack) -> Prepared:
    origin = await _origin(stack, "12mp")
    return Prepared(sends([caption(f"{origin}/a.jpg")], in_flight=64, per_second=64.0))


async def _small_photographs(stack: AsyncExitStack) -> Prepared:
    origin = await _origin(stack, "1mp")
    return Prepared(sends([caption(f"{origin}/a.jpg")], in_flight=64, per_second=200.0))


async def _many_keys(stack: AsyncExitStack) -> Prepared:
    origin = await _origin(stack, "12mp")
    messages = [caption(f"{origin}/a.jpg", key=key) for key in ATTACKER_KEYS]
    return Prepared(sends(messages, in_flight=80, per_second=80.0))


async def _many_hosts(stack: AsyncExitStack) -> Prepared:
    files = {"a.jpg": _photograph("2mp")}
    origins = [
        await stack.enter_async_context(file_origin(files, host=f"127.0.1.{number}"))
        for number in range(1, 65)
    ]
    messages = [caption(f"{origin}/a.jpg") for origin in origins]
    return Prepared(sends(messages, in_flight=64, per_second=100.0))


async def _twelve_results(_stack: AsyncExitStack) -> Prepared:
    messages = [
        load.http_request(
            "POST", "/v1/image/captions",
            {
                "image_url": data_url(photograph_like((640, 480), seed)),
                "styles": ["concise", "seo", "detailed"], "locales": _LOCALES,
            },
            Authorization=f"Bearer {ATTACKER_KEYS[0]}",
        )
        for seed in range(8)
    ]  # fmt: skip
    return Prepared(sends(messages, in_flight=16, per_second=20.0))


async def _slow_model(_stack: AsyncExitStack) -> Prepared:
    picture = data_url(photograph_like((320, 240)))
    return Prepared(sends([caption(picture, context=MARKER)], in_flight=64, per_second=40.0))


async def _abandoned(stack: AsyncExitStack) -> Prepared:
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("redis-server; install redis, or leave this attack out")
    server = RedisServer(program, stack.enter_context(tempfile.TemporaryDirectory()))
    server.start()
    stack.callback(server.stop)
    picture = data_url(photograph_like((320, 240)))
    messages = [caption(picture, context=f"{MARKER} {number}") for number in range(4)]
    return Prepared(partial(_join_and_leave, messages), {"CACHE_URL": server.url})


async def _join_and_leave(messages: Sequence[bytes], url: str, tally: Tally) -> None:
    """Clients that join an equal request in flight and leave after a fifth of a second."""

    async def one(number: int) -> None:
        while True:
            try:
                async with asyncio.timeout(0.2 + 0.01 * number):
                    await send_repeatedly(
                        url, tally, [messages[number % len(messages)]], in_flight=1, per_second=2.0
                    )
            except TimeoutError:
                tally.codes["left"] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(24):
            group.create_task(one(number))


_HANGS = frozenset({"model_timeout"})

ATTACKS = (
    Attack("photographs-1mp", "64 requests at once, 200 a second, 1 megapixel", _small_photographs),
    Attack("photographs-12mp", "64 requests at once, 12 megapixels", _large_photographs),
    Attack("many-keys", "20 keys, four requests of 12 megapixels each", _many_keys),
    Attack("many-hosts", "64 hosts of one key, 2 megapixels", _many_hosts),
    Attack("twelve-results", "16 requests of twelve captions", _twelve_results),
    Attack("equal-requests-left", "equal requests that join and leave", _abandoned,
           allowed=_HANGS, model_fault="hang"),
    Attack("places-held", "64 requests that wait for the model", _slow_model, allowed=_HANGS,
           model_fault="hang"),
)  # fmt: skip
