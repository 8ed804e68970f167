"""Fixtures of captioner tests."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.openai_compat.session import ShrinkImage
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.providers.provider import Provider


class RecordedSleep:
    """Replaces asyncio.sleep: records the waits and returns at once."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits_s.append(seconds)


class CaptionerFactory:
    """Makes captioners for a model server of the test."""

    def __init__(self) -> None:
        self.sleep = RecordedSleep()
        self.made: list[OpenAICompatCaptioner] = []

    def __call__(
        self,
        base_url: str | None = None,
        *,
        reduce: ShrinkImage | None = None,
        shrink: ShrinkImage | None = None,
        reencode: ShrinkImage | None = None,
        provider: Provider | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        **settings: object,
    ) -> OpenAICompatCaptioner:
        values = {"model": "a-model", "base_url": base_url, "timeout_s": 10.0, **settings}
        captioner = OpenAICompatCaptioner(
            ModelSettings.model_validate(values),
            reduce=reduce,
            shrink=shrink,
            reencode=reencode,
            provider=provider,
            sleep=sleep or self.sleep,
        )
        self.made.append(captioner)
        return captioner


@pytest.fixture
async def make_captioner() -> AsyncIterator[CaptionerFactory]:
    """A factory whose captioners are closed after the test."""
    factory = CaptionerFactory()
    yield factory
    for captioner in factory.made:
        await captioner.aclose()
