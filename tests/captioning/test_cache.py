"""Finished captions are stored in Redis; without Redis nothing is stored and nothing fails."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis import Redis

from app.captioning.cache import CacheKey, CaptionCache
from app.captioning.code_version import caption_code_version
from app.types import Caption, CaptionRequest, ModelImage, NormalisedImage, SourceFacts
from testing.servers.redis import RedisServer
from tests.captioning.draft_requests import STYLE

FACTS = SourceFacts(40, 20, "png", 100, "0" * 64)
IMAGE = NormalisedImage(b"", 20, 10, FACTS)
REQUEST = CaptionRequest(image_url="https://a.example/a.png", style=STYLE.name)
KEY = CacheKey.of(REQUEST, IMAGE, STYLE, "m")
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
    sent_width_px=20,
    sent_height_px=10,
)


@pytest.fixture
async def cache(redis_server: RedisServer) -> AsyncIterator[CaptionCache]:
    made = CaptionCache(redis_server.url)
    yield made
    await made.aclose()


async def test_a_stored_caption_comes_back_and_costs_no_tokens(cache: CaptionCache) -> None:
    assert await cache.get(KEY, IMAGE) is None
    await cache.put(KEY, CAPTION)
    assert await cache.get(KEY, IMAGE) == replace(
        CAPTION, cached=True, input_tokens=0, output_tokens=0
    )


async def test_it_describes_the_image_that_it_is_asked_for(cache: CaptionCache) -> None:
    """Equal bytes may come from other places; what is said of the source is this request's."""
    await cache.put(KEY, CAPTION)
    other = replace(IMAGE, source=replace(FACTS, format="webp"))
    found = await cache.get(KEY, other)
    assert found is not None
    assert found.source.format == "webp"


async def test_it_says_what_the_model_saw_when_the_caption_was_made(cache: CaptionCache) -> None:
    """A model got a larger image than the embedded captioner, which may stand in for it."""
    padded = replace(IMAGE, enlarged_or_padded=ModelImage(b"", 32, 32))
    key = CacheKey.of(REQUEST, padded, STYLE, "m")
    assert (key.image_px, key.sent_px) == ((20, 10), (32, 32))
    await cache.put(key, replace(CAPTION, sent_width_px=32, sent_height_px=32))
    found = await cache.get(key, padded)
    assert found is not None
    assert (found.sent_width_px, found.sent_height_px) == (32, 32)


@pytest.mark.parametrize(
    "change",
    [
        {"image_sha256": "1" * 64},
        {"image_px": (5, 5)},
        {"sent_px": (5, 5)},
        {"style": "seo"},
        {"style_version": "v2"},
        {"caption_code_version": "p2"},
        {"locale": "de"},
        {"context": "Mug"},
        {"role": "link"},
        {"keywords": ("mug",)},
        {"max_tokens": 65},
        {"model": "n"},
    ],
)
async def test_everything_that_a_caption_depends_on_is_part_of_the_key(
    cache: CaptionCache, change: dict[str, object]
) -> None:
    await cache.put(KEY, CAPTION)
    assert await cache.get(replace(KEY, **change), IMAGE) is None


def test_a_key_is_made_of_the_request_the_image_the_style_and_the_model() -> None:
    request = replace(REQUEST, locale="de", context="Mug", role="link", keywords=("a",))
    assert CacheKey.of(request, IMAGE, STYLE, "n") == CacheKey(
        image_sha256=FACTS.sha256,
        image_px=(20, 10),
        sent_px=(20, 10),
        style=STYLE.name,
        style_version=STYLE.version,
        caption_code_version=caption_code_version(),
        locale="de",
        context="Mug",
        role="link",
        keywords=("a",),
        max_tokens=64,
        model="n",
    )


def test_the_key_in_redis_has_kept_its_form() -> None:
    """Captions that an earlier release stored under the same code are found."""
    key = CacheKey(
        "0" * 64, (10, 10), (32, 32), "concise", "v1", "p1", "en", None, None, (), 64, "m"
    )
    digest = "a96de1a34d459c494aeeacf5099360023145f2dc62ef0120ea983c6cb143f483"
    assert key.redis_key() == f"altwright:caption:{digest}"


async def test_the_value_in_redis_has_kept_its_form(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    await cache.put(KEY, CAPTION)
    with Redis(port=redis_server.port) as redis:
        stored = json.loads(redis.get(KEY.redis_key()))
        seconds = redis.ttl(KEY.redis_key())
    assert stored == {
        "text": CAPTION.text,
        "style": "concise",
        "locale": "en",
        "decorative": False,
        "truncated": False,
        "warnings": ["short"],
        "model": "m",
        "sent_width_px": 20,
        "sent_height_px": 10,
    }
    assert 29 * 86_400 < seconds <= 30 * 86_400


async def test_without_redis_nothing_is_stored_and_nothing_fails(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    redis_server.stop()
    for _ in range(3):
        await cache.put(KEY, CAPTION)
        assert await cache.get(KEY, IMAGE) is None


async def test_an_entry_that_cannot_be_read_counts_as_absent(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    with Redis(port=redis_server.port) as redis:
        redis.set(KEY.redis_key(), b'{"text": 5')
    assert await cache.get(KEY, IMAGE) is None
