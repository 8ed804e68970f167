"""The processes of the good caller and of the attacker, apart from each other and the server.

The attacker's servers copy megabytes; in the good caller's process that would be measured as delay
of the server.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from benchmarks.chaos.attack import Tally
from benchmarks.chaos.attacks import ATTACKS
from benchmarks.chaos.verdict import Window
from testing import load

_HEALTH_PAUSE_S = 0.05
_GOOD_CONNECTIONS = 64
_GOOD_TIMEOUT_S = 15.0
_END_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class GoodWindow:
    """An order to the good caller: send these messages at a steady rate."""

    url: str
    messages: Sequence[bytes]
    per_second: float
    seconds: float


def good_caller(orders: Connection) -> None:
    """Answer each `GoodWindow` with a `Window`, until the connection is closed."""
    with suppress(EOFError):
        while True:
            orders.send(asyncio.run(_measure(orders.recv())))


def attacker(orders: Connection) -> None:
    """For each name of an attack: prepare it, send the server's settings, then attack.

    Each (URL, seconds) is answered with a Tally; None ends the attack.
    """
    with suppress(EOFError):
        while True:
            asyncio.run(_attack(orders, orders.recv()))


@contextmanager
def started(main: Callable[[Connection], None]) -> Iterator[Connection]:
    """Run `main` in a process of its own; yields the connection to it."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=main, args=(theirs,), daemon=True)
    process.start()
    theirs.close()  # so that a process that has ended is noticed: recv raises EOFError
    try:
        yield ours
    finally:
        ours.close()
        process.join(_END_TIMEOUT_S)
        if process.is_alive():
            process.kill()
            process.join()


async def _measure(order: GoodWindow) -> Window:
    health = [load.http_request("GET", "/healthz")]
    captions, checks = await asyncio.gather(
        load.open_loop(
            order.url, order.messages, per_second=order.per_second, seconds=order.seconds,
            connections=_GOOD_CONNECTIONS, timeout_s=_GOOD_TIMEOUT_S,
        ),
        load.closed_loop(
            order.url, health, in_flight=1, seconds=order.seconds, pause_s=_HEALTH_PAUSE_S
        ),
    )  # fmt: skip
    return Window(
        latencies_s=tuple(one.duration_s for one in captions.items),
        health_s=tuple(one.duration_s for one in checks.items),
        codes=dict(captions.codes() + checks.with_codes("connection_lost").codes()),
    )


async def _attack(orders: Connection, name: str) -> None:
    async with AsyncExitStack() as stack:
        prepared = await ATTACKS[name].prepare(stack)
        orders.send(dict(prepared.settings))
        while (order := await asyncio.to_thread(orders.recv)) is not None:
            url, seconds = order
            tally = Tally()
            cpu_before_s = time.process_time()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await prepared.run(url, tally)
            tally.cpu_s = time.process_time() - cpu_before_s
            orders.send(tally)
