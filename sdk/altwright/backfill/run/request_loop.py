"""Asks what the journal has to ask, on an event loop, until all is answered or it must stop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from dataclasses import dataclass

from altwright._async.client import AsyncAltwright
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.journal.journal import Journal
from altwright.backfill.journal.writer import JournalWriter
from altwright.backfill.request_item import RequestedTexts, RequestItem
from altwright.backfill.request_scheduler import CallOutcome, Now, RequestScheduler, is_unsent
from altwright.backfill.run.caption_request import build_caption_request
from altwright.backfill.run.progress import RunProgress
from altwright.backfill.run.write_back import TableWriteBack
from altwright.backfill.run_state import DecideOutcome, PendingRequest
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.table import TableTarget
from altwright.errors import AltwrightError, ConnectionFailed, Problem, UsageError
from altwright.models import Caption
from altwright.retry import backoff_s
from altwright.scheduler import Finished, Pull, Start, Wait
from altwright.throttle import AdaptiveThrottle
from altwright.transport import random_jitter

_PAGE = 32
"""Questions taken from the journal at once; looked at in the table just before they are paid."""


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How a run goes about it; none of it changes an answer."""

    concurrency: int = 8
    per_second: float | None = None
    limit: int | None = None
    """Questions of this run."""
    patience_s: float = 900.0
    """So long a server may be away, or refuse everything."""
    longest_wait_s: float = 900.0
    """A longer Retry-After is a quota: the run stops and says when to come back."""


