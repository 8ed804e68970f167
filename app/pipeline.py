"""fetch -> normalise -> caption -> validate, under one deadline."""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from app.captioning.cache import CacheKey, CaptionCache
from app.captioning.captioner import Captioner, DraftRequest, RejectedDraft
from app.captioning.code_version import caption_code_version
from app.captioning.errors import CaptionRefused, CaptionUncertain, ModelTimeout
from app.captioning.styles.loader import StyleRegistry
from app.errors import CaptionError, Overloaded
from app.fetching.errors import ImageTimeout
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.telemetry.metrics import Metrics
from app.types import Caption, CaptionRequest, Draft, NormalisedImage, SourceImage
from app.validation.verdict import Verdict, validate_draft

_logger = logging.getLogger(__name__)

_DRAFT_MAX_CHARS = 2_000
"""A rejected draft is shown to a reviewer, who needs no more of it than this."""


class CaptionRejected(CaptionError):
    """Two drafts broke hard rules; `draft` and `reasons` are there for a reviewer."""

    code, status = "caption_rejected", 422
    title = "No draft was good enough"
    public = "Two drafts broke the rules of this style. A person should write or mend this text."

    def __init__(self, draft: str, verdict: Verdict) -> None:
        super().__init__(
            log_reason="hard rules: " + ", ".join(broken.code for broken in verdict.hard),
            extra={
                "draft": draft[:_DRAFT_MAX_CHARS],
                "reasons": [{"code": b.code, "reason": b.reason} for b in verdict.hard],
            },
        )


class Fetches(Protocol):
    """Brings the picture behind a URL; its memory is held until the block ends."""

    def fetch(
        self, image_url: str, deadline: Deadline
    ) -> AbstractAsyncContextManager[SourceImage]: ...


class Normalises(Protocol):
    """Turns what came into what a captioner sees."""

    async def normalise(
        self, source: SourceImage, deadline: Deadline, *, caller: str = ""
    ) -> NormalisedImage: ...


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps of a caption, in the order in which they happen."""

    fetcher: Fetches
    normaliser: Normalises
    captioner: Captioner
    styles: StyleRegistry
    drain: Drain
    metrics: Metrics
    cache: CaptionCache | None = None

    async def caption(self, request: CaptionRequest, deadline: Deadline) -> Caption:
        """One caption. Raises the CaptionError that explains why there is none."""
        image = await self._picture(request, deadline)
        return await self._caption_of(image, request, deadline)

    async def captions(
        self, requests: Sequence[CaptionRequest], deadline: Deadline
    ) -> list[Caption | CaptionError]:
        """Several captions of one picture, which is fetched and decoded once.

        Raises only what concerns the picture; a caption that fails stands in its place as the
        error, so that the others are not lost.
        """
        image = await self._picture(requests[0], deadline)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._caption_or_error(image, request, deadline))
                for request in requests
            ]
        return [task.result() for task in tasks]

    async def _picture(self, request: CaptionRequest, deadline: Deadline) -> NormalisedImage:
        async with AsyncExitStack() as held:  # the source's share of memory, until it is decoded
            async with self._stage("fetch", deadline, ImageTimeout):
                source = await held.enter_async_context(
                    self.fetcher.fetch(request.image_url, deadline)
                )
            try:
                async with self._stage("normalise", deadline, Overloaded):
                    return await self.normaliser.normalise(source, deadline, caller=request.caller)
            except CaptionError as error:
                del source
                _clear_frames(error)
                raise

    async def _caption_or_error(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption | CaptionError:
        try:
            return await self._caption_of(image, request, deadline)
        except CaptionError as error:
            return error

    async def _caption_of(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption:
        outcome = "failed"
        model = self.captioner.name
        try:
            async with self._stage("caption", deadline, ModelTimeout):
                caption = await self._remembered_or_made(image, request, deadline)
        except CaptionError as error:
            outcome = error.code
            raise
        else:
            model = caption.model
            outcome = "decorative" if caption.decorative else "caption"
            return caption
        finally:
            self.metrics.captions.labels(request.style, model, outcome).inc()

    async def _remembered_or_made(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption:
        if self.cache is None:
            return await self._made(image, request, deadline)
        key = CacheKey(
            image_sha256=image.source.sha256,
            sent=(image.width_px, image.height_px),
            style=request.style,
            style_version=self.styles[request.style].version,
            answers_version=caption_code_version(),
            locale=request.locale,
            context=request.context,
            role=request.role,
            keywords=request.keywords,
            max_tokens=request.max_tokens,
            model=self.captioner.name,
        )
        return await self.cache.once(key, image, lambda: self._made(image, request, deadline))

    async def _made(
        self, image: NormalisedImage, request: CaptionRequest, deadline: Deadline
    ) -> Caption:
        """From a draft that breaks no hard rule: the first, or the one corrective second."""
        ask = DraftRequest(
            style=self.styles[request.style],
            locale=request.locale,
            max_tokens=request.max_tokens,
            context=request.context,
            role=request.role,
            keywords=request.keywords,
        )
        draft = await self.captioner.draft(image, ask, deadline)
        verdict = await _judged(draft, ask)
        if not verdict.hard:
            return _caption(image, request, draft, verdict)
        for broken in verdict.hard:
            self.metrics.rejected_drafts.labels(broken.code).inc()
        reasons = tuple(broken.reason for broken in verdict.hard)
        again = replace(ask, rejected=RejectedDraft(draft.text[:_DRAFT_MAX_CHARS], reasons))
        second = await self.captioner.draft(image, again, deadline)
        second = replace(
            second,
            input_tokens=_sum(draft.input_tokens, second.input_tokens),
            output_tokens=_sum(draft.output_tokens, second.output_tokens),
        )
        verdict = await _judged(second, ask, is_last=True)
        if verdict.hard:
            for broken in verdict.hard:
                self.metrics.rejected_drafts.labels(broken.code).inc()
            raise CaptionRejected(verdict.caption or second.text, verdict)
        return _caption(image, request, second, verdict)

    @asynccontextmanager
    async def _stage(
        self, name: str, deadline: Deadline, too_late: Callable[[], CaptionError]
    ) -> AsyncIterator[None]:
        """Bounds the block by the deadline, or by the drain's; `too_late` is what it then says."""
        began_s = time.monotonic()
        try:
            async with self.drain.limit(deadline.left_s()) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise too_late() from None
        finally:
            self.metrics.stage_seconds.labels(name).observe(time.monotonic() - began_s)


