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

from altwright.aio import AsyncAltwright
from altwright.backfill.journal import Journal
from altwright.backfill.outcomes import Judge
from altwright.backfill.progress import Prices, Progress
from altwright.backfill.run import Manner, Run
from altwright.backfill.scan import Scanned, scan
from altwright.backfill.sources import SourceBroke
from altwright.backfill.spec import Places
from altwright.backfill.stop import Stop
from altwright.backfill.summary import Summary, summarise
from altwright.backfill.targets.new_file import FileTarget

_TICK_S = 0.25


class Watch(Protocol):
    """Whoever wants to see how it goes; called often, and from one thread."""

    def scanning(self, scanned: Scanned) -> None:
        """The source is being read."""

    def scanned(self, scanned: Scanned, progress: Progress) -> None:
        """The source was read; now the questions begin."""

    def tick(self, progress: Progress) -> None:
        """Some time has passed."""

    def writing(self) -> None:
        """The new file is being written."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended."""

    summary: Summary
    stop: Stop | None
    """None: everything was asked, or as much as the limit allows."""


def backfill(
    places: Places,
    journal_path: Path,
    judge: Judge,
    manner: Manner,
    prices: Prices,
    make_client: Callable[[], AsyncAltwright],
    watch: Watch,
) -> Ended:
    """Run it to its end, whatever that is.

    SIGINT and SIGTERM stop it cleanly. Raises UsageError with one sentence, SourceBroke and
    DiskFull where nothing was asked for their sake.
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
        summary = summarise(
            scanned,
            journal.counts(),
            progress,
            prices,
            (places.source.shown, places.target.shown, str(journal_path)),
            stop,
            time.monotonic() - began_s,
        )
    return Ended(summary, stop)


def _read(
    places: Places, journal: Journal, judge: Judge, manner: Manner, watch: Watch
) -> tuple[Scanned, Progress]:
    try:
        scanned = scan(places, journal, judge, watch.scanning)
        counts = journal.counts()
        to_do = journal.count_to_do()
    except sqlite3.Error as error:
        raise DiskFull(journal.path, str(error)) from None
    progress = Progress.of(counts, to_do if manner.limit is None else min(to_do, manner.limit))
    watch.scanned(scanned, progress)
    return scanned, progress


def _write(target: FileTarget, journal: Journal) -> Stop | None:
    try:
        target.write(journal)
    except SourceBroke as error:
        return Stop.source(str(error), may_pass=error.may_pass)
    except (OSError, sqlite3.Error) as error:
        said = getattr(error, "strerror", None) or error
        return Stop.disk(f"{target.shown} cannot be written ({said})")
    return None


class DiskFull(Exception):
    """The journal could not be written before anything was asked."""

    def __init__(self, path: Path, said: str) -> None:
        super().__init__(f"{path} cannot be written: {said}. Nothing was asked.")


async def _ask(
    places: Places,
    journal: Journal,
    judge: Judge,
    manner: Manner,
    progress: Progress,
    make_client: Callable[[], AsyncAltwright],
    watch: Watch,
) -> Stop | None:
    async with make_client() as client:
        run = Run(client, journal, judge, places.spec.asked, manner, progress, places.table)
        _listen(run)
        ticking = asyncio.create_task(_tick(watch, progress))
        try:
            return await run.go()
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            watch.tick(progress)


async def _tick(watch: Watch, progress: Progress) -> None:
    while True:
        watch.tick(progress)
        await asyncio.sleep(_TICK_S)


def _listen(run: Run) -> None:
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        run.stop(Stop.signal(is_interrupt=number is signal.SIGINT))
        loop.remove_signal_handler(number)  # a second one ends it at once

    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows' loops have none, and neither has a thread that is not the first.
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, stop, number)
