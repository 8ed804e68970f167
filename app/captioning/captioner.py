"""The protocol that every captioner keeps."""

from dataclasses import dataclass
from typing import Protocol

from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage, Role, Style


@dataclass(frozen=True, slots=True)
class RejectedDraft:
    """The first draft and why it was turned down: what the second ask has to mend."""

    draft: str
    reasons: tuple[str, ...]
    """One sentence each, for the captioner ("It is 212 characters long; 160 is the most")."""


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """All that a captioner may know besides the picture. `context` is data, not instruction."""

    style: Style
    locale: str
    max_tokens: int
    context: str | None = None
    role: Role | None = None
    keywords: tuple[str, ...] = ()
    rejected: RejectedDraft | None = None


class Captioner(Protocol):
    """Turns a picture and an ask into a draft, or raises a CaptionError."""

    name: str
    """What `model` says in the answer: the model's name, or `embedded`."""

    def is_usable(self) -> bool:
        """False while this captioner is left alone after repeated failures."""
        ...

    async def draft(self, image: NormalisedImage, ask: DraftRequest, deadline: Deadline) -> Draft:
        """One draft before the deadline. Cancelling the call stops the work behind it."""
        ...

    async def check(self) -> str:
        """One cheap call to see that it works; says what was seen. Raises CaptionError if not."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and processes."""
        ...