async def _judged(draft: Draft, ask: DraftRequest, *, is_last: bool = False) -> Verdict:
    """The verdict, in a thread where the draft is long: a hostile one takes a fifth of a second."""
    if len(draft.text) <= _DRAFT_MAX_CHARS:
        return _judge(draft, ask, is_last=is_last)
    return await asyncio.to_thread(_judge, draft, ask, is_last=is_last)


def _clear_frames(error: BaseException | None) -> None:
    """Let go of the source, up to 64 MB, that an error's frames hold until it is answered.

    Its share of memory is given to the next one before.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _judge(draft: Draft, ask: DraftRequest, *, is_last: bool) -> Verdict:
    """The verdict; the model's own ways out become their errors.

    `is_last`: nobody is asked again, so a draft that is too long is cut to what its floor allows.
    """
    verdict = validate_draft(
        draft.text,
        style=ask.style,
        locale=ask.locale,
        context=ask.context,
        max_tokens=ask.max_tokens,
        cut=draft.cut,
        had_headroom=draft.had_headroom,
        output_tokens=draft.output_tokens,
        final=is_last,
    )
    if verdict.outcome == "uncertain":
        raise CaptionUncertain
    if verdict.outcome == "refused":
        raise CaptionRefused
    return verdict


def _caption(
    image: NormalisedImage, request: CaptionRequest, draft: Draft, verdict: Verdict
) -> Caption:
    return Caption(
        text=verdict.caption,
        style=request.style,
        locale=request.locale,
        decorative=verdict.outcome == "decorative",
        truncated=verdict.truncated,
        warnings=verdict.soft,
        model=draft.model,
        input_tokens=draft.input_tokens,
        output_tokens=draft.output_tokens,
        source=image.source,
        sent_width_px=image.width_px,
        sent_height_px=image.height_px,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    """Tokens of both asks; unknown where either is."""
    return None if first is None or second is None else first + second
