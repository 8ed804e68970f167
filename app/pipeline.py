"""Caption pipeline: fetch, normalise, caption, validate, verify.

Every step gets the request's deadline and keeps it itself: at the deadline it raises the error that
says what it waited for. The pipeline stops a step that does not, and every step when the server
drains.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from app.captioning.cache import CacheKey, CaptionCache
from app.captioning.captioner import Captioner, DraftRequest, RejectedDraft
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    ModelTimeout,
    ModelUnavailable,
)
from app.errors import CaptionError, Overloaded
from app.fetching.errors import ImageTimeout
from app.fetching.fetcher import Fetcher
from app.imaging.normaliser import Normaliser
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.single_flight import SingleFlight
from app.telemetry import request_context
from app.telemetry.metrics import Metrics
from app.token_use import TokenUse
from app.types import Caption, CaptionRequest, Check, Draft, NormalisedImage, Style
from app.validation.validation_pool import ValidationPool
from app.validation.verdict import Verdict
from app.verification.verifier import Verifier

_REJECTED_DRAFT_MAX_CHARS = 2_000
"""How much of a rejected draft a reviewer and the captioner are shown."""
_SMALL_SOURCE = "small_source"
"""Warning: the image was enlarged, cropped or too narrow, so that little of it could be seen."""
_ALL_AT_ONCE = 1_000
_ROUNDS_MAX = 3
"""In how many rounds the captions of one request are made where other callers need the places."""
_OVERRUN_S = 1.0
"""How long after the deadline a step is stopped that has not ended by itself. At the deadline
itself two timers would race, and the caller's error would depend on which fires first."""


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


