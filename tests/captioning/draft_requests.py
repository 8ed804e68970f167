"""A draft request and an image for captioner tests."""

from dataclasses import replace
from typing import Any

import pytest

from app.captioning.captioner import Captioner, DraftRequest
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage, SourceFacts, Style
from testing.images import jpeg

STYLE = Style(
    name="concise",
    purpose="Alt text.",
    prompt="Describe the picture in one sentence.",
    min_chars=8,
    aim_chars=125,
    max_chars=160,
    warn_over_chars=125,
    min_sentences=1,
    max_sentences=2,
    max_word_repeats=None,
    uses_keywords=False,
    banned=(),
    version="0123456789ab",
    instructions=(),
)


def draft_request(**changes: Any) -> DraftRequest:
    """A request for a concise English draft of at most 64 tokens."""
    return replace(DraftRequest(style=STYLE, locale="en", max_tokens=64), **changes)


def normalised_image() -> NormalisedImage:
    """A blue disc on white."""
    data = jpeg((320, 240))
    facts = SourceFacts(320, 240, "jpeg", len(data), "0" * 64)
    return NormalisedImage(data, 320, 240, facts)


async def draft(captioner: Captioner, deadline_s: float = 5.0, **changes: object) -> Draft:
    """One draft of that image; `changes` are fields of the draft request."""
    request = draft_request(**changes)
    return await captioner.draft(normalised_image(), request, Deadline.after(deadline_s))


async def failed_draft(captioner: Captioner, deadline_s: float = 30.0) -> CaptionError:
    """The error of one draft of that image."""
    with pytest.raises(CaptionError) as caught:
        await draft(captioner, deadline_s)
    return caught.value
