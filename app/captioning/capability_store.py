"""Keeps what was learned about models, in a file or in Redis, so that a restart knows it.

An entry is dated and forgotten after a month: a provider may have changed the model. What is read
is checked, and a store that fails costs no caption: what is lost is learned again.
"""

import asyncio
import datetime as dt
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.captioning.openai_compat.capabilities import MAX_HEADROOM_TOKENS, Capabilities
from app.runtime.file_replacement import exclusive_access, replace_file

_logger = logging.getLogger(__name__)

MAX_AGE = dt.timedelta(days=30)
_MAX_ENTRIES = 200
"""Of a file, the newest: each model with its parameters is one."""
_MAX_BYTES = 256 * 1024
_TIMEOUT_S = 1.0
_REDIS_PREFIX = "altwright:capabilities:"
_FORMAT = 1

Clock = Callable[[], dt.datetime]


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    learned: dt.datetime
    refused: frozenset[
        Literal[
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "stream",
            "stream_options",
            "system",
        ]
    ]
    must_stream: bool
    headroom_tokens: int = Field(ge=0, le=MAX_HEADROOM_TOKENS)
    max_headroom_tokens: int = Field(ge=0, le=MAX_HEADROOM_TOKENS)


class _Backend(Protocol):
    async def read(self, key: str) -> bytes | None: ...

    async def write(self, key: str, entry: bytes) -> None: ...

    async def aclose(self) -> None: ...


class CapabilityStore:
    """`load` and `save` never raise because of the store."""

    def __init__(self, location: str, clock: Clock = _utc_now) -> None:
        """`location` is a file or a redis:// URL."""
        is_redis = location.startswith(("redis://", "rediss://", "unix://"))
        self._backend: _Backend = (
            _RedisBackend(location) if is_redis else _FileBackend(Path(location), clock)
        )
        self._clock = clock

    async def load(self, key: str) -> Capabilities | None:
        """What was learned in the last month; None where nothing was."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                raw = await self._backend.read(key)
            if raw is None:
                return None
            entry = _Entry.model_validate_json(raw)
        except Exception as error:  # noqa: BLE001 - whatever a file or Redis does
            kind = "another form" if isinstance(error, ValidationError) else type(error).__name__
            _logger.warning("capability_store.not_read", extra={"reason": kind})
            return None
        if not dt.timedelta() <= self._clock() - _aware(entry.learned) <= MAX_AGE:
            return None
        return Capabilities(
            frozenset(entry.refused),
            entry.must_stream,
            min(entry.headroom_tokens, entry.max_headroom_tokens),
            entry.max_headroom_tokens,
        )

    async def save(self, key: str, capabilities: Capabilities) -> None:
        """Keep them for a month."""
        entry = {
            "learned": self._clock().isoformat(timespec="seconds"),
            "refused": sorted(capabilities.refused),
            "must_stream": capabilities.must_stream,
            "headroom_tokens": capabilities.headroom_tokens,
            "max_headroom_tokens": capabilities.max_headroom_tokens,
        }
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self._backend.write(key, json.dumps(entry).encode())
        except Exception as error:  # noqa: BLE001 - whatever a file or Redis does
            _logger.warning("capability_store.not_written", extra={"reason": type(error).__name__})

    async def aclose(self) -> None:
        """Close the connections."""
        await self._backend.aclose()


def capability_key(base_url: str, model: str, params: Mapping[str, Any]) -> str:
    """The key of one model at one server with these parameters. It contains none of them."""
    parts = [_FORMAT, base_url.rstrip("/"), model, params]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class _FileBackend:
    """A JSON object of entries, which several processes may write."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._turn = asyncio.Lock()

    async def read(self, key: str) -> bytes | None:
        entry = (await asyncio.to_thread(self._read_all)).get(key)
        return None if entry is None else json.dumps(entry).encode()

    async def write(self, key: str, entry: bytes) -> None:
        async with self._turn:
            await asyncio.to_thread(self._replace, key, json.loads(entry))

    async def aclose(self) -> None:
        pass

    def _read_all(self) -> dict[str, Any]:
        if not self._path.is_file():
            return {}
        with self._path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError("the file is too large")
        entries = json.loads(data)
        if not isinstance(entries, dict):
            raise TypeError("the file is no JSON object")
        return entries

    def _replace(self, key: str, entry: dict[str, Any]) -> None:
        with exclusive_access(self._path, _TIMEOUT_S):
            entries = self._newest_but(key) | {key: entry}
            replace_file(self._path, (json.dumps(entries, indent=1) + "\n").encode())

    def _newest_but(self, key: str) -> dict[str, Any]:
        """The other entries that are kept."""
        try:
            entries = self._read_all()
        except (OSError, ValueError, TypeError):
            entries = {}  # it is written anew
        oldest = (self._clock() - MAX_AGE).isoformat(timespec="seconds")
        kept = {
            name: value
            for name, value in entries.items()
            if isinstance(value, dict) and str(value.get("learned")) >= oldest and name != key
        }
        newest = sorted(kept, key=lambda name: str(kept[name]["learned"]))[1 - _MAX_ENTRIES :]
        return {name: kept[name] for name in newest}


class _RedisBackend:
    """A key for each entry, which Redis forgets."""

    def __init__(self, url: str) -> None:
        # Importing redis takes 0.1 s, which a server without Redis need not spend.
        from app.runtime.bounded_redis import async_client

        self._redis = async_client(url, _TIMEOUT_S)

    async def read(self, key: str) -> bytes | None:
        raw = await self._redis.getrange(_REDIS_PREFIX + key, 0, 4_095)
        return raw if isinstance(raw, bytes) and raw else None

    async def write(self, key: str, entry: bytes) -> None:
        await self._redis.set(_REDIS_PREFIX + key, entry, ex=MAX_AGE)

    async def aclose(self) -> None:
        await self._redis.aclose()


def _aware(time: dt.datetime) -> dt.datetime:
    return time if time.tzinfo is not None else time.replace(tzinfo=dt.UTC)
