"""What a command says: lines on standard output, complaints on standard error."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text


class ReaderGone(Exception):
    """Nobody reads the output any more. (Typer would make 1 of a BrokenPipeError.)"""


class Unwritable(Exception):
    """The output takes no more: a full disk."""


def say(line: str) -> None:
    """One line of output. Raises ReaderGone or Unwritable."""
    # File names need not be text: what is no UTF-8 comes out as the bytes that it was.
    try:
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise ReaderGone from None
    except OSError as error:
        raise Unwritable(error.strerror) from None


def complain(line: str) -> None:
    """One line that says what is wrong."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text.assemble(("altwright: ", "bold red"), one_line(line)))


def one_line(text: str) -> str:
    """No line breaks, and nothing that would steer a terminal."""
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else " " for c in text).strip()
