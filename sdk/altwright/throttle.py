"""How many requests at once and how close together. Pure: clocks and chance are handed in.

Two brakes, both additive up and multiplicative down:

- `limit`, requests in flight: it begins small and doubles every round until something is refused,
  then grows by one for every round of accepted ones, up to what the caller asked for;
- `rate_per_s`, how close together they begin: unbounded until the server refuses one, then taken
  from the rate that was refused, and raised by a line that gets steeper while nothing is refused.

The limit alone would not settle on a server's rate: 32 callers that resume together are a burst,
and most of a burst is refused. So starts are spread over a round even before anything was refused,
half as dense again as they would come by themselves. What is refused within one burst counts once,
and where nothing comes through after a pause, the pause was too short and nothing is cut.
"""

from __future__ import annotations

import math
from collections import deque

from altwright.retry import backoff_s

_DOWN = 0.93
"""After a refusal that came late: the rate is nearly right, 7 % less is below it."""
_DOWN_FAST = 0.6
"""After the first, and after one that came at once: it is far too high."""
_AT_ONCE_S = 2.0
_PERIOD_S = 20.0
"""In this time the rate grows back by what it was cut, then twice as fast, and so on."""
_PERIOD_REQUESTS = 100
"""And not in fewer requests: one refusal a period is then one percent."""
_LEAST_PER_S = 0.1
_FIRST_LIMIT = 8
_WINDOW_S = 2.0
"""The rate that was refused is measured over this."""
_WINDOW_REQUESTS = 2_048
_SPREAD = 1.5
"""Starts per round's even share: over 1, so that spreading does not slow anything down."""
_CATCH_UP_S = 0.02
"""A start that comes late by a timer's grain does not move all later ones."""


class AdaptiveThrottle:
    """The brakes of one run. All times are readings of one monotonic clock, in seconds."""

    def __init__(self, *, concurrency: int, per_second: float | None) -> None:
        self._concurrency = concurrency
        self._most_per_s = math.inf if per_second is None else per_second
        self._limit = float(min(concurrency, _FIRST_LIMIT))
        self._is_starting = True
        self._rate_per_s = self._most_per_s
        self._slope = 0.0
        self._next_start_s = -math.inf
        self._paused_until_s = -math.inf
        self._cut_at_s = -math.inf
        self._grown_at_s = 0.0
        self._steeper_at_s = math.inf
        self._failures = 0
        self._is_probing = False
        self._let_in = 0
        """Begun since the last cut and not refused, so far."""
        self._starts: deque[float] = deque(maxlen=_WINDOW_REQUESTS)
        self._latency_s = 0.0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now, at least one."""
        return 1 if self._is_probing else max(1, int(self._limit))

    @property
    def rate_per_s(self) -> float:
        """Starts per second that are allowed now; infinite until something was refused."""
        return self._rate_per_s

    @property
    def paused_until_s(self) -> float:
        """Nothing starts before."""
        return self._paused_until_s

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next request may begin; 0 where it may begin now."""
        return max(0.0, self._paused_until_s - now_s, self._next_start_s - now_s)

    def started(self, now_s: float) -> None:
        """A request begins; `wait_s` was 0."""
        self._grow(now_s)
        self._let_in += 1
        self._starts.append(now_s)
        rate_per_s = self._rate_per_s
        if self._latency_s:
            rate_per_s = min(rate_per_s, _SPREAD * self._limit / self._latency_s)
        is_first = self._next_start_s == -math.inf
        on_time_s = now_s if is_first else max(self._next_start_s, now_s - _CATCH_UP_S)
        self._next_start_s = on_time_s + 1 / rate_per_s

    def accepted(self, started_s: float, now_s: float) -> None:
        """The server did its work, whatever came of it."""
        if started_s > self._cut_at_s:  # what was sent before says nothing about now
            self._failures = 0
            self._is_probing = False
        step = 1.0 if self._is_starting else 1 / self._limit
        self._limit = min(self._concurrency, self._limit + step)
        took_s = now_s - started_s
        self._latency_s += (0.1 if self._latency_s else 1.0) * (took_s - self._latency_s)

    def refused(
        self, started_s: float, retry_after_s: float | None, now_s: float, chance: float
    ) -> None:
        """429 or 503: nothing more begins before the server's time is over."""
        is_news = started_s > self._cut_at_s
        if is_news:
            self._failures += 1
        pause_s = backoff_s(self._failures, chance) if retry_after_s is None else retry_after_s
        resumed_s = self._paused_until_s
        if is_news or retry_after_s is not None:
            self._paused_until_s = max(self._paused_until_s, now_s + pause_s)
        if is_news:
            self._let_in -= 1
            if self._let_in or self._cut_at_s == -math.inf:
                self._cut(resumed_s, now_s)
            else:
                # Nothing got through since the last cut: the pause was too short, not the rate
                # too high. One request is enough to find out when it ends.
                self._is_probing = True

    def unreachable(self, now_s: float, chance: float) -> None:
        """Nobody listens there at the moment: wait longer each time, then try with one."""
        if now_s < self._paused_until_s:
            return
        self._failures += 1
        self._is_probing = True
        self._paused_until_s = now_s + backoff_s(self._failures, chance)

    def _cut(self, resumed_s: float, now_s: float) -> None:
        measured = self._measured_per_s(resumed_s, now_s)
        refused_at = min(self._rate_per_s, measured)
        is_first = self._cut_at_s == -math.inf
        factor = _DOWN_FAST if is_first or now_s - resumed_s < _AT_ONCE_S else _DOWN
        self._cut_at_s = now_s
        self._let_in = 0
        self._is_starting = False
        self._rate_per_s = max(_LEAST_PER_S, refused_at * factor)
        # Only what was in use is cut: a limit that nothing ran into did no harm.
        in_use = min(self._limit, max(1.0, measured * self._latency_s))
        self._limit = max(1.0, (in_use if self._latency_s else self._limit) * factor)
        period_s = max(_PERIOD_S, _PERIOD_REQUESTS / self._rate_per_s)
        self._slope = refused_at * (1 - factor) / period_s
        self._grown_at_s = self._paused_until_s
        self._steeper_at_s = self._paused_until_s + period_s

    def _grow(self, now_s: float) -> None:
        if self._rate_per_s == math.inf or now_s <= self._grown_at_s or not self._slope:
            return
        self._rate_per_s += self._slope * (now_s - self._grown_at_s)
        self._grown_at_s = now_s
        if now_s > self._steeper_at_s:
            self._slope *= 2
            self._steeper_at_s = now_s + _PERIOD_S
        # Twice what the full concurrency can do brakes nothing any more.
        if self._latency_s and self._rate_per_s > 2 * self._concurrency / self._latency_s:
            self._rate_per_s = math.inf
        self._rate_per_s = min(self._rate_per_s, self._most_per_s)

    def _measured_per_s(self, resumed_s: float, now_s: float) -> float:
        """Starts a second of late; a pause before them does not make them slower."""
        recent = [at_s for at_s in self._starts if at_s > max(resumed_s, now_s - _WINDOW_S)]
        stretch_s = now_s - recent[0] if recent else 0.0
        if stretch_s < _WINDOW_S / 4 and self._rate_per_s < math.inf:
            return self._rate_per_s  # too short to tell another
        return max(1, len(recent)) / max(stretch_s, _WINDOW_S / 4)
