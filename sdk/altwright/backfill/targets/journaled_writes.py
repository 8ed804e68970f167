"""Writes outcomes into a table and the results into the journal, for a run, a queue and `apply`.

A row that the table refuses, that is locked, or that someone changed does not stop other rows. The
journal never says that a decision is in effect which the table does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from altwright.backfill.database import LOCK_WAIT_S
from altwright.backfill.database_errors import (
    ErrorScope,
    error_scope,
    error_text,
    is_row_refused,
)
from altwright.backfill.rules.outcome_rules import outcome_after_refusal, outcome_before_decision
from altwright.backfill.run_state import GONE, KEPT, WRITTEN
from altwright.backfill.targets.table import BATCH_ROWS, RowRefused, RowWrite, TableTarget
from altwright.backfill.types import Outcome, Row

if TYPE_CHECKING:
    from sqlalchemy import Connection

RowOutcome = tuple[Row, Outcome]
_MAX_LOCKED_ROWS = 3
"""After this many locked rows in a row the others of the batch are left: each costs a wait."""
_MAX_LOCKED_BATCHES = 2
"""After this many batches in which nothing could be written the table is taken to be locked."""
_UNDONE = {
    KEPT: "someone changed it in the table: their text is kept",
    GONE: "the table has no row with this key any more",
}


class OutcomeJournal(Protocol):
    """The part of a journal that is needed to write outcomes."""

    def replace_outcomes(self, outcomes: Iterable[Outcome]) -> set[str]:
        """Replace outcomes of rows; they are unwritten again.

        Returns the keys of rows that somebody has changed since they were read: these stay.
        """

    def next_unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[RowOutcome]:
        """The next outcomes that the target does not have."""

    def mark_written(self, states: Mapping[str, int]) -> None:
        """Store WRITTEN, KEPT or GONE by key, of rows that are as they were read."""


@dataclass(slots=True)
class TableWriteResult:
    """What became of some outcomes: each key is in `states`, `replaced` or `unwritten`."""

    states: dict[str, int] = field(default_factory=dict)
    """Key to WRITTEN, KEPT or GONE."""
    replaced: dict[str, Outcome] = field(default_factory=dict)
    """Key to the outcome that replaces one that could not take effect, or that a trigger changed:
    the latter is in `states`, too."""
    undone: dict[str, str] = field(default_factory=dict)
    """Key to why a person's decision did not take effect."""
    unwritten: dict[str, str] = field(default_factory=dict)
    """Key to the database's error for rows that can be written later."""
    table_error: str = ""
    """Why every row fails until someone mends the table; empty if it is well."""
    locked_batches: int = 0
    """Batches in a row, the last one included, in which everything was locked."""

    def add(self, other: TableWriteResult) -> None:
        """Add the results of other rows."""
        self.states |= other.states
        self.replaced |= other.replaced
        self.undone |= other.undone
        self.unwritten |= other.unwritten
        self.table_error = self.table_error or other.table_error
        self.locked_batches = (
            self.locked_batches + other.locked_batches if other.locked_batches else 0
        )

    @property
    def is_blocked(self) -> bool:
        """Whether other rows need not be tried now: the table is locked, or takes nothing."""
        return bool(self.table_error) or self.locked_batches >= _MAX_LOCKED_BATCHES


def write_batch(
    target: TableTarget, batch: Sequence[RowOutcome], *, lock_wait_s: float = LOCK_WAIT_S
) -> TableWriteResult:
    """Write outcomes into the table only; `record_in_journal` stores the result."""
    from sqlalchemy.exc import StatementError

    result = TableWriteResult()
    try:
        written = target.write(batch, lock_wait_s)
    except RowRefused as error:
        _after_refused_row(target, batch, str(error), result)
    except (StatementError, ValueError) as error:
        _after_error(target, batch, error, result)
    else:
        for _, outcome in batch:
            _add_written(outcome, written[outcome.key], result)
    for _, outcome in batch:
        why = _UNDONE.get(result.states.get(outcome.key, WRITTEN))
        if why and outcome.is_decided and outcome.key not in result.undone:
            result.undone[outcome.key] = why
            if (before := outcome_before_decision(outcome)) is not None:
                result.replaced[outcome.key] = before
    return result


def record_in_journal(journal: OutcomeJournal, result: TableWriteResult) -> None:
    """Store the result. If the process is killed before or within, the next run ends the same."""
    journal.replace_outcomes(list(result.replaced.values()))
    journal.mark_written(result.states)


