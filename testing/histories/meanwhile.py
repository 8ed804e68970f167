"""People who edit the catalogue while a command runs: between what it reads and what it writes."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from testing.histories.command_result import Pause
from testing.histories.oracle import Record
from testing.histories.person import Editor
from testing.histories.world import World


@dataclass(slots=True)
class Meanwhile:
    """What the source was right before and right after an edit during a command."""

    before: list[Record] = field(default_factory=list)
    after: list[Record] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    """Rows that the person changed, added or deleted."""
    has_happened: bool = False
    is_while_writing: bool = False
    """The command may have written everything before the edit."""


class MeanwhileEditor:
    """Edits once during a command."""

    def __init__(self, world: World, editor: Editor) -> None:
        self._world, self._editor = world, editor
        self.now = Meanwhile()

    def draw(self) -> Pause | None:
        """At which moment of the next command a person edits; None for most commands."""
        self.now = Meanwhile()
        randomness = self._world.random
        if randomness.random() < 0.65:
            return None
        if randomness.random() < 0.5:
            return Pause("request", randomness.randint(1, 4), self._edit)
        return Pause("statement", randomness.randint(1, 90), self._edit)

    def changes(self) -> list[tuple[list[Record], set[str]]]:
        """What a row was at last, for each part of the command's time; and rows to leave out."""
        if not self.now.has_happened:
            return []
        return [(self.now.before, set()), (self.now.after, self.now.touched)]

    def _edit(self, pause: Pause) -> None:
        now = self.now
        now.before = self._world.source()
        self._editor.touched = set()
        self._world.log(f"during the next command, at {pause.kind} {pause.number}:")
        try:
            self._editor.edit(lock_wait_s=0.3)
        except sa.exc.OperationalError as error:  # the command holds the row
            self._world.log(f"  locked: {error.orig}")
            self._world.remember([])
        now.touched = self._editor.touched
        now.after = self._world.source()
        now.has_happened = True
        now.is_while_writing = pause.kind == "statement"
