"""A whole run in one process: scan the source, request captions, write the target, sum up."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from altwright._async.client import AsyncAltwright
from altwright.backfill.connectors import Connectors, open_connectors
from altwright.backfill.errors import (
    JournalUnwritable,
    SourceChanged,
    SourceError,
    TargetChanged,
)
from altwright.backfill.journal.journal import Journal
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.changed_rules import apply_changed_rules
from altwright.backfill.run.estimate import count_work
from altwright.backfill.run.progress import RunProgress, TokenPrices
from altwright.backfill.run.request_loop import RequestLoop, RequestOptions
from altwright.backfill.run.scan import ScanResult, scan_source
from altwright.backfill.run.summary import RunNames, RunSummary, summarise_run
from altwright.backfill.run_state import describe_difference
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.stop_signals import StopSignals
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.targets.table_claim import TableClaim, claim_table
from altwright.errors import UsageError

_PROGRESS_INTERVAL_S = 0.25
_MAX_CHANGES = 3
"""How often a source may change while the target is written from it."""
STOPPED_SCANNING = (
    "stopped while the source was read: nothing was requested. Run the same command again."
)
_PASSED_BEFORE = (
    "{:,} texts that the table has already would be held by these rules: look at them with "
    "altwright review {} --outcome ai"
)
_STOPPED_WRITING = (
    "stopped while {} was written: it is as it was. All that was paid for is in the journal: the "
    "same command writes it without a new request."
)


class ProgressObserver(Protocol):
    """Receives the progress of a run; called often, and from one thread."""

    def scanning(self, scan: ScanResult) -> None:
        """The source is being read."""

    def scanned(self, scan: ScanResult, progress: RunProgress) -> None:
        """The source has been read, and the requests begin."""

    def update(self, progress: RunProgress) -> None:
        """Some time has passed."""

    def writing(self) -> None:
        """The new file is being written."""

    def tell(self, line: str) -> None:
        """Something that the user should know."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    summary: RunSummary
    stop: StopReason | None
    """None if everything was requested, or as much as the limit allows."""


