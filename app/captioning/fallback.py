"""Fallback: captioners in order, the next one where one fails, each with a circuit breaker."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.circuit_breaker import CircuitBreaker, CircuitBreakerSettings, CircuitState
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    DeadlineExceeded,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RequestSpecificError,
    RetryAfterTooLong,
)
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage

_logger = logging.getLogger(__name__)

_DEADLINE_FRACTION = 2 / 3
"""Of the time left, for a captioner with a fallback: of 30 seconds it gets 20, enough for a call of
15 and a wait, and the fallback has 10."""


class _GuardedCaptioner:
    """One captioner behind its circuit breaker."""

    def __init__(self, captioner: Captioner, label: str, breaker: CircuitBreaker) -> None:
        """`label` is the captioner's name, made unique."""
        self.captioner = captioner
        self.label = label
        self.breaker = breaker

    def is_usable(self) -> bool:
        return self.breaker.state != "open"

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        permit = self.breaker.acquire()
        if permit is None:
            raise ModelUnavailable(
                log_reason=f"{self.label}: circuit breaker is open after failures",
                retry_after_s=self.breaker.retry_after_s(),
            )
        with self._record_outcome(permit):
            return await self.captioner.draft(image, request, deadline)

    @contextmanager
    def _record_outcome(self, permit: int) -> Iterator[None]:
        """Settle the permit by how the block ends, cancellation included."""
        breaker = self.breaker
        tripped = reset = False
        try:
            yield
            reset = breaker.record_success(permit)
        except (CaptionRefused, CaptionUncertain):
            reset = breaker.record_success(permit)
            raise
        except RequestSpecificError:
            reset = breaker.record_request_error(permit)
            raise
        except DeadlineExceeded:
            breaker.release(permit)
            raise
        except RetryAfterTooLong as error:
            tripped = breaker.record_failure(permit, error.retry_after_s)
            raise
        except (ModelUnavailable, ModelError, ModelTimeout):
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


class FallbackCaptioner(Captioner):
    """Calls captioners in order until one answers. A refusal is an answer: no fallback follows."""

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
        self.name = captioners[0].name
        self._guarded: list[_GuardedCaptioner] = []
        for captioner in captioners:
            same = sum(one.captioner.name == captioner.name for one in self._guarded)
            label = f"{captioner.name}#{same + 1}" if same else captioner.name
            self._guarded.append(
                _GuardedCaptioner(captioner, label, CircuitBreaker(breaker, clock))
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

        Raises CaptionRefused or CaptionUncertain as soon as one captioner does. Where all fail:
        ModelUnavailable (with the shortest known wait) if any is unavailable, else ModelTimeout if
        any was too slow, else ModelError.
        """
        failures: list[ModelUnavailable | ModelTimeout | ModelError] = []
        for index, guarded in enumerate(self._guarded):
            has_fallback = any(later.is_usable() for later in self._guarded[index + 1 :])
            left_s = deadline.left_s()
            own_deadline = (
                deadline.sooner(left_s * _DEADLINE_FRACTION) if has_fallback else deadline
            )
            try:
                if left_s <= 0:
                    raise DeadlineExceeded(log_reason=f"{guarded.label}: no time was left")
                return await guarded.draft(image, request, own_deadline)
            except (ModelUnavailable, ModelTimeout, ModelError) as error:
                failures.append(error)
                if index + 1 < len(self._guarded):  # the last reason is in the error raised
                    _logger.warning(
                        "captioner.failed",
                        extra={"captioner": guarded.label, "reason": error.log_reason},
                    )
        raise _combine(failures) from None


def _combine(
    failures: Sequence[ModelUnavailable | ModelTimeout | ModelError],
) -> ModelUnavailable | ModelTimeout | ModelError:
    """The one error for the caller, with all reasons for the log."""
    reason = " | ".join(error.log_reason for error in failures)
    unavailable = [error for error in failures if isinstance(error, ModelUnavailable)]
    if unavailable:
        waits = [e.retry_after_s for e in unavailable if e.retry_after_s is not None]
        return ModelUnavailable(log_reason=reason, retry_after_s=min(waits, default=None))
    if any(isinstance(error, ModelTimeout) for error in failures):
        return ModelTimeout(log_reason=reason)
    return ModelError(log_reason=reason)
