"""Changed hold rules: what earlier runs have answered is decided by the rules of this run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from altwright.backfill.journal.journal import Journal
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.types import HELD_PREFIX, AltSource, Outcome

_NOTE = "hold_rules"
_BATCH_ROWS = 200


def apply_changed_rules(journal: Journal, rules: OutcomeRules, *, is_table: bool) -> int:
    """Decide again about rows that other hold rules held or let pass; nothing is requested.

    What a person decided stays. Returns how many texts a table has already that these rules would
    hold: they stay, because somebody may have read them.
    """
    given = json.dumps(asdict(rules.hold_rules), sort_keys=True)
    if journal.read_note(_NOTE) == given:
        return 0
    written = 0
    changed: list[Outcome] = []
    for old, new in _changed_outcomes(journal, rules):
        if is_table and new.is_held and not journal.find_unwritten([old.key]):
            written += not old.is_held
            continue
        changed.append(new)
        if len(changed) == _BATCH_ROWS:
            journal.replace_outcomes(changed)
            changed.clear()
    journal.replace_outcomes(changed)
    journal.set_note(_NOTE, given)
    return written


def _changed_outcomes(journal: Journal, rules: OutcomeRules) -> Iterator[tuple[Outcome, Outcome]]:
    states = (AltSource.AI, AltSource.DECORATIVE, AltSource.UNCERTAIN)
    for row, old in journal.iter_outcomes(*states):
        # What a target refused is held for another reason than the rules.
        is_refused = any(each.startswith(f"{HELD_PREFIX}the ") for each in old.reasons)
        if old.is_decided or is_refused:
            continue
        new = rules.decide(row, old.result)
        if new.is_held != old.is_held or (new.is_held and new.reasons != old.reasons):
            yield old, new
