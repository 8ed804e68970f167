"""Request loop: requests captions for everything pending in the journal, on an event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from dataclasses import dataclass

from altwright._async.client import AsyncAltwright
from altwright.backfill.journal.journal import Journal
from altwright.backfill.journal.writer import JournalWriter
from altwright.backfill.request_item import RequestedTexts, RequestItem
from altwright.backfill.request_scheduler import (
    PROBE_TEXT,
    CallOutcome,
    Now,
    RequestScheduler,
    is_unsent,
    needs_probe,
)
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.caption_request import build_caption_request
from altwright.backfill.run.progress import RunProgress
from altwright.backfill.run.write_back import TableWriteBack
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.table import RowState, TableTarget
from altwright.errors import AltwrightError, Problem, UsageError
from altwright.retry import backoff_s
from altwright.scheduler import Finished, Pull, Start, Wait
from altwright.throttle import AdaptiveThrottle
from altwright.transport import random_jitter

_PAGE_REQUESTS = 32
"""Requests taken from the journal at once. Their rows are checked in the table first."""


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How requests are made; nothing of it changes a result."""

    concurrency: int = 8
    per_second: float | None = None
    limit: int | None = None
    """Requests of this run."""
    patience_s: float = 900.0
    """How long the server may be down, or refuse everything."""
    longest_wait_s: float = 900.0
    """A longer Retry-After is a quota: the run stops, and says when to run it again."""


