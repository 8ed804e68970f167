"""Finished captions are stored in Redis; without Redis nothing is stored and nothing fails."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from app.captioning.cache import CacheKey, CaptionCache
from app.captioning.captioner import Captioner
from app.captioning.code_version import caption_code_version
from app.types import Caption, CaptionRequest, Check, ModelImage, NormalisedImage, SourceFacts
from testing.servers.redis import RedisServer
from testing.servers.scripted_redis import REPLIES, for_ever, scripted_redis
from tests.captioning.draft_requests import STYLE


class FakeCaptioner(Captioner):
    """A captioner that is never called."""

    def __init__(self, name: str, identity: str = "") -> None:
        self.name, self.identity = name, identity


FACTS = SourceFacts(40, 20, "png", 100, "0" * 64)
IMAGE = NormalisedImage(b"", 20, 10, FACTS)
REQUEST = CaptionRequest(image_url="https://a.example/a.png", style=STYLE.name)
KEY = CacheKey.of(REQUEST, IMAGE, STYLE, FakeCaptioner("m"))
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
async def cache(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CaptionCache]:
    # On a busy machine a Redis that runs may be late.
    monkeypatch.setattr("app.captioning.cache._SOCKET_TIMEOUT_S", 5.0)
    made = CaptionCache(redis_server.url)
    made._guard._patience_s = 5.0
    yield made
    await made.aclose()


async def test_a_stored_caption_comes_back_and_costs_no_tokens(cache: CaptionCache) -> None:
    assert await cache.get(KEY, IMAGE, STYLE) is None
    await cache.put(KEY, CAPTION)
    assert await cache.get(KEY, IMAGE, STYLE) == replace(
        CAPTION, cached=True, input_tokens=0, output_tokens=0
    )


async def test_redis_may_be_named_by_its_socket(redis_server: RedisServer) -> None:
    cache = CaptionCache(redis_server.socket_url)
    await cache.check()
    await cache.put(KEY, CAPTION)
    assert await cache.get(KEY, IMAGE, STYLE) is not None
    await cache.aclose()


async def test_it_describes_the_image_that_it_is_asked_for(cache: CaptionCache) -> None:
    """Equal bytes may come from other places; what is said of the source is this request's."""
    await cache.put(KEY, CAPTION)
    other = replace(IMAGE, source=replace(FACTS, format="webp"))
    found = await cache.get(KEY, other, STYLE)
    assert found is not None
    assert found.source.format == "webp"


async def test_it_says_what_the_model_saw_when_the_caption_was_made(cache: CaptionCache) -> None:
    """A model got a larger image than the embedded captioner, which may stand in for it."""
    padded = replace(IMAGE, enlarged_or_padded=ModelImage(b"", 32, 32))
    key = CacheKey.of(REQUEST, padded, STYLE, FakeCaptioner("m"))
    assert (key.image_px, key.sent_px) == ((20, 10), (32, 32))
    await cache.put(key, replace(CAPTION, sent_width_px=32, sent_height_px=32))
    found = await cache.get(key, padded, STYLE)
    assert found is not None
    assert (found.sent_width_px, found.sent_height_px) == (32, 32)


async def test_a_model_that_gets_smaller_pictures_has_its_captions_cached(
    cache: CaptionCache,
) -> None:
    await cache.put(KEY, replace(CAPTION, sent_width_px=10, sent_height_px=5))
    found = await cache.get(KEY, IMAGE, STYLE)
    assert found is not None
    assert (found.sent_width_px, found.sent_height_px) == (10, 5)


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
        {"visible_text": "Our mug"},
        {"max_tokens": 65},
        {"model": "n"},
        {"captioner_identity": "i"},
        {"verify": "warn"},
    ],
)
async def test_everything_that_a_caption_depends_on_is_part_of_the_key(
    cache: CaptionCache, change: dict[str, object]
) -> None:
    await cache.put(KEY, CAPTION)
    assert await cache.get(replace(KEY, **change), IMAGE, STYLE) is None


def test_a_key_is_made_of_the_request_the_image_the_style_and_the_model() -> None:
    request = replace(
        REQUEST, locale="de", context="Mug", role="link", keywords=("a",), visible_text="B"
    )
    assert CacheKey.of(request, IMAGE, STYLE, FakeCaptioner("n", "i")) == CacheKey(
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
        visible_text="B",
        max_tokens=64,
        model="n",
        captioner_identity="i",
    )


