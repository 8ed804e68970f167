"""Brings outcomes from the journal into the table, batch by batch, while the run goes on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable

from altwright.backfill.database import is_refusal, said
from altwright.backfill.outcomes import refused_by_table
from altwright.backfill.recorder import Recorder
from altwright.backfill.rows import AltSource, Outcome
from altwright.backfill.standing import KEPT, WRITTEN
from altwright.backfill.stop import Stop
from altwright.backfill.targets.table import BATCH, TableTarget

_EVERY_S = 2.0
"""A batch that does not fill is written after so long."""
_MANY = 3
"""So many rows in a row that somebody holds: it is the whole table, and each costs a long wait."""
_TRIES_AFTER_S = (2.0, 4.0)
"""For rows that somebody else holds, at the end of a run."""


class WriteBack:
    """Runs beside the questions; `finish` writes the rest."""

    def __init__(
        self, recorder: Recorder, target: TableTarget, tell: Callable[[int, int], None]
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

    async def finish(self) -> Stop | None:
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
        return Stop.database(len(self._stuck), next(iter(self._stuck.values())))

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
        from sqlalchemy.exc import DBAPIError

        try:
            told = await asyncio.to_thread(self._target.write, batch)
        except DBAPIError as error:
            if is_refusal(error) and len(batch) == 1:
                await self._hold(batch[0], said(error))
            elif is_refusal(error):
                await self._one_by_one(batch)
            elif len(batch) == 1:
                self._stuck[batch[0].key] = said(error)
            elif error.connection_invalidated or self._target.locks_as_a_whole:
                self._stuck |= {each.key: said(error) for each in batch}
            else:
                # One row is held by somebody; the others need not wait for it.
                await self._one_by_one(batch)
        else:
            await self._recorder.call(lambda journal: journal.mark(told))
            what = list(told.values())
            self._tell(what.count(WRITTEN), what.count(KEPT))

    async def _one_by_one(self, batch: list[Outcome]) -> None:
        held_in_a_row = 0
        for number, each in enumerate(batch):
            await self._write([each])
            held_in_a_row = held_in_a_row + 1 if each.key in self._stuck else 0
            if held_in_a_row == _MANY:
                words = self._stuck[each.key]
                self._stuck |= {later.key: words for later in batch[number + 1 :]}
                return

    async def _hold(self, outcome: Outcome, words: str) -> None:
        """The table will never take this: a person has to see why."""
        if outcome.alt_source is AltSource.UNCERTAIN:
            self._stuck[outcome.key] = words
            return
        kept_back = refused_by_table(outcome, words)
        await self._recorder.call(lambda journal: journal.review(outcome.key, kept_back))