class RequestLoop:
    """The requests of one run. Create it on the event loop, and `run` it once."""

    def __init__(
        self,
        client: AsyncAltwright,
        journal: Journal,
        rules: OutcomeRules,
        options: RequestOptions,
        progress: RunProgress,
        table: TableTarget | None = None,
    ) -> None:
        self._client = client
        self._caption_options = rules.options
        self._options = options
        self._progress = progress
        self._journal = JournalWriter(journal, rules.decide)
        self._table = table
        self._write_back = (
            None
            if table is None
            else TableWriteBack(self._journal, table, self._count_written, self.stop)
        )
        self._scheduler = RequestScheduler(
            AdaptiveThrottle(concurrency=options.concurrency, per_second=options.per_second),
            concurrency=options.concurrency,
            patience_s=options.patience_s,
            longest_wait_s=options.longest_wait_s,
        )
        self._prefetched: deque[PendingRequest] = deque()
        self._started = 0
        self._has_changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unexpected_error: BaseException | None = None

    def stop(self, reason: StopReason) -> None:
        """Start nothing more. Requests in flight are awaited and recorded."""
        self._scheduler.stop_because(reason)
        self._has_changed.set()

    async def run(self) -> StopReason | None:
        """Request everything, and write what is recorded. Returns why it stopped early, or None."""
        try:
            if self._progress.total_requests:
                await self._check_server()
                await self._request_all()
            if self._write_back is not None:
                unwritten = await self._write_back.finish(
                    lambda: self._scheduler.stop_reason is not None
                )
                if unwritten is not None:
                    self._scheduler.stop_because(unwritten)
        except sqlite3.Error as error:
            self._scheduler.stop_reason = StopReason.disk_full(f"The journal failed ({error})")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._journal.close()
        if self._unexpected_error is not None:
            raise self._unexpected_error
        return self._journal.stop or self._scheduler.stop_reason

    async def _check_server(self) -> None:
        """Find a wrong key or style before the first request, and wait for a starting server."""
        started_s = time.monotonic()
        failures = 0
        while self._scheduler.stop_reason is None:
            try:
                styles = await self._client.styles()
            except AltwrightError as error:
                failures += 1
                reason = self._reason_to_give_up(error, time.monotonic() - started_s)
                if reason is not None:
                    self._scheduler.stop_because(reason)
                    return
                wait_s = max(backoff_s(failures, random_jitter()), error.retry_after or 0.0)
                self._progress.note = str(error)
                self._has_changed.clear()
                await self._wait_for_change(wait_s)
                continue
            self._progress.note = ""
            names = [style.name for style in styles]
            for style in self._caption_options.styles:
                if style not in names:
                    raise UsageError(f"The server has no style {style!r}: {', '.join(names)}.")
            return

    def _reason_to_give_up(self, error: AltwrightError, waited_s: float) -> StopReason | None:
        """Why not to wait for the server any longer; None to wait and try again."""
        if not error.retryable:
            return StopReason.from_error(error)
        if waited_s > self._options.patience_s:
            return StopReason.server_unavailable(str(error), self._options.patience_s, time.time())
        if error.retry_after is not None and error.retry_after > self._options.longest_wait_s:
            until_unix_s = time.time() + error.retry_after
            return StopReason.quota_exhausted(error.code or "429", until_unix_s)
        return None

    async def _request_all(self) -> None:
        while self._unexpected_error is None:
            if self._journal.stop is not None and self._scheduler.stop_reason is None:
                self.stop(self._journal.stop)
            action = self._scheduler.next_action(time.monotonic())
            if isinstance(action, Finished):
                return
            if isinstance(action, Start):
                task = asyncio.create_task(self._try(action.item))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif isinstance(action, Pull):
                await self._add_next()
            elif isinstance(action, Wait):
                self._explain_wait()
                await self._wait_for_change(action.timeout_s)

    async def _wait_for_change(self, timeout_s: float | None) -> None:
        """Wait until a try has ended or the run is stopped, or for `timeout_s`."""
        try:
            await asyncio.wait_for(self._has_changed.wait(), timeout_s)
        except TimeoutError:
            return
        self._has_changed.clear()

    async def _add_next(self) -> None:
        limit = self._options.limit
        if limit is not None and self._started >= limit:
            self._scheduler.close_input()
            return
        while not self._prefetched:
            page = await self._journal.next_requests(_PAGE_REQUESTS)
            if not page:
                self._scheduler.close_input()
                return
            self._prefetched.extend(await self._without_filled_rows(page))
        self._started += 1
        pending = self._prefetched.popleft()
        self._scheduler.add(RequestItem(pending, self._caption_options))

    async def _without_filled_rows(self, page: list[PendingRequest]) -> list[PendingRequest]:
        """Without requests whose only row is not as it was when the table was read: a person has
        filled it, given it another image or deleted it."""
        if self._table is None:
            return page
        from sqlalchemy.exc import DBAPIError

        rows = [pending.row for pending in page if pending.row_count == 1]
        try:
            states = await asyncio.to_thread(self._table.look_up, rows)
        except DBAPIError:
            return page  # if the error persists, writing reports it
        closed = [key for key, state in states.items() if state is not RowState.OPEN]
        if closed:
            await self._journal.call(lambda journal: journal.drop_rows(closed))
            self._progress.total_requests -= len(closed)
        return [each for each in page if states.get(each.row.key) in (None, RowState.OPEN)]

    async def _try(self, item: RequestItem) -> None:
        try:
            requested = item.next_texts()
            outcome = await self._call(item, requested)
            if not is_unsent(outcome):
                self._progress.add_call(outcome)
            is_alive = needs_probe(outcome) and await self._is_server_alive()
            now = Now(time.monotonic(), time.time(), random_jitter())
            to_record = self._scheduler.end_try(
                item, requested, outcome, now, is_server_alive=is_alive
            )
            if to_record is not None:
                outcomes = await self._journal.record(
                    item.pending.request_key, to_record.result, is_complete=to_record.is_complete
                )
                if to_record.is_complete and self._journal.stop is None:
                    self._progress.add_outcomes(outcomes)
                    if self._write_back is not None:
                        self._write_back.wake()
        except Exception as error:  # noqa: BLE001 - a bug: `run` raises it
            self._unexpected_error = error
        finally:
            self._scheduler.release()
            self._has_changed.set()

    async def _call(self, item: RequestItem, requested: RequestedTexts) -> CallOutcome:
        row = item.pending.row
        try:
            image, options = build_caption_request(row, requested, self._caption_options)
            if requested.is_single:
                return [await self._client.caption(image, **options)]
            return await self._client.captions(image, **options)
        except AltwrightError as error:
            return error

    async def _is_server_alive(self) -> bool:
        """Whether the server responds to a small request of the same kind, without a model."""
        try:
            await self._client.check(PROBE_TEXT)
        except Problem:
            return True
        except AltwrightError:
            return False
        return True

    def _explain_wait(self) -> None:
        now_s = time.monotonic()
        since_s = self._scheduler.unavailable_since_s
        is_paused = self._scheduler.throttle.paused_until_s > now_s
        self._progress.note = (
            f"the server accepts nothing at the moment (for {now_s - since_s:.0f} s)"
            if since_s is not None and is_paused
            else ""
        )

    def _count_written(self, written: int, kept: int) -> None:
        self._progress.written += written
        self._progress.kept += kept