class RequestLoop:
    """One run. Make it on the event loop, `go` once."""

    def __init__(
        self,
        client: AsyncAltwright,
        journal: Journal,
        judge: DecideOutcome,
        asked: CaptionOptions,
        manner: RequestOptions,
        progress: RunProgress,
        table: TableTarget | None = None,
    ) -> None:
        self._client = client
        self._asked = asked
        self._manner = manner
        self._progress = progress
        self._recorder = JournalWriter(journal, judge)
        self._table = table
        self._write_back = (
            None if table is None else TableWriteBack(self._recorder, table, self._tell_written)
        )
        self._scheduler = RequestScheduler(
            AdaptiveThrottle(concurrency=manner.concurrency, per_second=manner.per_second),
            concurrency=manner.concurrency,
            patience_s=manner.patience_s,
            longest_wait_s=manner.longest_wait_s,
        )
        self._ahead: deque[PendingRequest] = deque()
        self._begun = 0
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None

    def stop(self, why: StopReason) -> None:
        """Begin nothing more; what is in flight is waited for and recorded."""
        self._scheduler.stop_because(why)
        self._news.set()

    async def go(self) -> StopReason | None:
        """Ask everything. None: all is asked; else why it stopped. What is recorded is written."""
        try:
            if self._progress.to_ask:
                await self._meet_the_server()
                await self._ask_all()
            if self._write_back is not None:
                unwritten = await self._write_back.finish()
                if unwritten is not None:
                    self._scheduler.stop_because(unwritten)
        except sqlite3.Error as error:
            self._scheduler.stop_reason = StopReason.disk(f"The journal does not work ({error})")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._recorder.close()
        if self._broken is not None:
            raise self._broken
        return self._recorder.stop or self._scheduler.stop_reason

    async def _meet_the_server(self) -> None:
        """Find a wrong key or style before the first picture, and wait for a server that starts."""
        began_s = time.monotonic()
        failures = 0
        while self._scheduler.stop_reason is None:
            try:
                there = await self._client.styles()
            except AltwrightError as error:
                if not error.retryable:
                    self._scheduler.stop_because(StopReason.of_error(error))
                    return
                failures += 1
                if time.monotonic() - began_s > self._manner.patience_s:
                    self._scheduler.stop_because(
                        StopReason.down(str(error), self._manner.patience_s, time.time())
                    )
                    return
                wait_s = backoff_s(failures, random_jitter())
                if error.retry_after is not None:
                    if error.retry_after > self._manner.longest_wait_s:
                        until_unix_s = time.time() + error.retry_after
                        self._scheduler.stop_because(
                            StopReason.quota(error.code or "429", until_unix_s)
                        )
                        return
                    wait_s = max(wait_s, error.retry_after)
                self._progress.note = str(error)
                await self._sleep(wait_s)
                continue
            self._progress.note = ""
            names = [style.name for style in there]
            for style in self._asked.styles:
                if style not in names:
                    raise UsageError(f"The server has no style {style!r}: {', '.join(names)}.")
            return

    async def _sleep(self, seconds: float) -> None:
        """Until then, or until somebody wants it to stop."""
        self._news.clear()
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return

    async def _ask_all(self) -> None:
        while self._broken is None:
            if self._recorder.stop is not None and self._scheduler.stop_reason is None:
                self.stop(self._recorder.stop)
            action = self._scheduler.next_action(time.monotonic())
            if isinstance(action, Finished):
                return
            if isinstance(action, Start):
                task = asyncio.create_task(self._try(action.item))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif isinstance(action, Pull):
                await self._pull()
            elif isinstance(action, Wait):
                self._say_why()
                await self._wait(action.timeout_s)

    async def _wait(self, seconds: float | None) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return
        self._news.clear()

    async def _pull(self) -> None:
        limit = self._manner.limit
        if limit is not None and self._begun >= limit:
            self._scheduler.close_input()
            return
        while not self._ahead:
            page = await self._recorder.asks(_PAGE)
            if not page:
                self._scheduler.close_input()
                return
            self._ahead.extend(await self._still_blank(page))
        self._begun += 1
        self._scheduler.add(RequestItem(self._ahead.popleft(), self._asked))

    async def _still_blank(self, page: list[PendingRequest]) -> list[PendingRequest]:
        """Without those that a person has filled since the table was read."""
        if self._table is None:
            return page
        from sqlalchemy.exc import DBAPIError

        keys = [ask.row.key for ask in page if ask.rows == 1]
        try:
            blank = await asyncio.to_thread(self._table.still_blank, keys)
        except DBAPIError:
            return page  # the write will tell
        filled = [key for key in keys if key not in blank]
        if filled:
            await self._recorder.call(lambda journal: journal.forget(filled))
            self._progress.to_ask -= len(filled)
        return [ask for ask in page if ask.rows > 1 or ask.row.key in blank]

    async def _try(self, item: RequestItem) -> None:
        try:
            requested = item.next_texts()
            outcome = await self._attempt(item, requested)
            if not is_unsent(outcome):
                texts = [] if isinstance(outcome, AltwrightError) else outcome
                self._progress.paid(each for each in texts if isinstance(each, Caption))
            is_broken = isinstance(outcome, ConnectionFailed) and outcome.reached
            is_alive = await self._is_alive() if is_broken else False
            now = Now(time.monotonic(), time.time(), random_jitter())
            recorded = self._scheduler.end_try(
                item, requested, outcome, now, is_server_alive=is_alive
            )
            if recorded is not None:
                outcomes = await self._recorder.record(
                    item.pending.ask, recorded.result, is_whole=recorded.is_complete
                )
                if recorded.is_complete and self._recorder.stop is None:
                    self._progress.add(outcomes)
                    if self._write_back is not None:
                        self._write_back.nudge()
        except Exception as error:  # noqa: BLE001 - a bug: raised where the run is awaited
            self._broken = error
        finally:
            self._scheduler.release()
            self._news.set()

    async def _attempt(self, item: RequestItem, requested: RequestedTexts) -> CallOutcome:
        try:
            picture, options = build_caption_request(item.pending.row, requested, self._asked)
            if requested.is_single:
                return [await self._client.caption(picture, **options)]
            return await self._client.captions(picture, **options)
        except AltwrightError as error:
            return error

    async def _is_alive(self) -> bool:
        """Whether a server answers there, though a connection broke."""
        try:
            await self._client.styles()
        except Problem:
            return True
        except AltwrightError:
            return False
        return True

    def _say_why(self) -> None:
        now_s = time.monotonic()
        since_s = self._scheduler.unavailable_since_s
        wait_s = self._scheduler.throttle.paused_until_s - now_s
        self._progress.note = (
            f"the server takes nothing at the moment (for {now_s - since_s:.0f} s)"
            if since_s is not None and wait_s > 0
            else ""
        )

    def _tell_written(self, written: int, kept: int) -> None:
        self._progress.written += written
        self._progress.kept += kept
