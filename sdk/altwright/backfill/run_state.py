"""Run identity, pending requests and counts: what every kind of journal stores about a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from altwright.backfill.recorded_columns import (
    CHOSEN,
    COLUMNS,
    SOURCE_COLUMNS,
    describe_moved_column,
    without_recorded_roles,
)
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row

WRITTEN, KEPT, GONE = 1, 2, 3
"""Whether the target has an outcome (0: not yet). KEPT: a person had filled the row first, or it
shows another image. GONE: no row has the key any more."""

DecideOutcome = Callable[[Row, RequestResult], Outcome]
"""Turns a result into the outcome of a row; see `rules.outcome_rules`."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What a journal belongs to. It is not used for another run. Holds no password."""

    source: str
    target: str
    settings: Mapping[str, object]
    """Columns, styles, locales, hold rules: what changes the results or where they go."""


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """One request to make, for one row or for several rows that would send the same."""

    request_key: str
    row: Row
    row_count: int
    earlier_result: RequestResult | None
    """What an earlier attempt brought. Texts in it are paid for and are not requested again."""


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Rows by state, requests and tokens of a run, earlier processes included."""

    by_state: Mapping[AltSource, int]
    held: int
    written: int
    kept: int
    """Rows that a person filled before the outcome could be written."""
    gone: int
    """Rows whose key the table had no more when the outcome was to be written; in no state."""
    results: int
    attempts: int
    input_tokens: int
    output_tokens: int
    reviewed: int = 0
    """Of the rows with `ai`: texts that a person approved as they stand."""


@dataclass(frozen=True, slots=True)
class DuplicateCounts:
    """Rows that wait for a result, and how many of them repeat each other."""

    rows: int
    requests: int
    """Requests to make: image and context."""
    images: int
    """Distinct images, as far as URLs and local files tell."""
    same_bytes: int
    """Requests saved because two local files hold the same bytes."""
    answered_twice: int
    """Results whose image has the bytes of another result's image."""


def describe_difference(stored: RunIdentity, given: RunIdentity) -> str:
    """How a stored run differs from the given one, for error messages; empty if they are equal."""
    if stored.source != given.source:
        return f"its source is {stored.source}"
    if stored.target != given.target:
        return f"its target is {stored.target}"
    settings = json.loads(json.dumps(given.settings))
    compared = {*stored.settings, *settings} - {COLUMNS, SOURCE_COLUMNS}
    if COLUMNS in stored.settings and COLUMNS in settings:  # older journals have none
        compared.discard(CHOSEN)
        if without_recorded_roles(stored.settings) != without_recorded_roles(settings):
            return f"with other {CHOSEN}"
    changed = [name for name in sorted(compared) if stored.settings.get(name) != settings.get(name)]
    if changed:
        return f"with other {', '.join(changed)}"
    return describe_moved_column(stored.settings, settings)


def without_columns(identity: RunIdentity) -> RunIdentity:
    """What stays of an identity when its columns get other names."""
    settings = {name: value for name, value in identity.settings.items()
                if name not in (COLUMNS, SOURCE_COLUMNS)}  # fmt: skip
    return replace(identity, settings=settings)


def with_columns_of(stored: RunIdentity, given: RunIdentity) -> RunIdentity:
    """The stored identity with the columns of a later command of the same run."""
    columns = {name: given.settings[name] for name in (COLUMNS, SOURCE_COLUMNS)
               if name in given.settings}  # fmt: skip
    return replace(stored, settings={**stored.settings, **columns})
