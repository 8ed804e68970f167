"""Writer of a journal: commits results in a thread of its own, several in one transaction.

A commit returns when the data is on the disk, and the event loop must not wait for a disk. Results
that arrive during a commit share the next one (group commit).
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
_RETRY_DELAYS_S = (1.0, 2.0, 4.0)
"""A full disk may have room again within seconds."""


@dataclass(slots=True)
class _Uncommitted:
    request_key: str
    result: RequestResult
    is_complete: bool
    committed: asyncio.Future[list[Outcome]]


class JournalWriter:
    """Owns the journal during a run. To be created and used on one event loop."""

    def __init__(self, journal: Journal, decide: DecideOutcome) -> None:
        self._journal = journal
        self._decide = decide
        self._thread = ThreadPoolExecutor(1, "journal")
        self._queue: asyncio.Queue[_Uncommitted] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._commit_queued())
        self._pending_requests: Iterator[PendingRequest] | None = None
        self.stop: StopReason | None = None
        """Why nothing can be recorded any more."""

    async def call(self, work: Callable[[Journal], T]) -> T:
        """Run a function with the journal in the journal's thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, self._journal)

    async def record(
        self, request_key: str, result: RequestResult, *, is_complete: bool
    ) -> list[Outcome]:
        """Store a result. Returns the outcomes of its rows when they are on the disk.

        A partial result has no outcomes. If the disk stays full nothing is stored, and `stop` says
        so.
        """
        committed: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Uncommitted(request_key, result, is_complete, committed))
        return await committed

    async def next_requests(self, limit: int) -> list[PendingRequest]:
        """The next requests to make; empty if there are no more."""
        return await self.call(lambda journal: self._take_requests(journal, limit))

    async def close(self) -> None:
        """End the thread. No `record` may be waiting."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    def _take_requests(self, journal: Journal, limit: int) -> list[PendingRequest]:
        if self._pending_requests is None:
            self._pending_requests = journal.iter_pending_requests()
        return list(itertools.islice(self._pending_requests, limit))

    async def _commit_queued(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            outcomes = await self._commit_with_retries(batch)
            for each in batch:
                if not each.committed.done():
                    each.committed.set_result(outcomes.get(each.request_key, []))

    async def _commit_with_retries(self, batch: list[_Uncommitted]) -> dict[str, list[Outcome]]:
        for delay_s in (*_RETRY_DELAYS_S, None):
            outcomes = await self.call(lambda journal: self._commit(journal, batch))
            if not isinstance(outcomes, sqlite3.Error):
                return outcomes
            if delay_s is None or self.stop is not None:
                self.stop = StopReason.disk_full(
                    f"The journal cannot be written ({outcomes})", len(batch)
                )
                break
            await asyncio.sleep(delay_s)
        return {}

    def _commit(
        self, journal: Journal, batch: list[_Uncommitted]
    ) -> dict[str, list[Outcome]] | sqlite3.Error:
        complete = [(each.request_key, each.result) for each in batch if each.is_complete]
        partial = [(each.request_key, each.result) for each in batch if not each.is_complete]
        try:
            # In one transaction: a second attempt repeats nothing that the first has stored.
            return journal.record_results(complete, self._decide, partial)
        except sqlite3.Error as error:
            return error
