"""Decided rows: what a person decided stands until the row shows another picture.

Then the text is not dropped and not written: it is held, and a person is asked.
"""

from __future__ import annotations

from altwright.backfill.journal.serialization import outcome_to_json
from altwright.backfill.types import HELD_PREFIX, AltSource, Outcome, RequestResult, Row

_OTHER_PICTURE = "the row shows another picture than the one that a person decided about"
AMBIGUOUS = (
    "several rows show this picture and their other cells have changed: is this text this row's?"
)
"""Why a decision of a row without a key is held."""


def keeps_decision(outcome: Outcome | None, stored: Row, found: Row) -> bool:
    """Whether a decision about `stored` holds for the row as the source has it now."""
    return outcome is not None and outcome.is_decided and stored.shows_same_picture(found)


def hold_decision(outcome: Outcome, reason: str = _OTHER_PICTURE) -> Outcome:
    """The outcome in place of a decision that a person must confirm; its text is the draft."""
    return Outcome(
        outcome.key,
        AltSource.UNCERTAIN,
        RequestResult(),
        reasons=(f"{HELD_PREFIX}{reason}",),
        draft=outcome.alt,
        previous=outcome_to_json(outcome),
    )
