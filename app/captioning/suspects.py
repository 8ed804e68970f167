"""What is known of requests and images that failed without an explanation, and their errors."""

from dataclasses import dataclass

from app.captioning.captioner import DraftRequest
from app.captioning.errors import (
    CaptionRefused,
    ImageNotAccepted,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.token_use import UNKNOWN_TOKEN_USE, TokenUse
from app.types import NormalisedImage


@dataclass(frozen=True, slots=True)
class Suspect:
    """A request that failed without an explanation, and what was known before its call."""

    image: NormalisedImage
    request: DraftRequest
    deadline: Deadline
    error: ModelUnavailable | ModelError
    failed_probes: int
    uses: list[TokenUse]
    """The tokens of its calls that failed, also of those that follow."""


@dataclass(slots=True)
class FailedImage:
    """What is known of an image that failed without an explanation."""

    verdicts: int = 0
    """How often a trial found that the image is at fault."""
    has_failed_server: bool = False
    """It met a 5xx or a broken connection: its next call may end the calls of others."""


def uncounted_uses(error: CaptionError) -> tuple[TokenUse, ...]:
    """Of a call that may have used tokens, without saying how many.

    A server that is down, limited or not called uses none.
    """
    may_cost = isinstance(error, (ModelTimeout, ModelError, CaptionRefused))
    return (UNKNOWN_TOKEN_USE,) if may_cost else ()


def captioner_failed(error: ModelUnavailable | ModelError) -> ModelUnavailable | ModelError:
    """The error as the captioner's own, which the breaker counts whatever the image."""
    reason = f"{error.log_reason}; a known good image failed as well"
    if isinstance(error, ModelUnavailable):
        return ModelUnavailable(log_reason=reason, retry_after_s=error.retry_after_s)
    return ModelError(log_reason=reason)


def image_not_accepted(error: ModelUnavailable | ModelError) -> ImageNotAccepted:
    """The error as the image's own, which is final for this captioner."""
    reason = f"{error.log_reason}; other images are captioned"
    return ImageNotAccepted(log_reason=reason)
