"""A Redis that misbehaves, as caption cache and as store of the rate limits.

The windows without the attack use the same Redis while it answers well.
"""

import shutil
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from typing import Literal

from benchmarks.chaos.attack import Attack, Prepared, Tally, caption, send_repeatedly
from testing.images import data_url, jpeg
from testing.servers.redis import RedisServer
from testing.servers.redis_proxy import FAULTS, RedisProxy, redis_proxy

_Setting = Literal["CACHE_URL", "RATE_LIMIT_STORE"]


async def _start(stack: AsyncExitStack) -> RedisProxy:
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("redis-server; install redis, or leave these attacks out")
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    server = RedisServer(program, folder)
    server.start()
    stack.callback(server.stop)
    return await stack.enter_async_context(redis_proxy(server.port))


def _attack(name: str, what: str, setting: _Setting, fault: str) -> Attack:
    async def prepare(stack: AsyncExitStack) -> Prepared:
        proxy = await _start(stack)
        messages = [
            caption(data_url(jpeg((320, 240), colour))) for colour in ("red", "green", "white")
        ]
        return Prepared(partial(_run, proxy, fault, messages), {setting: proxy.url})

    return Attack(name, what, prepare)


async def _run(
    proxy: RedisProxy, fault: str, messages: list[bytes], url: str, tally: Tally
) -> None:
    proxy.fault = FAULTS[fault]()
    try:
        await send_repeatedly(url, tally, messages, in_flight=8, per_second=10.0)
    finally:
        proxy.fault = None


def _cache(fault: str, what: str) -> Attack:
    return _attack(f"cache-{fault}", what, "CACHE_URL", fault)


def _limits(fault: str, what: str) -> Attack:
    return _attack(f"limits-{fault}", what, "RATE_LIMIT_STORE", fault)


ATTACKS = (
    _cache("late", "the cache answers after 0.2 s"),
    _cache("never", "the cache does not answer"),
    _cache("garbage", "the cache speaks HTTP"),
    _cache("half-a-character", "the cache's values are not UTF-8"),
    _cache("large", "the cache's values have 24 MB"),
    _cache("nested-reply", "the cache's replies are nested 50,000 times"),
    _cache("endless-line", "the cache's replies are a line of 8 MB"),
    _cache("of-another", "the cache answers the request before"),
    _limits("never", "the limits' store does not answer"),
    _limits("garbage", "the limits' store speaks HTTP"),
    _limits("of-another", "the limits' store answers the request before"),
)
