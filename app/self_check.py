"""What `python -m app check` asks of every configured part."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.api.keys import KeyStore
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.styles.loader import StyleRegistry
from app.imaging.normaliser import Normaliser
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.settings import Settings
from app.types import SourceImage
from app.vision.text_reader import TextReader, is_installed
from app.workers.pool import POOL_MEMORY_BYTES, WorkerPool

Part = tuple[str, Callable[[], Awaitable[str]]]

# The smallest GIF: one white pixel. It goes the whole way through a decoding child.
_ONE_PIXEL = bytes.fromhex(
    "47494638396101000100800000ffffff00000021f90400000000002c00000000010001000002024401003b"
)
_START_WITHIN_S = 20.0
_REDIS_WITHIN_S = 2.0


@asynccontextmanager
async def parts_of(settings: Settings) -> AsyncIterator[list[Part]]:
    """Each part with a function that says what it saw, or raises what is wrong and the mend."""
    async with AsyncExitStack() as stack:
        children = WorkerPool(
            size=1,
            handlers={
                "normalise": "app.imaging.render:render",
                "analyse": "app.vision.analyse:analyse_job",
            },
            input_max_bytes=settings.fetch.max_bytes,
        )
        stack.push_async_callback(children.aclose)
        parts: list[Part] = [
            ("keys", lambda: _keys(settings)),
            ("styles", lambda: _styles(settings)),
            ("decoding", lambda: _decoding(settings, children)),
        ]
        if not settings.rate_limit_store.startswith("memory:"):
            parts.append(("rate limit store", lambda: _redis(settings.rate_limit_store)))
        if settings.cache_url is not None:
            url = settings.cache_url
            parts.append(("cache", lambda: _redis(url)))
        for remote in settings.remotes():
            captioner = OpenAICompatCaptioner(remote)
            stack.push_async_callback(captioner.aclose)
            parts.append((f"model {remote.model}", captioner.check))
        if settings.model is None or settings.embedded_fallback:
            reader = TextReader(WeightedSemaphore(POOL_MEMORY_BYTES)) if is_installed() else None
            if reader is not None:
                stack.push_async_callback(reader.aclose)
            parts.append(("model embedded", lambda: _embedded(children, reader)))
        yield parts


async def _keys(settings: Settings) -> str:
    ring = KeyStore((key.get_secret_value() for key in settings.api_keys), settings.keys_file)
    if ring.is_open:
        return f"none: anyone who reaches {settings.host} may call"
    return f"{len(ring)} configured"


async def _styles(settings: Settings) -> str:
    return ", ".join(StyleRegistry.load(settings.styles_dir).names())


async def _decoding(settings: Settings, children: WorkerPool) -> str:
    async with asyncio.timeout(_START_WITHIN_S):
        await children.start()
    source = SourceImage(data=_ONE_PIXEL, format="gif")
    await Normaliser(settings.image, children).normalise(source, Deadline.after(10))
    return "a picture went through a decoding process"


async def _embedded(children: WorkerPool, reader: TextReader | None) -> str:
    if reader is None:
        saw = await EmbeddedCaptioner(children).check()
        return f"{saw} (install the extra `embedded` to have it read)"
    starting = asyncio.create_task(reader.start())
    try:
        return await EmbeddedCaptioner(children, reader).check()
    finally:
        starting.cancel()


async def _redis(url: str) -> str:
    client = Redis.from_url(
        url, socket_timeout=_REDIS_WITHIN_S, socket_connect_timeout=_REDIS_WITHIN_S
    )
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        # The URL may carry a password, so only the kind of failure is told.
        msg = f"does not answer ({type(error).__name__}); start it, or mend the URL"
        raise RuntimeError(msg) from None
    finally:
        await client.aclose()
    return "answers"
