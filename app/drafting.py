"""Drafts of a caption: ask the captioner, judge by the rules and the picture, ask once more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.captioning.captioner import Captioner, DraftRequest, RejectedDraft
from app.captioning.errors import CaptionRefused, CaptionUncertain
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.telemetry.metrics import Metrics
from app.token_use import TokenUse
from app.types import Caption, CaptionRequest, Check, Draft, NormalisedImage, Style
from app.validation.validation_pool import ValidationPool
from app.validation.verdict import Verdict
from app.verification.verifier import Verifier

_REJECTED_DRAFT_MAX_CHARS = 2_000
"""How much of a rejected draft a reviewer and the captioner are shown."""
SMALL_SOURCE = "small_source"
"""Warning: the image was enlarged, cropped or too narrow, so that little of it could be seen."""


class CaptionRejected(CaptionError):
    """Two drafts broke hard rules. `draft` and `reasons` are in the problem for a reviewer."""

    code, status = "caption_rejected", 422
    title = "Both drafts were rejected"
    public = "Two drafts broke the rules of this style. A person should write or correct this text."

    def __init__(self, draft: str, verdict: Verdict) -> None:
        super().__init__(
            log_reason="hard rules: " + ", ".join(each.code for each in verdict.violations),
            extra={
                "draft": draft[:_REJECTED_DRAFT_MAX_CHARS],
                "reasons": [
                    {"code": each.code, "reason": each.reason} for each in verdict.violations
                ],
            },
        )


@dataclass(frozen=True, slots=True)
class JudgedDraft:
    """A draft with the verdict of the rules and of the picture."""

    verdict: Verdict
    """With the codes of what the picture contradicts."""
    checks: tuple[Check, ...] | None = None
    """None where it was not held against the picture."""
    is_complete: bool = True
    """False where a part of the evidence failed that another try may find."""

    @property
    def disputed(self) -> tuple[str, ...]:
        """The claims that the picture contradicts."""
        return tuple(c.claim for c in self.checks or () if c.verdict == "contradicted")


@dataclass(frozen=True, slots=True)
class Drafting:
    """From a normalised image to a caption that keeps the hard rules."""

    captioner: Captioner
    validation_pool: ValidationPool
    styles: Mapping[str, Style]
    metrics: Metrics
    verifier: Verifier | None = None
    """None where no caption is held against its picture."""

    async def caption(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption:
        """A caption that keeps the hard rules. Raises the CaptionError that says why there is none.

        Either tells the tokens of all drafts.
        """
        uses: list[TokenUse] = []
        try:
            return await self._draft_and_judge(image, request, deadline, uses)
        except CaptionError as error:
            error.token_uses = tuple(uses)
            raise

    async def judge_text(
        self, image: NormalisedImage, text: str, request: CaptionRequest, deadline: Deadline
    ) -> JudgedDraft:
        """The verdict on a text about an image that a person wrote. Raises only Overloaded."""
        return await self._judge(
            image, Draft(text, model=""), self._draft_request(request), request, deadline,
            is_last=True, is_persons=True,
        )  # fmt: skip

    async def _draft_and_judge(
        self,
        image: NormalisedImage,
        request: CaptionRequest,
        deadline: Deadline,
        uses: list[TokenUse],
    ) -> Caption:
        """After a draft that breaks hard rules, one more with the reasons."""
        draft_request = self._draft_request(request)
        draft = await self._draft(image, draft_request, deadline, uses)
        judged = await self._judge_draft(image, draft, draft_request, request, deadline)
        verdict = judged.verdict
        if verdict.violations:
            rejected = RejectedDraft(
                draft.text[:_REJECTED_DRAFT_MAX_CHARS],
                tuple(violation.reason for violation in verdict.violations),
                judged.disputed,
            )
            first = draft
            draft = await self._draft(
                image, replace(draft_request, rejected=rejected), deadline, uses
            )
            # What the picture contradicts in a text, it contradicts in the same text again.
            if draft.text != first.text or not judged.disputed:
                judged = await self._judge_draft(
                    image, draft, draft_request, request, deadline, is_last=True
                )
            if judged.verdict.violations:
                raise CaptionRejected(judged.verdict.caption or draft.text, judged.verdict)
            draft = replace(
                draft,
                input_tokens=_sum(first.input_tokens, draft.input_tokens),
                output_tokens=_sum(first.output_tokens, draft.output_tokens),
            )
        return replace(_caption_of(image, request, draft, judged), token_uses=tuple(uses))

    async def _draft(
        self,
        image: NormalisedImage,
        draft_request: DraftRequest,
        deadline: Deadline,
        uses: list[TokenUse],
    ) -> Draft:
        """One draft, whose tokens are added to `uses`."""
        try:
            draft = await self.captioner.draft(image, draft_request, deadline)
        except CaptionError as error:
            uses += error.take_token_uses()
            raise
        uses += draft.token_uses()
        return draft

    def _draft_request(self, request: CaptionRequest) -> DraftRequest:
        return DraftRequest(
            style=self.styles[request.style],
            locale=request.locale,
            max_tokens=request.max_tokens,
            context=request.context,
            role=request.role,
            keywords=request.keywords,
            visible_text=request.visible_text,
            caller=request.caller,
        )

    async def _judge_draft(
        self,
        image: NormalisedImage,
        draft: Draft,
        draft_request: DraftRequest,
        request: CaptionRequest,
        deadline: Deadline,
        *,
        is_last: bool = False,
    ) -> JudgedDraft:
        """The verdict on a captioner's draft, its hard rules counted.

        Raises CaptionUncertain, CaptionRefused, or Overloaded at the deadline.
        """
        judged = await self._judge(image, draft, draft_request, request, deadline, is_last=is_last)
        if judged.verdict.outcome == "uncertain":
            raise CaptionUncertain
        if judged.verdict.outcome == "refused":
            raise CaptionRefused
        for violation in judged.verdict.violations:
            self.metrics.rejected_drafts.labels(violation.code).inc()
        return judged

    async def _judge(
        self,
        image: NormalisedImage,
        draft: Draft,
        draft_request: DraftRequest,
        request: CaptionRequest,
        deadline: Deadline,
        *,
        is_last: bool,
        is_persons: bool = False,
    ) -> JudgedDraft:
        """Validate, and hold what keeps the rules against the picture.

        `is_last`: no other draft follows. `is_persons`: a person wrote it, without a limit of
        tokens, and wants to hear of the picture also where it breaks a rule.
        """
        verdict = await self.validation_pool.validate(
            draft,
            style=draft_request.style,
            locale=request.locale,
            context=request.context,
            visible_text=request.visible_text,
            max_tokens=None if is_persons else request.max_tokens,
            is_final=is_last,
            deadline=deadline,
            caller=request.caller,
        )
        is_caption = verdict.outcome == "caption" and verdict.caption
        is_rejected = bool(verdict.violations) and not is_persons
        if self.verifier is None or request.verify == "off" or not is_caption or is_rejected:
            return JudgedDraft(verdict)
        known_texts = (request.context, request.visible_text, *request.keywords)
        with self.metrics.stage_seconds.labels("verify").time():
            verification = await self.verifier.verify(
                image.jpeg,
                verdict.caption,
                request.locale,
                deadline,
                known_texts=tuple(text for text in known_texts if text),
                caller=request.caller,
            )
        if request.verify == "enforce":
            violations = (*verdict.violations, *verification.contradictions)
            verdict = replace(verdict, violations=violations)
        else:
            verdict = replace(verdict, warnings=(*verdict.warnings, *verification.codes))
        return JudgedDraft(verdict, verification.checks, verification.is_complete)


def _caption_of(
    image: NormalisedImage, request: CaptionRequest, draft: Draft, judged: JudgedDraft
) -> Caption:
    verdict = judged.verdict
    is_decorative = verdict.outcome == "decorative"
    is_small = image.is_small_source and not is_decorative
    sent_width_px, sent_height_px = draft.sent_px or (image.width_px, image.height_px)
    return Caption(
        text=verdict.caption,
        style=request.style,
        locale=request.locale,
        decorative=is_decorative,
        truncated=verdict.truncated,
        warnings=(*verdict.warnings, SMALL_SOURCE) if is_small else verdict.warnings,
        model=draft.model,
        input_tokens=draft.input_tokens,
        output_tokens=draft.output_tokens,
        source=image.source,
        sent_width_px=sent_width_px,
        sent_height_px=sent_height_px,
        is_complete=draft.is_complete and judged.is_complete,
        is_fallbacks=draft.is_fallbacks,
        checks=judged.checks,
        served_model=draft.served_model,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    """Tokens of both drafts; unknown where either is."""
    return None if first is None or second is None else first + second
