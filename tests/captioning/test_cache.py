"""Equal requests are answered once; without Redis there is no cache, but service."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis import Redis

from app.captioning.cache import CacheKey, CaptionCache
from app.errors import Overloaded
from app.types import Caption, NormalisedImage, SourceFacts
from testing.servers.redis import RedisServer

FACTS = SourceFacts(10, 10, "png", 100, "0" * 64)
IMAGE = NormalisedImage(b"", 10, 10, FACTS)
KEY = CacheKey("0" * 64, (10, 10), "concise", "v1", "p1", "en", None, None, (), 64, "m")
CAPTION = Caption(
    text="Two tabby cats sleep on a red sofa.",
    style="concise",
    locale="en",
    decorative=False,
    truncated=False,
    warnings=("short",),
    model="m",
    input_tokens=900,
    output_tokens=12,
    source=FACTS,
    sent_width_px=10,
    sent_height_px=10,
)


class Maker:
    """Makes the caption and counts how often."""

    def __init__(self, caption: Caption = CAPTION, seconds: float = 0.0) -> None:
        self.made = 0
        self._caption = caption
        self._seconds = seconds

    async def __call__(self) -> Caption:
        self.made += 1
        await asyncio.sleep(self._seconds)
        return self._caption


@pytest.fixture
async def cache(redis_server: RedisServer) -> AsyncIterator[CaptionCache]:
    made = CaptionCache(redis_server.url)
    yield made
    await made.aclose()


async def test_the_second_equal_request_costs_nothing(cache: CaptionCache) -> None:
    make = Maker()
    first = await cache.once(KEY, IMAGE, make)
    second = await cache.once(KEY, IMAGE, make)
    assert make.made == 1
    assert first == replace(CAPTION, cached=False)
    assert second == replace(CAPTION, cached=True, input_tokens=0, output_tokens=0)


@pytest.mark.parametrize(
    "change",
    [
        {"image_sha256": "1" * 64},
        {"sent": (5, 5)},
        {"style": "seo"},
        {"style_version": "v2"},
        {"answers_version": "p2"},
        {"locale": "de"},
        {"context": "Mug"},
        {"role": "link"},
        {"keywords": ("mug",)},
        {"max_tokens": 65},
        {"model": "n"},
    ],
)
async def test_whatever_a_caption_depends_on_is_part_of_the_key(
    cache: CaptionCache, change: dict[str, object]
) -> None:
    make = Maker()
    await cache.once(KEY, IMAGE, make)
    await cache.once(replace(KEY, **change), IMAGE, make)
    assert make.made == 2


async def test_twins_in_work_share_one_call(cache: CaptionCache) -> None:
    make = Maker(seconds=0.1)
    answers = await asyncio.gather(*(cache.once(KEY, IMAGE, make) for _ in range(10)))
    assert make.made == 1
    assert [one.cached for one in answers].count(True) == 9


async def test_a_twin_whose_caller_leaves_does_not_take_the_others_along(
    cache: CaptionCache,
) -> None:
    make = Maker(seconds=0.1)
    first = asyncio.create_task(cache.once(KEY, IMAGE, make))
    await asyncio.sleep(0.02)
    others = [asyncio.create_task(cache.once(KEY, IMAGE, make)) for _ in range(3)]
    await asyncio.sleep(0.02)
    first.cancel()
    assert [one.text for one in await asyncio.gather(*others)] == [CAPTION.text] * 3
    assert make.made == 2


async def test_a_failure_is_told_to_its_twins_and_not_remembered(cache: CaptionCache) -> None:
    async def fail() -> Caption:
        await asyncio.sleep(0.05)
        raise Overloaded

    told = await asyncio.gather(
        *(cache.once(KEY, IMAGE, fail) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(one, Overloaded) for one in told)
    assert (await cache.once(KEY, IMAGE, Maker())).text == CAPTION.text


async def test_a_fallbacks_caption_does_not_outlive_the_fallback(cache: CaptionCache) -> None:
    await cache.once(KEY, IMAGE, Maker(replace(CAPTION, model="embedded")))
    make = Maker()
    await cache.once(KEY, IMAGE, make)
    assert make.made == 1


async def test_no_redis_means_no_cache_not_no_service(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    redis_server.stop()
    make = Maker()
    for _ in range(3):
        assert (await cache.once(KEY, IMAGE, make)).text == CAPTION.text
    assert make.made == 3


async def test_an_entry_that_cannot_be_read_is_made_anew(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    with Redis(port=redis_server.port) as redis:
        redis.set(KEY.name(), b'{"text": 5')
    make = Maker()
    assert (await cache.once(KEY, IMAGE, make)).cached is False
    assert make.made == 1
