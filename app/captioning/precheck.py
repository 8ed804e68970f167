"""Pictures that no model need be paid for: decorative ones, and those that nobody could tell."""

import logging

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.errors import CaptionUncertain
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage

_logger = logging.getLogger(__name__)

_WAYS_OUT = frozenset({"DECORATIVE", "UNCERTAIN"})


class PrecheckingCaptioner:
    """Asks the embedded captioner first; only a picture that says something goes further."""

    def __init__(self, captioner: Captioner, embedded: Captioner) -> None:
        self._captioner = captioner
        self._embedded = embedded
        self.name = captioner.name

    def is_usable(self) -> bool:
        """As the captioner behind it."""
        return self._captioner.is_usable()

    async def draft(self, image: NormalisedImage, ask: DraftRequest, deadline: Deadline) -> Draft:
        """The embedded captioner's way out, or else the other one's draft."""
        if ask.rejected is None:
            try:
                first = await self._embedded.draft(image, ask, deadline)
            except CaptionUncertain:
                pass  # a locale without phrases says nothing about the picture
            except CaptionError as error:
                # The precheck saves money; that it fails must not cost anyone a caption.
                _logger.warning("the precheck failed", extra={"reason": str(error)})
            else:
                if first.text in _WAYS_OUT:
                    return first
        return await self._captioner.draft(image, ask, deadline)

    async def check(self) -> str:
        """As the captioner behind it."""
        return await self._captioner.check()

    async def aclose(self) -> None:
        """Close the captioner behind it; the embedded one belongs to the chain."""
        await self._captioner.aclose()
