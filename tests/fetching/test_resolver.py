"""DNS look-ups in threads of their own."""

import asyncio
import threading
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from app.fetching.errors import NameNotResolved
from app.fetching.resolver import Resolver

PUBLIC = ip_address("8.8.8.8")


class SlowNames:
    """A look-up that answers a name `slow*` only after `answer()`; counts calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._may_answer = threading.Event()

    def __call__(self, name: str) -> list[str]:
        self.calls.append(name)
        if name.startswith("slow"):
            self._may_answer.wait(10)
        return [str(PUBLIC)]

    def answer(self) -> None:
        """Let every look-up end, and wait until its thread has."""
        self._may_answer.set()
        for thread in threading.enumerate():
            if thread.name == "dns":
                thread.join()


@pytest.fixture
def slow_names() -> Iterator[SlowNames]:
    lookup = SlowNames()
    yield lookup
    lookup.answer()


async def test_every_record_is_returned_once() -> None:
    """In DNS's order."""
    resolver = Resolver(lookup=lambda _: ["8.8.8.8", "2606:4700::1111", "8.8.8.8"])
    assert await resolver.resolve("a.example") == (PUBLIC, ip_address("2606:4700::1111"))


async def test_the_default_lookup_asks_the_system() -> None:
    assert any(ip.is_loopback for ip in await Resolver().resolve("localhost"))


@pytest.mark.usefixtures("virtual_time")
async def test_equal_names_share_one_lookup(slow_names: SlowNames) -> None:
    """A name that hangs keeps one thread, however often it is asked for."""
    resolver = Resolver(lookup=slow_names)
    for _ in range(3):
        with pytest.raises(NameNotResolved, match="in time"):
            await resolver.resolve("slow.example")
    waiting = [asyncio.create_task(resolver.resolve("slow.example")) for _ in range(10)]
    await asyncio.sleep(0)
    slow_names.answer()
    assert await asyncio.gather(*waiting) == [(PUBLIC,)] * 10
    assert slow_names.calls == ["slow.example"]


@pytest.mark.usefixtures("virtual_time")
async def test_each_waiter_has_its_own_time(slow_names: SlowNames) -> None:
    """Who joins a look-up two seconds later waits two seconds longer than the first."""
    resolver = Resolver(lookup=slow_names, timeout_s=3)
    first = asyncio.create_task(resolver.resolve("slow.example"))
    await asyncio.sleep(2)
    second = asyncio.create_task(resolver.resolve("slow.example"))
    await asyncio.sleep(1.5)
    assert isinstance(first.exception(), NameNotResolved)
    assert not second.done()
    slow_names.answer()
    assert await second == (PUBLIC,)
    assert slow_names.calls == ["slow.example"]


async def test_slow_names_do_not_delay_others(slow_names: SlowNames) -> None:
    """Nor asyncio's own threads; 60 names are what one caller may ask for in a minute."""
    resolver = Resolver(lookup=slow_names, timeout_s=30)
    slow = [asyncio.create_task(resolver.resolve(f"slow{n}.example")) for n in range(60)]
    await asyncio.sleep(0)
    assert await resolver.resolve("quick.example") == (PUBLIC,)
    assert await asyncio.to_thread(lambda: 1) == 1
    assert not any(task.done() for task in slow)
    await resolver.aclose()


async def test_threads_are_bounded_and_the_queue_moves_on() -> None:
    running = most = 0
    lock = threading.Lock()

    def lookup(name: str) -> list[str]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1
        return ["8.8.8.8"]

    resolver = Resolver(max_threads=2, lookup=lookup, timeout_s=30)
    await asyncio.gather(*(resolver.resolve(f"n{n}.example") for n in range(10)))
    assert most == 2


async def test_a_caller_that_leaves_the_queue_for_a_thread_starts_no_lookup(
    slow_names: SlowNames,
) -> None:
    resolver = Resolver(max_threads=1, lookup=slow_names, timeout_s=30)
    first = asyncio.create_task(resolver.resolve("slow.example"))
    leaving = asyncio.create_task(resolver.resolve("left.example"))
    await asyncio.sleep(0.01)
    leaving.cancel()
    slow_names.answer()
    assert await first == (PUBLIC,)
    assert await resolver.resolve("next.example") == (PUBLIC,)
    assert slow_names.calls == ["slow.example", "next.example"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError("no such name"), "no such name"), (UnicodeError("label"), "label")],
)
async def test_a_failed_lookup_gives_its_reason_for_the_log(error: Exception, reason: str) -> None:
    def lookup(_: str) -> list[str]:
        raise error

    with pytest.raises(NameNotResolved, match=reason):
        await Resolver(lookup=lookup).resolve("a.example")


@pytest.mark.parametrize("records", [[], ["not an address"]])
async def test_a_name_without_an_address_is_not_resolved(records: list[str]) -> None:
    with pytest.raises(NameNotResolved):
        await Resolver(lookup=lambda _: records).resolve("a.example")


async def test_closing_ends_every_wait(slow_names: SlowNames) -> None:
    """A look-up that hangs does not keep the process alive either: its thread is a daemon."""
    resolver = Resolver(lookup=slow_names, timeout_s=30)
    waiting = asyncio.create_task(resolver.resolve("slow.example"))
    await asyncio.sleep(0.01)
    assert any(thread.daemon for thread in threading.enumerate() if thread.name == "dns")
    await resolver.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting
