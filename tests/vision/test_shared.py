"""One look for all who ask about the same picture."""

import asyncio
from dataclasses import dataclass, field

import pytest

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.vision import shared
from app.vision.analyse import analyse
from app.vision.features import Features
from app.vision.shared import SharedAnalyses
from tests.vision import drawn

SOON = Deadline.after(60)


@dataclass
class Watched:
    """A look that is counted, takes its time, and can fail."""

    sight: Features = field(default_factory=lambda: analyse(drawn.jpeg(drawn.icon())))
    looks: int = 0
    cancelled: int = 0
    failure: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, jpeg: bytes, deadline: Deadline) -> Features:
        self.looks += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failure:
            raise self.failure
        return self.sight


async def test_equal_pictures_are_looked_at_once():
    """Twelve styles and locales of one request, and the second ask after a rejected draft."""
    watched = Watched()
    looks = SharedAnalyses(watched)
    asked = [asyncio.create_task(looks.at(b"one", SOON)) for _ in range(12)]
    await asyncio.sleep(0)
    watched.gate.set()
    assert await asyncio.gather(*asked) == [watched.sight] * 12
    assert await looks.at(b"one", SOON) == watched.sight
    assert watched.looks == 1
    await looks.at(b"another", SOON)
    assert watched.looks == 2


async def test_the_work_ends_with_the_last_who_waits_for_it():
    """One caller that leaves takes nothing from the others."""
    watched = Watched()
    looks = SharedAnalyses(watched)
    first, second = (asyncio.create_task(looks.at(b"one", SOON)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    assert watched.cancelled == 0
    second.cancel()
    await asyncio.sleep(0.01)
    assert watched.cancelled == 1
    watched.gate.set()
    assert await looks.at(b"one", SOON) == watched.sight


async def test_a_failure_reaches_all_who_wait_and_is_not_remembered():
    """The next ask may find room."""
    watched = Watched(failure=Overloaded())
    watched.gate.set()
    looks = SharedAnalyses(watched)
    both = await asyncio.gather(*(looks.at(b"one", SOON) for _ in range(2)), return_exceptions=True)
    assert [type(one) for one in both] == [Overloaded, Overloaded]
    watched.failure = None
    assert await looks.at(b"one", SOON) == watched.sight


async def test_only_so_many_sights_are_kept(monkeypatch: pytest.MonkeyPatch):
    """The one that was asked for longest ago goes."""
    monkeypatch.setattr(shared, "MOST_KEPT", 2)
    watched = Watched()
    watched.gate.set()
    looks = SharedAnalyses(watched)
    for name in (b"a", b"b", b"a", b"c", b"a", b"b"):
        await looks.at(name, SOON)
    assert watched.looks == 4
