"""Client-side adaptive throttling: how many requests at once, and how close together (AIMD).

Two limits, each with additive increase and multiplicative decrease:

- `max_in_flight`, requests at the same time: it starts small and doubles every round until the
  first refusal (slow start), then grows by one per round up to the caller's `concurrency`;
- `rate_per_s`, requests started per second: unlimited until the first refusal, then a share of the
  rate that was refused. It grows linearly, and faster the longer nothing is refused.

The first limit alone does not settle on a server's rate limit: 32 requests that resume together
are a burst, and most of a burst is refused. So starts are spread over a round even before the first
refusal, at 1.5 times the rate at which they would start by themselves. All refusals of one burst
count as one. If everything is refused again after a pause, the pause was too short, and the rate
is not cut.
"""

from __future__ import annotations

import math
import threading
from collections import deque

from altwright.retry import backoff_s

_LATE_REFUSAL_FACTOR = 0.93
"""After a refusal some time after a pause: the rate is nearly right, 7 % less is below it."""
_EARLY_REFUSAL_FACTOR = 0.6
"""After the first refusal, and after one soon after a pause: the rate is far too high."""
_EARLY_S = 2.0
_RECOVERY_S = 20.0
"""In this time the rate grows back by what it was cut; then twice as fast, and so on."""
_RECOVERY_REQUESTS = 100
"""Recovery also takes at least this many requests, so that 1 % are refused at most."""
_MIN_RATE_PER_S = 0.1
_FIRST_MAX_IN_FLIGHT = 8
_WINDOW_S = 2.0
"""The rate that was refused is measured over this time."""
_WINDOW_REQUESTS = 2_048
_SPREAD = 1.5
"""Starts are spread at this multiple of an even rate: over 1, so that it slows nothing down."""
_CATCH_UP_S = 0.02
"""A start that a timer delayed by up to this much does not delay all later ones."""


