"""The audit fields of a row: what a target is given for an outcome."""

from __future__ import annotations

from collections.abc import Iterator

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.types import AltSource, Outcome

SEPARATOR = "; "
"""Between reasons, and between warnings."""


def audit_field_names(asked: CaptionOptions) -> list[str]:
    """Every audit field of a run, in the order of a file's columns."""
    texts = list(asked.fields().values())
    return [
        "alt", "alt_source", "alt_locale", "alt_model", "alt_reviewed_at",
        *(name for name in texts if name != "alt"), "reasons", "search_text",
    ]  # fmt: skip


def audit_values(outcome: Outcome, asked: CaptionOptions) -> dict[str, str]:
    """Field to text. Where nothing may be written, only who must act and why has one."""
    found = dict.fromkeys(audit_field_names(asked), "")
    found["alt_source"] = outcome.alt_source.value
    found["reasons"] = SEPARATOR.join(outcome.reasons)
    found["alt_reviewed_at"] = outcome.alt_reviewed_at
    if not is_writable(outcome):
        return found
    found |= dict(_texts(outcome, asked))
    return found | {
        "alt": outcome.alt,
        "alt_locale": outcome.alt_locale,
        "alt_model": outcome.alt_model,
        "search_text": outcome.search_text,
    }


def is_writable(outcome: Outcome) -> bool:
    """Whether its text may stand in a target: a model's that nothing holds back, or a person's."""
    return outcome.alt_source in (
        AltSource.AI, AltSource.DECORATIVE, AltSource.HUMAN, AltSource.HUMAN_EDITED_AI
    )  # fmt: skip


def _texts(outcome: Outcome, asked: CaptionOptions) -> Iterator[tuple[str, str]]:
    fields = asked.fields()
    is_blank = outcome.is_decided and outcome.alt_source is AltSource.DECORATIVE
    for pair, text in outcome.texts.items():
        if pair in fields:
            yield fields[pair], "" if is_blank and pair[0] == asked.styles[0] else text
    if "seo" in asked.styles[1:]:
        yield "seo", outcome.seo
