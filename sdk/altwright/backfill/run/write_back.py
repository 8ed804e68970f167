"""Write-back task: writes outcomes from the journal into the table while requests go on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

from altwright.backfill.journal.writer import JournalWriter
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.journaled_writes import (
    RowOutcome,
    TableWriteResult,
    record_in_journal,
    write_batch,
)
from altwright.backfill.targets.table import BATCH_ROWS, TableTarget

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
        on_table_error: Callable[[StopReason], None],
    ) -> None:
        """`on_written` gets how many rows were written, and how many a person had filled;
        `on_table_error` gets why nothing more is to be paid for."""
        self._journal = journal
        self._target = target
        self._on_written = on_written
        self._on_table_error = on_table_error
        self._round = TableWriteResult()
        """What became of the rows since the last time that all were tried."""
        self._has_new_outcomes = asyncio.Event()
        self._current_write: asyncio.Future[None] | None = None
        self._task = asyncio.get_running_loop().create_task(self._write_periodically())

    def wake(self) -> None:
        """There are new outcomes to write."""
        self._has_new_outcomes.set()

    async def finish(self, is_stopped: Callable[[], bool]) -> StopReason | None:
        """Write everything that is recorded. Returns a stop reason if the table refuses rows.

        A run that was stopped does not wait for locked rows: the next one does.
        """
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._current_write is not None:
            await asyncio.gather(self._current_write, return_exceptions=True)
        for delay_s in (0.0, *_RETRY_DELAYS_S):
            if delay_s and is_stopped():
                break
            await asyncio.sleep(delay_s)
            await self._write_round()
            if not self._round.unwritten:
                return None
            if self._round.table_error:
                break
        detail = next(iter(self._round.unwritten.values()))
        count = len(self._round.unwritten)
        if self._round.table_error:
            return StopReason.table_refuses(detail, count)
        return StopReason.table_unwritable(count, detail)

    async def _write_periodically(self) -> None:
        while True:
            await self._has_new_outcomes.wait()
            self._has_new_outcomes.clear()
            await asyncio.sleep(_INTERVAL_S)
            with contextlib.suppress(sqlite3.Error):  # `finish` reports it if it persists
                await self._write_round()
            if self._round.table_error:
                self._on_table_error(StopReason.table_refuses(self._round.table_error))
                return

    async def _write_round(self) -> None:
        """Try every row once, or until it is known that the table takes none."""
        self._round = TableWriteResult()
        while await self._write_next_batch():
            pass

    async def _write_next_batch(self) -> bool:
        """Write one batch; false if there is none."""
        skip = list(self._round.unwritten)
        batch = await self._journal.call(lambda journal: journal.next_unwritten(BATCH_ROWS, skip))
        if not batch:
            return False
        if self._round.is_blocked:
            detail = next(iter(self._round.unwritten.values()))
            self._round.unwritten |= dict.fromkeys((row.key for row, _ in batch), detail)
            return True
        # Shielded: what the table has must be recorded, even if the run is cancelled now.
        self._current_write = asyncio.ensure_future(self._write(batch))
        await asyncio.shield(self._current_write)
        return True

    async def _write(self, batch: list[RowOutcome]) -> None:
        result = await asyncio.to_thread(write_batch, self._target, batch)
        self._round.add(result)
        await self._journal.call(lambda journal: record_in_journal(journal, result))
        states = list(result.states.values())
        self._on_written(states.count(WRITTEN), states.count(KEPT))
