"""Caption cache: finished captions in Redis, so that an equal request costs no second model call.

Optional (CACHE_URL). A slow, full or absent Redis means no cache, and captions are still made. What
Redis returns may have been written by somebody else: it is a caption only where it has exactly the
form that is written here, belongs to this request and keeps the rules of its style.
"""

import asyncio
import dataclasses
import functools
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.captioning.captioner import Captioner
from app.captioning.code_version import caption_code_version
from app.runtime.store_guard import StoreGuard, StoreUnavailable
from app.types import (
    Caption,
    CaptionRequest,
    Check,
    CheckKind,
    CheckVerdict,
    NormalisedImage,
    Style,
    VerifyMode,
)
from app.validation.finished_caption import check_finished_caption

_logger = logging.getLogger(__name__)

_TTL_S = 30 * 24 * 3600
"""A month: long enough for a nightly job over a whole catalogue. Redis may evict sooner."""
_SOCKET_TIMEOUT_S = 0.25
_COMMAND_TIMEOUT_S = 2 * _SOCKET_TIMEOUT_S
"""For one command, connecting included. A request waits a tenth of this; see StoreGuard."""
_NO_CAPTION = "altwright:caption:none"
"""No entry has this key. It is read to see whether Redis responds again."""
_MAX_VALUE_BYTES = 20 * 1024
"""4,000 characters, the most of any style, have 16 KB in UTF-8."""
_MAX_WARNINGS = 20
_MAX_CHECKS = 100
_CHECKED_AT_ONCE_CHARS = 500
"""A longer caption is checked in a thread: a hostile one takes the rules longer."""
_LOG_PAUSE_S = 60.0
"""Entries that are refused are logged this often."""
_FORMAT = 7


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
    visible_text: str | None
    max_tokens: int
    model: str
    captioner_identity: str = ""
    """Of the model's server, parameters and the like: with others it may write another caption."""
    verify: VerifyMode = "off"

    @classmethod
    def of(
        cls, request: CaptionRequest, image: NormalisedImage, style: Style, captioner: Captioner
    ) -> "CacheKey":
        """The key of one caption by `captioner`, under the current code."""
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
            visible_text=request.visible_text,
            max_tokens=request.max_tokens,
            model=captioner.name,
            captioner_identity=captioner.identity,
            verify=request.verify,
        )

    def redis_key(self) -> str:
        """The key in Redis: a hash, so that it does not contain a caller's context."""
        fields = [
            _FORMAT, self.image_sha256, self.image_px, self.sent_px, self.style,
            self.style_version, self.caption_code_version, self.locale, self.context, self.role,
            self.keywords, self.visible_text, self.max_tokens, self.model,
            self.captioner_identity, self.verify,
        ]  # fmt: skip
        return "altwright:caption:" + hashlib.sha256(json.dumps(fields).encode()).hexdigest()


class _StoredCheck(BaseModel):
    """What the picture says to one claim of a caption."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: CheckKind
    claim: str = Field(max_length=200)
    verdict: CheckVerdict
    seen: str | None = Field(max_length=200)


class _StoredCaption(BaseModel):
    """The form of an entry."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    key: str
    """The entry's own key: a reply to another request is noticed."""
    text: str = Field(max_length=4_000)
    style: str
    locale: str
    decorative: bool
    truncated: bool
    warnings: list[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]] = Field(
        max_length=_MAX_WARNINGS
    )
    model: str
    served_model: str | None = Field(max_length=200)
    sent_px: Annotated[list[int], Field(min_length=2, max_length=2)]
    checks: list[_StoredCheck] | None = Field(max_length=_MAX_CHECKS)


