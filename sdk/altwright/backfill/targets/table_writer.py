"""Outcomes into a table, and what each of them comes to: for a run, a queue's end, and `apply`.

A row that the table refuses, that somebody holds or that somebody changed stops no other row. The
journal never says that a decision holds which the table does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from altwright.backfill.database import error_text, is_permanent_refusal
from altwright.backfill.rules.outcome_rules import outcome_after_refusal, outcome_before_decision
from altwright.backfill.run_state import KEPT, WRITTEN
from altwright.backfill.targets.table import BATCH, TableTarget
from altwright.backfill.types import Outcome, Row

_MANY = 3
"""So many rows in a row that somebody holds: it is the whole table, and each costs a long wait."""
_CHANGED = "somebody changed it in the table meanwhile: theirs stays"


class OutcomeJournal(Protocol):
    """What of a journal is needed here."""

    def decide(self, outcomes: Iterable[Outcome]) -> None:
        """Outcomes in place of what there was; they wait to be written."""

    def unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[tuple[Row, Outcome]]:
        """The next outcomes that the target does not have."""

    def mark(self, written: Mapping[str, int]) -> None:
        """What became of them."""


@dataclass(slots=True)
class TableWriteResult:
    """What came of some outcomes; each key is in `told`, in `instead` or in `stuck`."""

    told: dict[str, int] = field(default_factory=dict)
    """Key to WRITTEN or KEPT."""
    instead: dict[str, Outcome] = field(default_factory=dict)
    """Key to what the journal has to say in place of an outcome that does not hold."""
    lost: dict[str, str] = field(default_factory=dict)
    """Key to why a person's decision does not hold."""
    stuck: dict[str, str] = field(default_factory=dict)
    """Key to what the database said; later it may take it."""


def write_batch(target: TableTarget, batch: Sequence[Outcome]) -> TableWriteResult:
    """Into the table alone; `keep` brings what came of it into the journal."""
    from sqlalchemy.exc import DBAPIError

    found = TableWriteResult()
    try:
        found.told |= target.write(batch)
    except DBAPIError as error:
        words = error_text(error)
        if is_permanent_refusal(error):
            if len(batch) == 1:
                _refused(batch[0], words, found)
            else:
                _one_by_one(target, batch, found)
        elif len(batch) == 1 or error.connection_invalidated or target.locks_as_a_whole:
            found.stuck |= dict.fromkeys((each.key for each in batch), words)
        else:
            # One row is held by somebody; the others need not wait for it.
            _one_by_one(target, batch, found)
    for each in batch:
        if found.told.get(each.key) == KEPT and each.is_decided and each.key not in found.lost:
            found.lost[each.key] = _CHANGED
            if (before := outcome_before_decision(each)) is not None:
                found.instead[each.key] = before
    return found


def record_in_journal(memory: OutcomeJournal, found: TableWriteResult) -> None:
    """What came of it. A kill before or within leads to the same table, and then to the same."""
    memory.decide(list(found.instead.values()))
    memory.mark(found.told)


def write_all(
    memory: OutcomeJournal, target: TableTarget, stuck: Mapping[str, str]
) -> TableWriteResult:
    """Everything that waits to be written, but for rows that are stuck: these it hands on."""
    whole = TableWriteResult(stuck=dict(stuck))
    while waiting := memory.unwritten(BATCH, list(whole.stuck)):
        found = write_batch(target, [outcome for _, outcome in waiting])
        record_in_journal(memory, found)
        whole.told |= found.told
        whole.lost |= found.lost
        whole.stuck |= found.stuck
    return whole


def _one_by_one(target: TableTarget, batch: Sequence[Outcome], found: TableWriteResult) -> None:
    held_in_a_row = 0
    for number, each in enumerate(batch):
        one = write_batch(target, [each])
        found.told |= one.told
        found.instead |= one.instead
        found.lost |= one.lost
        found.stuck |= one.stuck
        held_in_a_row = held_in_a_row + 1 if one.stuck else 0
        if held_in_a_row == _MANY:
            rest = (later.key for later in batch[number + 1 :])
            found.stuck |= dict.fromkeys(rest, one.stuck[each.key])
            return


def _refused(outcome: Outcome, words: str, found: TableWriteResult) -> None:
    instead = outcome_after_refusal(outcome, words)
    if instead is None:
        found.told[outcome.key] = WRITTEN
        return
    found.instead[outcome.key] = instead
    if outcome.is_decided:
        found.lost[outcome.key] = f"the table does not take it ({words})"
