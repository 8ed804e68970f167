"""Puts answers into the journal, several in one transaction where several wait.

The journal lives in one thread of its own: its commits reach the disk before they return, and the
event loop must not wait for a disk.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from altwright.backfill.journal.journal import Journal
from altwright.backfill.run_state import DecideOutcome, PendingRequest
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.types import Outcome, RequestResult

T = TypeVar("T")
_TRIES_AFTER_S = (1.0, 2.0, 4.0)
"""A disk that is full may have room again before a person has to look."""


@dataclass(slots=True)
class _Waiting:
    ask: str
    answer: RequestResult
    is_whole: bool
    done: asyncio.Future[list[Outcome]]


class JournalWriter:
    """Owns the journal while a run lasts. To be made and used on one event loop."""

    def __init__(self, journal: Journal, judge: DecideOutcome) -> None:
        self._journal = journal
        self._judge = judge
        self._thread = ThreadPoolExecutor(1, "journal")
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._drain())
        self.stop: StopReason | None = None
        """Why nothing can be recorded any more."""

    async def call(self, work: Callable[[Journal], T]) -> T:
        """Something else with the journal, in its thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, self._journal)

    async def record(self, ask: str, answer: RequestResult, *, is_whole: bool) -> list[Outcome]:
        """Returns when it is on the disk: the outcomes of the rows that asked.

        Part of an answer (`is_whole` false) has none. Where the disk is full for good, nothing is
        recorded, and `stop` says so.
        """
        done: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Waiting(ask, answer, is_whole, done))
        return await done

    async def asks(self, page: int) -> list[PendingRequest]:
        """The next questions to ask, up to a page of them; none: there are no more."""
        return await self.call(lambda journal: self._page(journal, page))

    async def close(self) -> None:
        """End the thread; nobody waits for a record any more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    _asks: Iterator[PendingRequest] | None = None

    def _page(self, journal: Journal, page: int) -> list[PendingRequest]:
        if self._asks is None:
            self._asks = journal.to_do()
        return list(itertools.islice(self._asks, page))

    async def _drain(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            outcomes = await self._recorded(batch)
            for each in batch:
                if not each.done.done():
                    each.done.set_result(outcomes.get(each.ask, []))

    async def _recorded(self, batch: list[_Waiting]) -> dict[str, list[Outcome]]:
        for wait_s in (*_TRIES_AFTER_S, None):
            outcomes = await self.call(lambda journal: self._commit(journal, batch))
            if not isinstance(outcomes, sqlite3.Error):
                return outcomes
            if wait_s is None or self.stop is not None:
                self.stop = StopReason.disk(
                    f"The journal cannot be written ({outcomes})", len(batch)
                )
                break
            await asyncio.sleep(wait_s)
        return {}

    def _commit(
        self, journal: Journal, batch: list[_Waiting]
    ) -> dict[str, list[Outcome]] | sqlite3.Error:
        whole = [(each.ask, each.answer) for each in batch if each.is_whole]
        try:
            outcomes = journal.record(whole, self._judge) if whole else {}
            for each in batch:
                if not each.is_whole:
                    journal.keep(each.ask, each.answer)
        except sqlite3.Error as error:
            return error
        return outcomes
