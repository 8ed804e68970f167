"""The commands of the usage store in Redis: each runs a script and reads its reply.

Every reply tells the time of Redis, by which months begin and end.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.usage.months import Month
from app.usage.redis_clock import RedisClock
from app.usage.redis_scripts import (
    Scripts,
    batch_key,
    integers,
    names_key,
    reservations_key,
    totals_key,
)
from app.usage.store import KeyMonth

KEEP_S = 400 * 24 * 3600
"""Counts are kept for thirteen months after the last one. Longer than a month in any case: who
counts on after the end would add all of its own again."""


class UsageCommands:
    """Runs the scripts. Raises whatever the client of Redis raises, and ValueError for a reply of
    another form."""

    def __init__(self, url: str, clock: RedisClock, *, timeout_s: float) -> None:
        """`clock` is set by every reply. `timeout_s` is that of the socket."""
        from app.runtime.bounded_redis import async_client  # redis takes a tenth of a second

        self._redis = async_client(url, timeout_s)
        self._scripts = Scripts(self._redis)
        self._clock = clock

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def read_clock(self) -> None:
        """Ask for the time alone."""
        seconds, microseconds = await self._redis.time()
        self._clock.set(seconds, microseconds)

    async def add(
        self,
        writer: str,
        key_months: Sequence[KeyMonth],
        entries: Sequence[Mapping[str, Any]],
        *,
        batch: int = 0,
        last_batch: int = 0,
    ) -> list[bool]:
        """Add what the totals lack. Returns whether Redis had what it confirmed before, by entry.

        `key_months` are of one month, and have an entry each. By the number of this `batch` and
        of the last one that Redis has confirmed it is noticed that Redis has lost one; 0 asks not.
        """
        named = [
            {**entry, "name": key_month.key_name}
            for key_month, entry in zip(key_months, entries, strict=True)
        ]
        numbers = {"keep_s": KEEP_S, "batch": batch, "last_batch": last_batch}
        told = {"writer": writer, "entries": named, **numbers}
        keys = [names_key(key_months[0].month), batch_key(writer)]
        for key_month in key_months:
            keys += [totals_key(key_month), reservations_key(key_month)]
        reply = await self._scripts.add(keys, [json.dumps(told)])
        seconds, microseconds, *flags = integers(reply, 3 + len(key_months))
        self._clock.set(seconds, microseconds)
        return [bool(flag) for flag in flags]

    async def reserve(self, key_month: KeyMonth, told: Mapping[str, Any]) -> tuple[bool, int, int]:
        """Whether the captions were reserved, how many are used, and how many are reserved."""
        keys = [totals_key(key_month), reservations_key(key_month)]
        reply = await self._scripts.reserve(keys, [json.dumps(told)])
        seconds, microseconds, is_allowed, used, held = integers(reply, 5)
        self._clock.set(seconds, microseconds)
        return bool(is_allowed), used, held

    async def read(self, key_month: KeyMonth) -> dict[str, int]:
        """The totals of a key, by field."""
        reply = await self._scripts.read([totals_key(key_month)], [])
        fields = [text.decode() for text in reply[::2]]
        return dict(zip(fields, integers(reply[1::2], len(fields)), strict=True))

    async def list_keys(self, month: Month) -> list[str]:
        """The names of the keys that were counted in a month."""
        names = [name.decode() async for name in self._redis.sscan_iter(names_key(month))]
        return sorted(set(names))
