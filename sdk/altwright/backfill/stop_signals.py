"""Stop signals: SIGINT and SIGTERM end a command with one line that says what to do next.

The first signal stops the command as its phase allows. The second ends the process at once,
whatever it waits for: a database that hangs, for instance. What is recorded is on the disk.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

_SECOND = (
    "altwright: ended at once. What is recorded stays; the same command continues from there.\n"
)


class Stopped(BaseException):
    """A signal stopped the command. No Exception: no handler may take it for a failure."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        """As shells report it."""


class StopSignals:
    """Handles SIGINT and SIGTERM within its `with` block, in the main thread."""

    def __init__(self, advice: str) -> None:
        self.advice = advice
        """What a user reads if the command is stopped now. Each phase sets its own."""
        self._stop: Callable[[bool], None] | None = None
        self._count = 0
        self._previous: dict[int, Any] = {}

    @contextlib.contextmanager
    def passed_to(self, stop: Callable[[bool], None]) -> Iterator[None]:
        """Within it the first signal calls `stop` with whether it is SIGINT, and raises nothing."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # not in the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.write(sys.stderr.fileno(), _SECOND.encode())
            os._exit(128 + number)
        if self._stop is None:
            raise Stopped(self.advice, number)
        self._stop(number == signal.SIGINT)
