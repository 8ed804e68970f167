"""Equal requests for equal image bytes are answered once, where a Redis is configured for it.

The cache is a saving, never a need: a slow, full or absent Redis means no cache, not no service.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from app.types import Caption, NormalisedImage

_logger = logging.getLogger(__name__)

_KEEP_S = 30 * 24 * 3600
"""A month: long enough for a nightly job over a whole catalogue, and Redis may evict sooner."""
_TIMEOUT_S = 0.25
_PAUSE_S = 5.0
"""After a failure Redis is left alone this long, so that it does not slow every request."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Everything that a caption depends on. Equal keys may share one caption."""

    image_sha256: str
    sent: tuple[int, int]
    style: str
    style_version: str
    answers_version: str
    """Of the prompts, rules and languages that the caption was made under."""
    locale: str
    context: str | None
    role: str | None
    keywords: tuple[str, ...]
    max_tokens: int
    model: str

    def name(self) -> str:
        """The key in Redis; a hash, so that no context of a caller stands in it."""
        fields = [
            _FORMAT, self.image_sha256, self.sent, self.style, self.style_version,
            self.answers_version, self.locale, self.context, self.role, self.keywords,
            self.max_tokens, self.model,
        ]  # fmt: skip
        return "altwright:caption:" + hashlib.sha256(json.dumps(fields).encode()).hexdigest()


class CaptionCache:
    """Remembers finished captions; twins that are in work at the same time share one."""

    def __init__(self, url: str) -> None:
        # A tenth of a second of the start, which who has no Redis need not wait for.
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError, TimeoutError)
        self._redis = Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
        self._next_try_s = 0.0
        self._in_work: dict[str, asyncio.Future[Caption]] = {}

    async def once(
        self, key: CacheKey, image: NormalisedImage, make: Callable[[], Awaitable[Caption]]
    ) -> Caption:
        """The remembered caption, a twin's, or the one that `make` makes and that is remembered.

        Raises what `make` raises. A failure is not remembered, nor is a caption by another model
        than the key's: a fallback's answer must not outlive the fallback.
        """
        name = key.name()
        while (twin := self._in_work.get(name)) is not None:
            try:
                caption = await asyncio.shield(twin)
            except asyncio.CancelledError:
                if not twin.cancelled():
                    raise
                continue  # the twin's caller went away, not ours: the work is ours now
            return replace(caption, cached=True, input_tokens=0, output_tokens=0)
        future: asyncio.Future[Caption] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_heard)
        self._in_work[name] = future
        try:
            remembered = await self._recall(name, image)
            caption = remembered or replace(await make(), cached=False)
            future.set_result(caption)
            if remembered is None and caption.model == key.model:
                await self._remember(name, caption)
        except BaseException as error:
            if not future.done():
                if isinstance(error, Exception):
                    future.set_exception(error)
                else:
                    future.cancel()
            raise
        finally:
            del self._in_work[name]
        return caption

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _recall(self, name: str, image: NormalisedImage) -> Caption | None:
        raw = await self._asked(lambda: self._redis.get(name))
        if raw is None:
            return None
        try:
            stored = json.loads(raw)
            return Caption(
                text=str(stored["text"]),
                style=str(stored["style"]),
                locale=str(stored["locale"]),
                decorative=bool(stored["decorative"]),
                truncated=bool(stored["truncated"]),
                warnings=tuple(str(code) for code in stored["warnings"]),
                model=str(stored["model"]),
                input_tokens=0,
                output_tokens=0,
                source=image.source,
                sent_width_px=image.width_px,
                sent_height_px=image.height_px,
                cached=True,
            )
        except (ValueError, KeyError, TypeError):
            _logger.warning("an entry of the cache cannot be read", extra={"key": name})
            return None

    async def _remember(self, name: str, caption: Caption) -> None:
        fields = ("text", "style", "locale", "decorative", "truncated", "warnings", "model")
        value = json.dumps({field: getattr(caption, field) for field in fields})
        await self._asked(lambda: self._redis.set(name, value, ex=_KEEP_S))

    async def _asked(self, ask: Callable[[], Awaitable[object]]) -> bytes | None:
        if time.monotonic() < self._next_try_s:
            return None
        try:
            async with asyncio.timeout(2 * _TIMEOUT_S):
                answer = await ask()
        except self._failures as error:
            self._next_try_s = time.monotonic() + _PAUSE_S
            _logger.warning(
                "the cache does not answer; going on without",
                extra={"reason": type(error).__name__},
            )
            return None
        return answer if isinstance(answer, bytes) else None


def _heard(future: "asyncio.Future[Caption]") -> None:
    """A failure without a twin to hear it is told by `once` itself; asyncio need not warn."""
    if not future.cancelled():
        future.exception()
