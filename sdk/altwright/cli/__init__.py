"""The command `altwright` (extra `cli`)."""

from __future__ import annotations

import sys

from altwright.extras import install_command


def main() -> None:
    """Entry point of the command: exits with one of the codes in `cli.exit_codes`."""
    try:
        from altwright.cli.main import run
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "click"):
            raise
        sys.stderr.write(f"altwright: packages are missing: {install_command('cli')}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("altwright: stopped before anything was read or written.\n")
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))
