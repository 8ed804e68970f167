"""An ask and a picture for tests that stand a captioner before a model's server."""

from dataclasses import replace
from typing import Any

from app.captioning.captioner import DraftRequest
from app.types import NormalisedImage, SourceFacts, Style
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


def ask(**changes: Any) -> DraftRequest:
    """A concise ask in English at 64 tokens."""
    return replace(DraftRequest(style=STYLE, locale="en", max_tokens=64), **changes)


def picture() -> NormalisedImage:
    """A blue disc, as the normaliser hands it on."""
    data = jpeg((320, 240))
    facts = SourceFacts(320, 240, "jpeg", len(data), "0" * 64)
    return NormalisedImage(data, 320, 240, facts)
