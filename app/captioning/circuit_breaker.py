"""Circuit breaker: stops calls to a captioner that keeps failing, and probes for its recovery.

Closed: calls pass. Open: no call passes. Half-open: the pause is over and one call, the probe, may
pass. Its outcome resets the breaker to closed or trips it again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

CircuitState = Literal["closed", "open", "half_open"]

MAX_RETRY_AFTER_S = 3_600.0
"""The longest wait that callers are given: limits and budgets are raised before the time that a
server names, and a call an hour costs nothing."""
_MIN_RETRY_AFTER_S = 1.0
"""The least wait that callers are given, also while a probe is in flight."""


@dataclass(frozen=True, slots=True)
class CircuitBreakerSettings:
    """When the breaker trips, and how long it stays open."""

    failure_threshold: int = 5
    """Failures in a row, without a success between them, that trip the breaker. Of failures that an
    image may have caused, each image counts once."""
    first_open_s: float = 5.0
    max_open_s: float = 300.0
    """The open time doubles with each failed probe up to this. A probe costs one failed call."""


class CircuitBreaker:
    """Gives permits for calls to one captioner and counts their outcomes.

    Each permit must be settled once with a `record_...` method or `release`. A permit from before
    the last trip or reset changes nothing: its outcome says nothing about the present.
    """

    def __init__(
        self,
        settings: CircuitBreakerSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or CircuitBreakerSettings()
        self._clock = clock
        self._generation = 0
        """Counts trips and resets; a permit is the generation that it was given in."""
        self._failures = 0
        self._failed_images: set[str] = set()
        """The images that were counted in the present row of failures."""
        self._trips = 0
        self._is_probing = False
        self._open_until_s: float | None = None
        self._retry_at_s = 0.0

    @property
    def longest_pause_s(self) -> float:
        """It is not open for longer without a probe, whatever wait the server names."""
        return self._settings.max_open_s

    @property
    def state(self) -> CircuitState:
        """The state now. An open breaker becomes half-open when its pause is over."""
        if self._open_until_s is None:
            return "closed"
        if self._is_probing or self._clock() >= self._open_until_s:
            return "half_open"
        return "open"

    def acquire(self) -> int | None:
        """A permit for one call, or None where no call may be made now."""
        state = self.state
        if state == "open" or self._is_probing:
            return None
        self._is_probing = state == "half_open"
        return self._generation

    def record_success(self, permit: int) -> bool:
        """The call succeeded. Whether that reset the breaker to closed."""
        if permit == self._generation:
            self._end_row()
        return self.record_request_error(permit)

    def record_request_error(self, permit: int) -> bool:
        """The captioner responded, but this request was at fault. Whether that reset the breaker.

        It shows a probe that the captioner is back. It does not end a row of failures.
        """
        if permit != self._generation or self._open_until_s is None:
            return False
        self._reset()
        return True

    def record_failure(
        self, permit: int, retry_after_s: float | None = None, image: str | None = None
    ) -> bool:
        """The call failed. Whether that tripped the breaker.

        With `retry_after_s`, the wait that the server asked for, it trips at once. With `image`,
        the identity of an image that may be the cause, that image counts once in a row.
        """
        if permit != self._generation:
            return False
        will_trip = self.will_trip(permit, image) or retry_after_s is not None
        if image is None or image not in self._failed_images:
            self._failures += 1
        if image is not None:
            self._failed_images.add(image)
        if will_trip:
            self._trip(retry_after_s)
        return will_trip

    def will_trip(self, permit: int, image: str | None) -> bool:
        """Whether a failure of this call, with this image, would trip the breaker."""
        if permit != self._generation:
            return False
        if self._open_until_s is not None:
            return True
        is_counted = image is not None and image in self._failed_images
        return not is_counted and self._failures + 1 >= self._settings.failure_threshold

    def close(self) -> bool:
        """A known good image was captioned. Whether that reset the breaker to closed."""
        if self._open_until_s is None:
            self._end_row()
            return False
        self._reset()
        return True

    def release(self, permit: int) -> None:
        """The call ended without an outcome: it was cancelled, or its deadline passed."""
        if permit == self._generation:
            self._is_probing = False

    def retry_after_s(self) -> float | None:
        """Seconds until a call may pass again; None while the breaker is closed."""
        if self._open_until_s is None:
            return None
        until_s = max(self._open_until_s, self._retry_at_s)
        return max(_MIN_RETRY_AFTER_S, until_s - self._clock())

    def _trip(self, retry_after_s: float | None) -> None:
        settings, now_s = self._settings, self._clock()
        backoff_s = min(settings.first_open_s * 2 ** min(self._trips, 30), settings.max_open_s)
        open_s = backoff_s if retry_after_s is None else min(retry_after_s, settings.max_open_s)
        if self._trips:  # the server's first wait was not enough
            open_s = max(open_s, backoff_s)
        self._retry_at_s = now_s + min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
        self._open_until_s = now_s + open_s
        self._trips += 1
        self._generation += 1
        self._is_probing = False
        self._end_row()

    def _reset(self) -> None:
        self._open_until_s = None
        self._retry_at_s = 0.0
        self._trips = 0
        self._generation += 1
        self._is_probing = False
        self._end_row()

    def _end_row(self) -> None:
        self._failures = 0
        self._failed_images.clear()
