"""The usage meter counts each request once, and keeps keys within their quota."""

import asyncio
from collections.abc import Mapping

import pytest

from app.errors import Overloaded
from app.usage.errors import QuotaExceeded
from app.usage.memory_store import MemoryUsageStore
from app.usage.meter import UsageMeter
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.request_usage import RequestUsage

DAY_S = 24 * 3600
NOVEMBER = Month(2026, 11)


class Clock:
    """Seconds since 1970 that only a test moves on."""

    def __init__(self) -> None:
        self.now_s = NOVEMBER.end.timestamp() - DAY_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> UsageMeter:
    return UsageMeter(MemoryUsageStore(clock))


def begin(meter: UsageMeter, key_name: str = "shop") -> RequestUsage:
    usage = meter.begin(makes_captions=True)
    usage.key_name = key_name
    return usage


async def deliver(meter: UsageMeter, quota: int | None, captions: int = 1) -> None:
    usage = begin(meter)
    await meter.begin_work(usage, quota, captions)
    for _ in range(captions):
        usage.add_caption((), is_decorative=False)
    await meter.count(usage)


async def test_a_used_up_quota_is_refused_until_the_next_month(
    meter: UsageMeter, clock: Clock
) -> None:
    for _ in range(3):
        await deliver(meter, 3)
    with pytest.raises(QuotaExceeded, match="quota of 3 captions a month is used up") as raised:
        await deliver(meter, 3)
    assert raised.value.retry_after_s == DAY_S
    assert raised.value.retryable()
    clock.now_s += DAY_S
    await deliver(meter, 3)
    assert (await meter.report("shop")).delivered == 1
    assert (await meter.report("shop", NOVEMBER)).delivered == 3


async def test_a_used_up_quota_is_refused_before_a_file_is_received(
    meter: UsageMeter, clock: Clock
) -> None:
    """And reserves nothing: one that is left is for whoever comes first."""
    for _ in range(2):
        await deliver(meter, 3)
    for _ in range(4):
        await meter.require_quota(begin(meter), 3)
    await meter.require_quota(begin(meter), None)
    await deliver(meter, 3)
    with pytest.raises(QuotaExceeded, match="quota of 3 captions a month is used up") as raised:
        await meter.require_quota(begin(meter), 3)
    assert raised.value.retry_after_s == DAY_S
    await meter.require_quota(begin(meter, "other"), 3)
    clock.now_s += DAY_S
    await meter.require_quota(begin(meter), 3)


async def test_a_quota_of_0_refuses_everything(meter: UsageMeter) -> None:
    with pytest.raises(QuotaExceeded, match="quota of 0 captions"):
        await deliver(meter, 0)


async def test_a_key_without_a_quota_is_counted_and_never_refused(meter: UsageMeter) -> None:
    await deliver(meter, None, captions=12)
    assert (await meter.report("shop")).delivered == 12


async def test_a_request_for_more_than_is_left_is_told_how_many_are(meter: UsageMeter) -> None:
    await deliver(meter, 5, captions=3)
    with pytest.raises(QuotaExceeded, match="2 of 5 captions are left until 2026-12-01"):
        await deliver(meter, 5, captions=3)
    await deliver(meter, 5, captions=2)


async def test_where_requests_in_work_hold_the_rest_the_wait_is_short(meter: UsageMeter) -> None:
    working = begin(meter)
    await meter.begin_work(working, 1, 1)
    with pytest.raises(QuotaExceeded, match="Requests in work hold the rest") as raised:
        await deliver(meter, 1)
    assert raised.value.retry_after_s == 2
    working.add_problem("image_not_found")
    await meter.count(working)
    await deliver(meter, 1)


async def test_requests_at_the_same_time_never_pass_the_quota(meter: UsageMeter) -> None:
    results = await asyncio.gather(
        *(deliver(meter, 10, captions=3) for _ in range(20)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 3
    assert (await meter.report("shop")).delivered == 9


async def test_a_request_counts_in_the_month_of_its_arrival_when_that_ends(
    meter: UsageMeter, clock: Clock
) -> None:
    usage = begin(meter)
    await meter.begin_work(usage, 1, 1)
    clock.now_s += 2 * DAY_S
    usage.add_caption((), is_decorative=False)
    await meter.count(usage)
    assert (await meter.report("shop")).delivered == 0
    assert (await meter.report("shop", NOVEMBER)).delivered == 1


async def test_a_clock_that_jumps_over_the_months_end_and_back_opens_no_quota_twice(
    meter: UsageMeter, clock: Clock
) -> None:
    await deliver(meter, 1)
    for jump_s in (2 * DAY_S, -2 * DAY_S, 2 * DAY_S):
        clock.now_s += jump_s
        if jump_s > 0 and not (await meter.report("shop")).delivered:
            await deliver(meter, 1)
        with pytest.raises(QuotaExceeded) as raised:
            await deliver(meter, 1)
        assert raised.value.retry_after_s is not None
        assert raised.value.retry_after_s > 0


async def test_a_month_that_ends_between_arrival_and_reservation_is_the_next_ones(
    meter: UsageMeter, clock: Clock
) -> None:
    usage = begin(meter)
    clock.now_s += 2 * DAY_S
    await meter.begin_work(usage, 1, 1)
    assert usage.month == Month(2026, 12)
    with pytest.raises(QuotaExceeded):
        await deliver(meter, 1)
    await meter.count(usage)
    await deliver(meter, 1)


async def test_a_request_is_counted_once_and_only_of_a_known_caller() -> None:
    observed: list[tuple[str, Mapping[str, int]]] = []
    meter = UsageMeter(MemoryUsageStore(), lambda key, counts: observed.append((key, counts)))
    usage = meter.begin(makes_captions=True)
    usage.add_problem("unauthorized")
    await meter.count(usage)
    meter.count_later(usage)
    assert observed == []
    usage.key_name = "shop"
    await meter.count(usage)
    meter.count_later(usage)
    assert observed == [("shop", {"requests": 1, "captions unauthorized": 1})]


async def test_without_its_store_a_key_with_a_quota_is_refused_and_others_are_served() -> None:
    store = RedisUsageStore("redis://127.0.0.1:1/0")
    meter = UsageMeter(store)
    with pytest.raises(Overloaded, match="usage store does not respond") as raised:
        await deliver(meter, 1_000)
    assert raised.value.retry_after_s == 5
    assert "quota" in raised.value.detail
    with pytest.raises(Overloaded, match="usage store does not respond"):
        await meter.require_quota(begin(meter), 1_000)
    await deliver(meter, None)
    assert store.unstored_keys == 1
    await store.aclose()
