"""What tests of captioners share."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from app.captioning.openai_compat.captioner import ModelSettings, OpenAICompatCaptioner
from app.captioning.openai_compat.session import Shrink


class Naps:
    """Sleeps that are only counted."""

    def __init__(self) -> None:
        self.s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.s.append(seconds)


class Remotes:
    """Makes remote captioners for a server of this test, and closes them after it."""

    def __init__(self) -> None:
        self.naps = Naps()
        """What they would have slept."""
        self.made: list[OpenAICompatCaptioner] = []

    def __call__(
        self,
        base_url: str | None = None,
        *,
        shrink: Shrink | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        **settings: object,
    ) -> OpenAICompatCaptioner:
        values = {"model": "a-model", "base_url": base_url, "timeout_s": 2.0, **settings}
        made = OpenAICompatCaptioner(
            ModelSettings.model_validate(values), shrink=shrink, sleep=sleep or self.naps
        )
        self.made.append(made)
        return made


@pytest.fixture
async def remotes() -> AsyncIterator[Remotes]:
    """A maker of remote captioners."""
    maker = Remotes()
    yield maker
    for made in maker.made:
        await made.aclose()
