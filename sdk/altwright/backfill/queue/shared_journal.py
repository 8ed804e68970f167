"""The journal in the table's own database, for many processes on many machines.

The same promises as the one in a file: an answer is committed before anything is made of it, and an
outcome is committed with what it writes into the table, in one transaction. Who asks holds a claim
for a while, so that a message that comes twice is not paid twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from altwright.backfill.database import error_text, is_permanent_refusal, short_transaction
from altwright.backfill.journal import serialization
from altwright.backfill.queue.outcome_store import OutcomeStore, read_identity, set_outcome
from altwright.backfill.queue.schema import (
    ANSWERS,
    METADATA,
    QUEUED,
    ROWS,
    RUNS,
    UNSETTLED_STATES,
    WAITING_STATES,
)
from altwright.backfill.rules.outcome_rules import outcome_after_refusal
from altwright.backfill.run_state import WRITTEN, DecideOutcome, RunIdentity, describe_difference
from altwright.backfill.stop_reason import StopKind, StopReason
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_PAGE = 256


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a question may be asked now."""

    busy_s: float = 0.0
    """So long somebody else is at it; 0: it is ours."""
    answer: RequestResult | None = None
    """What is known already, in part or whole."""
    is_settled: bool = False


class SharedJournal:
    """One run of a database. Threads and processes may share it; each call is a transaction."""

    def __init__(self, engine: Engine, run: str) -> None:
        self._engine = engine
        self.run = run

    @classmethod
    def make(cls, engine: Engine, run: str, facts: RunIdentity) -> SharedJournal:
        """Make its tables and the run where they are missing.

        Raises UsageError where the run is for something else, or the database cannot hold it.
        """
        if engine.dialect.name == "sqlite":
            raise UsageError("A queue needs a database of many machines: PostgreSQL or MySQL.")
        METADATA.create_all(engine)
        journal = cls(engine, run)
        stored = json.dumps(asdict(facts))
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(RUNS).values(run=run, facts=stored))
        except IntegrityError:
            if different := describe_difference(journal.facts, facts):
                raise UsageError(
                    f"The run {run!r} in this database is another one ({different}): name yours "
                    "with --run NAME."
                ) from None
        return journal

    @property
    def facts(self) -> RunIdentity:
        """What it was made for. Raises UsageError where there is no such run."""
        return read_identity(self._engine, self.run)

    @property
    def outcomes(self) -> OutcomeStore:
        """What it came to, so far."""
        return OutcomeStore(self._engine, self.run)

    # Why nobody shall ask

    @property
    def stop(self) -> StopReason | None:
        """What stands in the way of every row; None where nothing does, or no longer."""
        with self._engine.connect() as connection:
            told = connection.execute(sa.select(RUNS.c.stop).where(RUNS.c.run == self.run)).scalar()
        if not told:
            return None
        data = json.loads(told)
        until = data["come_back_at_unix_s"]
        if until is not None and until <= time.time():
            return None
        return StopReason(StopKind(data["why"]), data["sentence"], until)

    def set_stop(self, stop: StopReason | None) -> None:
        """Let every worker know, or let them go on."""
        told = "" if stop is None else json.dumps(
            {"why": stop.why.value, "sentence": stop.sentence[:1000],
             "come_back_at_unix_s": stop.come_back_at_unix_s}
        )  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(sa.update(RUNS).where(RUNS.c.run == self.run).values(stop=told))

    # Rows come in

    def begin_pass(self) -> None:
        """The source is about to be read from its beginning."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(RUNS).where(RUNS.c.run == self.run).values({"pass": RUNS.c["pass"] + 1})
            )

    def see(self, rows: Sequence[Row]) -> None:
        """Rows that are blank in the source; see the journal in a file."""
        if not rows:
            return
        with self._engine.begin() as connection:
            number = self._pass(connection)
            keys = [row.key for row in rows]
            known = {
                key: (row_id, ask)
                for row_id, key, ask in connection.execute(
                    sa.select(ROWS.c.id, ROWS.c.row_key, ROWS.c.ask).where(
                        ROWS.c.run == self.run, ROWS.c.row_key.in_(keys)
                    )
                )
            }
            new = [row for row in rows if row.key not in known]
            changed = [row for row in rows if row.key in known and known[row.key][1] != row.ask]
            if new:
                connection.execute(sa.insert(ROWS), [self._fresh(row, number) for row in new])
            for row in changed:
                connection.execute(
                    sa.update(ROWS)
                    .where(ROWS.c.id == known[row.key][0])
                    .values(**self._fresh(row, number), outcome=None)
                )
            ids = [row_id for row_id, _ in known.values()]
            if ids:
                connection.execute(
                    sa.update(ROWS).where(ROWS.c.id.in_(ids)).values({"written": 0, "pass": number})
                )

    def end_pass(self, judge: DecideOutcome) -> Iterator[tuple[str, int, int]]:  # noqa: ARG002
        """The source has been read: rows that wait and are not blank any more are forgotten.

        New rows whose question was answered before get that answer from whoever takes their
        message. Yields nothing: a table has no two rows of one key.
        """
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(ROWS).where(
                    ROWS.c.run == self.run,
                    ROWS.c["pass"] < self._pass(connection),
                    ROWS.c.state.in_(UNSETTLED_STATES),
                )
            )
            connection.execute(
                sa.update(ROWS)
                .where(ROWS.c.run == self.run, ROWS.c.state == AltSource.FAILED.value)
                .values(state=AltSource.PENDING.value, outcome=None)
            )
        return iter(())

    def see_one(self, row: Row) -> None:
        """A row that somebody's upload brought, between two passes."""
        try:
            with self._engine.begin() as connection:
                fresh = self._fresh(row, self._pass(connection))
                connection.execute(sa.insert(ROWS), [fresh])
        except IntegrityError:
            with self._engine.begin() as connection:
                connection.execute(
                    sa.update(ROWS)
                    .where(ROWS.c.run == self.run, ROWS.c.row_key == row.key, ROWS.c.ask != row.ask)
                    .values(**self._fresh(row, self._pass(connection)), outcome=None)
                )

    # Rows go out

    def pending(self, limit: int) -> list[str]:
        """Keys that have no message yet."""
        with self._engine.connect() as connection:
            wanted = sa.select(ROWS.c.row_key).where(
                ROWS.c.run == self.run, ROWS.c.state == AltSource.PENDING.value
            )
            return list(connection.execute(wanted.limit(limit)).scalars())

    def lost(self, limit: int, after_s: float) -> list[str]:
        """Keys whose message was sent so long ago that it seems to be lost."""
        with self._engine.connect() as connection:
            wanted = sa.select(ROWS.c.row_key).where(
                ROWS.c.run == self.run,
                ROWS.c.state == QUEUED,
                ROWS.c.queued_at < time.time() - after_s,
            )
            return list(connection.execute(wanted.limit(limit)).scalars())

    def queued(self, keys: Sequence[str]) -> None:
        """There is a message for each, sent just now."""
        self._set_state(keys, QUEUED, queued_at=time.time())

    def put_back(self, key: str) -> None:
        """Its message is gone, and it waits for another one."""
        self._set_state([key], AltSource.PENDING.value)

    def forget(self, key: str) -> None:
        """A person filled it before it was asked about."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(ROWS).where(
                    ROWS.c.run == self.run, ROWS.c.row_key == key, _is(UNSETTLED_STATES)
                )
            )

    def count(self, *states: str) -> int:
        """How many rows are in these states."""
        with self._engine.connect() as connection:
            wanted = sa.select(sa.func.count()).where(
                ROWS.c.run == self.run, ROWS.c.state.in_(states)
            )
            return int(connection.execute(wanted).scalar_one())

    def row(self, key: str) -> tuple[str, str, Row] | None:
        """State, ask and row; None where it is not known."""
        with self._engine.connect() as connection:
            found = connection.execute(
                sa.select(ROWS.c.state, ROWS.c.ask, ROWS.c.row).where(
                    ROWS.c.run == self.run, ROWS.c.row_key == key
                )
            ).first()
        return (
            None if found is None else (found[0], found[1], serialization.row_from_json(found[2]))
        )

    # One asks at a time

    def claim(self, ask: str, who: str, lease_s: float) -> Claim:
        """The right to ask for `lease_s`, or an answer that is there, or how long to wait."""
        now_s = time.time()
        ours = {"claimed_by": who, "claimed_until": now_s + lease_s}
        here = sa.and_(ANSWERS.c.run == self.run, ANSWERS.c.ask == ask)
        free = sa.or_(ANSWERS.c.claimed_until < now_s, ANSWERS.c.claimed_by == who)
        with self._engine.begin() as connection:
            taken = connection.execute(
                sa.update(ANSWERS).where(here, free, ANSWERS.c.settled.is_(False)).values(ours)
            )
            found = connection.execute(sa.select(ANSWERS).where(here)).mappings().first()
        if found is not None:
            answer = (
                None if found["answer"] is None else serialization.result_from_json(found["answer"])
            )
            if found["settled"]:
                return Claim(answer=answer, is_settled=True)
            if taken.rowcount:
                return Claim(answer=answer)
            return Claim(busy_s=max(0.1, found["claimed_until"] - now_s))
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(ANSWERS).values(run=self.run, ask=ask, **ours))
        except IntegrityError:
            return Claim(busy_s=1.0)
        return Claim()

    def release(self, ask: str, who: str) -> None:
        """Somebody else may ask."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(ANSWERS)
                .where(ANSWERS.c.run == self.run, ANSWERS.c.ask == ask, ANSWERS.c.claimed_by == who)
                .values(claimed_until=0.0)
            )

    def keep(self, ask: str, answer: RequestResult) -> None:
        """What was paid for, before anything is made of it."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(ANSWERS)
                .where(
                    ANSWERS.c.run == self.run, ANSWERS.c.ask == ask, ANSWERS.c.settled.is_(False)
                )
                .values(
                    answer=serialization.result_to_json(answer),
                    attempts=answer.attempts,
                    input_tokens=answer.input_tokens,
                    output_tokens=answer.output_tokens,
                )
            )

    def settle(
        self, ask: str, answer: RequestResult, judge: DecideOutcome, target: Target
    ) -> list[Outcome]:
        """What the answer means for every row that asked, in the journal and in the table at once.

        Raises sqlalchemy's errors, where the table is held by somebody: nothing is changed then,
        and the answer stays kept.
        """
        outcomes: list[Outcome] = []
        with short_transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(ROWS.c.id, ROWS.c.row)
                .where(ROWS.c.run == self.run, ROWS.c.ask == ask, _is(UNSETTLED_STATES))
                .order_by(ROWS.c.row_key)
                .with_for_update()
            ).all()
            for row_id, text in rows:
                outcome = judge(serialization.row_from_json(text), answer)
                outcome, written = _written(connection, target, outcome)
                set_outcome(connection, ROWS.c.id == row_id, outcome, written)
                outcomes.append(outcome)
            # Where somebody else was first there is nothing to say about it.
            is_settled = outcomes[0].alt_source is not AltSource.FAILED if outcomes else None
            what = {} if is_settled is None else {"settled": is_settled}
            connection.execute(
                sa.update(ANSWERS)
                .where(ANSWERS.c.run == self.run, ANSWERS.c.ask == ask)
                .values(claimed_until=0.0, **what)
            )
        return outcomes

    # Inside

    def _fresh(self, row: Row, number: int) -> dict[str, Any]:
        return {
            "run": self.run, "row_key": row.key, "ask": row.ask, "pass": number,
            "row": serialization.row_to_json(row), "state": AltSource.PENDING.value, "written": 0,
        }  # fmt: skip

    def _pass(self, connection: Connection) -> int:
        wanted = sa.select(RUNS.c["pass"]).where(RUNS.c.run == self.run)
        return int(connection.execute(wanted).scalar_one())

    def _set_state(self, keys: Sequence[str], state: str, **more: float) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(ROWS)
                .where(ROWS.c.run == self.run, ROWS.c.row_key.in_(keys), _is(WAITING_STATES))
                .values(state=state, **more)
            )


class Target(Protocol):
    """What of a table's target is needed here."""

    def write_in(self, connection: Connection, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """Write them in a transaction that somebody else ends."""


def _is(states: Sequence[str]) -> sa.ColumnElement[bool]:
    """One of the states, of rows that are found by something better.

    Not written as a plain comparison: a planner that has no statistics yet, as after the first
    million rows, would look through the index of states for every single key.
    """
    return sa.func.coalesce(ROWS.c.state, "").in_(states)


def _written(connection: Connection, target: Target, outcome: Outcome) -> tuple[Outcome, int]:
    """The outcome as it is now, and whether the table has it."""
    try:
        with connection.begin_nested():
            return outcome, target.write_in(connection, [outcome])[outcome.key]
    except sa.exc.DBAPIError as error:
        if not is_permanent_refusal(error):
            raise
        instead = outcome_after_refusal(outcome, error_text(error))
    if instead is None:
        return outcome, WRITTEN
    return _written(connection, target, instead)
