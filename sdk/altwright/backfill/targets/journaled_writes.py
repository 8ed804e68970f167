"""Writes outcomes into a table and the results into the journal, for a run, a queue and `apply`.

A row that the table refuses, that is locked, or that someone changed does not stop other rows. The
journal never says that a decision is in effect which the table does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from altwright.backfill.database import error_text, is_permanent_refusal
from altwright.backfill.rules.outcome_rules import outcome_after_refusal, outcome_before_decision
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.targets.table import BATCH_ROWS, TableTarget
from altwright.backfill.types import Outcome, Row

_MAX_LOCKED_IN_A_ROW = 3
"""After this many locked rows the whole table is taken to be locked: each costs a long wait."""
_CHANGED = "someone changed it in the table: their text is kept"


class OutcomeJournal(Protocol):
    """The part of a journal that is needed to write outcomes."""

    def replace_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Replace outcomes of rows; they are unwritten again."""

    def next_unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[tuple[Row, Outcome]]:
        """The next outcomes that the target does not have."""

    def mark_written(self, states: Mapping[str, int]) -> None:
        """Store WRITTEN or KEPT by key."""


@dataclass(slots=True)
class TableWriteResult:
    """What became of some outcomes: each key is in `states`, `replaced` or `unwritten`."""

    states: dict[str, int] = field(default_factory=dict)
    """Key to WRITTEN or KEPT."""
    replaced: dict[str, Outcome] = field(default_factory=dict)
    """Key to the outcome that replaces one that could not take effect."""
    undone: dict[str, str] = field(default_factory=dict)
    """Key to why a person's decision did not take effect."""
    unwritten: dict[str, str] = field(default_factory=dict)
    """Key to the database's error for rows that can be written later."""

    def add(self, other: TableWriteResult) -> None:
        """Add the results of other rows."""
        self.states |= other.states
        self.replaced |= other.replaced
        self.undone |= other.undone
        self.unwritten |= other.unwritten


def write_batch(target: TableTarget, batch: Sequence[Outcome]) -> TableWriteResult:
    """Write outcomes into the table only; `record_in_journal` stores the result."""
    from sqlalchemy.exc import DBAPIError

    result = TableWriteResult()
    try:
        result.states |= target.write(batch)
    except DBAPIError as error:
        detail = error_text(error)
        if is_permanent_refusal(error):
            if len(batch) == 1:
                _replace_refused(batch[0], detail, result)
            else:
                _write_one_by_one(target, batch, result)
        elif len(batch) == 1 or error.connection_invalidated or target.has_table_locks:
            result.unwritten |= dict.fromkeys((each.key for each in batch), detail)
        else:
            # One row is locked; the others need not wait for it.
            _write_one_by_one(target, batch, result)
    for each in batch:
        is_kept = result.states.get(each.key) == KEPT
        if is_kept and each.is_decided and each.key not in result.undone:
            result.undone[each.key] = _CHANGED
            if (before := outcome_before_decision(each)) is not None:
                result.replaced[each.key] = before
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
        result = write_batch(target, [outcome for _, outcome in waiting])
        record_in_journal(journal, result)
        total.add(result)
    return total


def _write_one_by_one(
    target: TableTarget, batch: Sequence[Outcome], result: TableWriteResult
) -> None:
    locked_in_a_row = 0
    for number, each in enumerate(batch):
        one = write_batch(target, [each])
        result.add(one)
        locked_in_a_row = locked_in_a_row + 1 if one.unwritten else 0
        if locked_in_a_row == _MAX_LOCKED_IN_A_ROW:
            rest = (later.key for later in batch[number + 1 :])
            result.unwritten |= dict.fromkeys(rest, one.unwritten[each.key])
            return


def _replace_refused(outcome: Outcome, detail: str, result: TableWriteResult) -> None:
    replacement = outcome_after_refusal(outcome, detail)
    if replacement is None:
        result.states[outcome.key] = WRITTEN
        return
    result.replaced[outcome.key] = replacement
    if outcome.is_decided:
        result.undone[outcome.key] = f"the table does not take it ({detail})"
