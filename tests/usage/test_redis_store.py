"""The usage store in Redis loses nothing and counts nothing twice, whatever happens to Redis."""

import asyncio
import json
import logging
import time

import pytest
from redis import Redis

from app.usage import redis_store
from app.usage.errors import UsageUnavailable
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.store import KeyMonth
from testing.servers.redis import RedisServer
from testing.servers.scripted_redis import REPLIES, scripted_redis

SHOP = KeyMonth("shop", Month(2026, 11))
TOTALS = "altwright:usage:2026-11:totals:shop"


async def wait_until_available(store: RedisUsageStore) -> None:
    async with asyncio.timeout(20):
        while not store.is_available or store.unstored_keys:
            await asyncio.sleep(0.02)


async def test_servers_share_the_counts_and_the_quota(redis_server: RedisServer) -> None:
    one, two = (RedisUsageStore(redis_server.url) for _ in range(2))
    held = await one.reserve(SHOP, 2, 1)
    await two.add(SHOP, {"requests": 1, "captions caption": 1})
    assert (await two.reserve(SHOP, 2, 1)).held == 1
    await one.add(SHOP, {"requests": 1, "captions caption": 1}, held.reservation)
    assert await two.read(SHOP) == {"requests": 2, "captions caption": 2}
    assert one.now_s() == pytest.approx(two.now_s(), abs=5)
    for store in (one, two):
        await store.aclose()


async def test_requests_that_end_together_are_told_together(redis_server: RedisServer) -> None:
    store = RedisUsageStore(redis_server.url)
    await store.check()
    with Redis(port=redis_server.port) as redis:
        before = redis.info("commandstats")["cmdstat_time"]["calls"]
        await asyncio.gather(*(store.add(SHOP, {"requests": 1}) for _ in range(200)))
        assert redis.info("commandstats")["cmdstat_time"]["calls"] - before < 20
    assert await store.read(SHOP) == {"requests": 200}
    await store.aclose()


