"""What an answer means for a row: the one place that decides what may be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from altwright.backfill import audit_fields
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.journal import serialization
from altwright.backfill.rules.hold_rules import HoldRules, find_hold_reasons
from altwright.backfill.types import (
    HELD_PREFIX,
    AltSource,
    Outcome,
    RequestResult,
    Row,
    TextResult,
    build_search_text,
)

_SETTLED_CODES = {
    "caption_uncertain": AltSource.UNCERTAIN,
    "caption_refused": AltSource.REJECTED,
    "caption_rejected": AltSource.REJECTED,
}
"""The picture is there and a person should write: to ask again would be to go round in circles."""

_UNDONE = "a decision was undone: "


@dataclass(frozen=True, slots=True)
class OutcomeRules:
    """How a run judges; the same answer and row always come to the same outcome."""

    asked: CaptionOptions
    rules: HoldRules = field(default_factory=HoldRules)
    room: Mapping[str, int] = field(default_factory=dict)
    """Characters that a field's column takes; a longer text is not cut but goes to review."""

    def __call__(self, row: Row, answer: RequestResult) -> Outcome:
        """The outcome; its text may be written where `audit.is_writable` says so."""
        if answer.code or not answer.texts:
            return Outcome(row.key, AltSource.FAILED, answer, reasons=(answer.code or "no_answer",))
        first = answer.texts[0]
        reasons = tuple(_reasons(answer.texts))
        if any(is_open(text) for text in answer.texts) or (
            first.code and first.code not in _SETTLED_CODES
        ):
            return Outcome(row.key, AltSource.FAILED, answer, reasons=reasons)
        if first.code:
            source = _SETTLED_CODES[first.code]
            return Outcome(row.key, source, answer, reasons=reasons, draft=first.draft)
        outcome = self._written(row, answer, reasons)
        kept_back = tuple(f"{HELD_PREFIX}{reason}" for reason in self._held(row, outcome))
        if not kept_back:
            return outcome
        return Outcome(
            row.key,
            AltSource.UNCERTAIN,
            answer,
            reasons=(*kept_back, *reasons),
            warnings=outcome.warnings,
            draft=first.text,
        )

    def _written(self, row: Row, answer: RequestResult, reasons: tuple[str, ...]) -> Outcome:
        first = answer.texts[0]
        seo = next((t.text for t in answer.texts if t.style == "seo" and not t.code), "")
        return Outcome(
            row.key,
            AltSource.DECORATIVE if first.decorative else AltSource.AI,
            answer,
            alt="" if first.decorative else first.text,
            alt_locale=first.locale,
            alt_model=first.model,
            seo=seo,
            reasons=reasons,
            warnings=first.warnings,
            search_text=build_search_text(first.text, row.tags, row.file_name),
        )

    def _held(self, row: Row, outcome: Outcome) -> list[str]:
        found = list(find_hold_reasons(row, outcome.texts, self.rules))
        fields = self.asked.fields()
        for pair, text in outcome.texts.items():
            name = fields.get(pair, "")
            if name in self.room and len(text) > self.room[name]:
                found.append(
                    f"{len(text)} characters, and the column of {name} takes {self.room[name]}"
                )
        return found


def outcome_after_refusal(outcome: Outcome, words: str) -> Outcome | None:
    """What stands in place of an outcome that the table will never take, as its database says.

    A model's text goes to a person. A decision is undone: the table has what was there before it,
    and the review shows why. None: there is no text in it, and the table has no word for the state
    (an enumeration without `failed`), which stays in the journal alone.
    """
    if outcome.is_decided and (before := outcome_before_decision(outcome)) is not None:
        others = (each for each in before.reasons if not each.startswith(_UNDONE))
        return replace(before, reasons=(f"{_UNDONE}the table does not take it ({words})", *others))
    if not audit_fields.is_writable(outcome) and not outcome.is_decided:
        return None
    return replace(
        outcome,
        alt_source=AltSource.UNCERTAIN,
        alt="",
        seo="",
        alt_reviewed_at="",
        draft=outcome.alt,
        reasons=(f"{HELD_PREFIX}the table does not take it ({words})", *outcome.reasons),
    )


def outcome_before_decision(outcome: Outcome) -> Outcome | None:
    """What a decision took the place of; None where nobody knows."""
    if not outcome.previous:
        return None
    return replace(serialization.outcome_from_json(outcome.previous), answer=outcome.answer)


def is_open(text: TextResult) -> bool:
    """Whether it failed in a way that may pass: the next run asks for it again."""
    return bool(text.code) and text.retryable


def _reasons(texts: tuple[TextResult, ...]) -> list[str]:
    found = []
    for number, text in enumerate(texts):
        where = f"{text.style} {text.locale}: " if number else ""
        if text.code:
            found.append(where + text.code)
        found += [where + reason for reason in text.reasons]
    return found
