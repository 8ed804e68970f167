"""caption_many in threads."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Generator, Iterable
from typing import Generic

from altwright.errors import AltwrightError
from altwright.many import AnItem, Finished, Many, Outcome, Start, Step, Ticket, Wait
from altwright.models import Caption
from altwright.transport import chance


def in_threads(
    many: Many[AnItem], items: Iterable[AnItem], attempt: Callable[[Ticket[AnItem]], Caption]
) -> Generator[tuple[AnItem, Outcome], None, None]:
    """Run `many`. The items are read in the caller's thread: a cursor may belong to it.

    What reading the items raises is raised once everything before it has been told. Closing the
    iterator starts nothing more and waits for what is in flight.
    """
    run = _Run(many, items, attempt)
    try:
        told: tuple[AnItem, Outcome] | None = None
        while True:
            step: Step[AnItem] = many.step(time.monotonic())
            while not isinstance(step, (Wait, Finished)):
                if isinstance(step, Start):
                    run.start(step.ticket)
                else:
                    run.pull()
                step = many.step(time.monotonic())
            if told is not None:  # only now: the next ones are on their way meanwhile
                yield told
                told = None
            elif isinstance(step, Finished):
                break
            else:
                told = run.next_told(step.seconds)
    finally:
        run.close()
    if run.broken is not None:
        raise run.broken


class _Run(Generic[AnItem]):
    """The threads of one run."""

    def __init__(
        self,
        many: Many[AnItem],
        items: Iterable[AnItem],
        attempt: Callable[[Ticket[AnItem]], Caption],
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and few need it

        self._many = many
        self._attempt = attempt
        self._source = iter(items)
        self._threads = ThreadPoolExecutor(many.concurrency, thread_name_prefix="altwright")
        # Never longer than what is in flight: a ticket counts until it is taken out.
        self._ended: queue.SimpleQueue[tuple[Ticket[AnItem], float, Outcome | BaseException]]
        self._ended = queue.SimpleQueue()
        self.broken: Exception | None = None
        """What reading the items raised."""

    def start(self, ticket: Ticket[AnItem]) -> None:
        """Try an item in a thread."""
        self._threads.submit(self._try, ticket)

    def pull(self) -> None:
        """Take one more item."""
        try:
            self._many.offer(next(self._source))
        except StopIteration:
            self._many.exhausted()
        except Exception as error:  # noqa: BLE001 - raised when all has been told
            self.broken = error
            self._many.exhausted()

    def next_told(self, seconds: float | None) -> tuple[AnItem, Outcome] | None:
        """An item that is done; None after so many seconds, or where a try has to be repeated."""
        try:
            ticket, now_s, outcome = self._ended.get(timeout=seconds)
        except queue.Empty:
            return None
        if not isinstance(outcome, (Caption, AltwrightError)):
            raise outcome
        final = self._many.ended(ticket, outcome, now_s, chance())
        return None if final is None else (ticket.item, final)

    def close(self) -> None:
        """Start nothing more and wait for what is in flight."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _try(self, ticket: Ticket[AnItem]) -> None:
        outcome: Outcome | BaseException
        try:
            outcome = self._attempt(ticket)
        except BaseException as error:  # noqa: BLE001 - told, or raised in the caller's thread
            outcome = error
        self._ended.put((ticket, time.monotonic(), outcome))