class CaptionCache:
    """Stores finished captions in Redis. `get` and `put` never raise because of Redis."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in monotonic seconds."""
        # Importing redis takes 0.1 s, which a server without a cache need not spend.
        from app.runtime.bounded_redis import async_client

        self._redis = async_client(url, _SOCKET_TIMEOUT_S)
        self._clock = clock
        self._guard = StoreGuard(self._probe, _log_change)
        self._log_again_s = 0.0
        self._refused = 0
        """Entries that were refused since the last log line."""

    async def get(self, key: CacheKey, image: NormalisedImage, style: Style) -> Caption | None:
        """The stored caption for this image, or None. It cost no tokens."""
        name = key.redis_key()
        raw = await self._command(
            lambda: self._redis.getrange(name, 0, _MAX_VALUE_BYTES)  # one byte more than allowed
        )
        if not raw:
            return None
        try:
            stored = await _read_entry(raw, key, style)
        except _EntryRefused as error:
            self._log_refusal(str(error))
            return None
        return Caption(
            text=stored.text,
            style=key.style,
            locale=key.locale,
            decorative=stored.decorative,
            truncated=stored.truncated,
            warnings=tuple(stored.warnings),
            model=key.model,
            input_tokens=0,
            output_tokens=0,
            source=image.source,
            sent_width_px=stored.sent_px[0],
            sent_height_px=stored.sent_px[1],
            cached=True,
            checks=None if stored.checks is None else _to_checks(stored.checks),
            served_model=stored.served_model,
        )

    async def put(self, key: CacheKey, caption: Caption) -> None:
        """Store a caption for a month."""
        name = key.redis_key()
        stored = _StoredCaption(
            key=name,
            text=caption.text,
            style=caption.style,
            locale=caption.locale,
            decorative=caption.decorative,
            truncated=caption.truncated,
            warnings=list(caption.warnings),
            model=caption.model,
            served_model=caption.served_model,
            sent_px=[caption.sent_width_px, caption.sent_height_px],
            checks=None
            if caption.checks is None
            else [_StoredCheck(**dataclasses.asdict(check)) for check in caption.checks],
        )
        value = stored.model_dump_json().encode()
        if len(value) > _MAX_VALUE_BYTES:  # of many long claims: `get` would refuse it
            return
        await self._command(lambda: self._redis.set(name, value, ex=_TTL_S))

    async def check(self) -> None:
        """Ping Redis. Raises its error where it does not respond in time."""
        async with asyncio.timeout(_COMMAND_TIMEOUT_S):
            await self._redis.ping()

    async def aclose(self) -> None:
        """Close the connections."""
        self._guard.close()
        await self._redis.aclose()

    async def _command(self, send: Callable[[], Awaitable[object]]) -> object:
        """What Redis returns; None where it does not respond at once."""

        async def send_in_time() -> object:
            try:
                async with asyncio.timeout(_COMMAND_TIMEOUT_S):
                    return await send()
            # Bytes that are not of Redis' protocol make redis-py raise any kind of error.
            except Exception as error:
                if str(error).startswith("WRONGTYPE"):
                    self._log_refusal("it has another type")
                    return None
                raise

        try:
            return await self._guard.ask(send_in_time)
        except StoreUnavailable:
            return None

    async def _probe(self) -> None:
        await self._redis.getrange(_NO_CAPTION, 0, 0)

    def _log_refusal(self, reason: str) -> None:
        """An entry is no caption. It is overwritten when the caption is made."""
        self._refused += 1
        if self._clock() >= self._log_again_s:
            _logger.warning(
                "caption_cache.entry_refused", extra={"reason": reason, "entries": self._refused}
            )
            self._log_again_s = self._clock() + _LOG_PAUSE_S
            self._refused = 0


def _to_checks(stored: Iterable[_StoredCheck]) -> tuple[Check, ...]:
    return tuple(Check(check.kind, check.claim, check.verdict, check.seen) for check in stored)


def _log_change(reason: str | None) -> None:
    if reason is None:
        _logger.info("caption_cache.recovered")
    else:
        _logger.warning("caption_cache.unavailable", extra={"reason": reason})


class _EntryRefused(Exception):
    """An entry that is not what is written here. The text says why, without the entry's own."""


async def _read_entry(raw: object, key: CacheKey, style: Style) -> _StoredCaption:
    """The entry for this key. Raises _EntryRefused."""
    if not isinstance(raw, bytes) or len(raw) > _MAX_VALUE_BYTES:
        raise _EntryRefused("it is too large")
    try:
        stored = _StoredCaption.model_validate_json(raw)
    except ValidationError:
        raise _EntryRefused("it has another form") from None
    if stored.checks is not None and (
        key.verify == "off" or not all(check.claim in stored.text for check in stored.checks)
    ):
        raise _EntryRefused("it has checks of another caption")
    is_of_request = (
        stored.key == key.redis_key()
        and (stored.style, stored.locale, stored.model) == (key.style, key.locale, key.model)
        and min(stored.sent_px) > 0
        and max(stored.sent_px) <= max(*key.sent_px, *key.image_px)  # a model may get less
    )
    if not is_of_request:
        raise _EntryRefused("it belongs to another request")
    if stored.decorative:
        keeps_rules = not (stored.text or stored.truncated or stored.warnings)
    else:
        keeps_rules = await _keeps_rules(stored, key, style)
    if not keeps_rules:
        raise _EntryRefused("it breaks rules of its style")
    return stored


async def _keeps_rules(stored: _StoredCaption, key: CacheKey, style: Style) -> bool:
    check = functools.partial(
        check_finished_caption,
        stored.text,
        style=style,
        locale=key.locale,
        context=key.context,
        visible_text=key.visible_text,
        is_truncated=stored.truncated,
    )
    is_short = len(stored.text) <= _CHECKED_AT_ONCE_CHARS
    warnings = check() if is_short else await asyncio.to_thread(check)
    return warnings is not None and set(warnings) <= set(stored.warnings)
