"""What is known of requests and images that failed without an explanation."""

from dataclasses import dataclass

from app.captioning.captioner import DraftRequest
from app.captioning.errors import ModelError, ModelUnavailable
from app.runtime.deadline import Deadline
from app.token_use import TokenUse
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
