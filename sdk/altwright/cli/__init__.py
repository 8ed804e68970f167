"""The command `altwright`. Needs the extra `cli`; without it one line says so."""

from __future__ import annotations

import sys

from altwright.extras import install_command


def main() -> None:
    """Entry point of the command: ends the process with one of the codes in `cli.exits`."""
    try:
        from altwright.cli.commands import run
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "click"):
            raise
        sys.stderr.write(f"altwright: packages are missing: {install_command('cli')}\n")
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))