@pytest.mark.measures
async def test_while_redis_is_paused_counts_wait_here_and_are_added_once(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    changes: list[bool] = []
    store = RedisUsageStore(redis_server.url, on_change=changes.append)
    await store.add(SHOP, {"requests": 1})
    redis_server.pause()
    try:
        # The command is in Redis' socket and is done when it goes on, although nobody waits.
        await asyncio.gather(*(store.add(SHOP, {"requests": 1}) for _ in range(50)))
        for _ in range(50):
            await store.add(SHOP, {"requests": 1, "captions caption": 1})
        with pytest.raises(UsageUnavailable):
            await store.reserve(SHOP, 1_000, 1)
        with pytest.raises(UsageUnavailable):
            await store.read(SHOP)
        assert (store.is_available, store.unstored_keys, changes) == (False, 1, [False])
    finally:
        redis_server.resume()
    await wait_until_available(store)
    assert await store.read(SHOP) == {"requests": 101, "captions caption": 50}
    assert changes == [False, True]
    assert any(record.message == "usage_store.failed" for record in caplog.records)
    await store.aclose()


@pytest.mark.measures
async def test_a_reservation_whose_reply_was_lost_is_given_back(redis_server: RedisServer) -> None:
    store = RedisUsageStore(redis_server.url)
    await store.check()
    redis_server.pause()
    try:
        with pytest.raises(UsageUnavailable):
            await store.reserve(SHOP, 1, 1)
    finally:
        redis_server.resume()
    await wait_until_available(store)
    assert (await store.reserve(SHOP, 1, 1)).reservation is not None
    await store.aclose()


@pytest.mark.measures
async def test_what_another_part_found_late_is_not_waited_for(redis_server: RedisServer) -> None:
    store = RedisUsageStore(redis_server.url)
    await store.check()
    redis_server.pause()
    try:
        store.expect_late()
        began_s = time.monotonic()
        await store.add(SHOP, {"requests": 1})
        assert time.monotonic() - began_s < redis_store._COUNT_PATIENCE_S / 2
    finally:
        redis_server.resume()
    await wait_until_available(store)
    assert await store.read(SHOP) == {"requests": 1}
    await store.aclose()


async def test_an_emptied_redis_gets_back_what_this_server_counted_and_opens_no_quota(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = (RedisUsageStore(redis_server.url) for _ in range(2))
    other = KeyMonth("other", SHOP.month)
    await one.add(other, {"requests": 7})
    await one.add(SHOP, {"requests": 1, "captions caption": 2})
    await two.add(SHOP, {"requests": 1, "captions caption": 3})
    assert (await one.reserve(SHOP, 5, 1)).reservation is None
    with Redis(port=redis_server.port) as redis:
        redis.flushall()
    assert (await one.reserve(SHOP, 5, 1)).reservation is None, "one knows that 5 were delivered"
    with caplog.at_level(logging.WARNING):
        await one.add(SHOP, {"requests": 1})
        await two.add(SHOP, {"requests": 1})
    await wait_until_available(one)
    assert await two.read(SHOP) == {"requests": 4, "captions caption": 5}
    assert await two.read(other) == {"requests": 7}
    assert any(record.message == "usage_store.emptied" for record in caplog.records)
    for store in (one, two):
        await store.aclose()


async def test_a_redis_that_was_restored_from_an_older_copy_gets_what_it_lacks(
    redis_server: RedisServer,
) -> None:
    store = RedisUsageStore(redis_server.url)
    await store.add(SHOP, {"requests": 1})
    with Redis(port=redis_server.port) as redis:
        copy = redis.dump(TOTALS)
        await store.add(SHOP, {"requests": 5})
        redis.restore(TOTALS, 0, copy, replace=True)
    await store.add(SHOP, {"requests": 1})
    assert await store.read(SHOP) == {"requests": 7}
    await store.aclose()


async def test_a_request_of_one_key_restores_what_an_older_copy_lacks_of_all(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisUsageStore(redis_server.url)
    other, third = (KeyMonth(name, SHOP.month) for name in ("other", "third"))
    for key_month in (SHOP, other, third):
        await store.add(key_month, {"requests": 1, "captions decorative": 1})
    with Redis(port=redis_server.port) as redis:
        copies = {name: redis.dump(name) for name in redis.keys("*")}
        await store.add(other, {"requests": 4, "captions decorative": 4, "input_tokens": 9})
        await store.add(other, {"requests": 1, "captions caption": 1})
        for name, copy in copies.items():
            redis.restore(name, 0, copy, replace=True)
    with caplog.at_level(logging.WARNING):
        await store.add(SHOP, {"requests": 1, "captions caption": 1})  # nothing of it was lost
    await wait_until_available(store)
    assert await store.read(other) == {
        "requests": 6, "captions caption": 1, "captions decorative": 5, "input_tokens": 9,
    }  # fmt: skip
    assert await store.read(SHOP) == {
        "requests": 2, "captions caption": 1, "captions decorative": 1,
    }  # fmt: skip
    assert await store.read(third) == {"requests": 1, "captions decorative": 1}
    assert [record.message for record in caplog.records] == ["usage_store.emptied"]
    await store.aclose()


async def test_counts_of_a_month_to_which_the_clock_jumps_back_go_on(
    redis_server: RedisServer,
) -> None:
    store = RedisUsageStore(redis_server.url)
    await store.check()
    before, now = KeyMonth("shop", Month(2026, 1)), KeyMonth("shop", Month.at(store.now_s()))
    for key_month in (before, now, before):
        await store.add(key_month, {"requests": 5, "captions caption": 5})
    assert await store.read(before) == {"requests": 10, "captions caption": 10}
    assert (await store.reserve(before, 10, 1)).reservation is None
    await store.aclose()


async def test_of_a_key_that_was_restored_alone_every_count_comes_back(
    redis_server: RedisServer,
) -> None:
    store = RedisUsageStore(redis_server.url)
    await store.add(SHOP, {"requests": 1, "captions decorative": 1})
    with Redis(port=redis_server.port) as redis:
        copy = redis.dump(TOTALS)
        await store.add(SHOP, {"requests": 5, "captions decorative": 5})
        redis.restore(TOTALS, 0, copy, replace=True)
    await store.add(SHOP, {"requests": 1, "captions caption": 1})
    await wait_until_available(store)
    expected = {"requests": 7, "captions decorative": 6, "captions caption": 1}
    assert await store.read(SHOP) == expected
    await store.aclose()


async def test_a_server_that_starts_again_goes_on_counting(redis_server: RedisServer) -> None:
    for count in (1, 2):
        store = RedisUsageStore(redis_server.url)
        await store.add(SHOP, {"requests": 1})
        assert await store.read(SHOP) == {"requests": count}
        await store.aclose()


async def test_what_a_killed_server_reserved_is_free_again_later(redis_server: RedisServer) -> None:
    store = RedisUsageStore(redis_server.url)
    assert (await store.reserve(SHOP, 1, 1)).reservation is not None
    with Redis(port=redis_server.port) as redis:
        [key] = redis.keys("*reservations*")
        [(reservation, until_s)] = redis.zrange(key, 0, -1, withscores=True)
        assert until_s == pytest.approx(store.now_s() + 600, abs=10)
        redis.zadd(key, {reservation: store.now_s() - 1})
    assert (await store.reserve(SHOP, 1, 1)).reservation is not None
    await store.aclose()


async def test_what_somebody_else_wrote_there_is_no_error(redis_server: RedisServer) -> None:
    with Redis(port=redis_server.port) as redis:
        for write in (
            lambda: redis.set(TOTALS, "x"),
            lambda: redis.hset(TOTALS, mapping={"=requests": "many", "=captions caption": "-5"}),
            lambda: redis.hset(TOTALS, mapping={"=captions caption": "nan", "price": "0x10"}),
            lambda: redis.set(TOTALS.replace("totals", "reservations"), "x"),
            lambda: redis.zadd(TOTALS.replace("totals", "reservations"), {"x": 9e15}),
            lambda: redis.set("altwright:usage:2026-11:names", "x"),
        ):
            redis.flushall()
            write()
            store = RedisUsageStore(redis_server.url)
            state = await store.reserve(SHOP, 5, 1)
            await store.add(SHOP, {"requests": 1, "captions caption": 1}, state.reservation)
            counts = await store.read(SHOP)
            assert (counts["requests"], counts["captions caption"]) == (1, 1)
            assert await store.list_keys(SHOP.month) == ["shop"]
            assert store.is_available
            await store.aclose()


@pytest.mark.parametrize("reply", [pytest.param(value, id=name) for name, value in REPLIES.items()])
async def test_a_reply_that_is_none_of_redis_counts_as_none(reply: bytes) -> None:
    """Nobody gets an error, and a key with a quota is refused."""
    async with scripted_redis(reply) as url:
        store = RedisUsageStore(url)
        await store.add(SHOP, {"requests": 1})
        for ask in (store.reserve(SHOP, 1, 1), store.read(SHOP), store.list_keys(SHOP.month)):
            with pytest.raises(UsageUnavailable):
                await ask
        await store.aclose()


async def test_what_cannot_be_stored_before_the_end_is_logged_with_its_numbers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = RedisUsageStore("redis://127.0.0.1:1/0")
    await store.add(SHOP, {"requests": 3, "captions caption": 2})
    await store.aclose()
    [lost] = [record for record in caplog.records if record.message == "usage_store.counts_lost"]
    assert json.dumps(lost.__dict__["counts"]) == '{"captions caption": 2, "requests": 3}'


async def test_a_server_that_stops_stores_what_waited_for_redis(redis_server: RedisServer) -> None:
    """Redis has just come back, and no probe has noticed yet."""
    store = RedisUsageStore(redis_server.url)
    redis_server.stop()
    await store.add(SHOP, {"requests": 3})
    assert not store.is_available
    redis_server.start()
    await store.aclose()
    again = RedisUsageStore(redis_server.url)
    assert await again.read(SHOP) == {"requests": 3}
    await again.aclose()


async def test_the_clock_is_that_of_redis_whatever_this_machine_says(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock here that is a month ahead moves nobody into the next month."""
    right = RedisUsageStore(redis_server.url)
    ahead = RedisUsageStore(redis_server.url, clock=lambda: right.now_s() + 31 * 24 * 3600)
    await right.check()
    assert ahead.now_s() > right.now_s() + 1_000_000
    await ahead.check()
    assert ahead.now_s() == pytest.approx(right.now_s(), abs=5)
    assert any(record.message == "usage_store.clock_differs" for record in caplog.records)
    for store in (right, ahead):
        await store.aclose()
