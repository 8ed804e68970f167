"""The rate limit store in memory counts a moving window and removes old entries by itself."""

import threading

from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from app.api.rate_limit_store import STORE_URL, MovingWindowStorage


class Clock:
    """Seconds that only a test moves on."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_limits_finds_the_store_by_its_url() -> None:
    assert isinstance(storage_from_string(STORE_URL), MovingWindowStorage)


def test_the_window_moves_and_a_refused_request_does_not_count() -> None:
    clock = Clock()
    store = MovingWindowStorage(clock=clock)
    limiter, limit = MovingWindowRateLimiter(store), RateLimitItemPerSecond(2)
    assert [limiter.hit(limit, "a") for _ in range(5)] == [True, True, False, False, False]
    window = limiter.get_window_stats(limit, "a")
    assert (window.remaining, window.reset_time) == (0, clock.now_s + 1)
    clock.now_s += 1.01
    assert limiter.test(limit, "a")
    assert limiter.get_window_stats(limit, "a").remaining == 2
    assert limiter.hit(limit, "a")


def test_windows_of_different_lengths_are_counted_separately() -> None:
    store = MovingWindowStorage()
    assert store.acquire_entry("a", 1, 1)
    assert store.acquire_entry("a", 1, 60)
    assert not store.acquire_entry("a", 1, 60)
    assert store.acquire_entry("b", 3, 60, amount=3)
    assert not store.acquire_entry("c", 3, 60, amount=4)
    store.clear("a")
    assert store.acquire_entry("a", 1, 60)


def test_absent_callers_are_removed_by_the_requests_of_others() -> None:
    """Without keys each address is a caller, so absent ones must not accumulate."""
    clock = Clock()
    store = MovingWindowStorage(clock=clock)
    for number in range(1_000):
        assert store.acquire_entry(f"address:{number}", 5, 1)
    clock.now_s += 1.05
    for _ in range(500):
        store.acquire_entry("address:present", 1_000, 1)
    assert store.reset() == 1


def test_counting_starts_no_thread() -> None:
    before = threading.active_count()
    store = MovingWindowStorage()
    for _ in range(100):
        store.acquire_entry("a", 1_000, 60)
    assert threading.active_count() == before
