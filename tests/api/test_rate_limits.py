"""Limits are honest, shared where Redis answers, neither stalled nor opened where it does not."""

import asyncio
import time

import pytest

from app.api.rate_limits import CallerRateLimits, caller_of_address, parse_limits
from testing.servers.redis import RedisServer


@pytest.mark.parametrize("text", ["", "often", "0/minute", "60", "-1/minute", "60/minute;;x"])
def test_a_wrong_limit_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="60/minute"):
        parse_limits(text)


async def test_the_window_fills_and_says_when_the_next_is_allowed() -> None:
    limits = CallerRateLimits("3/minute", "memory://")
    seen = [await limits.hit("a") for _ in range(4)]
    assert [one.allowed for one in seen] == [True, True, True, False]
    assert [one.remaining for one in seen] == [2, 1, 0, 0]
    assert 55 < seen[-1].reset_s <= 60
    assert (await limits.hit("b")).allowed, "another caller has its own budget"


async def test_the_tightest_of_several_limits_is_the_one_that_is_told() -> None:
    limits = CallerRateLimits("2/second;100/day", "memory://")
    first = await limits.hit("a")
    assert (first.limit, first.remaining) == (2, 1)
    await limits.hit("a")
    third = await limits.hit("a")
    assert not third.allowed
    assert third.reset_s <= 1


async def test_a_refused_request_counts_against_nothing() -> None:
    """Else a caller who hammers at a full second uses up its day."""
    limits = CallerRateLimits("1/second;5/day", "memory://")
    for _ in range(20):
        await limits.hit("a")
    await asyncio.sleep(1.05)
    told = await limits.hit("a")
    assert told.allowed


async def test_a_caller_may_have_its_own_limit() -> None:
    limits = CallerRateLimits("1/minute", "memory://")
    seen = [(await limits.hit("vip", "3/minute")).allowed for _ in range(4)]
    assert seen == [True, True, True, False]


def test_an_ipv6_caller_is_its_network() -> None:
    assert caller_of_address("2001:db8:1:2::1") == caller_of_address("2001:db8:1:2:ffff::9")
    assert caller_of_address("2001:db8:1:2::1") != caller_of_address("2001:db8:1:3::1")
    assert caller_of_address("::ffff:192.0.2.1") == caller_of_address("192.0.2.1")


async def test_two_replicas_share_one_limit_over_redis(redis_server: RedisServer) -> None:
    one, two = (CallerRateLimits("4/minute", redis_server.url) for _ in range(2))
    seen = [(await limits.hit("a")).allowed for limits in (one, two, one, two, one, two)]
    assert seen == [True] * 4 + [False] * 2
    one.close()
    two.close()


async def test_a_paused_redis_stalls_nobody_and_opens_nothing(redis_server: RedisServer) -> None:
    """Each process then counts by itself, and says so."""
    told: list[bool] = []
    limits = CallerRateLimits("5/minute", redis_server.url, on_store=told.append)
    assert (await limits.hit("a")).allowed
    redis_server.pause()
    try:
        longest_gap = 0.0

        async def heartbeat() -> None:
            nonlocal longest_gap
            while True:
                before = time.monotonic()
                await asyncio.sleep(0.01)
                longest_gap = max(longest_gap, time.monotonic() - before)

        beat = asyncio.create_task(heartbeat())
        began = time.monotonic()
        seen = await asyncio.gather(*(limits.hit("a") for _ in range(50)))
        took = time.monotonic() - began
        beat.cancel()
    finally:
        redis_server.resume()
    assert sum(one.allowed for one in seen) == 5
    assert took < 2
    assert longest_gap < 0.5
    assert told == [False]
    limits.close()


async def test_a_redis_that_is_gone_opens_nothing() -> None:
    limits = CallerRateLimits("2/minute", "redis://127.0.0.1:1/0")
    assert [(await limits.hit("a")).allowed for _ in range(3)] == [True, True, False]
    limits.close()
