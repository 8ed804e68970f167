"""Rate limits are exact, shared where Redis responds, and never off where it does not."""

import asyncio
import time

import pytest
from redis import Redis
from redis.exceptions import RedisError

from app.api.rate_limits import CallerRateLimits
from testing.servers.redis import RedisServer
from testing.servers.scripted_redis import REPLIES, for_ever, scripted_redis


async def test_a_full_window_tells_when_the_next_request_is_allowed() -> None:
    limits = CallerRateLimits("3/minute", "memory://")
    results = [await limits.count_request("a") for _ in range(4)]
    assert [result.is_allowed for result in results] == [True, True, True, False]
    assert [result.remaining for result in results] == [2, 1, 0, 0]
    assert 55 < results[-1].reset_s <= 60
    assert (await limits.count_request("b")).is_allowed, "another caller has its own window"


async def test_the_tightest_of_several_limits_is_reported() -> None:
    limits = CallerRateLimits("2/second;100/day", "memory://")
    first = await limits.count_request("a")
    assert (first.limit, first.remaining) == (2, 1)
    await limits.count_request("a")
    third = await limits.count_request("a")
    assert not third.is_allowed
    assert third.reset_s <= 1


async def test_a_refused_request_counts_against_no_limit() -> None:
    """Otherwise a caller that goes on sending in a full second uses up its day."""
    now_s = 1_000.0
    limits = CallerRateLimits("1/second;5/day", "memory://", clock=lambda: now_s)
    for _ in range(20):
        await limits.count_request("a")
    now_s += 1.05
    result = await limits.count_request("a")
    assert result.is_allowed


async def test_a_caller_may_have_its_own_limit() -> None:
    limits = CallerRateLimits("1/minute", "memory://")
    results = [(await limits.count_request("vip", "3/minute")).is_allowed for _ in range(4)]
    assert results == [True, True, True, False]


@pytest.mark.parametrize("address", ["url", "socket_url"])
async def test_two_replicas_share_one_limit_over_redis(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    # On a busy machine a Redis that runs may be late.
    monkeypatch.setattr("app.api.rate_limits._STORE_TIMEOUT_S", 5.0)
    one, two = (CallerRateLimits("4/minute", getattr(redis_server, address)) for _ in range(2))
    for limits in (one, two):
        monkeypatch.setattr(limits._store, "_patience_s", 5.0)
    results = [(await limits.count_request("a")).is_allowed for limits in [one, two] * 3]
    assert results == [True] * 4 + [False] * 2
    one.close()
    two.close()


@pytest.mark.measures
async def test_while_redis_hangs_each_process_counts_by_itself_and_reports_it(
    redis_server: RedisServer,
) -> None:
    """The event loop serves other work meanwhile."""
    reported: list[bool] = []
    limits = CallerRateLimits("5/minute", redis_server.url, on_store_change=reported.append)
    turns_of_the_loop = 0

    async def count_turns() -> None:
        nonlocal turns_of_the_loop
        while True:
            await asyncio.sleep(0.002)
            turns_of_the_loop += 1

    assert (await limits.count_request("a")).is_allowed
    redis_server.pause()
    try:
        counting = asyncio.create_task(count_turns())
        results = await asyncio.gather(*(limits.count_request("a") for _ in range(50)))
        counting.cancel()
    finally:
        redis_server.resume()
    assert sum(result.is_allowed for result in results) == 5
    assert turns_of_the_loop > 3
    assert reported == [False]
    limits.close()


@pytest.mark.measures
async def test_fifty_requests_together_wait_for_a_redis_that_hangs_about_as_long_as_one(
    redis_server: RedisServer,
) -> None:
    took_s: list[float] = []
    for count in (1, 50):
        limits = CallerRateLimits("5/minute", redis_server.url)
        redis_server.pause()
        try:
            began_s = time.monotonic()
            await asyncio.gather(*(limits.count_request("a") for _ in range(count)))
            took_s.append(time.monotonic() - began_s)
        finally:
            redis_server.resume()
        limits.close()
    one, fifty = took_s
    assert fifty < 6 * one


async def test_a_redis_that_is_gone_does_not_switch_limits_off() -> None:
    limits = CallerRateLimits("2/minute", "redis://127.0.0.1:1/0")
    results = [(await limits.count_request("a")).is_allowed for _ in range(3)]
    assert results == [True, True, False]
    limits.close()


async def test_the_check_reads_from_the_shared_store(redis_server: RedisServer) -> None:
    limits = CallerRateLimits("2/minute", redis_server.url)
    assert limits.is_shared
    await limits.check()
    redis_server.stop()
    with pytest.raises(RedisError):
        await limits.check()
    limits.close()
    alone = CallerRateLimits("2/minute", "memory://")
    assert not alone.is_shared
    await alone.check()


@pytest.mark.parametrize("reply", [pytest.param(value, id=name) for name, value in REPLIES.items()])
async def test_a_reply_that_is_none_of_redis_is_counted_without_it(reply: bytes) -> None:
    """The limit of one process holds, and nobody gets an error."""
    async with scripted_redis(reply) as url:
        limits = CallerRateLimits("2/minute", url)
        results = [await limits.count_request("a") for _ in range(3)]
        assert [result.is_allowed for result in results] == [True, True, False]
        assert all(0 <= result.remaining <= 2 and 0 <= result.reset_s <= 60 for result in results)
        limits.close()


@pytest.mark.parametrize(
    ("piece", "pause_s"), [(b"x", 0.02), (b"x" * 65_536, 0.0), (b"+OK\r\n" * 1_000, 0.0)]
)
async def test_a_reply_without_an_end_holds_no_thread(piece: bytes, pause_s: float) -> None:
    """A byte now and then would keep each read within its timeout, for ever."""
    async with scripted_redis(for_ever(piece), pause_s) as url:
        limits = CallerRateLimits("2/minute", url)
        assert (await limits.count_request("a")).is_allowed
        await asyncio.wait_for(asyncio.to_thread(limits._threads.shutdown), 10)


async def test_what_somebody_else_wrote_into_the_store_is_no_error(
    redis_server: RedisServer,
) -> None:
    """A value of another type, numbers that are none, and times of the next century."""
    with Redis(port=redis_server.port) as redis:
        for write in (
            lambda key: redis.set(key, "x"),
            lambda key: redis.rpush(key, "x", "y"),
            lambda key: redis.rpush(key, *["9999999999"] * 5),
            lambda key: redis.rpush(key, *["nan", "inf", "-1"]),
        ):
            limits = CallerRateLimits("3/minute", redis_server.url)
            await limits.count_request("a")
            [key] = redis.keys("LIMITS*")
            redis.delete(key)
            write(key)
            result = await limits.count_request("a")
            assert 0 <= result.remaining <= 3
            assert 0 <= result.reset_s <= 60
            assert int(result.headers()["X-RateLimit-Reset"]) <= 60
            redis.flushall()
            limits.close()
