"""DNS resolver: look-ups in threads of their own, so that slow names delay only their own requests.

asyncio's default thread pool has 6 threads on 2 cores; 12 slow names blocked it for everyone
(measured).
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_address

from app.fetching.address_policy import Address
from app.fetching.errors import NameNotResolved
from app.runtime.deadline import Deadline
from app.runtime.single_flight import SingleFlight

Lookup = Callable[[str], Sequence[str]]
"""A blocking look-up: a name's addresses as text, in order of preference. Raises OSError."""

MAX_THREADS = 128
"""Enough for all names that two callers may ask for in a minute.

A look-up cannot be stopped: glibc may keep a thread for half a minute after the caller has gone,
and for a minute where there are search domains to try. A waiting thread costs some 30 KB and a
descriptor.
"""
TIMEOUT_S = 3.0
"""For one request to wait for a name; most names take under 0.1 s."""


def system_lookup(name: str) -> list[str]:
    """Every address that the operating system knows for a name, IPv4 and IPv6."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(record[4][0]) for record in found]


class Resolver:
    """Resolves names concurrently, each in at most one thread at a time.

    A name whose look-up hangs keeps one thread, however often it is asked for.
    """

    def __init__(
        self,
        *,
        max_threads: int = MAX_THREADS,
        timeout_s: float = TIMEOUT_S,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._timeout_s = timeout_s
        self._lookup = lookup
        self._free_threads = asyncio.Semaphore(max_threads)
        self._running: dict[str, asyncio.Future[Sequence[str]]] = {}
        """Look-ups that have a thread, waited for or not."""
        self._in_flight: SingleFlight[str, Sequence[str]] = SingleFlight(unshared=(TimeoutError,))

    async def resolve(self, name: str) -> tuple[Address, ...]:
        """Every address of `name`, at least one, none twice. Raises NameNotResolved."""
        try:
            records, _ = await self._in_flight.run(
                name, Deadline.after(self._timeout_s), partial(self._look_up, name)
            )
        except TimeoutError:
            raise NameNotResolved("DNS gave no answer in time") from None
        try:
            return tuple(dict.fromkeys(ip_address(text) for text in records))
        except ValueError as error:
            raise NameNotResolved(f"DNS returned a record that is no address: {error}") from None

    async def aclose(self) -> None:
        """Stop waiting for every look-up. Hanging threads end by themselves."""
        await self._in_flight.aclose()

    async def _look_up(self, name: str, deadline: Deadline) -> Sequence[str]:
        async with deadline.timeout():
            if name not in self._running:
                await self._free_threads.acquire()
                self._start_thread(name)
            return await asyncio.shield(self._running[name])

    def _start_thread(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Sequence[str]] = loop.create_future()
        outcome.add_done_callback(partial(self._end_thread, name))
        self._running[name] = outcome

        def look_up() -> None:
            try:
                records = self._lookup(name)
                error = None if records else NameNotResolved("DNS knows no address of it")
            except (OSError, ValueError) as failure:
                records, error = (), NameNotResolved(f"DNS: {failure}")
            try:
                loop.call_soon_threadsafe(_settle, outcome, records, error)
            except RuntimeError:  # the loop has closed
                return

        try:
            # A daemon thread, so that the process can end while a look-up hangs.
            threading.Thread(target=look_up, name="dns", daemon=True).start()
        except RuntimeError as failure:
            outcome.set_exception(NameNotResolved(f"no thread for DNS: {failure}"))

    def _end_thread(self, name: str, outcome: asyncio.Future[Sequence[str]]) -> None:
        del self._running[name]
        self._free_threads.release()
        if not outcome.cancelled():
            outcome.exception()  # read here: there may be no waiter any more


def _settle(
    outcome: asyncio.Future[Sequence[str]], records: Sequence[str], error: Exception | None
) -> None:
    if error is None:
        outcome.set_result(records)
    else:
        outcome.set_exception(error)
