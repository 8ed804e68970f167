"""Rate limits per key, on slowapi's limiter; a slow or absent Redis neither stalls nor opens it.

slowapi's own decorator asks its store on the event loop, where one paused Redis stops every
request. So the limiter is asked here: the memory store at once, a shared store in its own threads
with a deadline, and where that fails each process counts by itself until the store answers again.
"""

import asyncio
import ipaddress
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from limits import RateLimitItem, parse_many
from limits.strategies import RateLimiter
from slowapi import Limiter
from slowapi.util import get_remote_address

import app.api.rate_limit_store  # noqa: F401 - `limits` finds a store by the name that it registered

_logger = logging.getLogger(__name__)

_STORE_TIMEOUT_S = 0.25
"""A Redis in the same network answers in about a millisecond."""
_STORE_PAUSE_S = 5.0
"""After a failure the store is left alone this long, so that it costs one request in five seconds
a quarter of a second, not every request."""
_OWN_MEMORY = "windows://"
"""app.api.rate_limit_store: what RATE_LIMIT_STORE=memory:// means here."""
_SCOPE = "captions"
"""One budget over all caption routes."""


def parse_limits(text: str) -> list[RateLimitItem]:
    """`60/minute;5000/day` as limits. Raises ValueError with a sentence."""
    try:
        limits = parse_many(text)
    except ValueError:
        limits = []
    if not limits or any(limit.amount < 1 for limit in limits):
        msg = f"{text!r} is not a rate limit; write for instance 60/minute or 10/second;5000/day"
        raise ValueError(msg)
    return limits


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of the tightest limit after this request."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: float
    """Seconds until the oldest request leaves the window: then one more is allowed."""

    def headers(self) -> dict[str, str]:
        """X-RateLimit-*, for answers with 200 and 429 alike; Reset in whole seconds from now."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(max(1, math.ceil(self.reset_s))),
        }


class CallerRateLimits:
    """Counts each caller's requests in a moving window."""

    def __init__(
        self, default: str, store_url: str, *, on_store: Callable[[bool], None] | None = None
    ) -> None:
        """`on_store` is told whether the shared store answers, whenever that changes."""
        self._default = default
        self._local = _limiter(_OWN_MEMORY)
        self._shared: Limiter | None = None
        self._failures: tuple[type[Exception], ...] = (OSError, TimeoutError)
        if not store_url.startswith("memory:"):
            from redis.exceptions import RedisError  # a tenth of a second, and only for a Redis

            self._shared = _limiter(store_url)
            self._failures = (RedisError, *self._failures)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="limits")
        self._store_is_up = True
        self._next_try_s = 0.0
        self._on_store = on_store or (lambda _up: None)
        self._parsed: dict[str, list[RateLimitItem]] = {}

    async def hit(self, caller: str, limit: str | None = None) -> Allowance:
        """Count one request of `caller` under its own limit, or the default one."""
        limits = self._limits_of(limit or self._default)
        if self._shared is not None and time.monotonic() >= self._next_try_s:
            try:
                work = asyncio.get_running_loop().run_in_executor(
                    self._threads, _hit, self._shared.limiter, limits, caller
                )
                # The socket's own timeout ends the thread; this one ends the wait for a thread.
                allowance = await asyncio.wait_for(work, 2 * _STORE_TIMEOUT_S)
            except self._failures as error:
                self._store_failed(error)
            else:
                self._store_answers()
                return allowance
        return _hit(self._local.limiter, limits, caller)

    def close(self) -> None:
        """Let the threads go; one that hangs in a socket ends by its timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _limits_of(self, text: str) -> list[RateLimitItem]:
        if text not in self._parsed:
            self._parsed[text] = parse_limits(text)
        return self._parsed[text]

    def _store_failed(self, error: Exception) -> None:
        self._next_try_s = time.monotonic() + _STORE_PAUSE_S
        if self._store_is_up:
            self._store_is_up = False
            self._on_store(False)
            _logger.warning(
                "the store of rate limits does not answer; this process counts by itself",
                extra={"reason": type(error).__name__},
            )

    def _store_answers(self) -> None:
        if not self._store_is_up:
            self._store_is_up = True
            self._on_store(True)
            _logger.info("the store of rate limits answers again")


def caller_of_address(host: str) -> str:
    """Who a client without a key is: its IPv4 address, or its IPv6 network of 64 bits.

    One customer is usually given a whole /64, so counting single addresses would count nothing.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"address:{host}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"address:{address.ipv4_mapped}"
        return f"address:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"address:{address}"


def _limiter(store_url: str) -> Limiter:
    options: dict[str, str] = {}
    if store_url != _OWN_MEMORY:
        options = {  # slowapi types its options as strings and hands them on as they are
            "socket_timeout": _STORE_TIMEOUT_S,  # type: ignore[dict-item]
            "socket_connect_timeout": _STORE_TIMEOUT_S,  # type: ignore[dict-item]
        }
    return Limiter(
        key_func=get_remote_address,
        strategy="moving-window",
        storage_uri=store_url,
        storage_options=options,
    )


def _hit(limiter: RateLimiter, limits: list[RateLimitItem], caller: str) -> Allowance:
    """Count one request if every limit has room for it, else count nothing."""
    full = [limit for limit in limits if not limiter.test(limit, caller, _SCOPE)]
    allowed = not full
    if allowed:
        # Between test and hit another replica may have taken the last place.
        full = [limit for limit in limits if not limiter.hit(limit, caller, _SCOPE)]
        allowed = not full
    now = time.time()
    stats = [(limit, limiter.get_window_stats(limit, caller, _SCOPE)) for limit in full or limits]
    if allowed:
        limit, window = min(stats, key=lambda pair: pair[1].remaining)
    else:
        limit, window = max(stats, key=lambda pair: pair[1].reset_time)
    return Allowance(
        allowed=allowed,
        limit=limit.amount,
        remaining=max(0, window.remaining) if allowed else 0,
        reset_s=max(0.0, window.reset_time - now),
    )
