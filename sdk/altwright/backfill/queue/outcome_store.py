"""What a run of a queue came to: for its end, for a review, and for what a person decides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from altwright.backfill.journal import serialization
from altwright.backfill.queue.schema import ANSWERS, QUEUED, ROWS, RUNS
from altwright.backfill.run_state import RunCounts, RunIdentity
from altwright.backfill.types import HELD_PREFIX, AltSource, Outcome, Row
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, RowMapping

_PAGE = 256


class OutcomeStore:
    """Of one run; it offers what the journal in a file does."""

    def __init__(self, engine: Engine, run: str) -> None:
        self._engine = engine
        self.run = run

    @property
    def facts(self) -> RunIdentity:
        """What the run was made for. Raises UsageError where there is no such run."""
        return read_identity(self._engine, self.run)

    def outcomes(self, *states: AltSource) -> Iterator[tuple[Row, Outcome]]:
        """Rows that have an outcome, in pages; only those of `states` if named."""
        after = 0
        wanted = [state.value for state in states or AltSource]
        while True:
            with self._engine.connect() as connection:
                page = connection.execute(
                    self._with_answers()
                    .where(ROWS.c.id > after, ROWS.c.state.in_(wanted))
                    .order_by(ROWS.c.id)
                    .limit(_PAGE)
                ).mappings().all()  # fmt: skip
            for found in page:
                after = found["id"]
                yield _read(found)
            if len(page) < _PAGE:
                return

    def outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """One row's; None where it has none."""
        with self._engine.connect() as connection:
            found = connection.execute(
                self._with_answers().where(ROWS.c.row_key == key)
            ).mappings().first()  # fmt: skip
        return None if found is None else _read(found)

    def decide(self, outcomes: Iterable[Outcome]) -> None:
        """Decisions in place of what there was; they wait to be written."""
        with self._engine.begin() as connection:
            for each in outcomes:
                set_outcome(connection, self._key(each.key), each, 0)

    def unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[tuple[Row, Outcome]]:
        """The next outcomes that the table does not have."""
        with self._engine.connect() as connection:
            found = connection.execute(
                self._with_answers()
                .where(ROWS.c.written == 0, ROWS.c.row_key.not_in(list(skip)))
                .order_by(ROWS.c.id)
                .limit(limit)
            ).mappings().all()  # fmt: skip
        return [_read(each) for each in found]

    def mark(self, written: Mapping[str, int]) -> None:
        """Say of each key whether it is WRITTEN or KEPT, after the table's commit."""
        with self._engine.begin() as connection:
            for what in set(written.values()):
                keys = [key for key, each in written.items() if each == what]
                connection.execute(
                    sa.update(ROWS)
                    .where(ROWS.c.run == self.run, ROWS.c.row_key.in_(keys))
                    .values(written=what)
                )

    def counts(self) -> RunCounts:
        """Of everything so far. Reads every row: on a very large table it takes a while."""
        ours = ROWS.c.run == self.run
        with self._engine.connect() as connection:
            states = {
                AltSource.PENDING if state == QUEUED else AltSource(state): number
                for state, number in connection.execute(
                    sa.select(
                        sa.case((ROWS.c.state == QUEUED, "pending"), else_=ROWS.c.state).label("s"),
                        sa.func.count(),
                    ).where(ours).group_by("s")
                )
            }  # fmt: skip
            by_written = connection.execute(
                sa.select(ROWS.c.written, sa.func.count())
                .where(ours, ROWS.c.outcome.is_not(None))
                .group_by(ROWS.c.written)
            )
            written = {int(what): int(number) for what, number in by_written}
            held = connection.execute(
                sa.select(sa.func.count()).where(
                    ours,
                    ROWS.c.state == AltSource.UNCERTAIN.value,
                    ROWS.c.outcome.like(f'%"{HELD_PREFIX}%'),
                )
            ).scalar_one()
            asks = connection.execute(
                sa.select(sa.func.count(sa.distinct(ROWS.c.ask))).where(ours)
            ).scalar_one()
            answers = connection.execute(
                sa.select(
                    sa.func.count(),
                    sa.func.coalesce(sa.func.sum(ANSWERS.c.attempts), 0),
                    sa.func.coalesce(sa.func.sum(ANSWERS.c.input_tokens), 0),
                    sa.func.coalesce(sa.func.sum(ANSWERS.c.output_tokens), 0),
                ).where(ANSWERS.c.run == self.run, ANSWERS.c.answer.is_not(None))
            ).one()
        told = (int(each) for each in answers)
        return RunCounts(states, held, written.get(1, 0), written.get(2, 0), asks, *told)

    def _key(self, key: str) -> sa.ColumnElement[bool]:
        return sa.and_(ROWS.c.run == self.run, ROWS.c.row_key == key)

    def _with_answers(self) -> sa.Select[Any]:
        joined = ROWS.outerjoin(
            ANSWERS, sa.and_(ANSWERS.c.run == ROWS.c.run, ANSWERS.c.ask == ROWS.c.ask)
        )
        return (
            sa.select(ROWS.c.id, ROWS.c.row, ROWS.c.outcome, ANSWERS.c.answer)
            .select_from(joined)
            .where(ROWS.c.run == self.run, ROWS.c.outcome.is_not(None))
        )


def read_identity(engine: Engine, run: str) -> RunIdentity:
    """What a run was made for. Raises UsageError where there is no such run."""
    try:
        with engine.connect() as connection:
            wanted = sa.select(RUNS.c.facts).where(RUNS.c.run == run)
            found = connection.execute(wanted).scalar()
    except sa.exc.ProgrammingError:
        found = None
    if found is None:
        raise UsageError(f"There is no run {run!r} in this database.")
    return RunIdentity(**json.loads(found))


def set_outcome(
    connection: Connection, which: sa.ColumnElement[bool], outcome: Outcome, written: int
) -> None:
    """The outcome of the rows that are meant."""
    connection.execute(
        sa.update(ROWS)
        .where(which)
        .values(
            state=outcome.alt_source.value,
            outcome=serialization.outcome_to_json(outcome),
            written=written,
        )
    )


def _read(found: RowMapping) -> tuple[Row, Outcome]:
    outcome = serialization.outcome_from_json(found["outcome"])
    if found["answer"] is not None:
        outcome = replace(outcome, answer=serialization.result_from_json(found["answer"]))
    return serialization.row_from_json(found["row"]), outcome
