"""The clock of Redis, which decides for all servers which month it is."""

import logging
import time
from collections.abc import Callable

_logger = logging.getLogger(__name__)

_MAX_DIFFERENCE_S = 300.0


class RedisClock:
    """This process's clock until Redis has told its time; then no jump of a clock here matters."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds since 1970."""
        self._clock = clock
        self._ahead_of_monotonic_s: float | None = None

    def now_s(self) -> float:
        """Seconds since 1970."""
        if self._ahead_of_monotonic_s is None:
            return self._clock()
        return time.monotonic() + self._ahead_of_monotonic_s

    def set(self, seconds: int, microseconds: int) -> None:
        """Take over the time that Redis has just told."""
        now_s = seconds + microseconds / 1_000_000
        if self._ahead_of_monotonic_s is None:
            ahead_s = now_s - self._clock()
            if abs(ahead_s) > _MAX_DIFFERENCE_S:
                _logger.warning("usage_store.clock_differs", extra={"seconds": round(ahead_s)})
        self._ahead_of_monotonic_s = now_s - time.monotonic()
