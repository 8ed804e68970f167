"""Applies decisions: stores them in the journal, then writes the table or the file. Repeatable."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.decisions import (
    Decision,
    DecisionsFile,
    find_conflict,
    is_already_applied,
    outcome_from_decision,
    shows_other_picture,
)
from altwright.backfill.rules.outcome_rules import outcome_before_decision
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import KEPT, WRITTEN, RunIdentity
from altwright.backfill.targets import journaled_writes
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import Outcome, Row

_AT_THE_SAME_TIME = "somebody else decided about it, or a run changed it, at the same time"
_KEPT_TEXTS = "somebody has filled or changed"


class DecisionJournal(journaled_writes.OutcomeJournal, Protocol):
    """The part of a journal that is needed to apply decisions."""

    @property
    def identity(self) -> RunIdentity:
        """The run that the journal belongs to."""

    def find_outcome(self, key: str) -> tuple[Row, Outcome] | None:
        """The outcome of one row; None if it has none."""

    def find_unwritten(self, keys: Sequence[str]) -> set[str]:
        """Those of the rows whose outcome the target may not have yet."""


@dataclass(slots=True)
class ApplyResult:
    """What became of a decisions file; every row is in one of these but `partly`."""

    applied: dict[str, str] = field(default_factory=dict)
    """Key to the kind of the decision that is now in effect."""
    applied_before: int = 0
    """Decisions that an earlier command applied."""
    partly: dict[str, str] = field(default_factory=dict)
    """Key to which texts of a decision, applied in the rest, were not written, and why."""
    not_applied: dict[str, str] = field(default_factory=dict)
    """Key to why a decision was not applied."""
    unwritten: dict[str, str] = field(default_factory=dict)
    """Key to the database's error; the same command tries these rows again."""

    def add_partly(self, key: str, why: str) -> None:
        """Add why a part of a decision was not applied."""
        self.partly[key] = "; ".join(filter(None, (self.partly.get(key), why)))


@dataclass(frozen=True, slots=True)
class ApplyPlan:
    """The decisions that can be applied."""

    result: ApplyResult
    decided: dict[str, Outcome]
    """Key to the outcome that the decision makes."""
    applied_before: dict[str, Outcome]
    """Key to the outcome that an earlier command made of the same decision."""


def plan_decisions(
    journal: DecisionJournal, decisions_file: DecisionsFile, unwritten: Collection[str] = ()
) -> ApplyPlan:
    """Find out what would be done; changes nothing.

    Of two decisions about a row the later one counts. `unwritten` are the keys of rows whose
    outcome could not be written to the target.
    """
    plan = ApplyPlan(ApplyResult(), {}, {})
    pairs = RunConfig.from_identity(journal.identity).caption_options.pairs
    decisions = {each.key: each for each in decisions_file.decisions}
    missing_in_target = journal.find_unwritten(list(decisions))
    for key, decision in decisions.items():
        found = journal.find_outcome(key)
        if found is None:
            plan.result.not_applied[key] = "the journal has no such row"
            continue
        known, unknown = _split_edits(decision, pairs)
        if unknown:
            plan.result.add_partly(key, f"the run has no text {', '.join(unknown)}")
        row, current = found
        reviewer = decision.reviewer or decisions_file.reviewer
        is_written = key not in unwritten
        decided = outcome_from_decision(row, current, known, reviewer, is_written=is_written)
        if is_already_applied(current, decided):
            plan.applied_before[key] = current
            if key in missing_in_target and is_written:
                plan.result.applied[key] = decision.kind
            else:
                plan.result.applied_before += is_written
        elif shows_other_picture(row, current, known):
            plan.result.not_applied[key] = "its picture has changed since the page was made"
            plan.result.partly.pop(key, None)
        elif conflict := find_conflict(current, known, reviewer):
            plan.result.not_applied[key] = conflict
            plan.result.partly.pop(key, None)
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
    for key in journal.replace_outcomes(list(plan.decided.values())):
        del plan.decided[key], plan.result.applied[key]
        plan.result.not_applied[key] = _AT_THE_SAME_TIME
    written = journaled_writes.write_all(journal, table, unwritten)
    result = plan.result
    result.not_applied |= {key: why for key, why in written.undone.items() if key in plan.decided}
    result.unwritten |= written.unwritten
    for key in (*result.not_applied, *result.unwritten):
        result.applied.pop(key, None)
    found = (journal.find_outcome(key) for key in (*plan.applied_before, *plan.decided))
    kept = table.find_kept_texts([each for each in found if each is not None])
    _tell_kept_texts(journal, plan, kept, table.text_fields())
    return result


def apply_to_file(
    journal: Journal, decisions_file: DecisionsFile, target: FileTarget
) -> ApplyResult:
    """Store in the journal, then write the file again from its source.

    Raises OSError and SourceError; the file stays as it was, and the same command tries again.
    """
    plan = plan_decisions(journal, decisions_file)
    journal.replace_outcomes(list(plan.decided.values()))
    wanted = {**plan.applied_before, **plan.decided}
    left_out = target.write(journal, wanted)
    before = (outcome_before_decision(wanted[key]) for key in left_out)
    journal.replace_outcomes([outcome for outcome in before if outcome is not None])
    journal.mark_written(dict.fromkeys(left_out, KEPT))
    for key, why in left_out.items():
        plan.result.not_applied[key] = why
        if plan.result.applied.pop(key, None) is None:
            plan.result.applied_before -= 1
    kept = {key: each for key, each in target.kept_texts.items() if key in wanted}
    _tell_kept_texts(journal, plan, kept, target.text_fields())
    return plan.result


def _split_edits(
    decision: Decision, pairs: Sequence[tuple[str, str]]
) -> tuple[Decision, list[str]]:
    """The decision with edits of the run's further texts only, and names of the other ones."""
    known = [each for each in decision.edits if (each[0], each[1]) in pairs[1:]]
    unknown = [f"{style} {locale}" for style, locale, _ in decision.edits
               if (style, locale) not in pairs[1:]]  # fmt: skip
    return replace(decision, edits=tuple(known)), unknown


def _tell_kept_texts(
    journal: DecisionJournal,
    plan: ApplyPlan,
    kept: Mapping[str, Sequence[str]],
    text_fields: Mapping[tuple[str, str], str],
) -> None:
    """Add the further texts that are not as decided, and take them out of the journal.

    Then the next command tries them again, and tells it again.
    """
    changed: list[Outcome] = []
    for key, fields in kept.items():
        found = journal.find_outcome(key)
        if found is None or key in plan.result.not_applied or key in plan.result.unwritten:
            continue
        plan.result.add_partly(key, f"{_KEPT_TEXTS} {', '.join(fields)}: theirs is kept")
        pairs = {pair for pair, name in text_fields.items() if name in fields}
        changed.append(replace(found[1], edits=_without(found[1].edits, pairs)))
    if changed:
        journal.replace_outcomes(changed)
        journal.mark_written({each.key: WRITTEN for each in changed})


def _without(
    edits: Iterable[tuple[str, str, str, str]], pairs: Collection[tuple[str, str]]
) -> tuple[tuple[str, str, str, str], ...]:
    return tuple(each for each in edits if (each[0], each[1]) not in pairs)
