"""DNS in threads of its own."""

import asyncio
import threading
import time
from ipaddress import ip_address

import pytest

from app.fetching.errors import NameNotResolved
from app.fetching.resolver import Resolver


async def test_every_record_comes_back_once() -> None:
    """In DNS's order."""
    resolver = Resolver(lookup=lambda _: ["8.8.8.8", "2606:4700::1111", "8.8.8.8"])
    found = await resolver.resolve("a.example")
    assert found == (ip_address("8.8.8.8"), ip_address("2606:4700::1111"))


async def test_the_system_knows_this_machine() -> None:
    """The default look-up is getaddrinfo."""
    assert any(ip.is_loopback for ip in await Resolver().resolve("localhost"))


async def test_equal_names_share_one_lookup() -> None:
    """And a name that hangs keeps one thread, however often it is asked for."""
    calls = []
    go_on = threading.Event()

    def lookup(name: str) -> list[str]:
        calls.append(name)
        go_on.wait(5)
        return ["8.8.8.8"]

    resolver = Resolver(lookup=lookup, timeout_s=0.05)
    for _ in range(3):
        with pytest.raises(NameNotResolved, match="in time"):
            await resolver.resolve("slow.example")
    patient = [asyncio.create_task(resolver.resolve("slow.example")) for _ in range(10)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(*patient) == [(ip_address("8.8.8.8"),)] * 10
    assert calls == ["slow.example"]


async def test_a_dozen_slow_names_do_not_starve_the_next() -> None:
    """asyncio's own pool has 6 threads on 2 cores, and they did (measured)."""
    go_on = threading.Event()

    def lookup(name: str) -> list[str]:
        if name.startswith("slow"):
            go_on.wait(5)
        return ["8.8.8.8"]

    resolver = Resolver(lookup=lookup, timeout_s=0.5)
    slow = [asyncio.create_task(resolver.resolve(f"slow{n}.example")) for n in range(20)]
    await asyncio.sleep(0.02)
    began = time.monotonic()
    assert await resolver.resolve("quick.example")
    assert await asyncio.to_thread(lambda: 1) == 1
    assert time.monotonic() - began < 0.3
    results = await asyncio.gather(*slow, return_exceptions=True)
    go_on.set()
    assert all(isinstance(result, NameNotResolved) for result in results)


async def test_threads_are_bounded_and_the_queue_moves_on() -> None:
    """Whoever gives up in the queue leaves it."""
    running = 0
    most = 0

    def lookup(name: str) -> list[str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return ["8.8.8.8"]

    resolver = Resolver(threads=2, lookup=lookup, timeout_s=2)
    hasty = asyncio.create_task(resolver.resolve("hasty.example"))
    tasks = [asyncio.create_task(resolver.resolve(f"n{n}.example")) for n in range(10)]
    late = asyncio.create_task(resolver.resolve("late.example"))
    await asyncio.sleep(0.001)
    late.cancel()
    await asyncio.gather(*tasks, hasty)
    assert most == 2
    assert not resolver._flights
    assert await resolver.resolve("late.example")


@pytest.mark.parametrize(
    ("error", "says"),
    [(OSError("no such name"), "no such name"), (UnicodeError("label"), "label")],
)
async def test_a_failure_is_told_for_the_log(error: Exception, says: str) -> None:
    """Whatever the system's resolver raises."""

    def lookup(_: str) -> list[str]:
        raise error

    with pytest.raises(NameNotResolved, match=says):
        await Resolver(lookup=lookup).resolve("a.example")


async def test_no_record_is_a_failure() -> None:
    """So is a record that is no address."""
    for records in ([], ["not an address"]):
        with pytest.raises(NameNotResolved):
            await Resolver(lookup=lambda _, r=records: r).resolve("a.example")


async def test_closing_ends_every_wait() -> None:
    """A look-up that hangs does not keep the process alive either: its thread is a daemon."""
    go_on = threading.Event()
    resolver = Resolver(lookup=lambda _: [str(go_on.wait(5))], timeout_s=5)
    task = asyncio.create_task(resolver.resolve("slow.example"))
    await asyncio.sleep(0.01)
    assert any(thread.daemon for thread in threading.enumerate() if thread.name == "dns")
    await resolver.aclose()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()


async def test_all_names_that_a_caller_may_ask_for_in_a_minute_leave_room_for_others() -> None:
    """Each may hang for as long: of 32 threads one key could keep every one."""
    go_on = threading.Event()

    def lookup(name: str) -> list[str]:
        if name != "good.example":
            go_on.wait(10)
        return ["192.0.2.1"]

    resolver = Resolver(lookup=lookup, timeout_s=8)
    slow = [asyncio.create_task(resolver.resolve(f"{number}.example")) for number in range(60)]
    try:
        await asyncio.sleep(0)
        assert await resolver.resolve("good.example") == (ip_address("192.0.2.1"),)
        assert not any(task.done() for task in slow)
    finally:
        go_on.set()
        await resolver.aclose()
