"""The command `altwright` (extra `cli`)."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from altwright.extras import install_command

_STOPPED = "altwright: stopped before anything was read or written.\n"


def main() -> None:
    """Entry point of the command: exits with one of the codes in `cli.exit_codes`."""
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:  # not in the background of a shell
        signal.signal(signal.SIGINT, _stop_at_once)
    try:
        from altwright.cli.main import run
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "click"):
            raise
        sys.stderr.write(f"altwright: packages are missing: {install_command('cli')}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write(_STOPPED)
        sys.exit(130)
    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def _stop_at_once(_number: int, _frame: FrameType | None) -> None:
    """End while libraries are loaded. An exception would be lost in one of their `except`."""
    os.write(2, _STOPPED.encode())
    os._exit(130)
