"""Leaves a captioner alone that fails again and again, and tries it again by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]

_PROBE_S = 1.0
"""What to tell a caller while one other request tries whether the captioner is back."""


@dataclass(frozen=True, slots=True)
class CircuitBreakerSettings:
    """When to stop asking, and for how long; seconds."""

    failures: int = 5
    """So many in a row, with no success between, open it."""
    first_pause_s: float = 5.0
    longest_pause_s: float = 300.0
    """The pause doubles with each failed probe up to this; a probe costs one quick refusal."""


class CircuitBreaker:
    """`closed`: asked. `open`: left alone. `half_open`: one request may try.

    Every permission is a ticket, and a ticket of an earlier round settles nothing: an answer to a
    call that began before the breaker opened says nothing about now.
    """

    def __init__(
        self,
        settings: CircuitBreakerSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or CircuitBreakerSettings()
        self._clock = clock
        self._round = 0
        self._failures = 0
        self._openings = 0
        self._probing = False
        self._open_until_s: float | None = None
        self._told_until_s = 0.0

    @property
    def state(self) -> State:
        """Where it stands now. A pause that is over makes it half open by itself."""
        if self._open_until_s is None:
            return "closed"
        if self._probing or self._clock() >= self._open_until_s:
            return "half_open"
        return "open"

    def admit(self) -> int | None:
        """A ticket to ask the captioner once, or None: leave it alone. Settle every ticket."""
        state = self.state
        if state == "open" or self._probing:
            return None
        self._probing = state == "half_open"
        return self._round

    def succeeded(self, ticket: int) -> bool:
        """It gave what was asked of it. True where that closed the breaker."""
        if ticket == self._round:
            self._failures = 0
        return self.answered(ticket)

    def answered(self, ticket: int) -> bool:
        """It is there, but this one request was wrong: proof for a probe, no more."""
        if ticket != self._round or self._open_until_s is None:
            return False
        self._close()
        return True

    def failed(self, ticket: int, wait_s: float | None = None) -> bool:
        """It did not answer. True where that opened the breaker.

        `wait_s`: it asked to be left alone for so long, which is done at once.
        """
        if ticket != self._round:
            return False
        self._failures += 1
        enough = self._failures >= self._settings.failures
        if self._open_until_s is None and wait_s is None and not enough:
            return False
        self._open(wait_s)
        return True

    def set_aside(self, ticket: int) -> None:
        """Nothing was learned: the caller went away, or its time was over."""
        if ticket == self._round:
            self._probing = False

    def wait_s(self) -> float | None:
        """Seconds until it may be asked again; None while it may."""
        if self._open_until_s is None:
            return None
        until_s = max(self._open_until_s, self._told_until_s)
        return max(_PROBE_S, until_s - self._clock())

    def _open(self, wait_s: float | None) -> None:
        settings, now_s = self._settings, self._clock()
        longest_s = settings.longest_pause_s
        growing_s = min(settings.first_pause_s * 2 ** min(self._openings, 30), longest_s)
        # The first time its own word is taken; once it was not true, the longer of both.
        pause_s = growing_s if wait_s is None else min(wait_s, longest_s)
        if self._openings:
            pause_s = max(pause_s, growing_s)
        self._told_until_s = now_s + (wait_s or 0.0)
        self._open_until_s = now_s + pause_s
        self._openings += 1
        self._round += 1
        self._probing = False

    def _close(self) -> None:
        self._open_until_s = None
        self._told_until_s = 0.0
        self._failures = self._openings = 0
        self._round += 1
        self._probing = False
