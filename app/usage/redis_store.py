"""A usage store in Redis: one count over all server processes.

A request is counted before it is answered, so that a process that is killed loses none. Requests
that end at the same time are told to Redis together. While Redis does not respond, counts stay in
this process, one number for each field of each key, and are added when it responds again.
"""

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

from app.runtime.store_guard import StoreGuard, StoreUnavailable
from app.usage.errors import UsageUnavailable
from app.usage.local_counts import LocalCounts
from app.usage.months import Month
from app.usage.redis_scripts import ADD, READ, RESERVE
from app.usage.store import (
    CAPTION_FIELD,
    DECORATIVE_FIELD,
    KeyMonth,
    QuotaState,
    Reservation,
    UsageStore,
)

_logger = logging.getLogger(__name__)

_T = TypeVar("_T")
_Ask = Callable[[Callable[[], Awaitable[list[bool]]]], Awaitable[list[bool]]]
"""Runs a command of Redis and returns what it returns."""

_PREFIX = "altwright:usage"
_SOCKET_TIMEOUT_S = 0.5
_PATIENCE_S = 0.25
"""How long a request waits for Redis, once: longer than for a rate limit, because a key with a
quota is refused where the reply is late."""
_KEEP_S = 400 * 24 * 3600
"""Counts are kept for thirteen months after the last one. Longer than a month in any case: who
counts on after the end would add all of its own again."""
_HOLD_S = 600
"""What a process that died has reserved is free again after this. Longer than any request."""
_BATCH_ENTRIES = 200
_CLOSE_TIMEOUT_S = 2.0
_MAX_CLOCK_DIFFERENCE_S = 300.0
_MAX_COUNT = 10**15
_QUOTA_FIELDS = (CAPTION_FIELD, DECORATIVE_FIELD)


class _Scripts:
    """Each is called with keys and arguments, and sent to Redis where that does not know it."""

    def __init__(self, redis: Any) -> None:  # noqa: ANN401 - importing redis for its type is slow
        self.add = redis.register_script(ADD)
        self.reserve = redis.register_script(RESERVE)
        self.read = redis.register_script(READ)


