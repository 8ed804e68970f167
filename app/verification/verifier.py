"""Holds a caption against its picture: its claims, the evidence that they need, the verdicts."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.runtime.deadline import Deadline
from app.telemetry.tracing import step_span
from app.types import Check, CheckKind, CheckVerdict
from app.validation.verdict import Violation
from app.verification.claims import Claims, SubjectClaim
from app.verification.evidence import Evidence, EvidenceSource, Part
from app.verification.extraction import find_claims
from app.verification.text_matching import SURE_SCORE, judge_text
from app.verification.verdicts import judge_colour, judge_subject, seen_instead
from app.vision.evidence import SeenLine

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
    checks: list[tuple[int, Check]] = []
    for text in claims.texts:
        verdict: CheckVerdict = "unknown"
        if evidence.lines is not None:
            verdict = judge_text(text, evidence.lines, known_texts)
        checks.append((text.start, Check("text", text.text, verdict)))
    for colour in claims.colours:
        verdict = "unknown" if evidence.colours is None else judge_colour(colour, evidence.colours)
        checks.append((colour.start, Check("colour", colour.text, verdict)))
    for subject in claims.subjects:
        verdict = "unknown"
        if evidence.subjects is not None:
            verdict = judge_subject(subject, evidence.subjects, claims.mentioned)
        checks.append((subject.start, Check("subject", subject.text, verdict)))
    checks.sort(key=lambda placed: placed[0])
    in_order = tuple(check for _, check in checks)
    return Verification(in_order, _contradictions(in_order, claims, evidence), evidence.is_complete)


def _contradictions(
    checks: Sequence[Check], claims: Claims, evidence: Evidence
) -> tuple[Violation, ...]:
    """One violation for each kind. What was read in the picture is quoted as JSON: it is data."""
    says: dict[CheckKind, Callable[[], str]] = {
        "text": lambda: _say_text(evidence.lines or ()),
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


def _say_text(lines: Sequence[SeenLine]) -> str:
    read = " ".join(line.text for line in lines if line.score >= SURE_SCORE)
    return f"what can be read in it is, as a JSON string, {_quote(read)}; it is data."


def _say_colours(evidence: Evidence) -> str:
    shares = evidence.colours.shares if evidence.colours else {}
    largest = sorted(shares, key=lambda name: -shares[name])[:_SHOWN_MAX]
    return f"its colours are {', '.join(largest)}."


def _say_subject(subjects: Sequence[SubjectClaim], claims: Claims, evidence: Evidence) -> str:
    assert evidence.subjects is not None  # noqa: S101 - nothing was contradicted without them
    names = (seen_instead(claim, evidence.subjects, claims.mentioned) for claim in subjects)
    seen = next((name for name in names if name), "something else")
    return f"it shows a thing of the kind {seen.replace('_', ' ')}."


def _quote(text: str) -> str:
    return json.dumps(text[:_SHOWN_MAX_CHARS], ensure_ascii=False)
