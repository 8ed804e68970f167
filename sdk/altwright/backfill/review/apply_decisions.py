"""Applies decisions: stores them in the journal, then writes the table or the file. Repeatable."""

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
from altwright.backfill.targets import journaled_writes
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import Outcome, Row


class DecisionJournal(journaled_writes.OutcomeJournal, Protocol):
    """The part of a journal that is needed to apply decisions."""

    def find_outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """The outcome of one row; None if it has none."""


@dataclass(slots=True)
class ApplyResult:
    """What became of a decisions file; every row is in one of these."""

    applied: dict[str, str] = field(default_factory=dict)
    """Key to the kind of the decision that is now in effect."""
    applied_before: int = 0
    """Decisions that an earlier command applied."""
    not_applied: dict[str, str] = field(default_factory=dict)
    """Key to why a decision was not applied."""
    unwritten: dict[str, str] = field(default_factory=dict)
    """Key to the database's error; the same command tries these rows again."""


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """The decisions that can be applied."""

    result: ApplyResult
    decided: dict[str, Outcome]
    """Key to the outcome that the decision makes."""


def plan_decisions(
    journal: DecisionJournal, decisions_file: DecisionsFile, unwritten: Container[str] = ()
) -> ApplyPlan:
    """Find out what would be done; changes nothing.

    Of two decisions about a row the later one counts. `unwritten` are the keys of rows whose
    outcome could not be written to the target.
    """
    plan = ApplyPlan(ApplyResult(), {})
    reviewer = decisions_file.reviewer
    for key, decision in {each.key: each for each in decisions_file.decisions}.items():
        found = journal.find_outcome(key)
        if found is None:
            plan.result.not_applied[key] = "the journal has no such row"
            continue
        row, current = found
        is_written = key not in unwritten
        decided = outcome_from_decision(row, current, decision, reviewer, is_written=is_written)
        if is_already_applied(current, decided):
            plan.result.applied_before += is_written
        elif conflict := find_conflict(current, decision, reviewer):
            plan.result.not_applied[key] = conflict
        else:
            plan.result.applied[key] = decision.kind
            plan.decided[key] = decided
    return plan


def apply_to_table(
    journal: DecisionJournal, decisions_file: DecisionsFile, table: TableTarget
) -> ApplyResult:
    """Store in the journal, then write each row of the table that is still as it was reviewed.

    Other unwritten outcomes are written first: a decision is about what the table has. If the
    process is killed, the next command that writes goes on.
    """
    unwritten = journaled_writes.write_all(journal, table, {}).unwritten
    plan = plan_decisions(journal, decisions_file, unwritten)
    journal.replace_outcomes(list(plan.decided.values()))
    written = journaled_writes.write_all(journal, table, unwritten)
    result = plan.result
    result.not_applied |= {key: why for key, why in written.undone.items() if key in plan.decided}
    result.unwritten |= written.unwritten
    for key in (*result.not_applied, *result.unwritten):
        result.applied.pop(key, None)
    return result


def apply_to_file(
    journal: Journal, decisions_file: DecisionsFile, target: FileTarget
) -> ApplyResult:
    """Store in the journal, then write the file again from its source.

    Raises OSError and SourceError; the file stays as it was, and the same command tries again.
    """
    plan = plan_decisions(journal, decisions_file)
    journal.replace_outcomes(list(plan.decided.values()))
    left_out = target.write(journal, plan.decided)
    before = (outcome_before_decision(plan.decided[key]) for key in left_out)
    journal.replace_outcomes([outcome for outcome in before if outcome is not None])
    journal.mark_written(dict.fromkeys(left_out, KEPT))
    for key in left_out:
        why = "its row in the source has another text or image now"
        plan.result.not_applied[key] = why
        plan.result.applied.pop(key)
    return plan.result
