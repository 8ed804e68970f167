"""The command's exit codes (those of sysexits.h where it has one), and which error has which."""

from __future__ import annotations

from enum import IntEnum

from altwright.errors import AltwrightError, ConnectionFailed, Unauthorized, UsageError
from altwright.models import Caption


class ExitCode(IntEnum):
    """If several images failed differently, 77 wins over 75, 75 over 1, and 1 over 2."""

    OK = 0
    FAILED = 1
    """An image has no caption and will not get one, or a checked text breaks a hard rule."""
    USAGE = 2
    """The command line, a variable or the config file is wrong; nothing was sent."""
    SOFTWARE = 70
    """EX_SOFTWARE: a bug in the command."""
    IO_ERROR = 74
    """EX_IOERR: the output cannot be written, for instance because the disk is full."""
    LATER = 75
    """EX_TEMPFAIL: the same command may succeed later."""
    WRONG_KEY = 77
    """EX_NOPERM: the API key is missing or wrong."""
    INTERRUPTED = 130
    """SIGINT (Ctrl+C), as shells report it."""
    BROKEN_PIPE = 141
    """SIGPIPE: the reader of the output has closed it, as shells report it."""
    TERMINATED = 143
    """SIGTERM, as shells report it."""


class CaptionOutcomes:
    """The outcomes of all images so far, for the exit code."""

    def __init__(self) -> None:
        self.count = 0
        self._codes: set[ExitCode] = set()
        self._last: Caption | AltwrightError | None = None
        self._had_response = False

    def add(self, result: Caption | AltwrightError) -> None:
        """Count the outcome of one more image."""
        self.count += 1
        self._last = result
        if isinstance(result, AltwrightError):
            self._codes.add(exit_code_for(result))
        if not isinstance(result, AltwrightError) or result.status is not None:
            self._had_response = True

    @property
    def exit_code(self) -> ExitCode:
        """The exit code for all of them."""
        for code in (ExitCode.WRONG_KEY, ExitCode.LATER, ExitCode.FAILED, ExitCode.USAGE):
            if code in self._codes:
                return code
        return ExitCode.OK

    def should_stop(self) -> bool:
        """Whether all remaining images would fail as the last one did."""
        if isinstance(self._last, ConnectionFailed):
            return not (self._last.reached or self._had_response)
        return isinstance(self._last, Unauthorized)


def describe_error(error: AltwrightError) -> str:
    """The error, and what to do about it on a command line."""
    if isinstance(error, Unauthorized):
        return "the API key is missing or wrong: set ALTWRIGHT_API_KEY or correct the config file."
    if isinstance(error, ConnectionFailed) and not error.reached:
        return f"{str(error).rstrip('.')}: start it, or correct --base-url or ALTWRIGHT_URL."
    return str(error)


def exit_code_for(error: AltwrightError) -> ExitCode:
    """The exit code for an image or call that failed."""
    if isinstance(error, Unauthorized):
        return ExitCode.WRONG_KEY
    if isinstance(error, UsageError):
        return ExitCode.USAGE
    return ExitCode.LATER if error.retryable else ExitCode.FAILED
