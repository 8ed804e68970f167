"""Changes of rows in the shared journal: what a scan or an upload makes of a row.

As in a journal file (`journal.scanned_rows`) a decision is set aside while its row shows another
picture, a held draft stands in its place, and it comes back with its picture.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from altwright.backfill.journal import serialization
from altwright.backfill.journal.decided_rows import hold_decision, keeps_decision
from altwright.backfill.queue.schema import SET_ASIDE
from altwright.backfill.types import AltSource, Row

if TYPE_CHECKING:
    from sqlalchemy import Connection


class RowChanges:
    """Makes the columns of new and changed rows, in one transaction."""

    def __init__(self, connection: Connection, run: str, scan_number: int) -> None:
        self._connection = connection
        self._run = run
        self._scan_number = scan_number

    def new(self, row: Row) -> dict[str, Any]:
        """The columns of a row that waits for its request."""
        return {
            "run": self._run, "row_key": row.key, "ask": row.request_key,
            "pass": self._scan_number, "row": serialization.row_to_json(row),
            "state": AltSource.PENDING.value, "written": 0, "outcome": None,
        }  # fmt: skip

    def changed(self, row: Row, stored: Any) -> dict[str, Any]:  # noqa: ANN401 - a row of SQLAlchemy
        """The columns of a row whose request is another one now; see `decided_rows`."""
        outcome = serialization.outcome_from_json(stored.outcome) if stored.outcome else None
        stored_row = serialization.row_from_json(stored.row)
        if keeps_decision(outcome, stored_row, row):
            return {"row": serialization.row_to_json(row), "pass": self._scan_number}
        values = self.new(row)
        if outcome is not None and outcome.is_decided:
            self._set_aside(stored_row, stored)
            held = hold_decision(replace(outcome, key=row.key))
            values |= {
                "state": held.alt_source.value, "outcome": serialization.outcome_to_json(held)
            }  # fmt: skip
        return values | self._restored(row)

    def _restored(self, row: Row) -> dict[str, Any]:
        """The columns of a row that shows the picture again that a person decided about."""
        is_of_row = self._is_of(row)
        columns = (SET_ASIDE.c.ask, SET_ASIDE.c.outcome)
        found = self._connection.execute(sa.select(*columns).where(is_of_row)).first()
        if found is None:
            return {}
        self._connection.execute(sa.delete(SET_ASIDE).where(is_of_row))
        state = serialization.outcome_from_json(found.outcome).alt_source.value
        return {"ask": found.ask, "outcome": found.outcome, "state": state}

    def _set_aside(self, row: Row, stored: Any) -> None:  # noqa: ANN401
        self._connection.execute(sa.delete(SET_ASIDE).where(self._is_of(row)))
        values = {
            "run": self._run, "row_key": row.key, "picture": _hash(row.picture),
            "ask": stored.ask, "outcome": stored.outcome,
        }  # fmt: skip
        self._connection.execute(sa.insert(SET_ASIDE).values(values))

    def _is_of(self, row: Row) -> sa.ColumnElement[bool]:
        return sa.and_(
            SET_ASIDE.c.run == self._run,
            SET_ASIDE.c.row_key == row.key,
            SET_ASIDE.c.picture == _hash(row.picture),
        )


def _hash(picture: str) -> str:
    return hashlib.sha256(picture.encode("utf-8", "replace")).hexdigest()
