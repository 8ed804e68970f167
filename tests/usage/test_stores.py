"""Both usage stores count, and hold what a request may still deliver of its quota."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.usage.memory_store import MemoryUsageStore
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.store import KeyMonth, UsageStore
from testing.servers.redis import RedisServer

SHOP = KeyMonth("shop", Month(2026, 11))


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[UsageStore]:
    if request.param == "memory":
        yield MemoryUsageStore()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    redis_store = RedisUsageStore(server.url)
    yield redis_store
    await redis_store.aclose()


async def test_counts_add_up_by_key_and_month(store: UsageStore) -> None:
    other_month = KeyMonth("shop", Month(2026, 12))
    await store.add(SHOP, {"requests": 1, "captions caption": 2})
    await store.add(SHOP, {"requests": 1, "input_tokens": 900})
    await store.add(other_month, {"requests": 5})
    await store.add(KeyMonth("a key: with, signs", SHOP.month), {"requests": 1})
    assert await store.read(SHOP) == {"requests": 2, "captions caption": 2, "input_tokens": 900}
    assert await store.read(other_month) == {"requests": 5}
    assert await store.read(KeyMonth("nobody", SHOP.month)) == {}
    assert await store.list_keys(SHOP.month) == ["a key: with, signs", "shop"]
    assert await store.list_keys(Month(2027, 1)) == []


async def test_requests_at_the_same_time_never_reserve_more_than_the_quota(
    store: UsageStore,
) -> None:
    states = await asyncio.gather(*(store.reserve(SHOP, 10, 3) for _ in range(8)))
    allowed = [state.reservation for state in states if state.reservation is not None]
    assert len(allowed) == 3
    refused = await store.reserve(SHOP, 10, 2)
    assert (refused.reservation, refused.used, refused.held) == (None, 0, 9)


async def test_what_was_not_delivered_is_free_again(store: UsageStore) -> None:
    first = await store.reserve(SHOP, 3, 3)
    await store.add(SHOP, {"requests": 1, "captions caption": 1}, first.reservation)
    assert (await store.reserve(SHOP, 3, 3)).reservation is None
    second = await store.reserve(SHOP, 3, 2)
    assert (second.used, second.held) == (1, 0)
    await store.add(SHOP, {"requests": 1, "captions decorative": 2}, second.reservation)
    assert (await store.reserve(SHOP, 3, 1)).used == 3


async def test_a_quota_of_0_allows_nothing(store: UsageStore) -> None:
    assert (await store.reserve(SHOP, 0, 1)).reservation is None


async def test_a_reservation_that_ends_twice_is_given_back_once(store: UsageStore) -> None:
    one = (await store.reserve(SHOP, 2, 1)).reservation
    assert (await store.reserve(SHOP, 2, 1)).reservation is not None
    await store.add(SHOP, {}, one)
    await store.add(SHOP, {}, one)
    assert (await store.reserve(SHOP, 2, 1)).reservation is not None
    assert (await store.reserve(SHOP, 2, 1)).reservation is None
