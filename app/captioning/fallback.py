"""Fallback: captioners in order, the next one where one fails, each with a circuit breaker."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.circuit_breaker import (
    MAX_RETRY_AFTER_S,
    CircuitBreaker,
    CircuitBreakerSettings,
    CircuitState,
)
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    DeadlineExceeded,
    ImageNotAccepted,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.captioning.guarded_captioner import GuardedCaptioner
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.token_use import TokenUse
from app.types import Draft, NormalisedImage

_logger = logging.getLogger(__name__)

_Failure = ModelUnavailable | ModelTimeout | ModelError | ImageNotAccepted

_DEADLINE_FRACTION = 2 / 3
"""Of the time left, for a captioner with a fallback: of 30 seconds it gets 20, enough for a call of
15 and a wait, and the fallback has 10."""


class FallbackCaptioner(Captioner):
    """Calls captioners in order until one answers.

    A refusal is an answer: no fallback follows. An image that one model cannot take is none. The
    refusal of a fallback is final only where the captioners before it cannot take the image either:
    those that failed for another reason may caption it later.
    """

    def __init__(
        self,
        captioners: Sequence[Captioner],
        *,
        breaker: CircuitBreakerSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """At least one captioner. `clock` is the circuit breakers': monotonic seconds."""
        if not captioners:
            raise ValueError("captioners must not be empty")
        self.name, self.identity = captioners[0].name, captioners[0].identity
        self._guarded: list[GuardedCaptioner] = []
        for captioner in captioners:
            same = sum(one.captioner.name == captioner.name for one in self._guarded)
            label = f"{captioner.name}#{same + 1}" if same else captioner.name
            self._guarded.append(
                GuardedCaptioner(captioner, label, CircuitBreaker(breaker, clock), clock)
            )

    def is_usable(self) -> bool:
        """Whether any captioner may be called now, at least with a probe."""
        return any(one.is_usable() for one in self._guarded)

    def circuit_states(self) -> Mapping[str, CircuitState]:
        """Each captioner's breaker state by name, in order; a second one of a name is `name#2`."""
        return {one.label: one.breaker.state for one in self._guarded}

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        """The first draft that a captioner gives.

        Raises CaptionRefused or CaptionUncertain as soon as one captioner does, if those before it
        could not take the image. Where all fail, or one refuses after others have failed:
        ModelUnavailable (with the shortest known wait) if any is unavailable, else ModelTimeout if
        any was too slow, else ModelError, else ImageNotAccepted.
        """
        failures: list[_Failure] = []
        uses: list[TokenUse] = []
        for index, guarded in enumerate(self._guarded):
            has_fallback = any(later.is_usable() for later in self._guarded[index + 1 :])
            left_s = deadline.left_s()
            own_deadline = (
                deadline.sooner(left_s * _DEADLINE_FRACTION) if has_fallback else deadline
            )
            try:
                if left_s <= 0:
                    raise DeadlineExceeded(log_reason=f"{guarded.label}: no time was left")
                draft = await guarded.draft(image, request, own_deadline)
            except (ModelUnavailable, ModelTimeout, ModelError, ImageNotAccepted) as error:
                failures.append(error)
                uses += error.take_token_uses()
                if index + 1 < len(self._guarded):  # the last reason is in the error raised
                    _log_failure(guarded, error)
            except CaptionError as error:
                uses += error.take_token_uses()
                is_refusal = isinstance(error, (CaptionRefused, CaptionUncertain))
                if not is_refusal or not _may_caption_later(failures):
                    error.token_uses = tuple(uses)
                    raise
                _log_failure(guarded, error)
                break
            else:
                if draft.text.strip() == "UNCERTAIN" and _may_caption_later(failures):
                    uses += draft.token_uses()
                    break
                earlier_uses = (*uses, *draft.earlier_uses)
                return replace(draft, earlier_uses=earlier_uses, is_fallbacks=index > 0)
        combined = _combine(failures)
        combined.token_uses = tuple(uses)
        raise combined from None


def _log_failure(guarded: GuardedCaptioner, error: CaptionError) -> None:
    reason = error.log_reason or error.code
    _logger.warning("captioner.failed", extra={"captioner": guarded.label, "reason": reason})


def _may_caption_later(failures: Sequence[_Failure]) -> bool:
    """Whether a captioner before this one failed for another reason than the image."""
    return any(not isinstance(error, ImageNotAccepted) for error in failures)


def _combine(failures: Sequence[_Failure]) -> _Failure:
    """The one error for the caller, with all reasons for the log."""
    reason = " | ".join(error.log_reason for error in failures)
    unavailable = [error for error in failures if isinstance(error, ModelUnavailable)]
    if unavailable:
        waits = [e.retry_after_s for e in unavailable if e.retry_after_s is not None]
        wait_s = min(waits, default=None)
        return ModelUnavailable(
            log_reason=reason,
            retry_after_s=None if wait_s is None else min(wait_s, MAX_RETRY_AFTER_S),
        )
    for kind in (ModelTimeout, ModelError):
        if any(isinstance(error, kind) for error in failures):
            return kind(log_reason=reason)
    return ImageNotAccepted(log_reason=reason)