@dataclass(frozen=True, slots=True)
class LocalRun:
    """One run: `execute` runs it to its end."""

    connectors: Connectors
    journal_path: Path
    rules: OutcomeRules
    options: RequestOptions
    prices: TokenPrices
    make_client: Callable[[], AsyncAltwright]
    observer: ProgressObserver
    signals: StopSignals
    check_others: Callable[[TableTarget], None] = lambda _: None
    """Raises UsageError if others than runs like this one work with the table."""

    def execute(self) -> RunResult:
        """Run to the end, or until it has to stop. SIGINT and SIGTERM stop it cleanly.

        Raises UsageError, and SourceError or JournalUnwritable if the source or the journal fails
        before anything was requested.
        """
        started_s = time.monotonic()
        target, table = self.connectors.target, self.connectors.table
        if isinstance(target, FileTarget):
            target.check_journal(self.journal_path)
        claimed = target.claim() if isinstance(target, FileTarget) else claim_table(target)
        with Journal.open(self.journal_path, self.connectors.identity) as journal, claimed as claim:
            if table is not None:
                self.check_others(table)
            self.connectors.check_table(journal.find_settled)
            if isinstance(target, FileTarget):
                target.check_unchanged(journal)
            scan, progress = self._scan(journal)
            self.signals.advice = "stopped: the same command continues from here."
            stop = asyncio.run(self._request_captions(journal, progress, claim))
            if isinstance(target, FileTarget):
                self.signals.advice = _STOPPED_WRITING.format(target.display_name)
                self.observer.writing()
                write_stop = self._write_file(journal)
                stop = stop or write_stop
            names = RunNames(
                self.connectors.source.display_name, target.display_name, str(self.journal_path)
            )
            counts = journal.read_counts()
        seconds = time.monotonic() - started_s
        summary = summarise_run(names, scan, counts, progress, self.prices, stop, seconds)
        return RunResult(summary, stop)

    def _scan(self, journal: Journal) -> tuple[ScanResult, RunProgress]:
        try:
            scan = scan_source(self.connectors, journal, self.rules.decide, self.observer.scanning)
            is_table = self.connectors.table is not None
            if passed := apply_changed_rules(journal, self.rules, is_table=is_table):
                self.observer.tell(_PASSED_BEFORE.format(passed, journal.path))
            counts = journal.read_counts()
            requests = journal.counts.pending_requests()
            limit, caption_options = self.options.limit, self.connectors.config.caption_options
            calls, _ = count_work(journal, caption_options, limit)
        except sqlite3.Error as error:
            raise JournalUnwritable(journal.path, error) from None
        if limit is not None:
            requests = min(requests, limit)
        progress = RunProgress.from_counts(counts, requests)
        progress.calls_to_make = calls
        self.observer.scanned(scan, progress)
        return scan, progress

    async def _request_captions(
        self, journal: Journal, progress: RunProgress, claim: TableClaim | None
    ) -> StopReason | None:
        async with self.make_client() as client:
            loop = RequestLoop(
                client,
                journal,
                self.rules,
                self.options,
                progress,
                self.connectors.table,
            )
            updates = asyncio.create_task(self._update_periodically(progress, loop, claim))
            event_loop = asyncio.get_running_loop()

            def stop(is_interrupt: bool) -> None:
                reason = StopReason.by_signal(is_interrupt=is_interrupt)
                event_loop.call_soon_threadsafe(loop.stop, reason)

            try:
                with self.signals.passed_to(stop):
                    return await loop.run()
            finally:
                updates.cancel()
                await asyncio.gather(updates, return_exceptions=True)
                self.observer.update(progress)

    def _write_file(self, journal: Journal) -> StopReason | None:
        """Write the target; if the source is another one by now, read it again first."""
        connectors = self.connectors
        try:
            for changes in range(_MAX_CHANGES + 1):
                with suppress(SourceChanged):
                    if changes:
                        connectors = _open_again(connectors, journal)
                        scan_source(connectors, journal, self.rules.decide, self.observer.scanning)
                    _write(connectors, journal)
                    waiting = journal.counts.pending_requests() if changes else 0
                    source = connectors.source.display_name
                    return StopReason.source_changed(source, waiting) if waiting else None
        except SourceError as error:
            return StopReason.source_failed(str(error), is_temporary=error.is_temporary)
        except TargetChanged as error:
            return StopReason.target_changed(str(error))
        except UsageError as error:  # the new source lacks a column
            return StopReason.source_failed(str(error).rstrip("."), is_temporary=True)
        except (OSError, sqlite3.Error) as error:
            detail = getattr(error, "strerror", None) or error
            target = connectors.target.display_name
            return StopReason.disk_full(f"{target} cannot be written ({detail})")
        name = connectors.source.display_name
        return StopReason.source_failed(f"{name} changes again and again", is_temporary=True)

    async def _update_periodically(
        self, progress: RunProgress, loop: RequestLoop, claim: TableClaim | None
    ) -> None:
        while True:
            self.observer.update(progress)
            if claim is not None and claim.is_lost:
                loop.stop(StopReason.table_claimed())
            await asyncio.sleep(_PROGRESS_INTERVAL_S)


def _open_again(connectors: Connectors, journal: Journal) -> Connectors:
    """The source as it is now. Raises UsageError if its columns are not those of the run."""
    connectors = open_connectors(connectors.config)
    if difference := describe_difference(journal.identity, connectors.identity):
        name = connectors.source.display_name
        raise UsageError(f"{name} is not what the run has read ({difference}).")
    return connectors


def _write(connectors: Connectors, journal: Journal) -> None:
    if isinstance(connectors.target, FileTarget):
        connectors.target.write(journal)
