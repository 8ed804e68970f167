"""caption_many on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
)
from typing import Generic

from altwright.errors import AltwrightError
from altwright.many import AnItem, Finished, Many, Outcome, Start, Step, Ticket, Wait
from altwright.models import Caption
from altwright.transport import chance


async def on_loop(
    many: Many[AnItem],
    items: Iterable[AnItem] | AsyncIterable[AnItem],
    attempt: Callable[[Ticket[AnItem]], Awaitable[Caption]],
) -> AsyncGenerator[tuple[AnItem, Outcome], None]:
    """Run `many`. Closing the iterator cancels what is in flight and waits until it is gone.

    What reading the items raises is raised once everything before it has been told.
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
                told = await run.next_told(step.seconds)
    finally:
        await run.aclose()
    if run.broken is not None:
        raise run.broken


class _Run(Generic[AnItem]):
    """The tasks of one run."""

    def __init__(
        self,
        many: Many[AnItem],
        items: Iterable[AnItem] | AsyncIterable[AnItem],
        attempt: Callable[[Ticket[AnItem]], Awaitable[Caption]],
    ) -> None:
        self._many = many
        self._attempt = attempt
        self._later = aiter(items) if isinstance(items, AsyncIterable) else None
        self._now = iter(()) if isinstance(items, AsyncIterable) else iter(items)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: deque[tuple[Ticket[AnItem], float, Outcome | Exception]] = deque()
        self._news = asyncio.Event()
        self.broken: Exception | None = None
        """What reading the items raised."""

    def start(self, ticket: Ticket[AnItem]) -> None:
        """Try an item in a task of its own."""
        self._spawn(self._try(ticket))

    def pull(self) -> None:
        """Take one more item: at once, or where items come asynchronously, when it comes."""
        if self._later is not None:
            self._spawn(self._pull_later(self._later))
            return
        try:
            self._many.offer(next(self._now))
        except StopIteration:
            self._many.exhausted()
        except Exception as error:  # noqa: BLE001 - raised when all has been told
            self.broken = error
            self._many.exhausted()

    async def next_told(self, seconds: float | None) -> tuple[AnItem, Outcome] | None:
        """An item that is done; None after so many seconds, when an item came to be tried, or
        where a try has to be repeated."""
        if not self._ended:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except asyncio.TimeoutError:  # another class than TimeoutError before Python 3.11
                return None
        if not self._ended:
            return None
        ticket, now_s, outcome = self._ended.popleft()
        if not isinstance(outcome, (Caption, AltwrightError)):
            raise outcome
        final = self._many.ended(ticket, outcome, now_s, chance())
        return None if final is None else (ticket.item, final)

    async def aclose(self) -> None:
        """Cancel what is in flight, and wait until it is gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, ticket: Ticket[AnItem]) -> None:
        outcome: Outcome | Exception
        try:
            outcome = await self._attempt(ticket)
        except Exception as error:  # noqa: BLE001 - told, or raised where the caller iterates
            outcome = error
        self._ended.append((ticket, time.monotonic(), outcome))
        self._news.set()

    async def _pull_later(self, source: AsyncIterator[AnItem]) -> None:
        try:
            self._many.offer(await anext(source))
        except StopAsyncIteration:
            self._many.exhausted()
        except Exception as error:  # noqa: BLE001 - raised when all has been told
            self.broken = error
            self._many.exhausted()
        self._news.set()
