"""Audit fields: what a target gets for an outcome besides the alt text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.types import AltSource, Outcome

_SEPARATOR = "; "
"""Between reasons."""
AMBIGUOUS_FIELDS = ("alt_locale", "alt_model", "reasons", "search_text")
"""Audit fields whose names a catalogue may use for something else: a column of such a name is ours
only if a mark, a journal or the user says so, whatever is in it."""

ROLE_FIELDS = ("alt", "alt_source")
"""Audit fields whose column a run reads as well; it is shown before anything runs."""


def audit_field_names(options: CaptionOptions) -> list[str]:
    """Every audit field of a run, in the order of a new file's columns."""
    further = [name for name in options.text_fields().values() if name != "alt"]
    return [
        "alt", "alt_source", "alt_locale", "alt_model", "alt_reviewed_at",
        *further, "reasons", "search_text",
    ]  # fmt: skip


def note_on_shared_columns(name: str, columns: Mapping[str, str]) -> str:
    """What a user is told before a run that fills blank cells in columns of their own.

    `columns` are audit fields and their columns in the table or file of that name.
    """
    field, column = next(iter(columns.items()))
    listed = ", ".join(columns.values())
    return (
        f"{name} has {listed} already: blank cells of the rows that get a text are filled, and "
        f"what somebody wrote stays. If it is for something else: --column {field}= leaves "
        f"{column} alone"
    )


def audit_values(outcome: Outcome, options: CaptionOptions) -> dict[str, str]:
    """Field to text. If no text may be written, only `alt_source` and `reasons` have a value."""
    values = dict.fromkeys(audit_field_names(options), "")
    values["alt_source"] = outcome.alt_source.value
    values["reasons"] = _SEPARATOR.join(outcome.reasons)
    values["alt_reviewed_at"] = outcome.alt_reviewed_at
    if not is_writable(outcome):
        return values
    values |= dict(_text_values(outcome, options))
    return values | {
        "alt": outcome.alt,
        "alt_locale": outcome.alt_locale,
        "alt_model": outcome.alt_model,
        "search_text": outcome.search_text,
    }


def is_writable(outcome: Outcome) -> bool:
    """Whether its text may be written: a person's, or a model's that nothing holds back."""
    return outcome.alt_source in (
        AltSource.AI, AltSource.DECORATIVE, AltSource.HUMAN, AltSource.HUMAN_EDITED_AI
    )  # fmt: skip


def clears_further_texts(outcome: Outcome) -> bool:
    """Whether a person decided that the image has no text: the machine's further texts go too."""
    return outcome.is_decided and outcome.alt_source in (AltSource.REJECTED, AltSource.DECORATIVE)


def _text_values(outcome: Outcome, options: CaptionOptions) -> Iterator[tuple[str, str]]:
    fields = options.text_fields()
    is_marked_decorative = outcome.is_decided and outcome.alt_source is AltSource.DECORATIVE
    for pair, text in outcome.texts.items():
        if pair in fields:
            yield fields[pair], "" if is_marked_decorative else text
