"""Brings decisions into the journal, and from there into the table or the file. Repeatable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from altwright.backfill.decisions import Decisions, is_made, objection, outcome_of
from altwright.backfill.rows import Outcome, Row
from altwright.backfill.standing import KEPT
from altwright.backfill.targets.table import BATCH, TableTarget


class Memory(Protocol):
    """What of a journal is needed here."""

    def outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """One row's; None where it has none."""

    def decide(self, outcomes: Sequence[Outcome]) -> None:
        """Decisions in place of what there was; they wait to be written."""

    def unwritten(self, limit: int, skip: Iterable[str] = ()) -> list[tuple[Row, Outcome]]:
        """The next outcomes that the target does not have."""

    def mark(self, written: Mapping[str, int]) -> None:
        """What became of them."""


@dataclass(slots=True)
class Applied:
    """What came of a decisions file; every row is in one of these."""

    made: dict[str, str] = field(default_factory=dict)
    """Key to the kind of a decision that counts now."""
    before: int = 0
    """Applied by an earlier run."""
    left: dict[str, str] = field(default_factory=dict)
    """Key to why a decision was not applied."""
    waiting: dict[str, str] = field(default_factory=dict)
    """Key to what the database said; the same command tries these again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Decisions that count, with what stood there before them."""

    applied: Applied
    decided: dict[str, Outcome]
    previous: dict[str, Outcome]


def plan(memory: Memory, decisions: Decisions) -> Plan:
    """What would be done; changes nothing. Of two decisions about a row the later one counts."""
    made = Plan(Applied(), {}, {})
    for key, each in {each.key: each for each in decisions.decisions}.items():
        found = memory.outcome(key)
        if found is None:
            made.applied.left[key] = "the journal has no such row"
            continue
        row, current = found
        decided = outcome_of(row, current, each, decisions.reviewer)
        if is_made(current, decided):
            made.applied.before += 1
        elif why := objection(current, each, decisions.reviewer):
            made.applied.left[key] = why
        else:
            made.applied.made[key] = each.kind
            made.decided[key] = decided
            made.previous[key] = current
    return made


def apply_to_table(memory: Memory, made: Plan, table: TableTarget) -> Applied:
    """Into the journal, then into the table, wherever the row still has what was looked at.

    Whatever else waits to be written is written by the way. A kill in between loses nothing: the
    next run of any command that writes goes on.
    """
    memory.decide(list(made.decided.values()))
    applied = made.applied
    while True:
        found = memory.unwritten(BATCH, list(applied.waiting))
        batch = [outcome for _, outcome in found]
        if not batch:
            break
        told = _written(table, batch, applied)
        kept = [key for key, what in told.items() if what == KEPT and key in made.previous]
        for key in kept:
            applied.left[key] = "somebody changed it in the table meanwhile: theirs stays"
        # The journal must not say that a decision holds which the table does not have.
        memory.decide([made.previous[key] for key in kept])
        memory.mark(told)
    for key in (*applied.left, *applied.waiting):
        applied.made.pop(key, None)
    return applied


def _written(table: TableTarget, batch: Sequence[Outcome], applied: Applied) -> dict[str, int]:
    from sqlalchemy.exc import DBAPIError

    from altwright.backfill.database import said

    try:
        return table.write(batch)
    except DBAPIError as error:
        if len(batch) == 1:
            applied.waiting[batch[0].key] = said(error)
            return {}
    told: dict[str, int] = {}
    for each in batch:
        told |= _written(table, [each], applied)
    return told
