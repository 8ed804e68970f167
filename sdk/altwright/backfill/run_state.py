"""What a journal is for, what it asks, where a run stands: the same for every kind of journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from altwright.backfill.types import AltSource, Outcome, RequestResult, Row

NOT_WRITTEN, WRITTEN, KEPT = 0, 1, 2
"""What became of an outcome in the target; kept: a person had filled the row meanwhile."""

DecideOutcome = Callable[[Row, RequestResult], Outcome]


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What a journal is for: it is not used for anything else. No password stands in it."""

    source: str
    target: str
    settings: Mapping[str, object]
    """Columns, styles, locales, rules: what changes the answers or where they go."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """One call to make, for one row or for several that would ask the same."""

    ask: str
    row: Row
    rows: int
    answer: RequestResult | None
    """What an earlier try brought: texts in it are paid for and not asked again."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Where a run stands."""

    by_state: Mapping[AltSource, int]
    held: int
    written: int
    kept: int
    """Filled by a person before the answer could be written: theirs stayed."""
    asks: int
    """Different pictures in different contexts."""
    answered: int
    attempts: int
    input_tokens: int
    output_tokens: int

    @property
    def rows(self) -> int:
        """All that were blank when they were seen."""
        return sum(self.by_state.values())


@dataclass(frozen=True, slots=True)
class DuplicateCounts:
    """Rows that wait for an answer, and what of them is the same."""

    rows: int
    asks: int
    """Calls to make: pictures in different contexts."""
    pictures: int
    """Different pictures, as far as URLs and local files tell."""
    same_bytes: int
    """Questions that are saved because two local files hold the same picture."""
    answered_twice: int
    """Of the answers that there are: those whose picture, by its bytes, another one has."""


def describe_difference(ours: RunIdentity, theirs: RunIdentity) -> str:
    """Why a journal of one is not a journal of the other; empty: it is."""
    if ours.source != theirs.source:
        return f"its source is {ours.source}"
    if ours.target != theirs.target:
        return f"its target is {ours.target}"
    now = json.loads(json.dumps(theirs.settings))
    names = sorted({*ours.settings, *now})
    changed = [name for name in names if ours.settings.get(name) != now.get(name)]
    return f"with other {', '.join(changed)}" if changed else ""
