"""Rate limits per caller, counted by slowapi's limiter in memory or in a shared Redis.

slowapi's decorator calls its store on the event loop, where a Redis that hangs stops every request.
So its limiter is called here: in memory directly, a shared store in threads with a timeout. While
the shared store does not respond, each process counts in its own memory: limits become wider, and
are never off.
"""

import asyncio
import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from limits import RateLimitItem
from limits.strategies import RateLimiter
from limits.util import WindowStats
from slowapi import Limiter
from slowapi.util import get_remote_address

from app.api.rate_limit_store import STORE_URL
from app.runtime.store_guard import StoreGuard, StoreUnavailable
from app.settings.rate_limit import DEFAULT_LIMIT, parse_rate_limits

_logger = logging.getLogger(__name__)

_STORE_TIMEOUT_S = 0.25
"""For one reply. A request waits for a part of it; see StoreGuard."""
_STORE_THREADS = 4
_MAX_SKEW_S = 300.0
"""Between the clocks of replicas that share a store."""
_SCOPE = "captions"
"""One limit over all caption routes."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """What is left of the tightest limit after a request."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_s: float
    """Seconds until the oldest request leaves the window and one more is allowed."""

    def headers(self) -> dict[str, str]:
        """X-RateLimit-*, for responses with 200 and 429. Reset is in whole seconds from now."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(max(1, math.ceil(self.reset_s))),
        }


class CallerRateLimits:
    """Counts each caller's requests in a moving window."""

    def __init__(
        self,
        default: str | None,
        store_url: str,
        *,
        on_store_change: Callable[[bool], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`default` is the limit of callers without their own; None: they have none.

        `on_store_change` is called with whether the shared store responds when that changes;
        `clock` (seconds) is that of the windows in memory.
        """
        self._default = default
        self._clock = clock
        self._local = _create_limiter(STORE_URL, clock=clock)
        self._shared: Limiter | None = None
        if not store_url.startswith("memory:"):
            # Importing redis takes a tenth of a second.
            from app.runtime.bounded_redis import connection_pool

            pool = connection_pool(store_url, _STORE_TIMEOUT_S)
            # The pool has the URL. `limits` does not know all of its forms (`unix://`).
            self._shared = _create_limiter("redis://", connection_pool=pool)
        self._threads = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="rate-limits")
        self._store = StoreGuard(self.check, self._record_store_change)
        self._on_store_change = on_store_change or (lambda _responds: None)
        self._parsed: dict[str, list[RateLimitItem]] = {}

    @property
    def is_shared(self) -> bool:
        """Whether the limits are counted in a shared store."""
        return self._shared is not None

    async def check(self) -> None:
        """Read from the shared store. Raises its error where it does not respond."""
        if self._shared is not None:
            [limit, *_] = self._parse(self._default or DEFAULT_LIMIT)
            await self._run_in_thread(self._shared.limiter.test, limit, "check", _SCOPE)

    async def count_request(self, caller: str, limit: str | None = None) -> RateLimitResult | None:
        """Count one request of `caller` against `limit`, or the default; None where neither is."""
        limit = limit or self._default
        if limit is None:
            return None
        limits = self._parse(limit)
        if self._shared is not None:
            # Bytes that are not of Redis' protocol make redis-py and `limits` raise any error,
            # which the guard takes for a store that does not respond.
            with contextlib.suppress(StoreUnavailable):
                return await self._store.ask(
                    functools.partial(
                        self._run_in_thread,
                        _count_request, self._shared.limiter, limits, caller, time.time,
                    )
                )  # fmt: skip
        return _count_request(self._local.limiter, limits, caller, self._clock)

    def close(self) -> None:
        """Release the threads. One that waits for a socket ends at the socket's timeout."""
        self._store.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _parse(self, text: str) -> list[RateLimitItem]:
        if text not in self._parsed:
            self._parsed[text] = parse_rate_limits(text)
        return self._parsed[text]

    async def _run_in_thread(self, function: Callable[..., _T], *arguments: object) -> _T:
        work = asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        # The socket's timeout ends the call; this one ends the wait for a free thread too.
        return await asyncio.wait_for(work, 2 * _STORE_TIMEOUT_S)

    def _record_store_change(self, failure: str | None) -> None:
        self._on_store_change(failure is None)
        if failure is None:
            _logger.info("rate_limit_store.recovered")
        else:
            _logger.warning("rate_limit_store.failed", extra={"reason": failure})


def _create_limiter(store_url: str, **options: object) -> Limiter:
    return Limiter(
        key_func=get_remote_address,
        strategy="moving-window",
        storage_uri=store_url,
        storage_options=options,  # type: ignore[arg-type]  # slowapi passes any type on
    )


class _StoreReplyImplausible(Exception):
    """The store refuses a request, and what it says of the window cannot be so."""


def _check_is_plausible(limit: RateLimitItem, window: WindowStats, now_s: float) -> None:
    """Nobody is refused by a store that answers nonsense, or by times of the next century in it."""
    is_untouched = window.remaining >= limit.amount > 1
    left_s = window.reset_time - now_s
    if is_untouched or not -_MAX_SKEW_S <= left_s <= limit.get_expiry() + _MAX_SKEW_S:
        raise _StoreReplyImplausible


def _count_request(
    limiter: RateLimiter,
    limits: list[RateLimitItem],
    caller: str,
    clock: Callable[[], float],
) -> RateLimitResult:
    """Count one request where every limit allows it, otherwise count nothing."""
    exceeded = [limit for limit in limits if not limiter.test(limit, caller, _SCOPE)]
    if not exceeded:
        # Another replica may have counted a request since the test.
        exceeded = [limit for limit in limits if not limiter.hit(limit, caller, _SCOPE)]
    windows = [
        (limit, limiter.get_window_stats(limit, caller, _SCOPE)) for limit in exceeded or limits
    ]
    if exceeded:
        limit, window = max(windows, key=lambda pair: pair[1].reset_time)
    else:
        limit, window = min(windows, key=lambda pair: pair[1].remaining)
    if exceeded:
        _check_is_plausible(limit, window, clock())
    return RateLimitResult(
        is_allowed=not exceeded,
        limit=limit.amount,
        remaining=0 if exceeded else min(max(0, int(window.remaining)), limit.amount),
        reset_s=min(max(0.0, window.reset_time - clock()), limit.get_expiry()),
    )
