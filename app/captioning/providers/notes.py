"""What a provider's documents say about one model, in sentences for an operator."""

import json
from collections.abc import Mapping
from typing import Any

from app.captioning.image_tokens import ImageDetail, Size
from app.captioning.providers.provider import Provider

PICTURES = 10_000


def describe_model(
    provider: Provider,
    model: str,
    params: Mapping[str, Any],
    size: Size,
    detail: ImageDetail | None = None,
) -> list[str]:
    """How it is known, how thinking is switched off, and what pictures of this size take."""
    notes = [
        note
        for note in (
            _about_thinking(provider, model, params),
            _about_tokens(provider, model, size, detail),
        )
        if note is not None
    ]
    return [f"its server is known as {provider.name}'s ({provider.api.source})", *notes]


def _about_thinking(provider: Provider, model: str, params: Mapping[str, Any]) -> str | None:
    thinking = provider.thinking_of(model)
    if thinking is None or thinking.by_default is False:
        return None
    if thinking.off is None:
        return f"it thinks before it writes, and each token is paid ({thinking.source})"
    if provider.switches_thinking_off(model, params):
        return f"thinking is switched off ({thinking.source})"
    thinks = "thinks" if thinking.by_default else "may think"
    off = json.dumps(thinking.off)
    return (
        f"it {thinks} before it writes, and each token is paid; "
        f"ALTWRIGHT_MODEL_PARAMS='{off}' switches that off ({thinking.source})"
    )


def _about_tokens(
    provider: Provider, model: str, size: Size, detail: ImageDetail | None
) -> str | None:
    tokens = provider.count_image_tokens(model, size, detail)
    if tokens is None:
        return None
    note = f"a picture of {size[0]} x {size[1]} pixels is about {tokens:,} tokens"
    listed = provider.price_of(model)
    if listed is None:
        return note
    amount = f"{listed.input_cost(tokens * PICTURES):.2f} {listed.price.currency}"
    return (
        f"{note}: {PICTURES:,} pictures for {amount}, without the prompt and the text, at the list "
        f"price of {listed.read} ({listed.source})"
    )
