"""The feeder: puts the rows of a table on the queue, and waits until each has its outcome.

At most a window of messages is on the queue at once: a broker holds ten thousand rows and not a
hundred million. A feeder that is killed can be started again; workers go on meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from altwright.backfill.connectors import Connectors
from altwright.backfill.queue.app import QUEUE, TASK, producer
from altwright.backfill.queue.broker import (
    BrokerUnavailable,
    broker_address,
    check_broker,
    check_broker_url,
    limit_waits,
    send,
)
from altwright.backfill.queue.outcome_store import OutcomeStore
from altwright.backfill.queue.schema import QUEUED
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.queue.waiting_runs import check_other_queues
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.local_run import ProgressObserver, RunResult
from altwright.backfill.run.progress import RunProgress, TokenPrices
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run.summary import RunNames, summarise_run
from altwright.backfill.run_state import RunCounts
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.stop_signals import StopSignals
from altwright.backfill.targets.journaled_writes import write_all
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.targets.table_claim import TableClaim, claim_table
from altwright.backfill.types import AltSource
from altwright.errors import UsageError

if TYPE_CHECKING:
    from celery import Celery

_BATCH_ROWS = 500
_POLL_INTERVAL_S = 0.5
_COUNTING_SHARE = 0.05
"""Share of the time that is spent on counting all rows for the progress display."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How rows are put on the queue."""

    run: str = ""
    """The run's name in the database; empty: the table's name."""
    queue: str = QUEUE
    """The broker's queue."""
    window: int = 10_000
    """Messages on the queue at once."""
    resend_after_s: float = 900.0
    """A row without an outcome after this time is sent again: its message may be lost."""
    patience_s: float = 900.0
    """The feeder stops if no row gets an outcome for this time."""
    limit: int | None = None


def feed_queue(
    connectors: Connectors,
    rules: OutcomeRules,
    options: FeedOptions,
    prices: TokenPrices,
    broker_url: str,
    observer: ProgressObserver,
    signals: StopSignals,
) -> RunResult:
    """Feed the queue until every row has its outcome, or until it has to stop.

    SIGINT and SIGTERM stop the feeder; workers go on with what is on the queue. Raises UsageError.
    """
    check_broker_url(broker_url)
    started_s = time.monotonic()
    target = connectors.target
    if not isinstance(target, TableTarget):
        raise UsageError("A queue writes back into the table: leave out --to.")
    run = options.run or connectors.config.table
    identity = connectors.identity
    settings = {**identity.settings, "rules": rules.hold_rules.to_settings()}
    with claim_table(target, run) as claim, producer(broker_url, options.queue) as app:
        with claim_table(target):
            pass  # no run without a queue works with the table
        connectors.check_table(OutcomeStore(target.engine, run).find_settled)
        journal = SharedJournal.create(target.engine, run, replace(identity, settings=settings))
        journal.set_stop(None)
        limit_waits(app, broker_url)
        check_broker(app, broker_url)
        counts_before = journal.outcomes.read_counts()
        scan = scan_source(connectors, journal, rules.decide, observer.scanning)
        check_other_queues(target, run)
        # Outcomes that were recorded but not written, or whose row was blanked since.
        unwritten = write_all(journal.outcomes, target, {}).unwritten
        rows = journal.count_rows(AltSource.PENDING.value, QUEUED)
        progress = RunProgress.from_counts(
            journal.outcomes.read_counts(),
            rows if options.limit is None else min(rows, options.limit),
        )
        observer.scanned(scan, progress)
        signals.advice = "stopped: workers go on with what is queued, and the same command goes on."
        feeder = _Feeder(app, broker_address(broker_url), journal, options, progress, observer,
                         counts_before, claim)  # fmt: skip
        with signals.passed_to(feeder.stop):
            stop = feeder.run()
        if unwritten and (unwritten := write_all(journal.outcomes, target, {}).unwritten):
            detail = next(iter(unwritten.values()))
            stop = stop or StopReason.table_unwritable(len(unwritten), detail)
    counts = journal.outcomes.read_counts()
    _set_progress(progress, counts, counts_before)
    names = RunNames(
        connectors.source.display_name, target.display_name, f"{target.url} --run {run}"
    )
    seconds = time.monotonic() - started_s
    return RunResult(summarise_run(names, scan, counts, progress, prices, stop, seconds), stop)


