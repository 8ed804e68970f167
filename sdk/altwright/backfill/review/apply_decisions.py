"""Brings decisions into the journal, and from there into the table or the file. Repeatable."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Protocol

from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.decisions import (
    DecisionsFile,
    find_conflict,
    is_already_applied,
    outcome_from_decision,
)
from altwright.backfill.rules.outcome_rules import outcome_before_decision
from altwright.backfill.run_state import KEPT
from altwright.backfill.targets import table_writer
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import Outcome, Row


class DecisionJournal(table_writer.OutcomeJournal, Protocol):
    """What of a journal is needed here."""

    def outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """One row's; None where it has none."""


@dataclass(slots=True)
class ApplyResult:
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
class ApplyPlan:
    """Decisions that count."""

    applied: ApplyResult
    decided: dict[str, Outcome]


def plan_decisions(
    memory: DecisionJournal, decisions: DecisionsFile, unwritten: Container[str] = ()
) -> ApplyPlan:
    """What would be done; changes nothing. Of two decisions about a row the later one counts.

    `unwritten` are the keys of rows whose outcome the target could not be given.
    """
    made = ApplyPlan(ApplyResult(), {})
    for key, each in {each.key: each for each in decisions.decisions}.items():
        found = memory.outcome(key)
        if found is None:
            made.applied.left[key] = "the journal has no such row"
            continue
        row, current = found
        is_written = key not in unwritten
        decided = outcome_from_decision(
            row, current, each, decisions.reviewer, is_written=is_written
        )
        if is_already_applied(current, decided):
            made.applied.before += is_written
        elif why := find_conflict(current, each, decisions.reviewer):
            made.applied.left[key] = why
        else:
            made.applied.made[key] = each.kind
            made.decided[key] = decided
    return made


def apply_to_table(
    memory: DecisionJournal, decisions: DecisionsFile, table: TableTarget
) -> ApplyResult:
    """Into the journal, then into the table, wherever the row still has what was looked at.

    Whatever else waits to be written is written first: a decision is about what the table has. A
    kill in between loses nothing: the next run of any command that writes goes on.
    """
    stuck = table_writer.write_all(memory, table, {}).stuck
    made = plan_decisions(memory, decisions, stuck)
    memory.decide(list(made.decided.values()))
    written = table_writer.write_all(memory, table, stuck)
    applied = made.applied
    applied.left |= {key: why for key, why in written.lost.items() if key in made.decided}
    applied.waiting |= written.stuck
    for key in (*applied.left, *applied.waiting):
        applied.made.pop(key, None)
    return applied


def apply_to_file(memory: Journal, decisions: DecisionsFile, target: FileTarget) -> ApplyResult:
    """Into the journal, then into the file, which is written anew from its source.

    Raises OSError and SourceBroke: the file is as it was, and the same command goes on.
    """
    made = plan_decisions(memory, decisions)
    memory.decide(list(made.decided.values()))
    left_out = target.write(memory, made.decided).left_out
    memory.decide(
        [was for key in left_out if (was := outcome_before_decision(made.decided[key])) is not None]
    )
    memory.mark(dict.fromkeys(left_out, KEPT))
    for key in left_out:
        made.applied.left[key] = "its row in the source has another text or picture by now"
        made.applied.made.pop(key)
    return made.applied
