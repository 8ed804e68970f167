"""Brings outcomes from the journal into the table, batch by batch, while the run goes on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

from altwright.backfill.journal.writer import JournalWriter
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets import table_writer
from altwright.backfill.targets.table import BATCH, TableTarget
from altwright.backfill.types import Outcome

_EVERY_S = 2.0
"""A batch that does not fill is written after so long."""
_TRIES_AFTER_S = (2.0, 4.0)
"""For rows that somebody else holds, at the end of a run."""


class TableWriteBack:
    """Runs beside the questions; `finish` writes the rest."""

    def __init__(
        self, recorder: JournalWriter, target: TableTarget, tell: Callable[[int, int], None]
    ) -> None:
        """`tell` is given how many rows were written, and how many a person had filled."""
        self._recorder = recorder
        self._target = target
        self._tell = tell
        self._stuck: dict[str, str] = {}
        self._news = asyncio.Event()
        self._writing: asyncio.Future[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._go())

    def nudge(self) -> None:
        """Something may be there to write."""
        self._news.set()

    async def finish(self) -> StopReason | None:
        """Write everything that is recorded. A stop where the table does not take it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        for wait_s in (0.0, *_TRIES_AFTER_S):
            await asyncio.sleep(wait_s)
            self._stuck.clear()
            while await self._write_some():
                pass
            if not self._stuck:
                return None
        return StopReason.database(len(self._stuck), next(iter(self._stuck.values())))

    async def _go(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(_EVERY_S)
            with contextlib.suppress(sqlite3.Error):  # told by `finish`, if it is still so then
                while await self._write_some():
                    pass
            self._stuck.clear()

    async def _write_some(self) -> bool:
        """One batch; false where there is none."""
        stuck = list(self._stuck)
        found = await self._recorder.call(lambda journal: journal.unwritten(BATCH, stuck))
        batch = [outcome for _, outcome in found]
        if not batch:
            return False
        # Shielded: what the table has must come to the journal, even when the run ends just now.
        self._writing = asyncio.ensure_future(self._write(batch))
        await asyncio.shield(self._writing)
        return True

    async def _write(self, batch: list[Outcome]) -> None:
        found = await asyncio.to_thread(table_writer.write_batch, self._target, batch)
        self._stuck |= found.stuck
        await self._recorder.call(lambda journal: table_writer.record_in_journal(journal, found))
        what = list(found.told.values())
        self._tell(what.count(WRITTEN), what.count(KEPT))
