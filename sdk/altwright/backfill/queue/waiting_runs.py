"""Runs of queues that work with a table: another run would pay for their rows a second time.

A feeder holds its run's claim of the table. Its workers go on without it: they are known by the
rows that were put on the queue, and by the requests that they have claimed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from altwright.backfill.queue.schema import QUEUED, RESULTS, ROWS, RUNS, WAITING_STATES
from altwright.backfill.stop_reason import format_utc
from altwright.backfill.targets.base_tables import find_base_tables
from altwright.backfill.targets.table_claim import claim_table
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from altwright.backfill.targets.table import TableTarget

_FORGOTTEN_AFTER_S = 1_800
"""A message that no worker took for so long is taken to be lost: brokers deliver one again within
this time, and a feeder sends one again twice as soon."""


def check_no_queue(target: TableTarget) -> None:
    """Raise UsageError if a queue's run is fed from the table, or has rows of it in work."""
    for run in _find_runs(target):
        with claim_table(target, run), target.engine.connect() as connection:
            if last_s := _last_active_s(connection, run):
                raise UsageError(
                    f"The queue's run {run!r} works with {target.name}: its workers would pay for "
                    "the same rows. Wait until it is done, or go on with it (--queue celery). If "
                    "it has no workers any more, come back after "
                    f"{format_utc(last_s + _FORGOTTEN_AFTER_S)}."
                )


def check_other_queues(target: TableTarget, own_run: str) -> None:
    """Raise UsageError if a row that waits in a run is in work for another run of the table."""
    for run in _find_runs(target):
        if run == own_run:
            continue
        is_fed = _is_claimed(target, run)
        with target.engine.connect() as connection:
            if shared := _count_shared_rows(connection, own_run, run, is_fed=is_fed):
                raise UsageError(
                    f"{shared:,} rows of {target.name} are in work for the queue's run {run!r}, "
                    "too, and would be paid for twice: wait until it is done, or name other rows "
                    "with --query."
                )


def _is_claimed(target: TableTarget, run: str) -> bool:
    try:
        with claim_table(target, run, wait_s=0.0):
            return False
    except UsageError:
        return True


def _find_runs(target: TableTarget) -> Iterator[str]:
    """Runs of queues with the table; none if the queue's tables are missing or somebody else's."""
    try:
        with target.engine.connect() as connection:
            if not sa.inspect(connection).has_table(ROWS.name):
                return
            runs = connection.execute(sa.select(RUNS.c.run, RUNS.c.facts)).all()
    except sa.exc.DBAPIError:
        return
    for run, facts in runs:
        if _is_same_table(target, json.loads(facts)["settings"].get("table", "")):
            yield run


def _last_active_s(connection: Connection, run: str) -> float:
    """When a row was put on the queue, or a request claimed, that is still in work; 0 if none."""
    now_s = time.time()
    queued = sa.select(sa.func.max(ROWS.c.queued_at)).where(ROWS.c.run == run, _is_on_queue(ROWS))
    claimed = sa.select(sa.func.count()).where(
        RESULTS.c.run == run, RESULTS.c.claimed_until > now_s
    )
    queued_at_s = connection.execute(queued).scalar() or 0.0
    return float(queued_at_s) or (now_s if connection.execute(claimed).scalar() else 0.0)


def _count_shared_rows(connection: Connection, own_run: str, run: str, *, is_fed: bool) -> int:
    own, other = ROWS.alias("own"), ROWS.alias("other")
    is_in_work = other.c.state.in_(WAITING_STATES) if is_fed else _is_on_queue(other)
    statement = (
        sa.select(sa.func.count())
        .select_from(own.join(other, own.c.row_key == other.c.row_key))
        .where(
            own.c.run == own_run,
            own.c.state.in_(WAITING_STATES),
            other.c.run == run,
            is_in_work,
        )
    )
    return int(connection.execute(statement).scalar_one())


def _is_on_queue(rows: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether a message was sent for a row that a worker may still get."""
    is_recent = rows.c.queued_at > time.time() - _FORGOTTEN_AFTER_S
    return sa.and_(rows.c.state == QUEUED, is_recent)


def _is_same_table(target: TableTarget, name: str) -> bool:
    schema, _, bare_name = name.rpartition(".")
    alt = target.columns.column("alt").name
    of_run = find_base_tables(target.engine, schema or None, bare_name, alt)
    return not {*target.base_tables()}.isdisjoint(of_run)
