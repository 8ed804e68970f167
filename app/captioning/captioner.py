"""The captioner protocol, and the request that a captioner gets."""

from dataclasses import dataclass
from typing import Protocol

from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage, Role, Style


@dataclass(frozen=True, slots=True)
class RejectedDraft:
    """A draft that failed validation, sent back with the reasons in the second draft request."""

    draft: str
    reasons: tuple[str, ...]
    """One sentence each, for the captioner ("It is 212 characters long; 160 is the most")."""
    disputed: tuple[str, ...] = ()
    """Words of the draft that the picture contradicts: a text it quotes, a colour, a thing."""


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """Everything that a captioner gets besides the image.

    `context`, `keywords` and `visible_text` come from the caller: they are data, never
    instructions.
    """

    style: Style
    locale: str
    max_tokens: int
    context: str | None = None
    role: Role | None = None
    keywords: tuple[str, ...] = ()
    visible_text: str | None = None
    """Text beside the image that readers get anyway; a caption must say more."""
    rejected: RejectedDraft | None = None
    caller: str = ""
    """Whose turn the work takes that waits for a child process."""


class Captioner(Protocol):
    """Writes a draft for an image."""

    name: str
    """The `model` of the response: the model's name, or `embedded`."""
    identity: str = ""
    """A hash of what decides what it writes besides its name: server, parameters and the like. Two
    captioners with equal names and identities may share captions."""

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        """Write one draft before the deadline. Cancelling the call stops the work behind it.

        Raises CaptionError.
        """
        ...

    async def probe(self) -> bool | None:
        """Whether it captions a known good image now; None where it cannot tell."""
        return None
