"""Requests wait for a store only while it answers at once."""

import asyncio
import time

import pytest

from app.runtime.store_guard import (
    FIRST_PAUSE_S,
    MAX_PAUSE_S,
    PATIENCE_S,
    StoreGuard,
    StoreUnavailable,
)

pytestmark = pytest.mark.usefixtures("virtual_time")


class Store:
    """Answers after `delay_s`, or fails with `error`."""

    def __init__(self, *, gives_up_together: bool = True) -> None:
        self.delay_s = 0.001
        self.error: Exception | None = None
        self.asked = 0
        self.cancelled = 0
        self.changes: list[str | None] = []
        self.guard = StoreGuard(
            self.answer, self.changes.append, gives_up_together=gives_up_together
        )

    async def answer(self) -> str:
        self.asked += 1
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return "value"


async def ask(store: Store) -> tuple[str | None, float]:
    """What came, and how long it took in seconds."""
    began_s = time.monotonic()
    try:
        value = await store.guard.ask(store.answer)
    except StoreUnavailable:
        value = None
    return value, time.monotonic() - began_s


async def test_an_answer_at_once_is_returned() -> None:
    store = Store()
    value, _ = await ask(store)
    assert value == "value"
    assert store.changes == []


async def test_a_late_store_delays_who_ask_together_by_the_patience_and_no_one_after() -> None:
    store = Store()
    store.delay_s = 0.2
    together = await asyncio.gather(*(ask(store) for _ in range(20)))
    assert all(value is None for value, _ in together)
    assert all(took_s < PATIENCE_S * 1.01 for _, took_s in together)
    for _ in range(400):  # a minute
        await asyncio.sleep(0.15)
        assert (await ask(store))[1] == 0.0
    assert store.changes == ["late"]
    assert store.asked - 20 <= 3 + 60 / MAX_PAUSE_S, "by the probe alone"


async def test_who_comes_while_another_waits_in_vain_gives_up_with_it() -> None:
    store = Store()
    store.delay_s = 60.0
    first = asyncio.create_task(ask(store))
    await asyncio.sleep(PATIENCE_S * 0.75)
    assert (await ask(store))[1] == pytest.approx(PATIENCE_S * 0.25)
    await first
    assert store.changes == ["late"]


async def test_an_error_ends_the_waiting_of_all() -> None:
    store = Store()
    store.delay_s = 60.0
    first = asyncio.create_task(ask(store))
    await asyncio.sleep(PATIENCE_S / 4)
    store.delay_s, store.error = 0.001, ConnectionError()
    await ask(store)
    _, took_s = await first
    assert took_s < PATIENCE_S / 2


async def test_a_store_that_decides_on_refusals_is_waited_for_by_each_request() -> None:
    store = Store(gives_up_together=False)
    store.delay_s = PATIENCE_S * 1.1
    first = asyncio.create_task(ask(store))
    await asyncio.sleep(PATIENCE_S * 0.75)
    store.delay_s = PATIENCE_S * 0.5
    assert (await ask(store))[0] == "value"
    assert (await first)[0] is None


async def test_an_error_is_reported_once_and_delays_no_one_after() -> None:
    store = Store()
    store.error = ValueError("no protocol of ours")
    assert (await ask(store))[0] is None
    assert await ask(store) == (None, 0.0)
    assert store.changes == ["ValueError"]


async def test_a_store_that_answers_again_is_asked_again_after_the_next_probe() -> None:
    store = Store()
    store.delay_s = 60.0
    await ask(store)
    store.delay_s = 0.001
    await asyncio.sleep(FIRST_PAUSE_S + 0.1)
    assert (await ask(store))[0] == "value"
    assert store.changes == ["late", None]


async def test_a_request_that_is_cancelled_cancels_its_command() -> None:
    store = Store()
    store.delay_s = 60.0
    asking = asyncio.create_task(ask(store))
    await asyncio.sleep(PATIENCE_S / 2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0)
    assert store.cancelled == 1
    assert store.guard.is_usable


async def test_closing_ends_the_probe_and_the_commands() -> None:
    store = Store()
    store.delay_s = 60.0
    await ask(store)
    store.guard.close()
    await asyncio.sleep(0)
    await asyncio.sleep(2 * MAX_PAUSE_S)
    assert (store.asked, store.cancelled) == (1, 1)
