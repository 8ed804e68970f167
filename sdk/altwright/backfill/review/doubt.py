"""Doubt: what a person should look at first on the review page."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from altwright.backfill.rules.outcome_rules import CONTRADICTIONS
from altwright.backfill.types import AltSource, Outcome


class Doubt(IntEnum):
    """How doubtful an outcome is; the order of the page."""

    CONTRADICTED = 0
    """The picture contradicts a claim of one of its texts."""
    WAITING = 1
    """Nothing is written: a rule holds the text, the model was uncertain, or drafts broke rules."""
    WARNED = 2
    """A text that is written breaks a soft rule."""
    NONE = 3
    FAILED = 4
    """There is no text to doubt."""


def doubt_of(outcome: Outcome) -> Doubt:
    """How doubtful an outcome is. What a person decided is not doubtful."""
    if outcome.is_decided:
        return Doubt.NONE
    if outcome.alt_source is AltSource.FAILED:
        return Doubt.FAILED
    if any(code in CONTRADICTIONS for code in _codes(outcome)):
        return Doubt.CONTRADICTED
    if outcome.alt_source in (AltSource.UNCERTAIN, AltSource.REJECTED):
        return Doubt.WAITING
    has_warnings = outcome.warnings or any(text.warnings for text in outcome.result.texts)
    return Doubt.WARNED if has_warnings else Doubt.NONE


def count_contradicted(outcome: Outcome) -> int:
    """How many claims of its texts the picture contradicts."""
    return sum(
        check.verdict == "contradicted" for text in outcome.result.texts for check in text.checks
    )


def _codes(outcome: Outcome) -> Iterator[str]:
    yield from outcome.warnings
    for text in outcome.result.texts:
        yield from text.warnings
        # A rejected draft's reason is a code, or a code with what was seen.
        yield from (reason.partition(":")[0] for reason in text.reasons)
