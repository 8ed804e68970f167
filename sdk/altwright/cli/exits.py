"""What the command's exit code tells a script (numbers of sysexits.h where it has one)."""

from __future__ import annotations

from enum import IntEnum

from altwright.errors import AltwrightError, ConnectionFailed, Unauthorized, UsageError
from altwright.models import Caption


class Exit(IntEnum):
    """Where several pictures failed differently, 77 wins over 75, 75 over 1, and 1 over 2."""

    OK = 0
    FAILED = 1
    """A picture has no caption and will have none, or a checked text breaks a hard rule."""
    USAGE = 2
    """The command line, a variable or the config file is wrong; nothing was sent."""
    SOFTWARE = 70
    """A bug of the command."""
    IO_ERROR = 74
    """EX_IOERR: the disk is full, or what is written cannot be."""
    LATER = 75
    """EX_TEMPFAIL: the same command may succeed later."""
    WRONG_KEY = 77
    """EX_NOPERM: no key, or a wrong one."""
    INTERRUPTED = 130
    """Ctrl+C, as shells have it."""
    TERMINATED = 143
    """SIGTERM, as shells have it."""
    BROKEN_PIPE = 141
    """Whoever read the output went away, as shells have it."""


class Outcomes:
    """What became of the pictures so far."""

    def __init__(self) -> None:
        self.count = 0
        self._codes: set[Exit] = set()
        self._last: Caption | AltwrightError | None = None
        self._was_answered = False

    def add(self, result: Caption | AltwrightError) -> None:
        """One more is done."""
        self.count += 1
        self._last = result
        if isinstance(result, AltwrightError):
            self._codes.add(exit_of(result))
        if not isinstance(result, AltwrightError) or result.status is not None:
            self._was_answered = True

    @property
    def exit(self) -> Exit:
        """The code for all of them."""
        for code in (Exit.WRONG_KEY, Exit.LATER, Exit.FAILED, Exit.USAGE):
            if code in self._codes:
                return code
        return Exit.OK

    def are_hopeless(self) -> bool:
        """Whether all others would fail as the last one did."""
        if isinstance(self._last, ConnectionFailed):
            return not (self._last.reached or self._was_answered)
        return isinstance(self._last, Unauthorized)


def sentence_of(error: AltwrightError) -> str:
    """What is wrong, and what to do about it on a command line."""
    if isinstance(error, Unauthorized):
        return "the key is missing or wrong: set ALTWRIGHT_API_KEY, or mend the config file."
    if isinstance(error, ConnectionFailed) and not error.reached:
        return f"{str(error).rstrip('.')}: start it, or mend --base-url or ALTWRIGHT_URL."
    return str(error)


def exit_of(error: AltwrightError) -> Exit:
    """The code for one that failed."""
    if isinstance(error, Unauthorized):
        return Exit.WRONG_KEY
    if isinstance(error, UsageError):
        return Exit.USAGE
    return Exit.LATER if error.retryable else Exit.FAILED