def write_all(
    journal: OutcomeJournal, target: TableTarget, skip: Mapping[str, str]
) -> TableWriteResult:
    """Write every unwritten outcome but those of `skip`, which the result lists as unwritten."""
    total = TableWriteResult(unwritten=dict(skip))
    while waiting := journal.next_unwritten(BATCH_ROWS, list(total.unwritten)):
        if total.is_blocked:
            detail = total.table_error or next(iter(total.unwritten.values()))
            total.unwritten |= dict.fromkeys((outcome.key for _, outcome in waiting), detail)
            continue
        result = write_batch(target, waiting)
        record_in_journal(journal, result)
        total.add(result)
    return total


def write_in_savepoint(
    connection: Connection, target: TableTarget, row: Row, outcome: Outcome
) -> tuple[Outcome, int]:
    """Write an outcome in a transaction of the caller, which a refused row does not end.

    Returns it, or the one that replaces it, with WRITTEN, KEPT or GONE. Raises SQLAlchemy's errors
    that are not about the row.
    """
    from sqlalchemy.exc import StatementError

    try:
        with connection.begin_nested():
            written = target.write_in(connection, [(row, outcome)])[outcome.key]
            return _stored_outcome(outcome, written), written.state
    except RowRefused as error:
        replacement = outcome_after_refusal(outcome, str(error))
    except (StatementError, ValueError) as error:
        if not is_row_refused(error):
            raise
        replacement = outcome_after_refusal(outcome, error_text(error))
    if replacement is None:
        return outcome, WRITTEN
    return write_in_savepoint(connection, target, row, replacement)


def _stored_outcome(outcome: Outcome, written: RowWrite) -> Outcome:
    """The outcome with the alt text as the table has it."""
    if written.stored_alt is None:
        return outcome
    return replace(outcome, alt=written.stored_alt)


def _add_written(outcome: Outcome, written: RowWrite, result: TableWriteResult) -> None:
    result.states[outcome.key] = written.state
    if written.stored_alt is not None:
        result.replaced[outcome.key] = _stored_outcome(outcome, written)


def _after_error(
    target: TableTarget, batch: Sequence[RowOutcome], error: Exception, result: TableWriteResult
) -> None:
    scope, detail = error_scope(error), error_text(error)
    if scope is ErrorScope.ROW:
        _after_refused_row(target, batch, detail, result)
        return
    is_lost = bool(getattr(error, "connection_invalidated", False))
    if scope is ErrorScope.MOMENT and len(batch) > 1 and not (is_lost or target.has_table_locks):
        # One row is locked; the others need not wait for it.
        _write_one_by_one(target, batch, result)
        result.locked_batches = int(not (result.states or result.replaced))
        return
    result.unwritten |= dict.fromkeys((outcome.key for _, outcome in batch), detail)
    result.table_error = detail if scope is ErrorScope.TABLE else ""
    if is_lost or target.has_table_locks:
        result.locked_batches = _MAX_LOCKED_BATCHES


def _after_refused_row(
    target: TableTarget, batch: Sequence[RowOutcome], detail: str, result: TableWriteResult
) -> None:
    if len(batch) == 1:
        _replace_refused(batch[0][1], detail, result)
    else:
        _write_one_by_one(target, batch, result)


def _write_one_by_one(
    target: TableTarget, batch: Sequence[RowOutcome], result: TableWriteResult
) -> None:
    locked_rows = 0
    for number, each in enumerate(batch):
        one = write_batch(target, [each], lock_wait_s=0.0)
        result.add(one)
        locked_rows = locked_rows + 1 if one.unwritten else 0
        is_waiting_long = locked_rows >= _MAX_LOCKED_ROWS and not target.can_skip_locks
        if is_waiting_long or result.is_blocked:
            rest = (outcome.key for _, outcome in batch[number + 1 :])
            result.unwritten |= dict.fromkeys(rest, next(iter(one.unwritten.values())))
            return


def _replace_refused(outcome: Outcome, detail: str, result: TableWriteResult) -> None:
    replacement = outcome_after_refusal(outcome, detail)
    if replacement is None:
        result.states[outcome.key] = WRITTEN
        return
    result.replaced[outcome.key] = replacement
    if outcome.is_decided:
        result.undone[outcome.key] = f"the table does not take it ({detail})"
