"""The shared journal: the journal of a queue's run, in the table's database, for many processes.

It gives the promises of the journal file: a result is committed before anything is made of it, and
an outcome is committed in one transaction with what it writes into the table. A worker claims a
request for a while, so that a message that is delivered twice is not paid for twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from altwright.backfill.database import short_transaction
from altwright.backfill.journal import serialization
from altwright.backfill.queue.outcome_store import OutcomeStore, read_identity, set_outcome
from altwright.backfill.queue.row_changes import RowChanges
from altwright.backfill.queue.schema import (
    MAX_KEY_CHARS,
    MAX_RUN_CHARS,
    METADATA,
    QUEUED,
    RESULTS,
    ROWS,
    RUNS,
    UNSETTLED_STATES,
    WAITING_STATES,
)
from altwright.backfill.run_state import (
    DecideOutcome,
    RunIdentity,
    describe_difference,
    with_columns_of,
)
from altwright.backfill.stop_reason import StopKind, StopReason
from altwright.backfill.targets.journaled_writes import write_in_savepoint
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from altwright.backfill.targets.table import TableTarget


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a worker may make a request now."""

    busy_s: float = 0.0
    """How long another worker's claim still lasts; 0: the claim is granted."""
    result: RequestResult | None = None
    """What is known already, partial or complete."""
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as the journal has it."""

    state: str
    request_key: str
    row: Row


class SharedJournal:
    """One run in a database. Threads and processes may share it; each call is a transaction."""

    max_key_chars: int | None = MAX_KEY_CHARS

    def __init__(self, engine: Engine, run: str) -> None:
        self._engine = engine
        self.run = run

    @classmethod
    def create(cls, engine: Engine, run: str, identity: RunIdentity) -> SharedJournal:
        """Open a run; create the run and its tables if they are missing.

        Raises UsageError if the run has another identity, or the database cannot hold it.
        """
        if engine.dialect.name == "sqlite":
            raise UsageError("A queue needs a database of many machines: PostgreSQL or MySQL.")
        if len(run) > MAX_RUN_CHARS:
            raise UsageError(
                f"The run's name has {len(run)} characters, and {MAX_RUN_CHARS} at most are "
                "possible: name it with --run NAME."
            )
        METADATA.create_all(engine)
        journal = cls(engine, run)
        stored = json.dumps(asdict(identity))
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(RUNS).values(run=run, facts=stored))
        except IntegrityError:
            if difference := describe_difference(journal.identity, identity):
                raise UsageError(
                    f"The run {run!r} in this database is another one ({difference}): name yours "
                    "with --run NAME."
                ) from None
            columns = json.dumps(asdict(with_columns_of(journal.identity, identity)))
            with engine.begin() as connection:
                connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(facts=columns))
        return journal

    @property
    def identity(self) -> RunIdentity:
        """The run's identity. Raises UsageError if there is no such run."""
        return read_identity(self._engine, self.run)

    @property
    def outcomes(self) -> OutcomeStore:
        """The run's outcomes so far."""
        return OutcomeStore(self._engine, self.run)

    # Stop of all workers

    @property
    def stop(self) -> StopReason | None:
        """Why no worker may make requests; None if they may, or may again."""
        with self._engine.connect() as connection:
            statement = sa.select(RUNS.c.stop).where(RUNS.c.run == self.run)
            stored = connection.execute(statement).scalar()
        if not stored:
            return None
        fields = json.loads(stored)
        retry_at_unix_s = fields["come_back_at_unix_s"]
        if retry_at_unix_s is not None and retry_at_unix_s <= time.time():
            return None
        return StopReason(StopKind(fields["why"]), fields["sentence"], retry_at_unix_s)

    def set_stop(self, stop: StopReason | None) -> None:
        """Stop all workers, or let them continue."""
        stored = "" if stop is None else json.dumps(
            {"why": stop.kind.value, "sentence": stop.message[:1000],
             "come_back_at_unix_s": stop.retry_at_unix_s}
        )  # fmt: skip
        with self._engine.begin() as connection:
            connection.execute(sa.update(RUNS).where(RUNS.c.run == self.run).values(stop=stored))

    # Scan of the source

    def begin_scan(self) -> None:
        """Begin to read the source from its beginning."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(RUNS).where(RUNS.c.run == self.run).values({"pass": RUNS.c["pass"] + 1})
            )

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Add rows that are blank in the source; see `Journal.add_rows`."""
        if not rows:
            return
        with self._engine.begin() as connection:
            changes = self._changes(connection)
            keys = [row.key for row in rows]
            columns = (ROWS.c.id, ROWS.c.row_key, ROWS.c.ask, ROWS.c.row, ROWS.c.outcome)
            statement = sa.select(*columns).where(ROWS.c.run == self.run, ROWS.c.row_key.in_(keys))
            known = {each.row_key: each for each in connection.execute(statement)}
            new = [changes.new(row) for row in rows if row.key not in known]
            if new:
                connection.execute(sa.insert(ROWS), new)
            for row in rows:
                stored = known.get(row.key)
                if stored is not None and stored.ask != row.request_key:
                    values = changes.changed(row, stored)
                    connection.execute(sa.update(ROWS).where(ROWS.c.id == stored.id).values(values))
            ids = [stored.id for stored in known.values()]
            if ids:
                seen = {"written": 0, "pass": self._scan_number(connection)}
                connection.execute(sa.update(ROWS).where(ROWS.c.id.in_(ids)).values(seen))

    def end_scan(self, decide: DecideOutcome | None) -> Iterator[tuple[str, int, int]]:  # noqa: ARG002
        """End the scan: waiting rows that it has not seen are deleted, failed rows are pending.

        New rows with the request of an existing result get their outcome from the worker that takes
        their message. Yields nothing: a table has no two rows with one key.
        """
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(ROWS).where(
                    ROWS.c.run == self.run,
                    ROWS.c["pass"] < self._scan_number(connection),
                    ROWS.c.state.in_(UNSETTLED_STATES),
                )
            )
            connection.execute(
                sa.update(ROWS)
                .where(ROWS.c.run == self.run, ROWS.c.state == AltSource.FAILED.value)
                .values(state=AltSource.PENDING.value, outcome=None)
            )
        return iter(())

    def add_row(self, row: Row) -> None:
        """Add a row that an upload brought between two scans."""
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(ROWS), [self._changes(connection).new(row)])
        except IntegrityError:
            with self._engine.begin() as connection:
                columns = (ROWS.c.id, ROWS.c.ask, ROWS.c.row, ROWS.c.outcome)
                is_changed = sa.and_(self._is_row(row.key), ROWS.c.ask != row.request_key)
                found = connection.execute(sa.select(*columns).where(is_changed)).first()
                if found is not None:
                    values = self._changes(connection).changed(row, found)
                    connection.execute(sa.update(ROWS).where(ROWS.c.id == found.id).values(values))

    # Rows and their messages

    def find_pending(self, limit: int) -> list[str]:
        """Keys of rows without a message: new ones first, then those tried longest ago."""
        with self._engine.connect() as connection:
            statement = sa.select(ROWS.c.row_key).where(
                ROWS.c.run == self.run, ROWS.c.state == AltSource.PENDING.value
            )
            ordered = statement.order_by(ROWS.c.queued_at, ROWS.c.id).limit(limit)
            return list(connection.execute(ordered).scalars())

    def find_lost(self, limit: int, after_s: float) -> list[str]:
        """Keys of rows whose message was sent at least `after_s` ago: it may be lost."""
        with self._engine.connect() as connection:
            statement = sa.select(ROWS.c.row_key).where(
                ROWS.c.run == self.run,
                ROWS.c.state == QUEUED,
                ROWS.c.queued_at < time.time() - after_s,
            )
            return list(connection.execute(statement.limit(limit)).scalars())

    def mark_queued(self, keys: Sequence[str]) -> None:
        """Store that a message for each row was sent just now."""
        self._set_state(keys, QUEUED, queued_at=time.time())

    def mark_pending(self, key: str) -> None:
        """Store that the row's message is gone, and that it needs another one."""
        self._set_state([key], AltSource.PENDING.value)

    def drop_row(self, key: str) -> None:
        """Delete a waiting row that a person filled before it was requested."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(ROWS).where(self._is_row(key), _has_state(UNSETTLED_STATES))
            )

    def count_rows(self, *states: str) -> int:
        """How many rows are in these states."""
        with self._engine.connect() as connection:
            statement = sa.select(sa.func.count()).where(
                ROWS.c.run == self.run, ROWS.c.state.in_(states)
            )
            return int(connection.execute(statement).scalar_one())

    def find_row(self, key: str) -> StoredRow | None:
        """The row with this key; None if the journal does not have it."""
        with self._engine.connect() as connection:
            found = connection.execute(
                sa.select(ROWS.c.state, ROWS.c.ask, ROWS.c.row).where(self._is_row(key))
            ).first()
        if found is None:
            return None
        state, request_key, row = found
        return StoredRow(state, request_key, serialization.row_from_json(row))

    # Requests and results

    def claim(self, request_key: str, worker: str, lease_s: float) -> Claim:
        """Claim a request for `lease_s`. Returns the claim, a final result, or how long to wait."""
        now_s = time.time()
        claimed = {"claimed_by": worker, "claimed_until": now_s + lease_s}
        is_request = self._is_request(request_key)
        is_free = sa.or_(RESULTS.c.claimed_until < now_s, RESULTS.c.claimed_by == worker)
        with self._engine.begin() as connection:
            granted = connection.execute(
                sa.update(RESULTS)
                .where(is_request, is_free, RESULTS.c.settled.is_(False))
                .values(claimed)
            )
            found = connection.execute(sa.select(RESULTS).where(is_request)).mappings().first()
        if found is not None:
            stored = found["answer"]
            result = None if stored is None else serialization.result_from_json(stored)
            if found["settled"]:
                return Claim(result=result, is_final=True)
            if granted.rowcount:
                return Claim(result=result)
            return Claim(busy_s=max(0.1, found["claimed_until"] - now_s))
        try:
            with self._engine.begin() as connection:
                new = {"run": self.run, "ask": request_key, **claimed}
                connection.execute(sa.insert(RESULTS).values(new))
        except IntegrityError:
            return Claim(busy_s=1.0)
        return Claim()

    def release(self, request_key: str, worker: str) -> None:
        """End the worker's claim: another one may make the request."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(RESULTS)
                .where(self._is_request(request_key), RESULTS.c.claimed_by == worker)
                .values(claimed_until=0.0)
            )

    def record_result(self, request_key: str, result: RequestResult) -> None:
        """Store a result, partial or complete, before anything is made of it."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(RESULTS)
                .where(self._is_request(request_key), RESULTS.c.settled.is_(False))
                .values(
                    answer=serialization.result_to_json(result),
                    attempts=result.attempts,
                    input_tokens=result.input_tokens,
                    output_tokens=result.output_tokens,
                )
            )

    def settle(
        self, request_key: str, result: RequestResult, decide: DecideOutcome, target: TableTarget
    ) -> None:
        """Store and write the outcomes of every row with this request, in one transaction.

        Raises SQLAlchemy's errors, for example if a row of the table is locked. Nothing is changed
        then, and the result stays stored.
        """
        first_outcome: Outcome | None = None
        with short_transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(ROWS.c.id, ROWS.c.row)
                .where(
                    ROWS.c.run == self.run,
                    ROWS.c.ask == request_key,
                    _has_state(UNSETTLED_STATES),
                )
                .order_by(ROWS.c.row_key)
                .with_for_update()
            ).all()
            for row_id, stored in rows:
                row = serialization.row_from_json(stored)
                outcome, written = write_in_savepoint(connection, target, row, decide(row, result))
                set_outcome(connection, ROWS.c.id == row_id, outcome, written=written)
                first_outcome = first_outcome or outcome
            values: dict[str, Any] = {"claimed_until": 0.0}
            # Without a row another worker was first, and has stored whether the result is final.
            if first_outcome is not None:
                values["settled"] = first_outcome.alt_source is not AltSource.FAILED
            connection.execute(
                sa.update(RESULTS).where(self._is_request(request_key)).values(values)
            )

    # Internals

    def _is_row(self, key: str) -> sa.ColumnElement[bool]:
        return sa.and_(ROWS.c.run == self.run, ROWS.c.row_key == key)

    def _is_request(self, request_key: str) -> sa.ColumnElement[bool]:
        return sa.and_(RESULTS.c.run == self.run, RESULTS.c.ask == request_key)

    def _changes(self, connection: Connection) -> RowChanges:
        return RowChanges(connection, self.run, self._scan_number(connection))

    def _scan_number(self, connection: Connection) -> int:
        statement = sa.select(RUNS.c["pass"]).where(RUNS.c.run == self.run)
        return int(connection.execute(statement).scalar_one())

    def _set_state(self, keys: Sequence[str], state: str, **more: float) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(ROWS)
                .where(ROWS.c.run == self.run, ROWS.c.row_key.in_(keys), _has_state(WAITING_STATES))
                .values(state=state, **more)
            )


def _has_state(states: Sequence[str]) -> sa.ColumnElement[bool]:
    """One of the states, for rows that are found by their key or request.

    An expression instead of the plain column: without statistics, as after the first million rows,
    a query planner would read the whole index of states for every single key.
    """
    return sa.func.coalesce(ROWS.c.state, "").in_(states)
