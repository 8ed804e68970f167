"""DNS in threads of its own, so that slow names starve nobody but each other."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from app.fetching.address_policy import Address
from app.fetching.errors import NameNotResolved

Lookup = Callable[[str], Sequence[str]]
"""A blocking look-up: a name's addresses as text, in order of preference. Raises OSError."""

THREADS = 128
"""asyncio's own pool has 6 threads on 2 cores, and 12 slow names kept it from everyone (measured).

A look-up cannot be stopped: glibc may hold a thread for half a minute after the caller has gone,
and for a minute where it has search domains to try. A waiting thread costs some 30 KB and a
descriptor, so there are enough for all names that two callers may ask for in a minute.
"""
TIMEOUT_S = 3.0
"""A name that takes longer costs its own request only; most take under 0.1 s."""


def system_lookup(name: str) -> list[str]:
    """What the operating system answers, IPv4 and IPv6, every record."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(record[4][0]) for record in found]


class _Flight:
    """One look-up under way, shared by all who wait for the same name."""

    def __init__(self) -> None:
        self.waiting = 0
        self.started = False
        self.task: asyncio.Task[Sequence[str] | str] | None = None


class Resolver:
    """Looks names up side by side, each name at most once at a time.

    A name whose look-up hangs keeps one thread, however often it is asked for.
    """

    def __init__(
        self,
        *,
        threads: int = THREADS,
        timeout_s: float = TIMEOUT_S,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._timeout_s = timeout_s
        self._lookup = lookup
        self._threads = asyncio.Semaphore(threads)
        self._flights: dict[str, _Flight] = {}

    async def resolve(self, name: str) -> tuple[Address, ...]:
        """Every address of `name`, at least one, none twice. Raises NameNotResolved."""
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = _Flight()
            flight.task = asyncio.create_task(self._fly(name, flight))
        assert flight.task is not None  # noqa: S101 - set in the tick that made the flight
        flight.waiting += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                outcome = await asyncio.shield(flight.task)
        except TimeoutError:
            raise NameNotResolved("DNS gave no answer in time") from None
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.started:
                # Nobody waits any more and no thread is at work: leave the queue.
                self._flights.pop(name, None)
                flight.task.cancel()
        if isinstance(outcome, str):
            raise NameNotResolved(outcome)
        try:
            return tuple(dict.fromkeys(ip_address(text) for text in outcome))
        except ValueError as error:
            raise NameNotResolved(f"DNS answered no address: {error}") from None

    async def _fly(self, name: str, flight: _Flight) -> Sequence[str] | str:
        """The addresses, or why there are none: a task that nobody awaits must not raise."""
        try:
            async with self._threads:
                flight.started = True
                return await self._in_thread(name)
        finally:
            if self._flights.get(name) is flight:
                del self._flights[name]

    async def _in_thread(self, name: str) -> Sequence[str] | str:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Sequence[str] | str] = loop.create_future()

        def settle(outcome: Sequence[str] | str) -> None:
            if not done.done():
                done.set_result(outcome)

        def work() -> None:
            outcome: Sequence[str] | str
            try:
                outcome = self._lookup(name) or "DNS knows no address of it"
            except (OSError, ValueError) as error:
                outcome = f"DNS: {error}"
            try:
                loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:  # the loop has gone, and nobody waits
                return

        try:
            # A daemon: the process must be able to end while a look-up hangs.
            threading.Thread(target=work, name="dns", daemon=True).start()
        except RuntimeError as error:
            return f"no thread for DNS: {error}"
        return await done

    async def aclose(self) -> None:
        """Stop waiting for every look-up; hanging threads end by themselves."""
        for flight in list(self._flights.values()):
            if flight.task is not None:
                flight.task.cancel()
        self._flights.clear()
