"""One captioner behind its circuit breaker, which tells its failures from those of one image."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.circuit_breaker import CircuitBreaker
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    DeadlineExceeded,
    ImageNotAccepted,
    ImageNotTried,
    LimitOfRequest,
    ModelCrashed,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RequestRejected,
    RequestSpecificError,
    RetryAfterTooLong,
    ServerFailed,
)
from app.captioning.suspects import (
    FailedImage,
    Suspect,
    captioner_failed,
    image_not_accepted,
    uncounted_uses,
)
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.token_use import TokenUse
from app.types import Draft, NormalisedImage

_logger = logging.getLogger(__name__)

_UNEXPLAINED = (ServerFailed, RequestRejected)
_REFUSED_IMAGES_IN_A_ROW = 20
"""After so many different images that the model refused, none captioned between them, a known good
image is sent: a provider that blocks an account refuses every image in the words of a filter."""
_LIMITED_IMAGES_IN_A_ROW = 20
"""After so many different images that were told a very long wait, none captioned between them, the
wait is believed: a limit by tokens may let the known good image pass."""
_MAX_FAILED_IMAGES = 1_000
"""How many images are remembered with the moment of their first failure."""
_MAX_TRIALS = 3
"""How often an image is tried again while other calls fail beside it."""
_MAX_TRIAL_WAIT_S = 5.0
"""How long an image waits for the trials of others. On a slow server more would be its deadline."""
_REJECTED_ASKS, _REJECTED_ASKS_WHERE_IT_VARIES = 2, 8
"""How often in a row a trial asks about an image that is rejected with a 4xx, and how often after
the same image was rejected and then captioned: behind one address there may be several servers, of
which one rejects everything. After a 5xx the captioner itself has asked several times."""
_ANSWERS_VARY_S = 600.0
"""How long that is remembered."""
_SETTLE_S = 1.0
"""A process that dies ends all its calls at once. What is in flight after so long survived."""
_SUSPECT_IMAGES_S = 3_600.0
"""After a model failed on images but captioned a known good one, each failure is checked so."""


class GuardedCaptioner:
    """One captioner behind its circuit breaker.

    An unexplained failure (a 5xx, a 4xx of unknown meaning, a broken connection) may be the
    image's, the captioner's, or that of another image whose call was in flight: a process that dies
    ends all its calls. A trial tells: a known good image is captioned (the probe), and right after
    it the image fails again while no other call does. It follows when the same image fails a second
    time, and before the breaker would open. Nothing is concluded from a success before the failure:
    the captioner may be down again.
    Images that the model refuses in plain words are probed as well, after several in a row.
    """

    def __init__(
        self,
        captioner: Captioner,
        label: str,
        breaker: CircuitBreaker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`label` is the captioner's name, made unique. `clock` is in monotonic seconds."""
        self.captioner = captioner
        self.label = label
        self.breaker = breaker
        self._clock = clock
        self._failed_probes = 0
        """Counts probes that failed while nothing else could be the cause."""
        self._failed_images: dict[str, FailedImage] = {}
        """The images that failed without an explanation, oldest first."""
        self._in_flight: set[asyncio.Future[None]] = set()
        """The calls to the captioner that have not ended."""
        self._failed_meanwhile: set[str] = set()
        """The images whose calls failed at the server since the present trial began."""
        self._trial = asyncio.Lock()
        """One trial at a time, so that no suspect image makes another one fail."""
        self._tried_image: str | None = None
        self._answers_vary_until_s = 0.0
        """Until then, that the captioner rejects an image says little about the image."""
        self._refused_images: set[str] = set()
        """The different images that the model refused since it last captioned one."""
        self._limited_images: set[str] = set()
        """The different images that were told a very long wait since one was last captioned."""
        self._suspects_images_until_s = 0.0
        self._probe: asyncio.Task[bool | None] | None = None

    def is_usable(self) -> bool:
        """Whether a call may be made now, at least one that probes."""
        return self.breaker.state != "open"

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        """One draft. Raises ModelUnavailable without a call where the breaker is open.

        The draft and the error tell the tokens of all calls besides the probe's, which is nobody's.
        """
        uses: list[TokenUse] = []
        try:
            draft = await self._draft(image, request, deadline, uses)
        except CaptionError as error:
            error.token_uses = tuple(uses)
            raise
        return replace(draft, earlier_uses=(*uses, *draft.earlier_uses))

    async def _draft(
        self,
        image: NormalisedImage,
        request: DraftRequest,
        deadline: Deadline,
        uses: list[TokenUse],
    ) -> Draft:
        permit = self.breaker.acquire()
        if permit is None:
            raise ModelUnavailable(
                log_reason=f"{self.label}: circuit breaker is open after failures",
                retry_after_s=self.breaker.retry_after_s(),
            )
        image_id = image.source.sha256
        with self._record_outcome(permit, image_id):
            failed_probes = self._failed_probes
            try:
                self._check_isolation(image_id)
                draft = await self._call(image, request, deadline, uses)
            except _UNEXPLAINED as error:
                if self._count_verdicts(image_id):
                    raise image_not_accepted(error) from None
                self._check_suspicion(permit, image_id, error)
                suspect = Suspect(image, request, deadline, error, failed_probes, uses)
                draft = await self._find_culprit(suspect)
            except CaptionRefused as error:
                await self._check_refusal(image_id, error, deadline)
                raise
            except RetryAfterTooLong as error:
                await self._check_limit(permit, image_id, error, deadline)
                raise
            self._record_success(image_id)
            return draft

    async def _call(
        self,
        image: NormalisedImage,
        request: DraftRequest,
        deadline: Deadline,
        uses: list[TokenUse],
    ) -> Draft:
        ended = asyncio.get_running_loop().create_future()
        self._in_flight.add(ended)
        try:
            return await self.captioner.draft(image, request, deadline)
        except CaptionError as error:
            is_told = error.token_uses is not None
            uses += error.take_token_uses() if is_told else uncounted_uses(error)
            if isinstance(error, ServerFailed):
                self._failed_meanwhile.add(image.source.sha256)
            raise
        finally:
            self._in_flight.discard(ended)
            ended.set_result(None)

    def _count_verdicts(self, image_id: str) -> int:
        failed = self._failed_images.get(image_id)
        return 0 if failed is None else failed.verdicts

    def _check_isolation(self, image_id: str) -> None:
        """Raises ServerFailed, without a call, where the image must only be asked about in a trial.

        While some images fail and others do not, a call with a suspect image beside the trial of
        another would leave both undecided, again and again.
        """
        failed = self._failed_images.get(image_id)
        is_suspect = failed is not None and failed.has_failed_server and not failed.verdicts
        if is_suspect and self._clock() < self._suspects_images_until_s:
            raise ServerFailed(log_reason=f"{self.label}: the image failed before")

    def _check_suspicion(
        self, permit: int, image_id: str, error: ModelUnavailable | ModelError
    ) -> None:
        """Remember the image. Raises `error` where there is no reason for a trial yet."""
        is_repeated = image_id in self._failed_images
        failed = self._failed_images.setdefault(image_id, FailedImage())
        failed.has_failed_server |= isinstance(error, ServerFailed)
        while len(self._failed_images) > _MAX_FAILED_IMAGES:
            del self._failed_images[next(iter(self._failed_images))]
        if not (
            is_repeated
            or isinstance(error, ModelCrashed)
            or self._clock() < self._suspects_images_until_s
            or self.breaker.will_trip(permit, image_id)
        ):
            raise error

    async def _find_culprit(self, suspect: Suspect) -> Draft:
        """The draft where the failure was not the image's.

        Raises ImageNotAccepted where it is, an error that the breaker counts where the known good
        image fails as well, ImageNotTried where others took too long, and the last error where
        nothing can be told in time.
        """
        image_id, error = suspect.image.source.sha256, suspect.error
        verdicts = self._count_verdicts(image_id)
        wait_s = suspect.deadline.left_s()
        if self._tried_image != image_id:  # else the verdict is this image's as well
            wait_s = min(wait_s, _MAX_TRIAL_WAIT_S)
        try:
            async with asyncio.timeout(wait_s):
                await self._trial.acquire()
        except TimeoutError:
            reason = f"{error.log_reason}; the trials of other images took too long"
            raise ImageNotTried(
                log_reason=reason, retry_after_s=error.retry_after_s or _MAX_TRIAL_WAIT_S
            ) from None
        self._tried_image = image_id
        try:
            if self._count_verdicts(image_id) > verdicts:
                raise image_not_accepted(error)  # another request with this image was waited for
            if self._failed_probes > suspect.failed_probes:
                raise captioner_failed(error)
            return await self._try_again(suspect)
        finally:
            self._tried_image = None
            self._trial.release()

    async def _try_again(self, suspect: Suspect) -> Draft:
        image_id, error = suspect.image.source.sha256, suspect.error
        for _ in range(_MAX_TRIALS):
            self._failed_meanwhile.clear()
            works = await self._run_probe(suspect.deadline)
            if works is False and isinstance(error, RequestRejected):
                works = await self._run_probe(suspect.deadline)  # by another server, perhaps
                self._note_variation(error, captions=works is True)
            if works is None:
                raise error
            if not works:
                if await self._others_failed(image_id):
                    continue
                self._failed_probes += 1
                raise captioner_failed(error)
            try:
                return await self._ask_again(suspect)
            except _UNEXPLAINED as again:
                error = again
                if isinstance(again, ServerFailed) and await self._others_failed(image_id):
                    continue
                if image_id in self._failed_images:
                    self._failed_images[image_id].verdicts += 1
                raise image_not_accepted(again) from None
        raise error

    async def _ask_again(self, suspect: Suspect) -> Draft:
        """The draft, also where only one of several servers gives it. Raises the last error."""
        varies = self._clock() < self._answers_vary_until_s
        asks = _REJECTED_ASKS_WHERE_IT_VARIES if varies else _REJECTED_ASKS
        while True:
            asks -= 1
            try:
                draft = await self._call(
                    suspect.image, suspect.request, suspect.deadline, suspect.uses
                )
            except RequestRejected:
                if not asks:
                    raise
            else:
                self._note_variation(suspect.error, captions=True)
                return draft

    def _note_variation(self, error: CaptionError, *, captions: bool) -> None:
        """The same image was rejected, and then captioned."""
        if captions and isinstance(error, RequestRejected):
            self._answers_vary_until_s = self._clock() + _ANSWERS_VARY_S

    async def _others_failed(self, image_id: str) -> bool:
        """Whether calls with other images failed during this trial: one may be the cause."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=_SETTLE_S)
        return bool(self._failed_meanwhile - {image_id})

    async def _check_refusal(
        self, image_id: str, error: CaptionRefused, deadline: Deadline
    ) -> None:
        """Raise ModelError where a known good image is refused too, after several others."""
        self._refused_images.add(image_id)
        if len(self._refused_images) < _REFUSED_IMAGES_IN_A_ROW:
            return
        if await self._run_probe(deadline) is False:
            reason = f"{error.log_reason}; a known good image was not captioned either"
            raise ModelError(log_reason=reason)

    async def _check_limit(
        self, permit: int, image_id: str, error: RetryAfterTooLong, deadline: Deadline
    ) -> None:
        """Raise LimitOfRequest where a very long wait was named, but not to a known good image."""
        if (error.retry_after_s or 0.0) <= self.breaker.longest_pause_s:
            return
        self._limited_images.add(image_id)
        is_all = len(self._limited_images) >= _LIMITED_IMAGES_IN_A_ROW
        if is_all or self.breaker.will_trip(permit, image_id):
            return
        if await self._run_probe(deadline):
            reason = f"{error.log_reason}; a known good image was captioned"
            raise LimitOfRequest(log_reason=reason, retry_after_s=error.retry_after_s) from None

    async def _run_probe(self, deadline: Deadline) -> bool | None:
        """Whether the captioner captions a known good image; None where it cannot tell in time.

        Requests share a probe, and one that outlasts its request still counts.
        """
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._probe_and_record())
        try:
            async with asyncio.timeout(max(0.0, deadline.left_s())):
                return await asyncio.shield(self._probe)
        except TimeoutError:
            return None

    async def _probe_and_record(self) -> bool | None:
        works = await self.captioner.probe()
        _logger.info("captioner.probed", extra={"captioner": self.label, "works": works})
        if works:
            self._refused_images.clear()
            self._suspects_images_until_s = self._clock() + _SUSPECT_IMAGES_S
            if self.breaker.close():
                _logger.info("circuit_breaker.closed", extra={"captioner": self.label})
        elif works is not None:
            self._suspects_images_until_s = 0.0
        return works

    def _record_success(self, image_id: str) -> None:
        self._refused_images.clear()
        self._limited_images.clear()
        self._failed_images.pop(image_id, None)

    @contextmanager
    def _record_outcome(self, permit: int, image_id: str) -> Iterator[None]:
        """Settle the permit by how the block ends, cancellation included."""
        breaker = self.breaker
        tripped = reset = False
        try:
            yield
            reset = breaker.record_success(permit)
        except (ImageNotAccepted, LimitOfRequest, RequestSpecificError):
            reset = breaker.record_request_error(permit)
            raise
        except (CaptionRefused, CaptionUncertain):
            reset = breaker.record_success(permit)
            raise
        except (DeadlineExceeded, ImageNotTried):
            breaker.release(permit)
            raise
        except RetryAfterTooLong as error:
            tripped = breaker.record_failure(permit, error.retry_after_s)
            raise
        except (*_UNEXPLAINED, ModelTimeout):
            tripped = breaker.record_failure(permit, image=image_id)
            raise
        except (ModelUnavailable, ModelError):
            tripped = breaker.record_failure(permit)
            raise
        except BaseException:
            breaker.release(permit)
            raise
        finally:
            if tripped:
                retry_after_s = round(breaker.retry_after_s() or 0.0, 1)
                _logger.warning(
                    "circuit_breaker.opened",
                    extra={"captioner": self.label, "retry_after_s": retry_after_s},
                )
            elif reset:
                _logger.info("circuit_breaker.closed", extra={"captioner": self.label})
