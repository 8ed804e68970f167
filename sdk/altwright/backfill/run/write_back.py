"""Write-back task: writes outcomes from the journal into the table while requests go on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

from altwright.backfill.journal.writer import JournalWriter
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.journaled_writes import record_in_journal, write_batch
from altwright.backfill.targets.table import BATCH_ROWS, TableTarget
from altwright.backfill.types import Outcome

_INTERVAL_S = 2.0
"""After this time an incomplete batch is written."""
_RETRY_DELAYS_S = (2.0, 4.0)
"""For locked rows, at the end of a run."""


class TableWriteBack:
    """Writes in the background from its creation on; `finish` writes the rest."""

    def __init__(
        self,
        journal: JournalWriter,
        target: TableTarget,
        on_written: Callable[[int, int], None],
    ) -> None:
        """`on_written` gets how many rows were written, and how many a person had filled."""
        self._journal = journal
        self._target = target
        self._on_written = on_written
        self._unwritten: dict[str, str] = {}
        self._has_new_outcomes = asyncio.Event()
        self._current_write: asyncio.Future[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._write_periodically())

    def wake(self) -> None:
        """There are new outcomes to write."""
        self._has_new_outcomes.set()

    async def finish(self) -> StopReason | None:
        """Write everything that is recorded. Returns a stop reason if the table refuses rows."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._current_write is not None:
            await asyncio.gather(self._current_write, return_exceptions=True)
        for delay_s in (0.0, *_RETRY_DELAYS_S):
            await asyncio.sleep(delay_s)
            self._unwritten.clear()
            while await self._write_next_batch():
                pass
            if not self._unwritten:
                return None
        detail = next(iter(self._unwritten.values()))
        return StopReason.table_unwritable(len(self._unwritten), detail)

    async def _write_periodically(self) -> None:
        while True:
            await self._has_new_outcomes.wait()
            self._has_new_outcomes.clear()
            await asyncio.sleep(_INTERVAL_S)
            with contextlib.suppress(sqlite3.Error):  # `finish` reports it if it persists
                while await self._write_next_batch():
                    pass
            self._unwritten.clear()

    async def _write_next_batch(self) -> bool:
        """Write one batch; false if there is none."""
        skip = list(self._unwritten)
        found = await self._journal.call(lambda journal: journal.next_unwritten(BATCH_ROWS, skip))
        batch = [outcome for _, outcome in found]
        if not batch:
            return False
        # Shielded: what the table has must be recorded, even if the run is cancelled now.
        self._current_write = asyncio.ensure_future(self._write(batch))
        await asyncio.shield(self._current_write)
        return True

    async def _write(self, batch: list[Outcome]) -> None:
        result = await asyncio.to_thread(write_batch, self._target, batch)
        self._unwritten |= result.unwritten
        await self._journal.call(lambda journal: record_in_journal(journal, result))
        states = list(result.states.values())
        self._on_written(states.count(WRITTEN), states.count(KEPT))
