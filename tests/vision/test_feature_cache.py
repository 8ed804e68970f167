"""One analysis serves all who ask about the same image."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.vision import feature_cache
from app.vision.analyse import analyse
from app.vision.feature_cache import FeatureCache
from app.vision.features import Features
from tests.vision import drawn

pytestmark = pytest.mark.usefixtures("virtual_time")

FEATURES = analyse(drawn.jpeg(drawn.icon()))


@dataclass
class Analyser:
    """An analysis of a fixed length, which keeps its deadline and counts what is asked of it."""

    seconds: float = 1.0
    failures: list[Exception] = field(default_factory=list)
    """Raised by the next analyses, one each."""
    results: list[Features] = field(default_factory=list)
    """Of the next analyses, one each; FEATURES afterwards."""
    analysed: list[bytes] = field(default_factory=list)
    cancelled: int = 0

    async def __call__(self, jpeg: bytes, deadline: Deadline, caller: str) -> Features:
        self.analysed.append(jpeg)
        try:
            async with deadline.timeout():
                await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except TimeoutError:
            raise Overloaded from None
        if self.failures:
            raise self.failures.pop(0)
        return self.results.pop(0) if self.results else FEATURES


def cache_of(analyser: Analyser) -> FeatureCache:
    return FeatureCache(analyser, unshared=(Overloaded,))


async def test_equal_images_are_analysed_once() -> None:
    """Twelve styles and locales of one request, and the second draft after a rejected one."""
    analyser, deadline = Analyser(), Deadline.after(60)
    cache = cache_of(analyser)
    assert (
        await asyncio.gather(*(cache.get(b"one", deadline) for _ in range(12))) == [FEATURES] * 12
    )
    assert await cache.get(b"one", deadline) == FEATURES
    await cache.get(b"another", deadline)
    assert analyser.analysed == [b"one", b"another"]


async def test_who_joins_an_analysis_keeps_its_own_deadline() -> None:
    """The first caller had too little time; the second gets the features."""
    analyser = Analyser(seconds=3)
    cache = cache_of(analyser)
    first = asyncio.create_task(cache.get(b"one", Deadline.after(1)))
    await asyncio.sleep(0.5)
    second = asyncio.create_task(cache.get(b"one", Deadline.after(10)))
    await asyncio.wait([first])
    assert isinstance(first.exception(), Overloaded)
    assert await second == FEATURES


async def test_the_analysis_ends_with_the_last_who_waits_for_it() -> None:
    analyser = Analyser()
    cache = cache_of(analyser)
    waiting = [asyncio.create_task(cache.get(b"one", Deadline.after(60))) for _ in range(2)]
    await asyncio.sleep(0.1)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    assert analyser.cancelled == 0
    waiting[1].cancel()
    await asyncio.wait([waiting[1]])
    assert analyser.cancelled == 1
    assert await cache.get(b"one", Deadline.after(60)) == FEATURES


async def test_a_failure_is_not_cached() -> None:
    analyser = Analyser(failures=[Overloaded()])
    cache = cache_of(analyser)
    with pytest.raises(Overloaded):
        await cache.get(b"one", Deadline.after(60))
    assert await cache.get(b"one", Deadline.after(60)) == FEATURES


async def test_features_without_their_text_are_given_but_not_kept() -> None:
    """The next caller's image is read again."""
    incomplete = replace(FEATURES, is_complete=False)
    analyser = Analyser(results=[incomplete])
    cache = cache_of(analyser)
    deadline = Deadline.after(60)
    assert await asyncio.gather(*(cache.get(b"one", deadline) for _ in range(2))) == (
        [incomplete] * 2
    )
    assert await cache.get(b"one", deadline) == FEATURES
    assert await cache.get(b"one", deadline) == FEATURES
    assert analyser.analysed == [b"one"] * 2


async def test_the_least_recently_used_image_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "MAX_ENTRIES", 2)
    analyser = Analyser()
    cache = cache_of(analyser)
    for jpeg in (b"a", b"b", b"a", b"c", b"a", b"b"):
        await cache.get(jpeg, Deadline.after(60))
    assert analyser.analysed == [b"a", b"b", b"c", b"b"]
