"""Decide whether and when to retry. No I/O, and no clock: callers pass the time in."""

from __future__ import annotations

from altwright.errors import AltwrightError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
"""Without Retry-After, waits double from the first up to this one."""
_JITTER = 0.25
"""Share of a wait that is random, so that clients that failed together do not retry together."""


def backoff_s(failures: int, jitter: float) -> float:
    """Seconds before the next try after `failures` failures in a row (1 or more).

    Exponential backoff. `jitter` is a random number from 0 to 1: 1 shortens the wait by a quarter,
    0 not at all.
    """
    doubled = FIRST_WAIT_S * 2.0 ** min(failures - 1, 16)
    return min(doubled, LONGEST_WAIT_S) * (1 - _JITTER * jitter)


def parse_retry_after(header: str | None, now_unix_s: float) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date (RFC 9110, 10.2.3).

    None if there is no header or it cannot be understood.
    """
    if header is None:
        return None
    text = header.strip()
    try:
        seconds = float(text)
    except ValueError:
        from email.utils import parsedate_to_datetime  # slow to import, and dates are rare

        try:
            seconds = parsedate_to_datetime(text).timestamp() - now_unix_s
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    # NaN and infinity are treated as no header.
    return max(0.0, seconds) if seconds < float("inf") else None


class RetryState:
    """The retries of one call, and its deadline."""

    def __init__(self, *, max_retries: int, timeout_s: float | None, started_s: float) -> None:
        """`started_s` and all other times are readings of one monotonic clock."""
        self._retries_left = max_retries
        self._failures = 0
        self._deadline_s = None if timeout_s is None else started_s + timeout_s

    def remaining_s(self, now_s: float) -> float | None:
        """Seconds left for the call; None if it has no timeout."""
        return None if self._deadline_s is None else self._deadline_s - now_s

    def plan_retry(self, error: AltwrightError, now_s: float, jitter: float) -> float | None:
        """Seconds to wait before the next try; None if the error is to be raised.

        A Retry-After is never cut short. If it ends after the deadline, the error is raised at
        once, so that the caller learns `retry_after` without waiting.
        """
        if not error.retryable or self._retries_left <= 0:
            return None
        self._failures += 1
        wait_s = error.retry_after
        if wait_s is None:
            wait_s = backoff_s(self._failures, jitter)
        remaining_s = self.remaining_s(now_s)
        if remaining_s is not None and wait_s >= remaining_s:
            return None
        self._retries_left -= 1
        return wait_s
