"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import time

import pytest


@pytest.fixture
async def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timers of the test's loop fire in order and at once; nothing waits for a real clock.

    `time.monotonic()` is the virtual clock, and so are `loop.time()` and Deadline. Not for tests
    that wait for threads, sockets or processes: time would jump ahead of them.
    """
    now_s = time.monotonic()
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    real_select = selector.select

    def select(timeout_s: float | None = None) -> object:
        nonlocal now_s
        if timeout_s is None or timeout_s <= 0:
            return real_select(timeout_s)
        events = real_select(0)
        if not events:
            now_s += timeout_s
        return events

    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(selector, "select", select)
