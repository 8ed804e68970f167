"""The command `altwright`: its subcommands, and how errors become messages and exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from altwright._version import __version__
from altwright.backfill.database_errors import error_text, is_database_error
from altwright.backfill.errors import JournalUnwritable, SourceError
from altwright.backfill.stop_signals import Stopped
from altwright.cli.backfill import app as backfill_app
from altwright.cli.caption import caption
from altwright.cli.check import check
from altwright.cli.exit_codes import ExitCode, describe_error, exit_code_for
from altwright.cli.mcp import mcp
from altwright.cli.options import EPILOG
from altwright.cli.output import OutputClosed, OutputUnwritable, print_error, print_line
from altwright.cli.review import apply, review
from altwright.cli.styles import styles
from altwright.cli.verify import verify
from altwright.cli.worker import worker
from altwright.errors import AltwrightError

app = typer.Typer(
    name="altwright",
    help="Captions for images, checked and ready to store.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code. Raises nothing: users get one sentence."""
    if sys.stdout is None:
        print_error("the output cannot be written: it is closed.")
        return ExitCode.IO_ERROR
    try:
        code = app(args=list(arguments), standalone_mode=True, prog_name="altwright")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except Stopped as stopped:
        print_error(str(stopped))
        code = stopped.exit_code
    except Exception as error:  # noqa: BLE001 - a user of a command gets no traceback
        message, code = _explain(error)
        if message:
            print_error(message)
    if code in (ExitCode.BROKEN_PIPE, ExitCode.IO_ERROR):
        # Otherwise Python prints another error when it flushes the output at exit.
        with contextlib.suppress(OSError):  # where the output is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code if isinstance(code, int) else ExitCode.OK


def _explain(error: Exception) -> tuple[str, ExitCode]:
    """The message and the exit code for an error that ends the command."""
    if isinstance(error, OutputClosed):
        return "", ExitCode.BROKEN_PIPE
    if isinstance(error, OutputUnwritable):
        return f"the output cannot be written: {error}.", ExitCode.IO_ERROR
    if isinstance(error, JournalUnwritable):
        return str(error), ExitCode.IO_ERROR
    if isinstance(error, AltwrightError):
        return describe_error(error), exit_code_for(error)
    if isinstance(error, SourceError):
        return f"{error}.", ExitCode.LATER if error.is_temporary else ExitCode.IO_ERROR
    if is_database_error(error):
        return f"the database reports an error: {error_text(error)}.", ExitCode.LATER
    return f"this is a bug ({type(error).__name__}: {error})", ExitCode.SOFTWARE


def _show_version(wanted: bool) -> None:
    if wanted:
        print_line(f"altwright {__version__}")
        raise typer.Exit


@app.callback()
def _altwright(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Captions for images, checked and ready to store."""


app.add_typer(backfill_app, name="backfill")
for _command in (caption, check, styles, review, apply, verify, worker, mcp):
    app.command(epilog=EPILOG)(_command)
