"""The protocol that every captioner keeps."""

from dataclasses import dataclass
from typing import Protocol

from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage, Role, Style


@dataclass(frozen=True, slots=True)
class Rejected:
    """The first draft and why it was turned down: what the second ask has to mend."""

    draft: str
    reasons: tuple[str, ...]
    """One sentence each, for the captioner ("It is 212 characters long; 160 is the most")."""


@dataclass(frozen=True, slots=True)
class Ask:
    """All that a captioner may know besides the picture. `context` is data, not instruction."""

    style: Style
    locale: str
    max_tokens: int
    context: str | None = None
    role: Role | None = None
    keywords: tuple[str, ...] = ()
    rejected: Rejected | None = None


class Captioner(Protocol):
    """Turns a picture and an ask into a draft, or raises a CaptionError."""

    name: str
    """What `model` says in the answer: the model's name, or `embedded`."""

    def is_usable(self) -> bool:
        """False while this captioner is left alone after repeated failures."""
        ...

    async def draft(self, image: NormalisedImage, ask: Ask, deadline: Deadline) -> Draft:
        """One draft before the deadline. Cancelling the call stops the work behind it."""
        ...

    async def check(self) -> str:
        """One cheap call to see that it works; says what was seen. Raises CaptionError if not."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and processes."""
        ...


class ModelUnavailable(CaptionError):
    """Every captioner is rate limited, out of quota, down or left alone for a while."""

    code, status = "model_unavailable", 503
    title = "No captioner is available"
    public = "No captioner is available right now. Try again after Retry-After, or in a minute."


class ModelError(CaptionError):
    """The model's server answered nonsense, or refused our request as wrong."""

    code, status = "model_error", 502
    title = "The model's server answered wrongly"
    public = "The model's server gave an answer that cannot be used. The operator's log says more."


class ModelTimeout(CaptionError):
    """The model gave no answer in time."""

    code, status = "model_timeout", 504
    title = "The model was too slow"
    public = "The model gave no answer in time. Try again later."


class CaptionRefused(CaptionError):
    """The model or its content filter refused to describe the picture."""

    code, status = "caption_refused", 422
    title = "The model refused"
    public = "The model refused to describe this image. A person should write this text."


class CaptionUncertain(CaptionError):
    """The captioner said that it cannot tell what the picture shows."""

    code, status = "caption_uncertain", 422
    title = "A person should write this one"
    public = "The captioner cannot tell what this image shows. A person should write this text."
