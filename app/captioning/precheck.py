"""Precheck: the embedded captioner decides first whether an image is worth a call to the model.

Decorative images, and those that show nothing recognisable, never reach a paid model.
"""

import logging

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.errors import CaptionUncertain
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage

_logger = logging.getLogger(__name__)

_FINAL_DRAFTS = frozenset({"DECORATIVE", "UNCERTAIN"})


class PrecheckingCaptioner(Captioner):
    """Calls `captioner` only for images that the embedded captioner would describe."""

    def __init__(self, captioner: Captioner, embedded: Captioner) -> None:
        self._captioner = captioner
        self._embedded = embedded
        self.name, self.identity = captioner.name, captioner.identity

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        """DECORATIVE or UNCERTAIN of the embedded captioner, else the draft of `captioner`."""
        if request.rejected is None:
            try:
                draft = await self._embedded.draft(image, request, deadline)
            except CaptionUncertain:
                pass  # it has no phrases for the locale, which says nothing about the image
            except CaptionError as error:
                # The precheck only saves money: its failure must not cost a caption.
                _logger.warning("precheck.failed", extra={"reason": str(error)})
            else:
                if draft.text in _FINAL_DRAFTS and draft.is_complete:
                    return draft
        return await self._captioner.draft(image, request, deadline)
