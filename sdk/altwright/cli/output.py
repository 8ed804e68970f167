"""Print results on stdout and errors on stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text


class OutputClosed(Exception):
    """The reader of stdout has closed it. (Typer would exit with 1 after a BrokenPipeError.)"""


class OutputUnwritable(Exception):
    """stdout cannot be written, for instance because the disk is full."""


def print_line(line: str) -> None:
    """Print one line of output. Raises OutputClosed or OutputUnwritable."""
    # File names need not be UTF-8: surrogateescape prints their original bytes.
    try:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise OutputClosed from None
    except OSError as error:
        raise OutputUnwritable(error.strerror) from None


def print_error(line: str) -> None:
    """Print one line on stderr."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text.assemble(("altwright: ", "bold red"), to_one_line(line)))


def to_one_line(text: str) -> str:
    """The text without line breaks and without control characters for the terminal."""
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else " " for c in text).strip()
