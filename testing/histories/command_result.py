"""How a command of the product ended, and what happened to it on purpose."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a command: `kind` at the `number`th time."""

    kind: str
    """`request`, `answer` (signals at a caption request, or after its answer), `statement` (killed
    before an SQL statement of SQLite), `rename` (killed before a file is put in place), `disk`
    (a write of a file finds no room)."""
    number: int
    signal: int = signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Pause:
    """A moment of a command at which something else happens."""

    kind: str
    """`request` (while it waits for the answer to a caption request) or `statement` (it is stopped
    before an SQL statement of SQLite, for instance of its journal)."""
    number: int
    do: Callable[[Pause], None]


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended."""

    arguments: tuple[str, ...]
    code: int
    """The exit code; negative: the signal that ended it."""
    out: str
    err: str
    number: int
    """Number of the command in the stub's log."""
    fault: Fault | None = None

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL
