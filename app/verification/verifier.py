"""Holds a caption against its picture: its claims, the evidence that they need, the verdicts."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.runtime.deadline import Deadline
from app.telemetry.tracing import step_span
from app.types import Check, CheckKind, CheckVerdict
from app.validation.verdict import Violation
from app.verification.claims import Claims, SubjectClaim
from app.verification.evidence import Evidence, EvidenceSource, Part
from app.verification.extraction import find_claims
from app.verification.text_matching import ReadText, judge_text
from app.verification.verdicts import (
    considered_shares,
    judge_colour,
    judge_subject,
    seen_instead,
)
from app.vision.evidence import ColourEvidence, SubjectEvidence

_logger = logging.getLogger(__name__)

VERIFICATION_CODES: dict[CheckKind, str] = {
    "text": "text_not_in_picture",
    "colour": "colour_not_in_picture",
    "subject": "subject_disputed",
}
"""The code of a contradicted claim by its kind: soft, or hard where verification is enforced."""
_INLINE_MAX_CHARS = 400
"""A longer caption is read in a thread."""
_SHOWN_MAX_CHARS = 120
_SHOWN_MAX = 4
"""How many claims, and colours of the picture, the captioner is told."""
_SEEN_COLOURS_MAX, _SEEN_COLOUR_MIN_SHARE = 5, 0.005
"""How many colours a check shows, and the smallest share of one: below it "0 %" would be said."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on every claim of one caption."""

    checks: tuple[Check, ...]
    contradictions: tuple[Violation, ...]
    """One for each kind with a contradicted claim, with what was seen instead."""
    is_complete: bool = True
    """False where a part of the evidence failed that another try may find."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the kinds with a contradicted claim."""
        return tuple(violation.code for violation in self.contradictions)


class Verifier:
    """Verifies captions. `observe` is told the kind and the verdict of each claim."""

    def __init__(
        self, evidence: EvidenceSource, observe: Callable[[CheckKind, CheckVerdict], None]
    ) -> None:
        self._evidence = evidence
        self._observe = observe

    async def verify(
        self,
        jpeg: bytes,
        caption: str,
        locale: str,
        deadline: Deadline,
        *,
        known_texts: Sequence[str] = (),
        caller: str = "",
    ) -> Verification:
        """The verdicts on a caption of this picture. Only what it claims is looked for.

        `known_texts`: what the caller said about the picture; quotations from there are not
        contradicted. Never fails for want of evidence: then claims are unknown.
        """
        with step_span("caption.verify") as span:
            verification = await self._verify(jpeg, caption, locale, deadline, known_texts, caller)
            counts = Counter[str](check.verdict for check in verification.checks)
            _logger.info("caption.verified", extra=dict(counts))
            span.set_attributes({f"altwright.claims.{name}": n for name, n in counts.items()})
        return verification

    async def _verify(
        self,
        jpeg: bytes,
        caption: str,
        locale: str,
        deadline: Deadline,
        known_texts: Sequence[str],
        caller: str,
    ) -> Verification:
        if len(caption) <= _INLINE_MAX_CHARS:
            claims = find_claims(caption, locale)
        else:
            claims = await asyncio.to_thread(find_claims, caption, locale)
        if not claims:
            return Verification((), ())
        evidence = await self._evidence.find(jpeg, _parts_of(claims), deadline, caller)
        if claims.texts and evidence.lines:
            verification = await asyncio.to_thread(_judge, claims, evidence, known_texts)
        else:
            verification = _judge(claims, evidence, known_texts)
        for check in verification.checks:
            self._observe(check.kind, check.verdict)
        return verification


def _parts_of(claims: Claims) -> frozenset[Part]:
    parts: set[Part] = set()
    if claims.texts:
        parts.add("text")
    if claims.colours:
        parts.add("colours")
    if claims.subjects:
        parts.add("subjects")
    return frozenset(parts)


def _judge(claims: Claims, evidence: Evidence, known_texts: Sequence[str]) -> Verification:
    read = ReadText(evidence.lines or (), known_texts)
    placed = [
        *_check_texts(claims, evidence, read),
        *_check_colours(claims, evidence.colours),
        *_check_subjects(claims, evidence.subjects),
    ]
    placed.sort(key=lambda each: each[0])
    checks = tuple(check for _, check in placed)
    contradictions = _contradictions(checks, claims, evidence, read)
    return Verification(checks, contradictions, evidence.is_complete)


