"""The command `altwright`. Needs the extra `cli`; without it one line says so."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the command: ends the process with one of the codes in `cli.exits`."""
    try:
        from altwright.cli.commands import run
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "click", "tomli"):
            raise
        sys.stderr.write("altwright: the command needs more: pip install 'altwright[cli]'\n")
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))
