"""Captioners in order: the next one where one fails, each with its own breaker."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.circuit_breaker import CircuitBreaker, CircuitBreakerSettings, State
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.captioning.openai_compat.error_classifier import AskedToWait, NoTimeLeft, RequestFault
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage

_logger = logging.getLogger(__name__)

_SHARE = 2 / 3
"""Of the time that is left, what a captioner gets that others follow: with 30 seconds, enough for a
full call of 15 and a wait, and the next one has 10."""


class _Link:
    """One captioner, its breaker, and the name that tells it from others of the same model."""

    def __init__(self, captioner: Captioner, label: str, breaker: CircuitBreaker) -> None:
        self.captioner = captioner
        self.label = label
        self.breaker = breaker

    def is_usable(self) -> bool:
        return self.breaker.state != "open" and self.captioner.is_usable()

    @contextmanager
    def settled(self, ticket: int) -> Iterator[None]:
        """Tells the breaker how the block ended, cancelled or broken included."""
        breaker = self.breaker
        opened = closed = False
        try:
            yield
            closed = breaker.succeeded(ticket)
        except (CaptionRefused, CaptionUncertain):
            closed = breaker.succeeded(ticket)
            raise
        except RequestFault:
            closed = breaker.answered(ticket)
            raise
        except NoTimeLeft:
            breaker.set_aside(ticket)
            raise
        except AskedToWait as error:
            opened = breaker.failed(ticket, error.retry_after_s)
            raise
        except (ModelUnavailable, ModelError, ModelTimeout):
            opened = breaker.failed(ticket)
            raise
        except BaseException:
            breaker.set_aside(ticket)
            raise
        finally:
            if opened:
                wait_s = round(breaker.wait_s() or 0.0, 1)
                _logger.warning(
                    "captioner is left alone", extra={"captioner": self.label, "wait_s": wait_s}
                )
            elif closed:
                _logger.info("captioner is back", extra={"captioner": self.label})


class FallbackCaptioner(Captioner):
    """Asks each in order until one answers. A refusal is an answer: nobody else is asked then."""

    def __init__(
        self,
        captioners: Sequence[Captioner],
        *,
        breaker: CircuitBreakerSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """At least one captioner; `clock` in seconds, monotonic, is the breakers'."""
        if not captioners:
            raise ValueError("a chain needs a captioner")
        self.name = captioners[0].name
        self._links: list[_Link] = []
        for captioner in captioners:
            same = sum(link.captioner.name == captioner.name for link in self._links)
            label = f"{captioner.name}#{same + 1}" if same else captioner.name
            self._links.append(_Link(captioner, label, CircuitBreaker(breaker, clock)))

    def is_usable(self) -> bool:
        """Whether any captioner may be asked now, be it for a probe."""
        return any(link.is_usable() for link in self._links)

    def states(self) -> Mapping[str, State]:
        """Each captioner's breaker by name, in order; a second one of a name is `name#2`."""
        return {link.label: link.breaker.state for link in self._links}

    async def draft(self, image: NormalisedImage, ask: DraftRequest, deadline: Deadline) -> Draft:
        """The first draft that a captioner gives.

        Raises CaptionRefused or CaptionUncertain as soon as one says so. Where none could answer:
        ModelUnavailable (with the shortest wait that is known) if any is limited, down or left
        alone, else ModelTimeout if any was too slow, else the last ModelError.
        """
        failures: list[ModelUnavailable | ModelTimeout | ModelError] = []
        for place, link in enumerate(self._links):
            followed = any(later.is_usable() for later in self._links[place + 1 :])
            try:
                return await self._ask(link, image, ask, deadline, followed=followed)
            except (ModelUnavailable, ModelTimeout, ModelError) as error:
                failures.append(error)
                if place + 1 < len(self._links):  # the last one's reason is in the error raised
                    _logger.warning(
                        "captioner failed, the next is asked",
                        extra={"captioner": link.label, "reason": error.log_reason},
                    )
        raise _summed_up(failures) from None

    async def check(self) -> str:
        """What `checks` found, a line each. Raises the first error where no captioner works."""
        found = await self.checks()
        if all(isinstance(seen, CaptionError) for _, seen in found):
            raise next(seen for _, seen in found if isinstance(seen, CaptionError))
        return "\n".join(str(seen) for _, seen in found)

    async def checks(self) -> list[tuple[str, str | CaptionError]]:
        """Each captioner's name with what its check saw, or with its error."""
        seen = await asyncio.gather(*(_checked(link.captioner) for link in self._links))
        return [(link.label, what) for link, what in zip(self._links, seen, strict=True)]

    async def aclose(self) -> None:
        """Close every captioner, even where one fails to."""
        closings = (link.captioner.aclose() for link in self._links)
        for failure in await asyncio.gather(*closings, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    async def _ask(
        self,
        link: _Link,
        image: NormalisedImage,
        ask: DraftRequest,
        deadline: Deadline,
        *,
        followed: bool,
    ) -> Draft:
        if deadline.left_s() <= 0:
            raise NoTimeLeft(log_reason="no time was left")
        ticket = link.breaker.admit() if link.captioner.is_usable() else None
        if ticket is None:
            raise ModelUnavailable(
                log_reason=f"{link.label} is left alone after failures",
                retry_after_s=link.breaker.wait_s(),
            )
        if followed:
            deadline = deadline.sooner(deadline.left_s() * _SHARE)
        with link.settled(ticket):
            return await link.captioner.draft(image, ask, deadline)


async def _checked(captioner: Captioner) -> str | CaptionError:
    try:
        return await captioner.check()
    except CaptionError as error:
        return error


def _summed_up(
    failures: Sequence[ModelUnavailable | ModelTimeout | ModelError],
) -> ModelUnavailable | ModelTimeout | ModelError:
    """The one error that tells the caller most truly when to come back."""
    reason = " | ".join(error.log_reason for error in failures)
    unavailable = [error for error in failures if isinstance(error, ModelUnavailable)]
    if unavailable:
        waits = [e.retry_after_s for e in unavailable if e.retry_after_s is not None]
        return ModelUnavailable(log_reason=reason, retry_after_s=min(waits, default=None))
    if any(isinstance(error, ModelTimeout) for error in failures):
        return ModelTimeout(log_reason=reason)
    return ModelError(log_reason=reason)