class RedisUsageStore(UsageStore):
    """Counts in Redis. Needs an event loop."""

    def __init__(
        self,
        url: str,
        *,
        on_change: Callable[[bool], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_change` is called with whether Redis responds when that changes.

        `clock` returns seconds since 1970, until Redis has told its own time.
        """
        from app.runtime.bounded_redis import async_client  # redis takes a tenth of a second

        self._redis = async_client(url, _SOCKET_TIMEOUT_S)
        self._scripts = _Scripts(self._redis)
        self._writer = secrets.token_hex(8)
        self._clock = clock
        self._ahead_of_monotonic_s: float | None = None
        """Redis' clock minus this process's monotonic one: no jump of a clock here moves it."""
        self._on_change = on_change or (lambda _responds: None)
        self._guard = StoreGuard(self.check, self._record_change, patience_s=_PATIENCE_S)
        self._entries: dict[KeyMonth, LocalCounts] = {}
        self._unstored: dict[KeyMonth, LocalCounts] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._storing: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def is_available(self) -> bool:
        """Whether Redis responded when it was last asked."""
        return self._guard.is_usable

    @property
    def unstored_keys(self) -> int:
        """Keys with counts that Redis may not have."""
        return len(self._unstored)

    def now_s(self) -> float:
        """As in UsageStore: Redis' clock, the same for all servers."""
        if self._ahead_of_monotonic_s is None:
            return self._clock()
        return time.monotonic() + self._ahead_of_monotonic_s

    def start(self) -> None:
        """Learn Redis' clock, before the first request asks which month it is."""
        self._starting = asyncio.get_running_loop().create_task(self._learn_clock())

    async def check_available(self) -> None:
        """Ask Redis for its time. Raises UsageUnavailable."""
        await self._ask(self.check)

    async def check(self) -> None:
        """As `check_available`, with the error itself."""
        async with asyncio.timeout(_SOCKET_TIMEOUT_S):
            seconds, microseconds = await self._redis.time()
        self._set_clock(seconds, microseconds)

    async def add(
        self,
        key_month: KeyMonth,
        counts: Mapping[str, int],
        reservation: Reservation | None = None,
    ) -> None:
        """As in UsageStore."""
        self._note(key_month, counts, reservation)
        await self._store()

    def add_later(
        self,
        key_month: KeyMonth,
        counts: Mapping[str, int],
        reservation: Reservation | None = None,
    ) -> None:
        """As in UsageStore."""
        self._note(key_month, counts, reservation)
        self._start_storing()

    async def reserve(self, key_month: KeyMonth, limit: int, amount: int) -> QuotaState:
        """As in UsageStore."""
        if not self._guard.is_usable:
            raise UsageUnavailable
        entry = self._entry(key_month)
        reservation = Reservation(f"{secrets.token_hex(8)}:{amount}", amount)
        quota_fields = {name for name in _QUOTA_FIELDS if entry.counts[name]}
        told = {
            "writer": self._writer,
            "entry": entry.to_json(quota_fields),
            "limit": limit,
            "amount": amount,
            "id": reservation.id,
            "hold_s": _HOLD_S,
            "used_at_least": entry.used_at_least,
        }
        try:
            is_allowed, used, held = await self._ask(partial(self._run_reserve, key_month, told))
        except BaseException:
            # Redis may have reserved them, or may do so yet.
            self.add_later(key_month, {}, reservation)
            raise
        entry.used_at_least = max(entry.used_at_least, used)
        return QuotaState(reservation if is_allowed else None, used, held)

    async def read(self, key_month: KeyMonth) -> Mapping[str, int]:
        """As in UsageStore."""
        await self._store()
        return await self._ask(partial(self._run_read, key_month))

    async def list_keys(self, month: Month) -> list[str]:
        """As in UsageStore."""
        return await self._ask(partial(self._run_list, month))

    async def aclose(self) -> None:
        """As in UsageStore. What cannot be stored is logged, with its numbers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._store()
        self._guard.close()
        for task in (self._starting, self._storing):
            if task is not None:
                task.cancel()
        # Redis may be back without having been probed.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._store_months(list(self._unstored), _ask_at_once)
        for key_month, entry in self._unstored.items():
            lost = {name: entry.counts[name] for name in sorted(entry.unstored)}
            if lost:
                extra = {"key": key_month.key_name, "month": str(key_month.month), "counts": lost}
                _logger.error("usage_store.counts_lost", extra=extra)
        await self._redis.aclose()

    async def _learn_clock(self) -> None:
        with contextlib.suppress(UsageUnavailable):
            await self.check_available()

    def _entry(self, key_month: KeyMonth) -> LocalCounts:
        entry = self._entries.get(key_month)
        if entry is None:
            entry = self._entries[key_month] = LocalCounts()
            self._forget_old_months()
        return entry

    def _forget_old_months(self) -> None:
        """Nothing is counted in the month before last any more."""
        now = Month.at(self.now_s())
        old = [
            key_month
            for key_month in self._entries
            if (now.start - key_month.month.end).days > 1 and key_month not in self._unstored
        ]
        for key_month in old:
            del self._entries[key_month]

    def _note(
        self, key_month: KeyMonth, counts: Mapping[str, int], reservation: Reservation | None
    ) -> None:
        entry = self._entry(key_month)
        entry.counts.update(counts)
        entry.unstored.update(counts)
        if reservation is not None:
            entry.ended.append(reservation.id)
        self._unstored[key_month] = entry

    async def _store(self) -> None:
        """Wait until what is noted now is stored, or Redis turns out not to respond."""
        if not self._unstored or not self._guard.is_usable:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._start_storing()
        await waiter

    def _start_storing(self) -> None:
        if self._guard.is_usable and (self._storing is None or self._storing.done()):
            # Without the context of a request: it is the work of all of them.
            self._storing = asyncio.get_running_loop().create_task(
                self._store_all(), context=Context()
            )

    async def _store_all(self) -> None:
        try:
            while self._unstored and self._guard.is_usable:
                waiters, self._waiters = self._waiters, []
                try:
                    await self._store_months(list(self._unstored), self._ask)
                finally:
                    _release(waiters)
        except UsageUnavailable:
            pass  # what is noted stays, and is stored when Redis responds again
        finally:
            waiters, self._waiters = self._waiters, []
            _release(waiters)

    async def _store_months(self, key_months: Sequence[KeyMonth], ask: _Ask) -> None:
        for month in sorted({key_month.month for key_month in key_months}):
            of_month = [key_month for key_month in key_months if key_month.month == month]
            for first in range(0, len(of_month), _BATCH_ENTRIES):
                await self._store_batch(month, of_month[first : first + _BATCH_ENTRIES], ask)

    async def _store_batch(self, month: Month, key_months: Sequence[KeyMonth], ask: _Ask) -> None:
        entries = [self._entries[key_month] for key_month in key_months]
        sent = [entry.to_json(sorted(entry.unstored)) for entry in entries]
        was_here = await ask(partial(self._run_add, month, key_months, sent))
        has_lost = any(
            entry.is_stored and not found for entry, found in zip(entries, was_here, strict=True)
        )
        for key_month, entry, told in zip(key_months, entries, sent, strict=True):
            if entry.forget_stored(told):
                self._unstored.pop(key_month, None)
        if has_lost:
            self._store_everything_again()

    def _store_everything_again(self) -> None:
        """Redis was emptied, or is another one: it gets all that this process has counted."""
        _logger.warning("usage_store.emptied", extra={"keys": len(self._entries)})
        for key_month, entry in self._entries.items():
            entry.is_stored = False
            entry.unstored.update(entry.counts)
            if entry.unstored:
                self._unstored[key_month] = entry

    async def _ask(self, command: Callable[[], Awaitable[_T]]) -> _T:
        """What the command returns. Raises UsageUnavailable where Redis does not respond at once.

        A reply that Redis would not give counts as none.
        """

        async def run() -> _T:
            async with asyncio.timeout(2 * _SOCKET_TIMEOUT_S):
                return await command()

        try:
            return await self._guard.ask(run)
        except StoreUnavailable:
            raise UsageUnavailable from None

    async def _run_add(
        self, month: Month, key_months: Sequence[KeyMonth], sent: Sequence[dict[str, Any]]
    ) -> list[bool]:
        told = {
            "writer": self._writer,
            "keep_s": _KEEP_S,
            "entries": [
                {**entry, "name": key_month.key_name}
                for key_month, entry in zip(key_months, sent, strict=True)
            ],
        }
        keys = [_names_key(month)]
        for key_month in key_months:
            keys += [_totals_key(key_month), _reservations_key(key_month)]
        reply = await self._scripts.add(keys, [json.dumps(told)])
        seconds, microseconds, *flags = _integers(reply, 2 + len(key_months))
        self._set_clock(seconds, microseconds)
        return [bool(flag) for flag in flags]

    async def _run_reserve(
        self, key_month: KeyMonth, told: Mapping[str, Any]
    ) -> tuple[bool, int, int]:
        keys = [_totals_key(key_month), _reservations_key(key_month)]
        reply = await self._scripts.reserve(keys, [json.dumps(told)])
        seconds, microseconds, is_allowed, used, held = _integers(reply, 5)
        self._set_clock(seconds, microseconds)
        return bool(is_allowed), used, held

    async def _run_read(self, key_month: KeyMonth) -> dict[str, int]:
        reply = await self._scripts.read([_totals_key(key_month)], [])
        fields = [text.decode() for text in reply[::2]]
        return dict(zip(fields, _integers(reply[1::2], len(fields)), strict=True))

    async def _run_list(self, month: Month) -> list[str]:
        names = [name.decode() async for name in self._redis.sscan_iter(_names_key(month))]
        return sorted(set(names))

    def _set_clock(self, seconds: int, microseconds: int) -> None:
        now_s = seconds + microseconds / 1_000_000
        if self._ahead_of_monotonic_s is None:
            ahead_s = now_s - self._clock()
            if abs(ahead_s) > _MAX_CLOCK_DIFFERENCE_S:
                _logger.warning("usage_store.clock_differs", extra={"seconds": round(ahead_s)})
        self._ahead_of_monotonic_s = now_s - time.monotonic()

    def _record_change(self, reason: str | None) -> None:
        self._on_change(reason is None)
        if reason is None:
            _logger.info("usage_store.recovered", extra={"keys": len(self._unstored)})
            self._start_storing()
        else:
            hint = "keys with a quota are refused, others are counted and added later"
            _logger.warning("usage_store.failed", extra={"reason": reason, "hint": hint})


async def _ask_at_once(command: Callable[[], Awaitable[list[bool]]]) -> list[bool]:
    return await command()


def _totals_key(key_month: KeyMonth) -> str:
    return f"{_PREFIX}:{key_month.month}:totals:{key_month.key_name}"


def _reservations_key(key_month: KeyMonth) -> str:
    return f"{_PREFIX}:{key_month.month}:reservations:{key_month.key_name}"


def _names_key(month: Month) -> str:
    return f"{_PREFIX}:{month}:names"


def _integers(reply: Sequence[Any], count: int) -> list[int]:
    """Raises ValueError where they are not `count` counts."""
    numbers = [int(one) for one in reply]
    if len(numbers) != count or any(not 0 <= number <= _MAX_COUNT for number in numbers):
        raise ValueError("not a reply of this script")
    return numbers


def _release(waiters: Sequence[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
