"""Caption pipeline: fetch, normalise, draft and judge (drafting.py).

Every step gets the request's deadline and keeps it itself: at the deadline it raises the error that
says what it waited for. The pipeline stops a step that does not, and every step when the server
drains.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from app.captioning.cache import CacheKey, CaptionCache
from app.captioning.errors import ModelTimeout, ModelUnavailable
from app.drafting import Drafting, JudgedDraft
from app.errors import CaptionError, Overloaded
from app.fetching.errors import ImageTimeout
from app.fetching.fetcher import Fetcher
from app.imaging.normaliser import Normaliser
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.single_flight import SingleFlight
from app.telemetry import request_context
from app.telemetry.metrics import Metrics
from app.token_use import UNKNOWN_TOKEN_USE
from app.types import Caption, CaptionRequest, NormalisedImage

KEYWORDS_UNUSED = "keywords_unused"
"""Warning: keywords were sent, and no style that was asked for has a use for them."""
_ALL_AT_ONCE = 1_000
_ROUNDS_MAX = 3
"""In how many rounds the captions of one request are made where other callers need the places."""
_OVERRUN_S = 1.0
"""How long after the deadline a step is stopped that has not ended by itself. At the deadline
itself two timers would race, and the caller's error would depend on which fires first."""


def _new_single_flight() -> SingleFlight[CacheKey, tuple[Caption, str]]:
    """Of captions, each with the ID of the request that began to make it."""
    # These depend on the deadline of the request that met them, or on a queue at that moment.
    return SingleFlight(unshared=(Overloaded, ModelTimeout, ModelUnavailable))


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps from a caption request to a caption."""

    fetcher: Fetcher
    normaliser: Normaliser
    drafting: Drafting
    drain: Drain
    metrics: Metrics
    cache: CaptionCache | None = None
    _in_flight: SingleFlight[CacheKey, tuple[Caption, str]] = field(
        default_factory=_new_single_flight, init=False
    )

    async def caption(self, request: CaptionRequest, deadline: Deadline) -> Caption:
        """One caption. Raises the CaptionError that says why there is none."""
        image = await self._load_image(request, deadline)
        caption = await self._caption(image, request, deadline)
        return self._warn_of_keywords(caption, [request])

    async def check(self, text: str, request: CaptionRequest, deadline: Deadline) -> JudgedDraft:
        """The verdict on a text about an image that a person wrote. No model is called.

        Raises only errors of the image, and Overloaded.
        """
        image = await self._load_image(request, deadline)
        return await self.drafting.judge_text(image, text, request, deadline)

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
        return [
            self._warn_of_keywords(result, requests) if isinstance(result, Caption) else result
            for result in (task.result() for task in tasks)
        ]

    def _warn_of_keywords(self, caption: Caption, requests: Sequence[CaptionRequest]) -> Caption:
        """Add a warning where keywords were sent and none of the styles uses them."""
        if not requests[0].keywords or any(
            self.drafting.styles[r.style].uses_keywords for r in requests
        ):
            return caption
        return replace(caption, warnings=(*caption.warnings, KEYWORDS_UNUSED))

    async def _load_image(self, request: CaptionRequest, deadline: Deadline) -> NormalisedImage:
        """Fetch and normalise. The source's bytes are held until it is normalised, not longer."""
        async with AsyncExitStack() as held:
            async with self._step("fetch", deadline, ImageTimeout):
                source = await held.enter_async_context(
                    request.upload
                    or self.fetcher.fetch(request.image_url, deadline, caller=request.caller)
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
        model = self.drafting.captioner.name
        try:
            async with self._step("caption", deadline, _no_time_to_caption):
                if self.cache is None:
                    caption = await self.drafting.caption(image, request, deadline)
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
        style = self.drafting.styles[request.style]
        key = CacheKey.of(request, image, style, self.drafting.captioner)
        cached = await cache.get(key, image, style)
        if cached is not None:
            return cached

        async def make_and_put(deadline: Deadline) -> tuple[Caption, str]:
            made = await self.drafting.caption(image, request, deadline)
            # A fallback's caption must not outlive the fallback, nor one without its text the
            # failure of OCR.
            if made.model == key.model and made.is_complete and not made.is_fallbacks:
                await cache.put(key, made)
            return replace(made, cached=False), request_context.current_request_id()

        try:
            (caption, made_by), is_shared = await self._in_flight.run(key, deadline, make_and_put)
        except TimeoutError:
            raise _no_time_to_caption("waited for an equal request in flight") from None
        if is_shared:  # its tokens are counted once
            request_context.set_log_fields(shared_with=made_by)
            return replace(caption, cached=True, input_tokens=0, output_tokens=0, token_uses=())
        return caption

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


def _no_time_to_caption(log_reason: str = "") -> ModelTimeout:
    """A call of a model may have been in flight, which is paid."""
    error = ModelTimeout(log_reason=log_reason)
    error.token_uses = (UNKNOWN_TOKEN_USE,)
    return error


def _no_time_to_normalise() -> Overloaded:
    return Overloaded(log_reason="the image was not normalised in time", retry_after_s=1)


def _clear_frames(error: BaseException | None) -> None:
    """Free the source image, up to 64 MB, that the frames of an error refer to.

    An error lives until it is answered, and the source's byte lease has ended before that.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
