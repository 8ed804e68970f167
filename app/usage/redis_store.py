"""A usage store in Redis: one count over all server processes.

A request is counted before it is answered, so that a process that is killed loses none, unless
Redis is late. Requests that end at the same time are told to Redis together. While it does not
respond, counts stay in
this process, one number for each field of each key, and are added when it responds again; with a
spool they are also in a file, for the process that comes after a kill.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import TypeVar

from app.runtime.store_guard import PATIENCE_S, StoreGuard, StoreUnavailable
from app.usage.errors import UsageUnavailable
from app.usage.local_counts import LocalCounts
from app.usage.months import Month
from app.usage.redis_clock import RedisClock
from app.usage.redis_commands import UsageCommands
from app.usage.spool import UsageSpool
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

_SOCKET_TIMEOUT_S = 0.5
_QUOTA_PATIENCE_S = 0.25
"""How long Redis is waited for, once: longer than for a rate limit, because a key with a quota is
refused where the reply is late."""
_COUNT_PATIENCE_S = PATIENCE_S
"""How long a request that is counted waits until Redis has its count. Then it is answered, and so
are the next ones at once, until Redis has counts again."""
_HOLD_S = 600
"""What a process that died has reserved is free again after this. Longer than any request."""
_FORGET_AFTER_S = 24 * 3600
"""An entry that is begun anew would count from 0, and Redis has more of this process already."""
_BATCH_ENTRIES = 200
_CLOSE_TIMEOUT_S = 2.0
_QUOTA_FIELDS = (CAPTION_FIELD, DECORATIVE_FIELD)


class RedisUsageStore(UsageStore):
    """Counts in Redis. Needs an event loop."""

    def __init__(
        self,
        url: str,
        *,
        on_change: Callable[[bool], None] | None = None,
        spool_dir: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_change` is called with whether Redis responds when that changes.

        `spool_dir` is a folder where counts wait for Redis; None: they wait in memory alone.
        `clock` returns seconds since 1970, until Redis has told its own time.
        """
        self._writer = secrets.token_hex(8)
        self._spool = None if spool_dir is None else UsageSpool(spool_dir, self._writer)
        self._clock = RedisClock(clock)
        self._commands = UsageCommands(url, self._clock, timeout_s=_SOCKET_TIMEOUT_S)
        self._on_change = on_change or (lambda _responds: None)
        self._guard = StoreGuard(
            self.check,
            self._record_change,
            patience_s=_QUOTA_PATIENCE_S,
            gives_up_together=False,
        )
        self._entries: dict[KeyMonth, LocalCounts] = {}
        self._unstored: dict[KeyMonth, LocalCounts] = {}
        self._batches = self._last_batch = 0
        """How many were sent, and the number of the last one that Redis has confirmed."""
        self._is_late = False
        """A request has waited in vain for its count to be stored, and none is stored since."""
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
        return self._clock.now_s()

    def start(self) -> None:
        """Learn Redis' clock, before the first request asks which month it is.

        Then store what processes that were killed have left.
        """
        if self._starting is None or self._starting.done():
            self._starting = asyncio.get_running_loop().create_task(
                self._start(), context=Context()
            )

    async def check_available(self) -> None:
        """Ask Redis for its time. Raises UsageUnavailable."""
        await self._ask(self.check)

    async def check(self) -> None:
        """As `check_available`, with the error itself."""
        async with asyncio.timeout(_SOCKET_TIMEOUT_S):
            await self._commands.read_clock()

    async def add(
        self,
        key_month: KeyMonth,
        counts: Mapping[str, int],
        reservation: Reservation | None = None,
    ) -> None:
        """As in UsageStore. Where Redis is late, the counts wait as they do while it is away."""
        self._note(key_month, counts, reservation)
        waiter = self._begin_storing()
        if waiter is None:
            return
        if not self._is_late:
            await asyncio.wait({waiter}, timeout=_COUNT_PATIENCE_S)
            if not waiter.done():
                await asyncio.sleep(0)  # as in StoreGuard: the loop may have been late, not Redis
        if not waiter.done():
            self._is_late = True
            self._spool_unstored()

    def expect_late(self) -> None:
        """Requests are answered without their count in Redis until Redis has stored a count.

        For a part that found the same Redis late: what it waited for is not waited for again.
        """
        self._is_late = True

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
            is_allowed, used, held = await self._ask(
                partial(self._commands.reserve, key_month, told)
            )
        except BaseException:
            # Redis may have reserved them, or may do so yet.
            self.add_later(key_month, {}, reservation)
            raise
        entry.used_at_least = max(entry.used_at_least, used)
        return QuotaState(reservation if is_allowed else None, used, held)

    async def read(self, key_month: KeyMonth) -> Mapping[str, int]:
        """As in UsageStore."""
        await self._store()
        return await self._ask(partial(self._commands.read, key_month))

    async def list_keys(self, month: Month) -> list[str]:
        """As in UsageStore."""
        return await self._ask(partial(self._commands.list_keys, month))

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
                await self._store_unstored(_ask_at_once)
        self._log_unstored(is_kept=self._spool_unstored())
        if self._spool is not None:
            self._spool.close()
        await self._commands.aclose()

    def _log_unstored(self, *, is_kept: bool) -> None:
        level = logging.WARNING if is_kept else logging.ERROR
        event = "usage_store.counts_kept" if is_kept else "usage_store.counts_lost"
        for key_month, entry in self._unstored.items():
            if counts := entry.unstored_counts:
                of = {"key": key_month.key_name, "month": str(key_month.month)}
                _logger.log(level, event, extra={**of, "counts": counts})

    async def _start(self) -> None:
        with contextlib.suppress(UsageUnavailable):
            await self.check_available()
            await self._store_left_counts()

    async def _store_left_counts(self) -> None:
        """Store what processes that were killed while Redis was away counted."""
        while self._spool is not None:
            with self._spool.left_counts() as left:
                if left is None:
                    return
                for key_month, counts in left.counts.items():
                    entry = LocalCounts(Counter(counts)).to_json(counts)
                    await self._ask(partial(self._commands.add, left.writer, [key_month], [entry]))
            extra = {"writer": left.writer, "keys": len(left.counts)}
            _logger.info("usage_store.left_counts_stored", extra=extra)

    def _entry(self, key_month: KeyMonth) -> LocalCounts:
        entry = self._entries.get(key_month)
        if entry is None:
            entry = self._entries[key_month] = LocalCounts()
            self._forget_old_months()
        return entry

    def _forget_old_months(self) -> None:
        """Nothing is counted in the month before last any more, unless Redis' clock jumps back."""
        now, long_ago_s = Month.at(self.now_s()), time.monotonic() - _FORGET_AFTER_S
        old = [
            key_month
            for key_month, entry in self._entries.items()
            if (now.start - key_month.month.end).days > 1
            and entry.counted_at_s < long_ago_s
            and key_month not in self._unstored
        ]
        for key_month in old:
            del self._entries[key_month]

    def _note(
        self, key_month: KeyMonth, counts: Mapping[str, int], reservation: Reservation | None
    ) -> None:
        entry = self._entry(key_month)
        entry.counts.update(counts)
        entry.unstored.update(counts)
        entry.counted_at_s = time.monotonic()
        if reservation is not None:
            entry.ended.append(reservation.id)
        self._unstored[key_month] = entry
        if self._spool is not None and not self._guard.is_usable:
            self._spool.note(key_month, {name: entry.counts[name] for name in counts})

    def _spool_unstored(self) -> bool:
        """Write what Redis may lack to the spool. Whether there is one, and it could be written."""
        return self._spool is not None and all(
            self._spool.note(key_month, entry.unstored_counts)
            for key_month, entry in self._unstored.items()
        )

    async def _store(self) -> None:
        """Wait until what is noted now is stored, or Redis turns out not to respond."""
        waiter = self._begin_storing()
        if waiter is not None:
            await waiter

    def _begin_storing(self) -> asyncio.Future[None] | None:
        """Done once what is noted now is stored, or Redis turns out not to respond."""
        if not self._unstored or not self._guard.is_usable:
            return None
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._start_storing()
        return waiter

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
                    await self._store_unstored(self._ask)
                finally:
                    _release(waiters)
        except UsageUnavailable:
            pass  # what is noted stays, and is stored when Redis responds again
        finally:
            waiters, self._waiters = self._waiters, []
            _release(waiters)

    async def _store_unstored(self, ask: _Ask) -> None:
        notes = self._spool.notes if self._spool is not None else 0
        await self._store_months(list(self._unstored), ask)
        if self._spool is not None and self._spool.notes == notes:
            self._spool.clear()  # nothing was noted since: Redis has all that stands there

    async def _store_months(self, key_months: Sequence[KeyMonth], ask: _Ask) -> None:
        for month in sorted({key_month.month for key_month in key_months}):
            of_month = [key_month for key_month in key_months if key_month.month == month]
            for first in range(0, len(of_month), _BATCH_ENTRIES):
                await self._store_batch(of_month[first : first + _BATCH_ENTRIES], ask)

    async def _store_batch(self, key_months: Sequence[KeyMonth], ask: _Ask) -> None:
        entries = [self._entries[key_month] for key_month in key_months]
        sent = [entry.to_json(sorted(entry.unstored)) for entry in entries]
        self._batches += 1
        batch = self._batches
        add = partial(self._commands.add, batch=batch, last_batch=self._last_batch)
        was_here = await ask(partial(add, self._writer, key_months, sent))
        self._last_batch = max(self._last_batch, batch)
        self._is_late = False
        for key_month, entry, told in zip(key_months, entries, sent, strict=True):
            if entry.forget_stored(told):
                self._unstored.pop(key_month, None)
        if not all(was_here):
            self._store_everything_again()

    def _store_everything_again(self) -> None:
        """Redis was emptied, or is an older copy: it gets all that this process has counted."""
        _logger.warning("usage_store.emptied", extra={"keys": len(self._entries)})
        for key_month, entry in self._entries.items():
            entry.stored_requests = 0
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

    def _record_change(self, reason: str | None) -> None:
        self._on_change(reason is None)
        if reason is None:
            _logger.info("usage_store.recovered", extra={"keys": len(self._unstored)})
            self._start_storing()
            self.start()
        else:
            hint = "keys with a quota are refused, others are counted and added later"
            _logger.warning("usage_store.failed", extra={"reason": reason, "hint": hint})
            self._spool_unstored()


async def _ask_at_once(command: Callable[[], Awaitable[list[bool]]]) -> list[bool]:
    return await command()


def _release(waiters: Sequence[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
