"""Caption cache: finished captions in Redis, so that an equal request costs no second model call.

Optional (CACHE_URL). A slow, full or absent Redis means no cache, and captions are still made.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.captioning.code_version import caption_code_version
from app.types import Caption, CaptionRequest, NormalisedImage, Style

_logger = logging.getLogger(__name__)

_TTL_S = 30 * 24 * 3600
"""A month: long enough for a nightly job over a whole catalogue. Redis may evict sooner."""
_SOCKET_TIMEOUT_S = 0.25
_COMMAND_TIMEOUT_S = 2 * _SOCKET_TIMEOUT_S
"""For one command, connecting included."""
_PAUSE_S = 5.0
"""After a failure Redis is not asked for this long, so that it does not slow every request."""
_FORMAT = 2
_STORED_FIELDS = (
    "text", "style", "locale", "decorative", "truncated", "warnings", "model", "sent_width_px",
    "sent_height_px",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Everything that a caption depends on. Requests with equal keys may share one caption."""

    image_sha256: str
    image_px: tuple[int, int]
    """Width and height of the normalised image."""
    sent_px: tuple[int, int]
    """Width and height of what a model server gets, which may be enlarged or padded."""
    style: str
    style_version: str
    caption_code_version: str
    """Of the prompts, rules and languages that the caption was made under."""
    locale: str
    context: str | None
    role: str | None
    keywords: tuple[str, ...]
    max_tokens: int
    model: str

    @classmethod
    def of(
        cls, request: CaptionRequest, image: NormalisedImage, style: Style, model: str
    ) -> "CacheKey":
        """The key of one caption by `model`, under the current code."""
        return cls(
            image_sha256=image.source.sha256,
            image_px=(image.width_px, image.height_px),
            sent_px=(image.for_models.width_px, image.for_models.height_px),
            style=style.name,
            style_version=style.version,
            caption_code_version=caption_code_version(),
            locale=request.locale,
            context=request.context,
            role=request.role,
            keywords=request.keywords,
            max_tokens=request.max_tokens,
            model=model,
        )

    def redis_key(self) -> str:
        """The key in Redis: a hash, so that it does not contain a caller's context."""
        fields = [
            _FORMAT, self.image_sha256, self.image_px, self.sent_px, self.style,
            self.style_version, self.caption_code_version, self.locale, self.context, self.role,
            self.keywords, self.max_tokens, self.model,
        ]  # fmt: skip
        return "altwright:caption:" + hashlib.sha256(json.dumps(fields).encode()).hexdigest()


class CaptionCache:
    """Stores finished captions in Redis. `get` and `put` never raise because of Redis."""

    def __init__(self, url: str) -> None:
        # Importing redis takes 0.1 s, which a server without a cache need not spend.
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        self._failures = (RedisError, OSError, TimeoutError)
        self._redis = Redis.from_url(
            url, socket_timeout=_SOCKET_TIMEOUT_S, socket_connect_timeout=_SOCKET_TIMEOUT_S
        )
        self._paused_until_s = 0.0

    async def get(self, key: CacheKey, image: NormalisedImage) -> Caption | None:
        """The stored caption for this image, or None. It cost no tokens."""
        name = key.redis_key()
        raw = await self._command(lambda: self._redis.get(name))
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
                sent_width_px=int(stored["sent_width_px"]),
                sent_height_px=int(stored["sent_height_px"]),
                cached=True,
            )
        except (ValueError, KeyError, TypeError):
            _logger.warning("caption_cache.entry_unreadable", extra={"key": name})
            return None

    async def put(self, key: CacheKey, caption: Caption) -> None:
        """Store a caption for a month."""
        name = key.redis_key()
        value = json.dumps({field: getattr(caption, field) for field in _STORED_FIELDS})
        await self._command(lambda: self._redis.set(name, value, ex=_TTL_S))

    async def check(self) -> None:
        """Ping Redis. Raises its error where it does not respond in time."""
        async with asyncio.timeout(_COMMAND_TIMEOUT_S):
            await self._redis.ping()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _command(self, send: Callable[[], Awaitable[object]]) -> bytes | None:
        if time.monotonic() < self._paused_until_s:
            return None
        try:
            async with asyncio.timeout(_COMMAND_TIMEOUT_S):
                response = await send()
        except self._failures as error:
            self._paused_until_s = time.monotonic() + _PAUSE_S
            _logger.warning("caption_cache.unavailable", extra={"reason": type(error).__name__})
            return None
        return response if isinstance(response, bytes) else None
