"""When to try again, and after how long. Pure: it neither sleeps nor reads a clock."""

from __future__ import annotations

from altwright.errors import AltwrightError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
"""Where the server names no time, the wait doubles from the first up to this."""
_JITTER = 0.25
"""A quarter, taken off or not: callers that failed together do not come back together."""


def backoff_s(failures: int, chance: float) -> float:
    """Seconds before the next try after so many failures in a row (1 or more).

    `chance` is 0..1: 1 takes the whole jitter off, 0 none.
    """
    doubled = FIRST_WAIT_S * 2.0 ** min(failures - 1, 16)
    return min(doubled, LONGEST_WAIT_S) * (1 - _JITTER * chance)


def retry_after_s(header: str | None, now_unix_s: float) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date (RFC 9110, 10.2.3).

    None where there is no header or it says nothing that can be understood.
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
    # Not a number, or for ever: as good as nothing.
    return max(0.0, seconds) if seconds < float("inf") else None


class Attempts:
    """The tries of one call, against one deadline."""

    def __init__(self, *, max_retries: int, timeout_s: float | None, started_s: float) -> None:
        """`started_s` is a reading of the clock that all other times are readings of."""
        self._left = max_retries
        self._failures = 0
        self._deadline_s = None if timeout_s is None else started_s + timeout_s

    def left_s(self, now_s: float) -> float | None:
        """Seconds that are left for the call; None where it may take for ever."""
        return None if self._deadline_s is None else self._deadline_s - now_s

    def next_wait_s(self, error: AltwrightError, now_s: float, chance: float) -> float | None:
        """Seconds to wait before the next try; None: raise the error now.

        A wait that the server asks for is never cut short; one that outlives the deadline is not
        begun, so that the caller learns `retry_after` at once.
        """
        if not error.retryable or self._left <= 0:
            return None
        self._failures += 1
        wait_s = error.retry_after
        if wait_s is None:
            wait_s = backoff_s(self._failures, chance)
        left_s = self.left_s(now_s)
        if left_s is not None and wait_s >= left_s:
            return None
        self._left -= 1
        return wait_s
