"""Outcome rules: what a result means for a row, and what may be written. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from altwright.backfill.audit_fields import is_writable
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.journal.serialization import outcome_from_json
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

_FINAL_CODES = {
    "caption_uncertain": AltSource.UNCERTAIN,
    "caption_refused": AltSource.REJECTED,
    "caption_rejected": AltSource.REJECTED,
}
"""Problems after which a person should write the text; another request would end the same way."""
_GENERIC = "generic: it says nothing that tells this picture from others"
CONTRADICTIONS = {
    "text_not_in_picture": "the picture has other text than it quotes",
    "colour_not_in_picture": "the picture lacks a colour that it names",
    "subject_disputed": "the picture shows something else",
}
"""Warnings of a server that holds captions against their picture, and what they say."""
_KINDS = {
    "text_not_in_picture": "text",
    "colour_not_in_picture": "colour",
    "subject_disputed": "subject",
}
_SHOWN_CLAIMS, _SHOWN_CHARS = 3, 60
_UNDONE_PREFIX = "a decision was undone: "


@dataclass(frozen=True, slots=True)
class OutcomeRules:
    """How a run decides about results. The same row and result always give the same outcome."""

    options: CaptionOptions
    hold_rules: HoldRules = field(default_factory=HoldRules)
    max_chars: Mapping[str, int] = field(default_factory=dict)
    """Characters that an audit field's column takes. A longer text is not cut but held."""
    encoding: str = ""
    """The codec of a target file. A text with a character that it lacks is held."""

    def decide(self, row: Row, result: RequestResult) -> Outcome:
        """The outcome of a row. Its text may be written if `is_writable` says so."""
        if result.code or not result.texts:
            code = result.code or "no_answer"
            return Outcome(row.key, AltSource.FAILED, result, reasons=(code,))
        first = result.texts[0]
        reasons = tuple(_problem_reasons(result.texts))
        if any(text.is_retryable_failure for text in result.texts) or (
            first.code and first.code not in _FINAL_CODES
        ):
            return Outcome(row.key, AltSource.FAILED, result, reasons=reasons)
        if first.code:
            source = _FINAL_CODES[first.code]
            return Outcome(row.key, source, result, reasons=reasons, draft=first.draft)
        if described := _described_elsewhere(first, result.texts):
            why = f"decorative in {first.locale}, described in {', '.join(described)}"
            reasons = (why, *reasons)
            return Outcome(row.key, AltSource.UNCERTAIN, result, reasons=reasons)
        outcome = _captioned(row, result, reasons)
        hold_reasons = tuple(
            f"{HELD_PREFIX}{reason}" for reason in self._hold_reasons(row, outcome)
        )
        if not hold_reasons:
            return outcome
        return Outcome(
            row.key,
            AltSource.UNCERTAIN,
            result,
            reasons=(*hold_reasons, *reasons),
            warnings=outcome.warnings,
            draft=first.text,
        )

    def _hold_reasons(self, row: Row, outcome: Outcome) -> list[str]:
        found = list(find_hold_reasons(row, outcome.texts, self.hold_rules))
        if self.hold_rules.generic and any("generic" in t.warnings for t in outcome.result.texts):
            found.append(_GENERIC)
        found += _contradictions(outcome.result.texts)
        fields = self.options.text_fields()
        for pair, text in outcome.texts.items():
            name = fields.get(pair, "")
            if name in self.max_chars and len(text) > self.max_chars[name]:
                found.append(
                    f"{len(text)} characters, and the column of {name} takes {self.max_chars[name]}"
                )
            if missing := missing_character(text, self.encoding):
                found.append(f"the file's encoding, {self.encoding}, has no {missing!r}")
        return found


def missing_character(text: str, encoding: str) -> str:
    """The first character of a text that an encoding lacks; empty if it has all."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError as error:
        return text[error.start]
    return ""


def outcome_after_refusal(outcome: Outcome, detail: str) -> Outcome | None:
    """The outcome in place of one that the table will never accept; `detail` is its error.

    A model's text is held for review. A decision is undone: the table keeps what it had before,
    and the review shows why. None if there is no text and the column has no value for the state
    (an enumeration without `failed`): the state is stored in the journal alone.
    """
    reason = f"the table does not take it ({detail})"
    if outcome.is_decided and (before := outcome_before_decision(outcome)) is not None:
        others = (each for each in before.reasons if not each.startswith(_UNDONE_PREFIX))
        return replace(before, reasons=(f"{_UNDONE_PREFIX}{reason}", *others))
    if not is_writable(outcome) and not outcome.is_decided:
        return None
    return replace(
        outcome,
        alt_source=AltSource.UNCERTAIN,
        alt="",
        alt_reviewed_at="",
        draft=outcome.alt,
        reasons=(f"{HELD_PREFIX}{reason}", *outcome.reasons),
    )


def outcome_before_decision(outcome: Outcome) -> Outcome | None:
    """The outcome that a decision replaced; None if it is not stored."""
    if not outcome.previous:
        return None
    return replace(outcome_from_json(outcome.previous), result=outcome.result)


def _captioned(row: Row, result: RequestResult, reasons: tuple[str, ...]) -> Outcome:
    first = result.texts[0]
    return Outcome(
        row.key,
        AltSource.DECORATIVE if first.decorative else AltSource.AI,
        result,
        alt="" if first.decorative else first.text,
        alt_locale=first.locale,
        alt_model=first.model,
        reasons=reasons,
        warnings=first.warnings,
        search_text=build_search_text(first.text, row.tags, row.file_name),
    )


def _described_elsewhere(first: TextResult, texts: tuple[TextResult, ...]) -> list[str]:
    """Locales of alt texts of an image that is decorative in the first locale: a contradiction."""
    if not first.decorative:
        return []
    return [text.locale for text in texts if text.style == first.style and text.text.strip()]


def _contradictions(texts: tuple[TextResult, ...]) -> Iterator[str]:
    """A reason for each kind of claim that a picture contradicts, with the claims if known."""
    for code, why in CONTRADICTIONS.items():
        if not any(code in text.warnings for text in texts):
            continue
        checks = [check for text in texts for check in text.checks if check.kind == _KINDS[code]]
        denied = dict.fromkeys(c.claim for c in checks if c.verdict == "contradicted")
        claims = ", ".join(f"“{claim[:_SHOWN_CHARS]}”" for claim in list(denied)[:_SHOWN_CLAIMS])
        yield f"{code}: {why}{f' ({claims})' if claims else ''}"


def _problem_reasons(texts: tuple[TextResult, ...]) -> list[str]:
    found = []
    for number, text in enumerate(texts):
        prefix = f"{text.style} {text.locale}: " if number else ""
        if text.code:
            found.append(prefix + text.code)
        found += [prefix + reason for reason in text.reasons]
    return found
