"""The table of docs/models.md in which each provider's fake is played.

    .venv/bin/python -m testing.provider_table

asks every fake for a caption, for one with thinking switched off, and for each of its errors, and
prints what came, to be pasted into the page.
"""

import asyncio
import json
import sys
from dataclasses import dataclass

from app.captioning.captioner import DraftRequest
from app.captioning.fallback import FallbackCaptioner
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.openai_compat.known_good_image import known_good_image
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.providers.registry import load_providers
from app.captioning.styles.loader import load_styles
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, ModelImage
from testing.images import jpeg
from testing.servers.provider_fakes import FAKES, ErrorReply, ProviderFake, ProviderServer

_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class PlayedFake:
    """What one provider's fake answered, as callers see it."""

    fake: ProviderFake
    caption: str
    thinking_off: str
    errors: str

    def row(self) -> str:
        """Its row in markdown."""
        fake = self.fake
        name = load_providers()[fake.provider].name
        source = f"[page]({fake.source})"
        cells = [name, f"`{fake.model}`", source, self.caption, self.thinking_off, self.errors]
        return f"| {' | '.join(cells)} |"


async def play(fake: ProviderFake) -> PlayedFake:
    """A caption, one with thinking off, and each error."""
    off = load_providers()[fake.provider].thinking_of(fake.model) if fake.thinks else None
    with ProviderServer(fake) as server:
        caption = _describe(server, await _draft(server, {}))
        thinking_off = ""
        if off is not None and off.off is not None:
            told = _describe(server, await _draft(server, dict(off.off)))
            thinking_off = f"`{json.dumps(off.off)}`: {told}"
        errors: dict[str, list[str]] = {}
        for error in fake.errors:
            errors.setdefault(await _provoke(server, error), []).append(str(error.status))
    said = "; ".join(f"{', '.join(statuses)} {what}" for what, statuses in errors.items())
    return PlayedFake(fake, caption, thinking_off, said)


async def play_all() -> list[PlayedFake]:
    """All providers, in the order of the fakes."""
    return [await play(fake) for fake in FAKES]


def render_table() -> str:
    """The table in markdown."""
    lines = [
        "| provider | model | fake after | a caption | thinking off | errors: the caller gets |",
        "|---|---|---|---|---|---|",
        *(played.row() for played in asyncio.run(play_all())),
    ]
    return "\n".join(lines)


async def _draft(server: ProviderServer, params: dict[str, object]) -> Draft:
    fake = server.fake
    server.calls.clear()
    captioner = OpenAICompatCaptioner(
        ModelSettings(
            model=fake.model, base_url=server.base_url, params=params, retry_wait_max_s=5
        ),
        provider=load_providers()[fake.provider],
        shrink=_smaller,
        reencode=_smaller,
        sleep=_without_waiting,
    )
    try:
        return await FallbackCaptioner([captioner]).draft(
            known_good_image(),
            DraftRequest(style=load_styles()["concise"], locale="en", max_tokens=64),
            Deadline.after(_DEADLINE_S),
        )
    finally:
        await captioner.aclose()


def _describe(server: ProviderServer, draft: Draft) -> str:
    calls = len(server.calls)
    noun = "call" if calls == 1 else "calls"
    return f"{calls} {noun}, {draft.input_tokens:,} in, {draft.output_tokens:,} out"


async def _provoke(server: ProviderServer, error: ErrorReply) -> str:
    """What the error means, and what the caller gets."""
    server.error = error
    try:
        await _draft(server, {})
    except CaptionError as raised:
        outcome = f"`{raised.code}` {raised.status}"
        if raised.retry_after_s is not None:
            outcome += f" after {raised.retry_after_s:g} s"
    else:
        outcome = "a caption"
    finally:
        server.error = None
    return f"{error.kind.replace('_', ' ')}: {outcome}"


async def _smaller(_jpeg: bytes) -> ModelImage:
    return ModelImage(jpeg((160, 120)), 160, 120)


async def _without_waiting(_seconds: float) -> None:
    """In place of asyncio.sleep."""


if __name__ == "__main__":
    sys.stdout.write(render_table() + "\n")