class AdaptiveThrottle:
    """The limits of one run. Thread-safe. All times are readings of one monotonic clock."""

    def __init__(self, *, concurrency: int, per_second: float | None) -> None:
        self._lock = threading.Lock()
        self._concurrency = concurrency
        self._max_rate_per_s = math.inf if per_second is None else per_second
        self._max_in_flight = float(min(concurrency, _FIRST_MAX_IN_FLIGHT))
        self._is_slow_start = True
        self._rate_per_s = self._max_rate_per_s
        self._growth_per_s2 = 0.0
        self._next_start_s = -math.inf
        self._paused_until_s = -math.inf
        self._cut_at_s = -math.inf
        self._grown_at_s = 0.0
        self._growth_doubles_at_s = math.inf
        self._failures = 0
        self._is_probing = False
        self._accepted_since_cut = 0
        """Started since the last cut, less those that were refused."""
        self._starts: deque[float] = deque(maxlen=_WINDOW_REQUESTS)
        self._latency_s = 0.0

    @property
    def max_in_flight(self) -> int:
        """Requests that may be in flight now, at least one."""
        return 1 if self._is_probing else max(1, int(self._max_in_flight))

    @property
    def rate_per_s(self) -> float:
        """Requests that may start per second; infinite until the first refusal."""
        return self._rate_per_s

    @property
    def paused_until_s(self) -> float:
        """Nothing may start before this time."""
        return self._paused_until_s

    def delay_s(self, now_s: float) -> float:
        """Seconds until the next request may start; 0 if it may start now."""
        return max(0.0, self._paused_until_s - now_s, self._next_start_s - now_s)

    def record_start(self, now_s: float) -> None:
        """A request starts; `delay_s` was 0."""
        with self._lock:
            self._grow_rate(now_s)
            self._accepted_since_cut += 1
            self._starts.append(now_s)
            rate_per_s = self._rate_per_s
            if self._latency_s:
                rate_per_s = min(rate_per_s, _SPREAD * self._max_in_flight / self._latency_s)
            is_first = self._next_start_s == -math.inf
            on_time_s = now_s if is_first else max(self._next_start_s, now_s - _CATCH_UP_S)
            self._next_start_s = on_time_s + 1 / rate_per_s

    def record_accepted(self, started_s: float, now_s: float) -> None:
        """The server processed a request, whether or not it succeeded."""
        with self._lock:
            if started_s > self._cut_at_s:  # older requests say nothing about the server now
                self._failures = 0
                self._is_probing = False
            step = 1.0 if self._is_slow_start else 1 / self._max_in_flight
            self._max_in_flight = min(self._concurrency, self._max_in_flight + step)
            took_s = now_s - started_s
            self._latency_s += (0.1 if self._latency_s else 1.0) * (took_s - self._latency_s)

    def record_refused(
        self, started_s: float, retry_after_s: float | None, now_s: float, jitter: float
    ) -> None:
        """The server refused a request with 429 or 503: pause, and cut the limits."""
        with self._lock:
            is_new = started_s > self._cut_at_s
            if is_new:
                self._failures += 1
            pause_s = backoff_s(self._failures, jitter) if retry_after_s is None else retry_after_s
            resumed_s = self._paused_until_s
            if is_new or retry_after_s is not None:
                self._paused_until_s = max(self._paused_until_s, now_s + pause_s)
            if is_new:
                self._accepted_since_cut -= 1
                if self._accepted_since_cut or self._cut_at_s == -math.inf:
                    self._cut(resumed_s, now_s)
                else:
                    # Nothing was accepted since the last cut: the pause was too short, not the
                    # rate too high. A single request at a time finds out when it ends.
                    self._is_probing = True

    def record_unreachable(self, now_s: float, jitter: float) -> None:
        """The server cannot be reached: pause longer each time, then try a single request."""
        with self._lock:
            if now_s < self._paused_until_s:
                return
            self._failures += 1
            self._is_probing = True
            self._paused_until_s = now_s + backoff_s(self._failures, jitter)

    def _cut(self, resumed_s: float, now_s: float) -> None:
        measured = self._measure_rate_per_s(resumed_s, now_s)
        refused_rate = min(self._rate_per_s, measured)
        is_first = self._cut_at_s == -math.inf
        is_early = is_first or now_s - resumed_s < _EARLY_S
        factor = _EARLY_REFUSAL_FACTOR if is_early else _LATE_REFUSAL_FACTOR
        self._cut_at_s = now_s
        self._accepted_since_cut = 0
        self._is_slow_start = False
        self._rate_per_s = max(_MIN_RATE_PER_S, refused_rate * factor)
        # Only what was in use is cut: a limit that was never reached did no harm.
        in_use = min(self._max_in_flight, max(1.0, measured * self._latency_s))
        self._max_in_flight = max(
            1.0, (in_use if self._latency_s else self._max_in_flight) * factor
        )
        recovery_s = max(_RECOVERY_S, _RECOVERY_REQUESTS / self._rate_per_s)
        self._growth_per_s2 = refused_rate * (1 - factor) / recovery_s
        self._grown_at_s = self._paused_until_s
        self._growth_doubles_at_s = self._paused_until_s + recovery_s

    def _grow_rate(self, now_s: float) -> None:
        if self._rate_per_s == math.inf or now_s <= self._grown_at_s or not self._growth_per_s2:
            return
        self._rate_per_s += self._growth_per_s2 * (now_s - self._grown_at_s)
        self._grown_at_s = now_s
        if now_s > self._growth_doubles_at_s:
            self._growth_per_s2 *= 2
            self._growth_doubles_at_s = now_s + _RECOVERY_S
        # A rate of twice what full concurrency can reach no longer limits anything.
        if self._latency_s and self._rate_per_s > 2 * self._concurrency / self._latency_s:
            self._rate_per_s = math.inf
        self._rate_per_s = min(self._rate_per_s, self._max_rate_per_s)

    def _measure_rate_per_s(self, resumed_s: float, now_s: float) -> float:
        """The rate of recent starts; the time of a pause before them does not count."""
        recent = [at_s for at_s in self._starts if at_s > max(resumed_s, now_s - _WINDOW_S)]
        span_s = now_s - recent[0] if recent else 0.0
        if span_s < _WINDOW_S / 4 and self._rate_per_s < math.inf:
            return self._rate_per_s  # too short to measure another
        return max(1, len(recent)) / max(span_s, _WINDOW_S / 4)
