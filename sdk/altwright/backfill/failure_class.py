"""Failure classes: what each failure of a backfill concerns, costs and leads to.

docs/backfill.md has the same table. A bad row never stops a run; a bad target never starts one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """What a failure concerns."""

    ROW = "this row"
    COLUMN = "this column"
    TARGET = "this target"
    SERVER = "this server"
    BUDGET = "the budget"
    PERSON = "the person at the keyboard"


@dataclass(frozen=True, slots=True)
class FailureClass:
    """One class of failures."""

    scope: Scope
    example: str
    run: str
    """What the run does."""
    cost: str
    """What is paid for it at most."""
    exit_code: int
    told: str
    """How a person learns of it."""
    stop_kind: str = ""
    """Value of the StopKind that ends the run; empty: the run goes on, or does not start."""


FAILURE_CLASSES = (
    FailureClass(
        Scope.ROW, "no picture, a broken line, a URL that a firewall refuses",
        "goes on; the row is `failed` and comes after new rows in the next run", "nothing", 1,
        "`reasons` of the row, counted in the summary",
    ),
    FailureClass(
        Scope.ROW, "uncertain, refused or held by a rule; a text that its cell does not take",
        "goes on; the row waits for a person", "its answer, which is kept", 0,
        "`reasons`, the review page",
    ),
    FailureClass(
        Scope.ROW, "a person was faster", "goes on; theirs stays", "its answer at most", 0,
        "counted as kept",
    ),
    FailureClass(
        Scope.COLUMN, "an audit column that is missing, somebody else's or without a word",
        "starts; the journal alone has the field", "nothing", 0, "one line before the first call",
    ),
    FailureClass(
        Scope.TARGET, "no right, read-only, generated, a wrong type, a key that is not unique",
        "does not start", "nothing", 2, "one line",
    ),
    FailureClass(
        Scope.TARGET, "a full disk, a right that is withdrawn, a file that somebody changed",
        "ends", "the answers in flight at most; others are in the journal", 74, "the last line",
        stop_kind="disk",
    ),
    FailureClass(
        Scope.TARGET, "a lock, a database or a broker that is away",
        "tries again, then ends", "nothing: the next run writes without a call", 75,
        "the last line", stop_kind="later",
    ),
    FailureClass(
        Scope.SERVER, "down, refuses everything, restarts", "waits up to `--patience`, then ends",
        "nothing", 75, "the last line, with a time", stop_kind="later",
    ),
    FailureClass(
        Scope.SERVER, "another program, a path that is blocked, an option that it does not know",
        "ends", "nothing", 2, "the last line", stop_kind="wrong_server",
    ),
    FailureClass(
        Scope.BUDGET, "a quota, a `Retry-After` over `--patience`", "ends", "nothing", 75,
        "the last line, and `come_back_at`", stop_kind="later",
    ),
    FailureClass(
        Scope.BUDGET, "the key is wrong or was withdrawn", "ends; rows stay pending", "nothing", 77,
        "the last line", stop_kind="wrong_key",
    ),
    FailureClass(
        Scope.PERSON, "Ctrl+C", "ends when what is in flight is recorded; a second one at once",
        "nothing; a second one: the answers in flight", 130, "the last line",
        stop_kind="interrupted",
    ),
    FailureClass(
        Scope.PERSON, "SIGTERM", "ends when what is in flight is recorded; a second one at once",
        "nothing; a second one: the answers in flight", 143, "the last line",
        stop_kind="terminated",
    ),
)  # fmt: skip


def exit_code_of(stop_kind: str) -> int:
    """The exit code of a run that stopped for this kind of reason."""
    return next(each.exit_code for each in FAILURE_CLASSES if each.stop_kind == stop_kind)
