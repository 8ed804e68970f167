"""Outcomes of a queue's run in the database: for its summary, a review, and decisions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from altwright.backfill.journal import serialization
from altwright.backfill.queue.schema import QUEUED, RESULTS, ROWS, RUNS, UNSETTLED_STATES
from altwright.backfill.run_state import GONE, KEPT, WRITTEN, RunCounts, RunIdentity
from altwright.backfill.types import HELD_PREFIX, AltSource, Outcome, Row
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, RowMapping

_PAGE_ROWS = 256
_Stored = tuple[str, str | None]
"""The columns `row` and `outcome`."""


class OutcomeStore:
    """The outcomes of one run, with the methods of the journal file that concern them."""

    def __init__(self, engine: Engine, run: str) -> None:
        self._engine = engine
        self.run = run
        self._read: dict[str, _Stored] = {}
        """What the run had when rows were read: others may have changed them since."""

    @property
    def identity(self) -> RunIdentity:
        """The run's identity. Raises UsageError if there is no such run."""
        return read_identity(self._engine, self.run)

    def iter_outcomes(self, *states: AltSource) -> Iterator[tuple[Row, Outcome]]:
        """Rows with an outcome, in pages; if `states` are given, only those."""
        last_id = 0
        wanted = [state.value for state in states or AltSource]
        while True:
            with self._engine.connect() as connection:
                page = connection.execute(
                    self._select_outcomes()
                    .where(ROWS.c.id > last_id, ROWS.c.state.in_(wanted))
                    .order_by(ROWS.c.id)
                    .limit(_PAGE_ROWS)
                ).mappings().all()  # fmt: skip
            for stored in page:
                last_id = stored["id"]
                yield _read_outcome(stored)
            if len(page) < _PAGE_ROWS:
                return

    def find_outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """The outcome of one row; None if it has none."""
        with self._engine.connect() as connection:
            stored = connection.execute(
                self._select_outcomes().where(ROWS.c.row_key == key)
            ).mappings().first()  # fmt: skip
        if stored is None:
            return None
        self._read[key] = (stored["row"], stored["outcome"])
        return _read_outcome(stored)

    def replace_outcomes(self, outcomes: Iterable[Outcome]) -> set[str]:
        """Replace outcomes of rows; they are unwritten again.

        Returns the keys of rows that somebody has changed since they were read here: these stay.
        """
        by_key = {each.key: each for each in outcomes}
        with self._engine.begin() as connection:
            changed = self._lock_and_find_changed(connection, by_key)
            for key in sorted(by_key.keys() - changed):
                is_row = sa.and_(ROWS.c.run == self.run, ROWS.c.row_key == key)
                set_outcome(connection, is_row, by_key[key], written=0)
        for key in self._read.keys() & (by_key.keys() - changed):
            row, _ = self._read[key]
            self._read[key] = (row, serialization.outcome_to_json(by_key[key]))
        return changed

    def next_unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[tuple[Row, Outcome]]:
        """The next outcomes that the table does not have, without the keys in `skip`."""
        with self._engine.connect() as connection:
            found = connection.execute(
                self._select_outcomes()
                .where(ROWS.c.written == 0, ROWS.c.row_key.not_in(list(skip)))
                .order_by(ROWS.c.id)
                .limit(limit)
            ).mappings().all()  # fmt: skip
        self._read |= {each["row_key"]: (each["row"], each["outcome"]) for each in found}
        return [_read_outcome(each) for each in found]

    def find_settled(self, keys: Sequence[str]) -> set[str]:
        """Those of the rows that are not requested again; none if there are no runs yet."""
        if not sa.inspect(self._engine).has_table(ROWS.name):
            return set()
        statement = sa.select(ROWS.c.row_key).where(
            ROWS.c.run == self.run,
            ROWS.c.row_key.in_(list(keys)),
            ROWS.c.state.not_in(UNSETTLED_STATES),
        )
        with self._engine.connect() as connection:
            return {*connection.execute(statement).scalars()}

    def find_unwritten(self, keys: Sequence[str]) -> set[str]:
        """Those of the rows whose outcome the table may not have yet."""
        unwritten: set[str] = set()
        with self._engine.connect() as connection:
            for start in range(0, len(keys), _PAGE_ROWS):
                page = keys[start : start + _PAGE_ROWS]
                statement = sa.select(ROWS.c.row_key).where(
                    ROWS.c.run == self.run,
                    ROWS.c.row_key.in_(page),
                    ROWS.c.written == 0,
                    ROWS.c.outcome.is_not(None),
                )
                unwritten.update(connection.execute(statement).scalars())
        return unwritten

    def mark_written(self, states: Mapping[str, int]) -> None:
        """Store WRITTEN or KEPT by key, after the table's commit."""
        with self._engine.begin() as connection:
            changed = self._lock_and_find_changed(connection, states)
            for state in set(states.values()):
                keys = [key for key, each in states.items() if each == state]
                keys = [key for key in keys if key not in changed]
                connection.execute(
                    sa.update(ROWS)
                    .where(ROWS.c.run == self.run, ROWS.c.row_key.in_(keys))
                    .values(written=state)
                )
        for key in states:
            self._read.pop(key, None)

    def _lock_and_find_changed(self, connection: Connection, keys: Iterable[str]) -> set[str]:
        """Those of the rows that are not as they were read here. Locks the others, too."""
        read = sorted(key for key in keys if key in self._read)
        found: dict[str, _Stored] = {}
        for start in range(0, len(read), _PAGE_ROWS):
            statement = (
                sa.select(ROWS.c.row_key, ROWS.c.row, ROWS.c.outcome)
                .where(ROWS.c.run == self.run, ROWS.c.row_key.in_(read[start : start + _PAGE_ROWS]))
                .order_by(ROWS.c.row_key)
                .with_for_update()
            )
            found |= {key: (row, outcome) for key, row, outcome in connection.execute(statement)}
        return {key for key in read if found.get(key) != self._read[key]}

    def read_counts(self) -> RunCounts:
        """Counts of the whole run. Reads every row, which takes long for a very large table."""
        of_run = ROWS.c.run == self.run
        with self._engine.connect() as connection:
            by_written = connection.execute(
                sa.select(ROWS.c.written, sa.func.count())
                .where(of_run, ROWS.c.outcome.is_not(None))
                .group_by(ROWS.c.written)
            )
            written = {int(state): int(number) for state, number in by_written}
            held, reviewed = (
                connection.execute(
                    sa.select(sa.func.count()).where(
                        of_run, ROWS.c.state == state.value, ROWS.c.outcome.like(f"%{part}%")
                    )
                ).scalar_one()
                for state, part in (
                    (AltSource.UNCERTAIN, f'"{HELD_PREFIX}'),
                    (AltSource.AI, '"alt_reviewed_at":"'),
                )
            )
            return RunCounts(
                self._count_states(connection),
                held,
                written.get(WRITTEN, 0),
                written.get(KEPT, 0),
                written.get(GONE, 0),
                *self._count_results(connection),
                reviewed,
            )

    def _count_states(self, connection: Connection) -> dict[AltSource, int]:
        state = sa.case((ROWS.c.state == QUEUED, AltSource.PENDING.value), else_=ROWS.c.state)
        found = connection.execute(
            sa.select(state.label("s"), sa.func.count())
            .where(ROWS.c.run == self.run, ROWS.c.written != GONE)
            .group_by("s")
        )
        return {AltSource(name): number for name, number in found}

    def _count_results(self, connection: Connection) -> tuple[int, int, int, int]:
        sums = (RESULTS.c.attempts, RESULTS.c.input_tokens, RESULTS.c.output_tokens)
        found = connection.execute(
            sa.select(
                sa.func.count(), *(sa.func.coalesce(sa.func.sum(each), 0) for each in sums)
            ).where(RESULTS.c.run == self.run, RESULTS.c.answer.is_not(None))
        ).one()
        results, attempts, input_tokens, output_tokens = (int(each) for each in found)
        return results, attempts, input_tokens, output_tokens

    def _select_outcomes(self) -> sa.Select[Any]:
        joined = ROWS.outerjoin(
            RESULTS, sa.and_(RESULTS.c.run == ROWS.c.run, RESULTS.c.ask == ROWS.c.ask)
        )
        return (
            sa.select(ROWS.c.id, ROWS.c.row_key, ROWS.c.row, ROWS.c.outcome, RESULTS.c.answer)
            .select_from(joined)
            .where(ROWS.c.run == self.run, ROWS.c.outcome.is_not(None))
        )


def read_identity(engine: Engine, run: str) -> RunIdentity:
    """The identity of a run. Raises UsageError if there is no such run."""
    try:
        with engine.connect() as connection:
            statement = sa.select(RUNS.c.facts).where(RUNS.c.run == run)
            stored = connection.execute(statement).scalar()
    except sa.exc.ProgrammingError:  # the journal's tables do not exist
        stored = None
    if stored is None:
        raise UsageError(f"There is no run {run!r} in this database.")
    return RunIdentity(**json.loads(stored))


def set_outcome(
    connection: Connection, where: sa.ColumnElement[bool], outcome: Outcome, *, written: int
) -> None:
    """Store the outcome of the rows that `where` selects."""
    connection.execute(
        sa.update(ROWS)
        .where(where)
        .values(
            state=outcome.alt_source.value,
            outcome=serialization.outcome_to_json(outcome),
            written=written,
        )
    )


def _read_outcome(stored: RowMapping) -> tuple[Row, Outcome]:
    outcome = serialization.outcome_from_json(stored["outcome"])
    if stored["answer"] is not None:
        outcome = replace(outcome, result=serialization.result_from_json(stored["answer"]))
    return serialization.row_from_json(stored["row"]), outcome