class _Feeder:
    def __init__(
        self,
        app: Celery,
        broker: str,
        journal: SharedJournal,
        options: FeedOptions,
        progress: RunProgress,
        observer: ProgressObserver,
        counts_before: RunCounts,
        claim: TableClaim,
    ) -> None:
        self._app = app
        self._broker = broker
        self._journal = journal
        self._options = options
        self._progress = progress
        self._observer = observer
        self._counts_before = counts_before
        self._claim = claim
        self._signal: StopReason | None = None
        self._is_signalled = threading.Event()
        self._sent = 0
        """Rows that this feeder put on the queue for the first time."""
        self._next_count_s = 0.0
        self._broker_error = ""

    def run(self) -> StopReason | None:
        """Feed until every row has its outcome, or return why not."""
        # Only rows on the queue are counted, at most a window: the table may be very large.
        options, journal = self._options, self._journal
        queued_before = journal.count_rows(QUEUED)
        last_change_s, done_before = time.monotonic(), 0
        while True:
            may_have_more = self._try_to_fill_window()
            queued = journal.count_rows(QUEUED)
            done = queued_before + self._sent - queued
            self._show_progress(done)
            if self._signal is not None:
                return self._signal
            if (stop := journal.stop) is not None:
                return stop
            if self._claim.is_lost:
                return StopReason.table_claimed()
            if not may_have_more and not queued:
                return None
            now_s = time.monotonic()
            if done != done_before:
                last_change_s, done_before = now_s, done
            if now_s - last_change_s > options.patience_s:
                if self._broker_error:
                    return StopReason.broker_unavailable(self._broker, self._broker_error)
                return StopReason.server_unavailable(
                    "no row came to an end", options.patience_s, time.time()
                )
            self._is_signalled.wait(_POLL_INTERVAL_S)

    def _try_to_fill_window(self) -> bool:
        """As `_fill_window`; a broker that is away is tried again, and rows stay as they are."""
        free = self._options.window - self._journal.count_rows(QUEUED)
        try:
            may_have_more = self._fill_window(free)
        except BrokerUnavailable as error:
            self._broker_error = str(error)
            self._progress.note = f"the broker does not respond ({error})"
            return True
        if self._broker_error:
            self._broker_error = self._progress.note = ""
        return may_have_more

    def _fill_window(self, free: int) -> bool:
        """Send rows until the window is full. Returns whether there may be more to send."""
        lost = self._journal.find_lost(_BATCH_ROWS, self._options.resend_after_s)
        self._send(lost, is_first=False)
        while free > 0:
            if self._options.limit is not None:
                free = min(free, self._options.limit - self._sent)
            keys = self._journal.find_pending(min(free, _BATCH_ROWS)) if free else []
            if not keys or self._signal is not None:
                return False
            self._send(keys, is_first=True)
            free -= len(keys)
        return True

    def _send(self, keys: list[str], *, is_first: bool) -> None:
        # Stored after sending: if the feeder is killed in between, some messages are sent twice,
        # and the second one does nothing.
        sent: list[str] = []
        try:
            for key in keys:
                if self._signal is not None:
                    break
                send(self._app, TASK, [self._journal.run, key])
                sent.append(key)
        finally:
            if sent:
                self._journal.mark_queued(sent)
                self._sent += len(sent) if is_first else 0

    def _show_progress(self, done: int) -> None:
        """Update the observer; outcomes and tokens are counted now and then."""
        started_s = time.monotonic()
        if started_s >= self._next_count_s:
            counts = self._journal.outcomes.read_counts()
            _set_progress(self._progress, counts, self._counts_before)
            ended_s = time.monotonic()
            self._next_count_s = ended_s + (ended_s - started_s) / _COUNTING_SHARE + 1.0
        self._progress.set_done_requests(max(0, min(done, self._progress.total_requests)))
        self._observer.update(self._progress)

    def stop(self, is_interrupt: bool) -> None:
        """Send nothing more, and return soon."""
        self._signal = StopReason.by_signal(is_interrupt=is_interrupt)
        self._is_signalled.set()


def _set_progress(progress: RunProgress, counts: RunCounts, before: RunCounts) -> None:
    progress.states = Counter(counts.by_state)
    progress.calls = counts.attempts - before.attempts
    progress.texts_without_tokens = None
    progress.input_tokens = counts.input_tokens - before.input_tokens
    progress.output_tokens = counts.output_tokens - before.output_tokens
    progress.written, progress.kept = counts.written, counts.kept