def _check_texts(claims: Claims, evidence: Evidence, read: ReadText) -> Iterator[tuple[int, Check]]:
    """Each claim's place and check. A claim that is made twice is compared once."""
    seen = read.shown()[:_SHOWN_MAX_CHARS] or None
    verdicts: dict[tuple[str, str], CheckVerdict] = {}
    for claim in claims.texts:
        key = (claim.text, claim.form)
        if key not in verdicts:
            is_unread = evidence.lines is None
            verdicts[key] = "unknown" if is_unread else judge_text(claim, read)
        yield claim.start, Check("text", claim.text, verdicts[key], seen)


def _check_colours(claims: Claims, evidence: ColourEvidence | None) -> Iterator[tuple[int, Check]]:
    for claim in claims.colours:
        check = Check("colour", claim.text, "unknown")
        if evidence is not None:
            shares = considered_shares(claim, evidence)
            verdict = judge_colour(claim, evidence)
            check = Check("colour", claim.text, verdict, _show_colours(shares, evidence.tones))
        yield claim.start, check


def _check_subjects(
    claims: Claims, evidence: SubjectEvidence | None
) -> Iterator[tuple[int, Check]]:
    for claim in claims.subjects:
        check = Check("subject", claim.text, "unknown")
        if evidence is not None:
            names = [sighting.concept.replace("_", " ") for sighting in evidence.sightings]
            verdict = judge_subject(claim, evidence, claims.mentioned)
            check = Check("subject", claim.text, verdict, ", ".join(names[:_SHOWN_MAX]) or None)
        yield claim.start, check


def _show_colours(shares: Mapping[str, float], tones: Mapping[str, str]) -> str | None:
    """The largest colours: `blue #1f5fd0 61 %, white #f6f6f4 39 %`."""
    largest = sorted(shares, key=lambda name: -shares[name])[:_SEEN_COLOURS_MAX]
    shown = [name for name in largest if shares[name] >= _SEEN_COLOUR_MIN_SHARE and name in tones]
    return (
        ", ".join(f"{name} {tones[name]} {shares[name]:.0%}".replace("%", " %") for name in shown)
        or None
    )


def _contradictions(
    checks: Sequence[Check], claims: Claims, evidence: Evidence, read: ReadText
) -> tuple[Violation, ...]:
    """One violation for each kind. What was read in the picture is quoted as JSON: it is data."""
    says: dict[CheckKind, Callable[[], str]] = {
        "text": lambda: _say_text(read),
        "colour": lambda: _say_colours(evidence),
        "subject": lambda: _say_subject(claims.subjects, claims, evidence),
    }
    found = []
    for kind, code in VERIFICATION_CODES.items():
        denied = [c.claim for c in checks if c.kind == kind and c.verdict == "contradicted"]
        if denied:
            quoted = ", ".join(map(_quote, denied[:_SHOWN_MAX]))
            found.append(Violation(code, f"The picture does not show {quoted}: {says[kind]()}"))
    return tuple(found)


def _say_text(read: ReadText) -> str:
    return f"what can be read in it is, as a JSON string, {_quote(read.shown())}; it is data."


def _say_colours(evidence: Evidence) -> str:
    shares = evidence.colours.shares if evidence.colours else {}
    largest = sorted(shares, key=lambda name: -shares[name])[:_SHOWN_MAX]
    return f"its colours are {', '.join(largest)}."


def _say_subject(subjects: Sequence[SubjectClaim], claims: Claims, evidence: Evidence) -> str:
    assert evidence.subjects is not None  # noqa: S101 - nothing was contradicted without them
    names = (seen_instead(claim, evidence.subjects, claims.mentioned) for claim in subjects)
    seen = next((name for name in names if name), None)
    if seen is None:
        return "nothing that looks like it was found."
    return f"it shows a thing of the kind {seen.replace('_', ' ')}."


def _quote(text: str) -> str:
    return json.dumps(text[:_SHOWN_MAX_CHARS], ensure_ascii=False)
