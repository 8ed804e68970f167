"""The store of rate limits in memory: it counts a moving window, and forgets by itself."""

import threading
import time

from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from app.api.rate_limit_store import WindowStorage


def test_it_is_what_limits_finds_under_its_scheme() -> None:
    assert isinstance(storage_from_string("windows://"), WindowStorage)


def test_the_window_moves_and_a_refusal_counts_for_nothing() -> None:
    limiter, limit = MovingWindowRateLimiter(WindowStorage()), RateLimitItemPerSecond(2)
    began = time.time()
    assert [limiter.hit(limit, "a") for _ in range(5)] == [True, True, False, False, False]
    stats = limiter.get_window_stats(limit, "a")
    assert stats.remaining == 0
    assert began + 1 <= stats.reset_time <= time.time() + 1
    time.sleep(max(0, stats.reset_time - time.time()) + 0.01)
    assert limiter.test(limit, "a")
    assert limiter.get_window_stats(limit, "a").remaining >= 1
    assert limiter.hit(limit, "a")


def test_one_limit_s_window_is_none_of_another_s() -> None:
    store = WindowStorage()
    assert store.acquire_entry("a", 1, 1)
    assert store.acquire_entry("a", 1, 60)
    assert not store.acquire_entry("a", 1, 60)
    assert store.acquire_entry("b", 3, 60, amount=3)
    assert not store.acquire_entry("c", 3, 60, amount=4)
    store.clear("a")
    assert store.acquire_entry("a", 1, 60)


def test_callers_who_stay_away_are_forgotten_whoever_asks() -> None:
    """Without keys each address is a caller: they must not pile up."""
    store = WindowStorage()
    for number in range(1_000):
        assert store.acquire_entry(f"address:{number}", 5, 1)
    time.sleep(1.05)
    for _ in range(500):
        store.acquire_entry("address:still here", 1_000, 1)
    assert store.reset() == 1


def test_counting_starts_no_thread() -> None:
    before = threading.active_count()
    store = WindowStorage()
    for _ in range(100):
        store.acquire_entry("a", 1_000, 60)
    assert threading.active_count() == before
