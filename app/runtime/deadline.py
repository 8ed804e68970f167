"""Deadline: the moment by which a request must be answered.

One deadline is handed down through all steps instead of a timeout for each.
"""

import asyncio
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock, in seconds."""

    at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The moment `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def left_s(self) -> float:
        """Seconds that remain, never below zero."""
        return max(0.0, self.at_s - time.monotonic())

    def sooner(self, seconds: float) -> "Deadline":
        """This moment, or `seconds` from now, whichever comes first."""
        return Deadline(min(self.at_s, time.monotonic() + seconds))

    def timeout(self) -> asyncio.Timeout:
        """`async with deadline.timeout():` raises TimeoutError when the moment passes."""
        return asyncio.timeout(self.left_s())
