"""Runs of queues that work with a table: another run would pay for their rows a second time.

A feeder holds the claim of its table while it lives. Its workers go on without it, and are known
by the rows that are on the queue, and by the requests that they have claimed.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import sqlalchemy as sa

from altwright.backfill.queue.schema import QUEUED, RESULTS, ROWS, RUNS
from altwright.backfill.stop_reason import format_utc
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from altwright.backfill.targets.table import TableTarget

_FORGOTTEN_AFTER_S = 1_800
"""A message that no worker took for so long is taken to be lost: brokers deliver one again within
this time, and a feeder sends one again twice as soon."""


def refuse_table_of_a_queue(target: TableTarget, *, own_run: str = "") -> None:
    """Raise UsageError if a queue's run has rows of the table on the queue or in work.

    `own_run` is the run that may. A database without a queue's tables has no such run.
    """
    try:
        with target.engine.connect() as connection:
            runs = _runs_in_work(connection, target)
    except sa.exc.DBAPIError:  # the queue's tables are somebody else's
        return
    for run, last_s in runs.items():
        if run != own_run:
            raise UsageError(
                f"The queue's run {run!r} works with {target.name}: its workers would pay for the "
                "same rows. Wait until it is done, or go on with it (--queue celery). If it has no "
                f"workers any more, come back after {format_utc(last_s + _FORGOTTEN_AFTER_S)}."
            )


def _runs_in_work(connection: Connection, target: TableTarget) -> dict[str, float]:
    """Runs with the table that have something in work, and since when."""
    if not sa.inspect(connection).has_table(ROWS.name):
        return {}
    runs = connection.execute(sa.select(RUNS.c.run, RUNS.c.facts)).all()
    last_active_s = {
        run: _last_active_s(connection, run)
        for run, facts in runs
        if _is_same_table(target, json.loads(facts)["settings"].get("table", ""))
    }
    return {run: last_s for run, last_s in last_active_s.items() if last_s}


def _last_active_s(connection: Connection, run: str) -> float:
    """When a row was put on the queue, or a request claimed, that is still in work; 0 if none."""
    now_s = time.time()
    queued = sa.select(sa.func.max(ROWS.c.queued_at)).where(
        ROWS.c.run == run,
        ROWS.c.state == QUEUED,
        ROWS.c.queued_at > now_s - _FORGOTTEN_AFTER_S,
    )
    claimed = sa.select(sa.func.count()).where(
        RESULTS.c.run == run, RESULTS.c.claimed_until > now_s
    )
    queued_at_s = connection.execute(queued).scalar() or 0.0
    return float(queued_at_s) or (now_s if connection.execute(claimed).scalar() else 0.0)


def _is_same_table(target: TableTarget, name: str) -> bool:
    schema, _, bare_name = name.rpartition(".")
    default = target.engine.dialect.default_schema_name
    return (schema or default, bare_name) == (target.table.schema or default, target.table.name)
