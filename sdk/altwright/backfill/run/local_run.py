"""One whole backfill: read the source, ask, write, sum up."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from altwright._async.client import AsyncAltwright
from altwright.backfill.connectors import Connectors
from altwright.backfill.errors import JournalUnwritable, SourceError
from altwright.backfill.journal.journal import Journal
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.progress import RunProgress, TokenPrices
from altwright.backfill.run.request_loop import RequestLoop, RequestOptions
from altwright.backfill.run.scan import ScanResult, scan_source
from altwright.backfill.run.summary import RunSummary, summarise_run
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.file import FileTarget

_TICK_S = 0.25


class ProgressObserver(Protocol):
    """Whoever wants to see how it goes; called often, and from one thread."""

    def scanning(self, scanned: ScanResult) -> None:
        """The source is being read."""

    def scanned(self, scanned: ScanResult, progress: RunProgress) -> None:
        """The source was read; now the questions begin."""

    def tick(self, progress: RunProgress) -> None:
        """Some time has passed."""

    def writing(self) -> None:
        """The new file is being written."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How it ended."""

    summary: RunSummary
    stop: StopReason | None
    """None: everything was asked, or as much as the limit allows."""


def run_backfill(
    places: Connectors,
    journal_path: Path,
    judge: OutcomeRules,
    manner: RequestOptions,
    prices: TokenPrices,
    make_client: Callable[[], AsyncAltwright],
    watch: ProgressObserver,
) -> RunResult:
    """Run it to its end, whatever that is.

    SIGINT and SIGTERM stop it cleanly. Raises UsageError, and SourceError or JournalUnwritable
    where the source or the journal failed before anything was requested.
    """
    began_s = time.monotonic()
    with Journal.open(journal_path, places.facts) as journal:
        if isinstance(places.target, FileTarget):
            places.target.check(journal)
        scanned, progress = _read(places, journal, judge, manner, watch)
        stop = asyncio.run(_ask(places, journal, judge, manner, progress, make_client, watch))
        if isinstance(places.target, FileTarget):
            watch.writing()
            unwritten = _write(places.target, journal)
            stop = stop or unwritten
        summary = summarise_run(
            scanned,
            journal.counts(),
            progress,
            prices,
            (places.source.shown, places.target.shown, str(journal_path)),
            stop,
            time.monotonic() - began_s,
        )
    return RunResult(summary, stop)


def _read(
    places: Connectors,
    journal: Journal,
    judge: OutcomeRules,
    manner: RequestOptions,
    watch: ProgressObserver,
) -> tuple[ScanResult, RunProgress]:
    try:
        scanned = scan_source(places, journal, judge, watch.scanning)
        counts = journal.counts()
        to_do = journal.count_to_do()
    except sqlite3.Error as error:
        raise JournalUnwritable(
            f"{journal.path} cannot be written: {error}. Nothing was asked."
        ) from None
    progress = RunProgress.of(counts, to_do if manner.limit is None else min(to_do, manner.limit))
    watch.scanned(scanned, progress)
    return scanned, progress


def _write(target: FileTarget, journal: Journal) -> StopReason | None:
    try:
        target.write(journal)
    except SourceError as error:
        return StopReason.source(str(error), may_pass=error.may_pass)
    except (OSError, sqlite3.Error) as error:
        said = getattr(error, "strerror", None) or error
        return StopReason.disk(f"{target.shown} cannot be written ({said})")
    return None


async def _ask(
    places: Connectors,
    journal: Journal,
    judge: OutcomeRules,
    manner: RequestOptions,
    progress: RunProgress,
    make_client: Callable[[], AsyncAltwright],
    watch: ProgressObserver,
) -> StopReason | None:
    async with make_client() as client:
        run = RequestLoop(client, journal, judge, places.spec.asked, manner, progress, places.table)
        _listen(run)
        ticking = asyncio.create_task(_tick(watch, progress))
        try:
            return await run.go()
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            watch.tick(progress)


async def _tick(watch: ProgressObserver, progress: RunProgress) -> None:
    while True:
        watch.tick(progress)
        await asyncio.sleep(_TICK_S)


def _listen(run: RequestLoop) -> None:
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        run.stop(StopReason.signal(is_interrupt=number is signal.SIGINT))
        loop.remove_signal_handler(number)  # a second one ends it at once

    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows' loops have none, and neither has a thread that is not the first.
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop, number)
