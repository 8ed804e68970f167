"""Puts the rows of a source on the queue and waits until every one has its outcome.

At most a window of messages is out at once, so that a broker holds ten thousand rows and not a
hundred million. Killed and started again it goes on; workers go on meanwhile.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from altwright.backfill.connectors import Connectors
from altwright.backfill.queue.app import QUEUE, enqueue, producer
from altwright.backfill.queue.schema import QUEUED
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.local_run import ProgressObserver, RunResult
from altwright.backfill.run.progress import RunProgress, TokenPrices
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run.summary import summarise_run
from altwright.backfill.run_state import RunCounts, RunIdentity
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.targets.table_writer import write_all
from altwright.backfill.types import AltSource
from altwright.errors import UsageError

if TYPE_CHECKING:
    from celery import Celery

_BATCH = 500
_TICK_S = 0.5
_COUNT_SHARE = 0.05
"""Of the time, spent on counting all rows for the eyes of whoever watches."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How rows are fed."""

    run: str = ""
    """Its name in the database; empty: the table's."""
    queue: str = QUEUE
    """The broker's queue."""
    window: int = 10_000
    """Messages that are out at once."""
    again_after_s: float = 900.0
    """A row without an outcome after so long is sent again; a message may have been lost."""
    patience_s: float = 900.0
    """So long nothing may move."""
    limit: int | None = None


def feed_queue(
    places: Connectors,
    judge: OutcomeRules,
    manner: FeedOptions,
    prices: TokenPrices,
    broker_url: str,
    watch: ProgressObserver,
) -> RunResult:
    """Run it to its end. SIGINT and SIGTERM stop the feeding; what is on the queue is worked on.

    Raises UsageError with one sentence.
    """
    began_s = time.monotonic()
    if not isinstance(places.target, TableTarget):
        raise UsageError("A queue writes back into the table: leave out --to.")
    run = manner.run or places.spec.table
    facts = _facts(places, judge.rules)
    journal = SharedJournal.make(places.target.engine, run, facts)
    journal.set_stop(None)
    with producer(broker_url, manner.queue) as app:
        _reach(app, broker_url)
        before = journal.outcomes.counts()
        scanned = scan_source(places, journal, judge, watch.scanning)
        # What was recorded and never came into the table, or was blanked there since.
        stuck = write_all(journal.outcomes, places.target, {}).stuck
        to_do = journal.count(AltSource.PENDING.value, QUEUED)
        progress = RunProgress.of(
            journal.outcomes.counts(), to_do if manner.limit is None else min(to_do, manner.limit)
        )
        watch.scanned(scanned, progress)
        stop = _Feeding(app, journal, manner, progress, watch, before).go()
        if stuck and (stuck := write_all(journal.outcomes, places.target, {}).stuck):
            stop = stop or StopReason.database(len(stuck), next(iter(stuck.values())))
    counts = journal.outcomes.counts()
    _bring_up_to_date(progress, counts, before)
    named = (places.source.shown, places.target.shown, f"{places.target.url} --run {run}")
    summary = summarise_run(
        scanned, counts, progress, prices, named, stop, time.monotonic() - began_s
    )
    return RunResult(summary, stop)


class _Feeding:
    def __init__(
        self,
        app: Celery,
        journal: SharedJournal,
        manner: FeedOptions,
        progress: RunProgress,
        watch: ProgressObserver,
        before: RunCounts,
    ) -> None:
        self._app = app
        self._journal = journal
        self._manner = manner
        self._progress = progress
        self._watch = watch
        self._before = before
        self._signal: StopReason | None = None
        self._is_over = threading.Event()
        self._sent = 0
        """Rows that this feeder put on the queue for the first time."""
        self._count_again_s = 0.0

    def go(self) -> StopReason | None:
        """Until every row has its outcome, or why not."""
        undo = self._listen()
        try:
            return self._go()
        finally:
            for number, handler in undo.items():
                signal.signal(number, handler)

    def _go(self) -> StopReason | None:
        # Only rows that are out are counted, at most a window of them: the table may be very large.
        manner, journal = self._manner, self._journal
        found_out = journal.count(QUEUED)
        moved_s, ended_before = time.monotonic(), 0
        while True:
            is_more = self._send(manner.window - journal.count(QUEUED))
            out = journal.count(QUEUED)
            ended = found_out + self._sent - out
            self._show(ended)
            if self._signal is not None:
                return self._signal
            if (stop := journal.stop) is not None:
                return stop
            if not is_more and not out:
                return None
            now_s = time.monotonic()
            if ended != ended_before:
                moved_s, ended_before = now_s, ended
            if now_s - moved_s > manner.patience_s:
                return StopReason.down("no row came to an end", manner.patience_s, time.time())
            self._is_over.wait(_TICK_S)

    def _send(self, room: int) -> bool:
        """Fill the window. Whether there may be more to send."""
        again = self._journal.lost(_BATCH, self._manner.again_after_s)
        self._put(again)
        while room > 0:
            if self._manner.limit is not None:
                room = min(room, self._manner.limit - self._sent)
            keys = self._journal.pending(min(room, _BATCH)) if room else []
            if not keys:
                return False
            self._put(keys)
            self._sent += len(keys)
            room -= len(keys)
        return True

    def _put(self, keys: list[str]) -> None:
        for key in keys:
            enqueue(self._app, self._journal.run, key)
        # Sent first: a kill here sends some twice, which does nothing the second time.
        if keys:
            self._journal.queued(keys)

    def _show(self, ended: int) -> None:
        """The bar moves with every look; outcomes and money now and then."""
        began_s = time.monotonic()
        if began_s >= self._count_again_s:
            _bring_up_to_date(self._progress, self._journal.outcomes.counts(), self._before)
            ended_s = time.monotonic()
            self._count_again_s = ended_s + (ended_s - began_s) / _COUNT_SHARE + 1.0
        self._progress.ended(max(0, min(ended, self._progress.to_ask)))
        self._watch.tick(self._progress)

    def _listen(self) -> dict[int, Any]:
        def stop(number: int, _: object) -> None:
            self._signal = StopReason.signal(is_interrupt=number == signal.SIGINT)
            self._is_over.set()

        undo: dict[int, Any] = {}
        with suppress(ValueError):  # not in the first thread
            for number in (signal.SIGINT, signal.SIGTERM):
                undo[number] = signal.signal(number, stop)
        return undo


def _facts(places: Connectors, rules: HoldRules) -> RunIdentity:
    facts = places.facts
    return replace(facts, settings={**facts.settings, "rules": asdict(rules)})


def _reach(app: Celery, broker_url: str) -> None:
    from kombu.exceptions import OperationalError

    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=10)
    except (OperationalError, OSError) as error:
        raise UsageError(f"The broker {_shown(broker_url)} does not answer: {error}.") from None


def _shown(broker_url: str) -> str:
    """Without user and password."""
    parts = urlsplit(broker_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _bring_up_to_date(progress: RunProgress, counts: RunCounts, before: RunCounts) -> None:
    progress.states = Counter(counts.by_state)
    progress.calls = counts.attempts - before.attempts
    progress.input_tokens = counts.input_tokens - before.input_tokens
    progress.output_tokens = counts.output_tokens - before.output_tokens
    progress.written, progress.kept = counts.written, counts.kept