def _new_single_flight() -> SingleFlight[CacheKey, tuple[Caption, str]]:
    """Of captions, each with the ID of the request that began to make it."""
    # These depend on the deadline of the request that met them, or on a queue at that moment.
    return SingleFlight(unshared=(Overloaded, ModelTimeout, ModelUnavailable))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps from a caption request to a caption."""

    fetcher: Fetcher
    normaliser: Normaliser
    captioner: Captioner
    validation_pool: ValidationPool
    styles: Mapping[str, Style]
    drain: Drain
    metrics: Metrics
    cache: CaptionCache | None = None
    verifier: Verifier | None = None
    """None where no caption is held against its picture."""
    _in_flight: SingleFlight[CacheKey, tuple[Caption, str]] = field(
        default_factory=_new_single_flight, init=False
    )

    async def caption(self, request: CaptionRequest, deadline: Deadline) -> Caption:
        """One caption. Raises the CaptionError that says why there is none."""
        image = await self._load_image(request, deadline)
        return await self._caption(image, request, deadline)

    async def check(self, text: str, request: CaptionRequest, deadline: Deadline) -> JudgedDraft:
        """The verdict on a text about an image that a person wrote. No model is called.

        Raises only errors of the image, and Overloaded.
        """
        image = await self._load_image(request, deadline)
        return await self._judge(
            image, Draft(text, model=""), self._draft_request(request), request, deadline,
            is_last=True, is_persons=True,
        )  # fmt: skip

    async def captions(
        self,
        requests: Sequence[CaptionRequest],
        deadline: Deadline,
        *,
        side_by_side: int = _ALL_AT_ONCE,
    ) -> list[Caption | CaptionError]:
        """Several captions of one image, which is fetched and decoded once.

        `side_by_side` are made at the same time; a third in any case, so that the last one is in
        time.

        Raises only errors of the image. A caption that fails is returned as its error, so that the
        other captions are not lost.
        """
        image = await self._load_image(requests[0], deadline)
        places = asyncio.Semaphore(max(side_by_side, -(-len(requests) // _ROUNDS_MAX)))

        async def caption_in_turn(request: CaptionRequest) -> Caption | CaptionError:
            async with places:
                return await self._caption_or_error(image, request, deadline)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(caption_in_turn(request)) for request in requests]
        return [task.result() for task in tasks]

    async def _load_image(self, request: CaptionRequest, deadline: Deadline) -> NormalisedImage:
        """Fetch and normalise. The source's bytes are held until it is normalised, not longer."""
        async with AsyncExitStack() as held:
            async with self._step("fetch", deadline, ImageTimeout):
                source = await held.enter_async_context(
                    self.fetcher.fetch(request.image_url, deadline)
                )
            try:
                async with self._step("normalise", deadline, _no_time_to_normalise):
                    return await self.normaliser.normalise(source, deadline, caller=request.caller)
            except CaptionError as error:
                del source
                _clear_frames(error)
                raise

    async def _caption_or_error(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption | CaptionError:
        try:
            return await self._caption(image, request, deadline)
        except CaptionError as error:
            return error

    async def _caption(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption:
        """Caption and validate, and count the outcome."""
        outcome = "failed"
        model = self.captioner.name
        try:
            async with self._step("caption", deadline, ModelTimeout):
                if self.cache is None:
                    caption = await self._make(image, request, deadline)
                else:
                    caption = await self._get_or_make(self.cache, image, request, deadline)
        except CaptionError as error:
            outcome = error.code
            raise
        else:
            model = caption.answering_model
            outcome = "decorative" if caption.decorative else "caption"
            return caption
        finally:
            self.metrics.observe_caption(request.style, model, outcome)
            request_context.record_caption(model, outcome)

    async def _get_or_make(
        self,
        cache: CaptionCache,
        image: NormalisedImage,
        request: CaptionRequest,
        deadline: Deadline,
    ) -> Caption:
        """The caption from the cache, from an equal request in flight, or a new one."""
        style = self.styles[request.style]
        key = CacheKey.of(request, image, style, self.captioner.name)
        cached = await cache.get(key, image, style)
        if cached is not None:
            return cached

        async def make_and_put(deadline: Deadline) -> tuple[Caption, str]:
            made = await self._make(image, request, deadline)
            # A fallback's caption must not outlive the fallback, nor one without its text the
            # failure of OCR.
            if made.model == key.model and made.is_complete:
                await cache.put(key, made)
            return replace(made, cached=False), request_context.current_request_id()

        try:
            (caption, made_by), is_shared = await self._in_flight.run(key, deadline, make_and_put)
        except TimeoutError:
            raise ModelTimeout(log_reason="waited for an equal request in flight") from None
        if is_shared:  # its tokens are counted once
            request_context.set_log_fields(shared_with=made_by)
            return replace(caption, cached=True, input_tokens=0, output_tokens=0, token_uses=())
        return caption

    async def _make(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption:
        """Draft, validate, and tell the tokens of all drafts, also where there is no caption."""
        uses: list[TokenUse] = []
        try:
            return await self._draft_and_judge(image, request, deadline, uses)
        except CaptionError as error:
            error.token_uses = tuple(uses)
            raise

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

    @asynccontextmanager
    async def _step(
        self, name: str, deadline: Deadline, on_timeout: Callable[[], CaptionError]
    ) -> AsyncIterator[None]:
        """Time one step, and stop it when the server drains or after it overran its deadline.

        `on_timeout` makes the error that the caller then gets.
        """
        began_s = time.monotonic()
        try:
            async with self.drain.timeout(deadline.left_s() + _OVERRUN_S) as timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise on_timeout() from None
        finally:
            took_s = time.monotonic() - began_s
            self.metrics.stage_seconds.labels(name).observe(took_s)
            request_context.record_time(name, took_s)


def _no_time_to_normalise() -> Overloaded:
    return Overloaded(log_reason="the image was not normalised in time", retry_after_s=1)


def _clear_frames(error: BaseException | None) -> None:
    """Free the source image, up to 64 MB, that the frames of an error refer to.

    An error lives until it is answered, and the source's byte lease has ended before that.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


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
        warnings=(*verdict.warnings, _SMALL_SOURCE) if is_small else verdict.warnings,
        model=draft.model,
        input_tokens=draft.input_tokens,
        output_tokens=draft.output_tokens,
        source=image.source,
        sent_width_px=sent_width_px,
        sent_height_px=sent_height_px,
        is_complete=draft.is_complete and judged.is_complete,
        checks=judged.checks,
        served_model=draft.served_model,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    """Tokens of both drafts; unknown where either is."""
    return None if first is None or second is None else first + second