def test_the_key_in_redis_has_kept_its_form() -> None:
    """Captions that an earlier release stored under the same code are found."""
    key = CacheKey(
        "0" * 64, (10, 10), (32, 32), "concise", "v1", "p1", "en", None, None, (), None, 64, "m"
    )
    digest = "c943b1e683a2a69876c597fc344795a3613797f71fd826bfbfa4d4c7368404ab"
    assert key.redis_key() == f"altwright:caption:{digest}"


async def test_the_value_in_redis_has_kept_its_form(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    await cache.put(KEY, CAPTION)
    with Redis(port=redis_server.port) as redis:
        stored = json.loads(redis.get(KEY.redis_key()))
        seconds = redis.ttl(KEY.redis_key())
    assert stored == {
        "key": KEY.redis_key(),
        "text": CAPTION.text,
        "style": "concise",
        "locale": "en",
        "decorative": False,
        "truncated": False,
        "warnings": ["short"],
        "model": "m",
        "served_model": None,
        "sent_px": [20, 10],
        "checks": None,
    }
    assert 29 * 86_400 < seconds <= 30 * 86_400


async def test_without_redis_nothing_is_stored_and_nothing_fails(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    redis_server.stop()
    for _ in range(3):
        await cache.put(KEY, CAPTION)
        assert await cache.get(KEY, IMAGE, STYLE) is None


ENTRY: dict[str, Any] = {
    "key": KEY.redis_key(),
    "text": CAPTION.text,
    "style": "concise",
    "locale": "en",
    "decorative": False,
    "truncated": False,
    "warnings": [],
    "model": "m",
    "served_model": None,
    "sent_px": [20, 10],
    "checks": None,
}
DEEP = "[" * 100_000 + "]" * 100_000
LARGE = json.dumps(ENTRY | {"text": "A cat. " * 3_500_000})


async def test_an_entry_as_it_is_written_here_is_taken(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    """The entries below differ from this one in one thing each."""
    with Redis(port=redis_server.port) as redis:
        redis.set(KEY.redis_key(), json.dumps(ENTRY))
    found = await cache.get(KEY, IMAGE, STYLE)
    assert found is not None
    assert found.text == CAPTION.text


async def test_a_verified_caption_comes_back_with_its_checks(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    """Unless they are those of another caption."""
    key = replace(KEY, verify="warn")
    verified = replace(CAPTION, checks=(Check("subject", "cats", "confirmed", "cat"),))
    assert "cats" in CAPTION.text
    await cache.put(key, verified)
    found = await cache.get(key, IMAGE, STYLE)
    assert found is not None
    assert found.checks == verified.checks
    with Redis(port=redis_server.port) as redis:
        entry = json.loads(redis.get(key.redis_key()))
        entry["checks"][0]["claim"] = "dogs"
        redis.set(key.redis_key(), json.dumps(entry))
    assert await cache.get(key, IMAGE, STYLE) is None


async def test_a_decorative_image_has_no_text(cache: CaptionCache) -> None:
    decorative = replace(CAPTION, text="", decorative=True, warnings=())
    await cache.put(KEY, decorative)
    found = await cache.get(KEY, IMAGE, STYLE)
    assert found is not None
    assert (found.text, found.decorative) == ("", True)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b'{"text": 5', id="half"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(DEEP.encode(), id="deep"),
        pytest.param(DEEP[:9_000].encode(), id="deep and small"),
        pytest.param(LARGE.encode(), id="24 MB"),
        pytest.param(b'{"text": "\\ud83d"}', id="half a character alone"),
        *(
            pytest.param(json.dumps(ENTRY | changed).encode(), id=name)
            for name, changed in {
                "half a character": {"text": "Two cats \ud83d sleep on a red sofa."},
                "a control character": {"text": "Two cats sleep\x1b[31m on a red sofa."},
                "a line break": {"text": "Two cats sleep\non a red sofa."},
                "a bidirectional override": {"text": "Two cats sleep \u202eon a red sofa."},
                "a zero-width character": {"text": "Two cats sl\u200beep on a red sofa."},
                "a tag character": {"text": "Two cats sleep on a red sofa.\U000e0041"},
                "markup": {"text": "Two <b>cats</b> sleep on a red sofa."},
                "a script": {"text": "Two cats <script>alert(1)</script> on a sofa."},
                "an address": {"text": "Two cats sleep at https://evil.example/x today."},
                "a refusal": {"text": "I'm sorry, but I can't help with that."},
                "a sentinel": {"text": "UNCERTAIN"},
                "an emoji": {"text": "Two cats \U0001f408 sleep on a red sofa."},
                "an opener": {"text": "Image of two cats that sleep on a red sofa."},
                "another language": {"text": "Zwei Katzen schlafen auf dem roten Sofa im Zimmer."},
                "too long": {"text": "Two cats sleep on a red sofa. " * 100},
                "empty": {"text": ""},
                "text of a decorative image": {"decorative": True},
                "warnings of a decorative image": {
                    "decorative": True, "text": "", "warnings": ["short"],
                },
                "an unknown member": {"extra": 1},
                "a number as text": {"text": 5},
                "a number as a truth": {"decorative": 0},
                "a size as text": {"sent_px": ["20", "10"]},
                "another size": {"sent_px": [21, 10]},
                "a huge size": {"sent_px": [10**400, 10]},
                "another style": {"style": "seo"},
                "another locale": {"locale": "de"},
                "another model": {"model": "n"},
                "checks that nobody asked for": {"checks": []},
                "checks of another form": {"checks": [{"kind": "text"}]},
                "another request": {"key": replace(KEY, locale="de").redis_key()},
                "a warning that is no code": {"warnings": ["<b>"]},
                "a thousand warnings": {"warnings": ["short"] * 1_000},
            }.items()
        ),
        pytest.param(
            json.dumps({k: v for k, v in ENTRY.items() if k != "key"}).encode(), id="no key"
        ),
    ],
)  # fmt: skip
async def test_an_entry_that_somebody_else_wrote_is_a_miss_and_is_overwritten(
    cache: CaptionCache, redis_server: RedisServer, value: bytes
) -> None:
    with Redis(port=redis_server.port) as redis:
        redis.set(KEY.redis_key(), value)
    assert await cache.get(KEY, IMAGE, STYLE) is None
    await cache.put(KEY, CAPTION)
    assert await cache.get(KEY, IMAGE, STYLE) is not None


async def test_an_entry_of_another_type_is_a_miss_and_is_overwritten(
    cache: CaptionCache, redis_server: RedisServer
) -> None:
    with Redis(port=redis_server.port) as redis:
        redis.lpush(KEY.redis_key(), "a", "b")
    assert await cache.get(KEY, IMAGE, STYLE) is None
    await cache.put(KEY, CAPTION)
    assert await cache.get(KEY, IMAGE, STYLE) is not None


async def test_refused_entries_are_logged_once_a_minute_without_their_text(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = 1_000.0
    cache = CaptionCache(redis_server.url, clock=lambda: now_s)
    with Redis(port=redis_server.port) as redis:
        redis.set(KEY.redis_key(), b"secret words")
    for _ in range(5):
        await cache.get(KEY, IMAGE, STYLE)
    now_s += 61
    await cache.get(KEY, IMAGE, STYLE)
    lines = [vars(record) for record in caplog.records]
    assert [(line["msg"], line["entries"]) for line in lines] == [
        ("caption_cache.entry_refused", 1),
        ("caption_cache.entry_refused", 5),
    ]
    assert "secret" not in str(lines)
    await cache.aclose()


@pytest.mark.parametrize("reply", [pytest.param(value, id=name) for name, value in REPLIES.items()])
async def test_a_reply_that_is_none_of_redis_is_a_miss(reply: bytes) -> None:
    """And no error, and no more memory or time than a reply of ours."""
    async with scripted_redis(reply) as url:
        cache = CaptionCache(url)
        for _ in range(2):
            assert await cache.get(KEY, IMAGE, STYLE) is None
            await cache.put(KEY, CAPTION)
        await cache.aclose()


@pytest.mark.parametrize(
    ("piece", "pause_s"), [(b"x", 0.02), (b"x" * 65_536, 0.0), (b"+OK\r\n" * 1_000, 0.0)]
)
async def test_a_reply_without_an_end_is_a_miss(piece: bytes, pause_s: float) -> None:
    """A byte now and then, and as fast as it goes."""
    async with scripted_redis(for_ever(piece), pause_s) as url:
        cache = CaptionCache(url)
        assert await cache.get(KEY, IMAGE, STYLE) is None
        await cache.aclose()
