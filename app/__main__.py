"""`python -m app`."""

import os
import signal
import sys
from types import FrameType


def _stop_before_start(sig: int, _frame: FrameType | None) -> None:
    """End a server that is still importing: no request has been accepted."""
    os._exit(0 if sig == signal.SIGTERM else 130)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        # Importing takes a second. Meanwhile SIGTERM would be an exit code of -15, and Ctrl+C a
        # traceback. The server replaces both handlers.
        signal.signal(signal.SIGTERM, _stop_before_start)
        signal.signal(signal.SIGINT, _stop_before_start)

    from app.cli.command_line import main

    sys.exit(main())
