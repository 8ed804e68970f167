"""Stop reasons: why a run ends early, with its kind (the exit code) and what to do.

A run that stops early loses nothing: the same command resumes it.
"""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass

from altwright.errors import AltwrightError, Unauthorized


class StopKind(enum.Enum):
    """Kind of a stop; the command has an exit code for each. A queue's run stores the values."""

    WRONG_KEY = "wrong_key"
    WRONG_SERVER = "wrong_server"
    LATER = "later"
    """A quota, or a server or database that is unavailable: run the same command later."""
    DISK = "disk"
    """The journal or the target cannot be written."""
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class StopReason:
    """Why a run ends early: a sentence for people, a kind for scripts."""

    kind: StopKind
    message: str
    retry_at_unix_s: float | None = None
    """When the same command is worth running again, if known."""

    @classmethod
    def wrong_key(cls, detail: str) -> StopReason:
        """No key, or one that is no longer valid."""
        return cls(StopKind.WRONG_KEY, f"The key is refused: {detail} Waiting rows stay pending.")

    @classmethod
    def wrong_server(cls, detail: str) -> StopReason:
        """An error that every row would meet."""
        return cls(StopKind.WRONG_SERVER, f"Every row would fail: {detail}")

    @classmethod
    def from_error(cls, error: AltwrightError) -> StopReason:
        """From an error that a retry does not fix."""
        if isinstance(error, Unauthorized):
            return cls.wrong_key(str(error))
        return cls.wrong_server(str(error))

    @classmethod
    def quota_exhausted(cls, detail: str, until_unix_s: float) -> StopReason:
        """A rate limit that lasts longer than the run's patience."""
        return cls(
            StopKind.LATER,
            f"The quota is used up ({detail}): come back after {format_utc(until_unix_s)}.",
            until_unix_s,
        )

    @classmethod
    def server_unavailable(cls, detail: str, patience_s: float, now_unix_s: float) -> StopReason:
        """The server is down, or refuses everything, for longer than the run's patience."""
        retry_at_unix_s = now_unix_s + patience_s
        return cls(
            StopKind.LATER,
            f"The server has not accepted a picture for {patience_s / 60:.0f} minutes ({detail}): "
            f"try again after {format_utc(retry_at_unix_s)}.",
            retry_at_unix_s,
        )

    @classmethod
    def disk_full(cls, detail: str, unrecorded: int = 0) -> StopReason:
        """The journal or the target cannot be written any more."""
        lost = f"; {unrecorded} results could not be recorded" if unrecorded else ""
        return cls(StopKind.DISK, f"{detail}{lost}. Make room and run the same command again.")

    @classmethod
    def source_failed(cls, detail: str, *, is_temporary: bool) -> StopReason:
        """The source could be read before, and cannot be read now."""
        kind = StopKind.LATER if is_temporary else StopKind.DISK
        return cls(kind, f"{detail}. The captions received so far are in the journal.")

    @classmethod
    def source_changed(cls, name: str, waiting: int) -> StopReason:
        """The source was exported anew during the run, with rows that were not asked about."""
        return cls(
            StopKind.LATER,
            f"{name} was changed while the run went on, and {waiting} of its pictures are to be "
            "asked about: run the same command again.",
        )

    @classmethod
    def target_changed(cls, detail: str) -> StopReason:
        """Somebody changed the target file during the run: theirs stays."""
        return cls(StopKind.DISK, detail)

    @classmethod
    def table_unwritable(cls, rows: int, detail: str) -> StopReason:
        """The table does not accept some rows at the moment."""
        return cls(
            StopKind.LATER,
            f"{rows} rows could not be written ({detail}). Their captions are in the journal: "
            "the same command writes them without a new request.",
        )

    @classmethod
    def table_claimed(cls) -> StopReason:
        """The connection that held the claim of the table broke, and another run has it now."""
        return cls(
            StopKind.LATER,
            "The connection to the database broke, and another run works with the table by now: "
            "run the same command when that one has ended.",
        )

    @classmethod
    def table_refuses(cls, detail: str, rows: int = 0) -> StopReason:
        """The table takes no row until someone changes a right, a column or the server."""
        waiting = f"{rows} rows could not be written, and their captions are" if rows else (
            "Captions that were received are"
        )  # fmt: skip
        return cls(
            StopKind.DISK,
            f"The table takes no text ({detail}). {waiting} in the journal: once it takes them, "
            "the same command writes them without a new request.",
        )

    @classmethod
    def broker_unavailable(cls, broker: str, detail: str) -> StopReason:
        """The queue's broker is away for longer than the run's patience."""
        return cls(
            StopKind.LATER,
            f"The broker {broker} does not respond ({detail}). Rows that were not queued stay "
            "pending: the same command goes on.",
        )

    @classmethod
    def by_signal(cls, *, is_interrupt: bool) -> StopReason:
        """SIGINT or SIGTERM."""
        kind = StopKind.INTERRUPTED if is_interrupt else StopKind.TERMINATED
        return cls(kind, "Stopped: the same command continues from here.")


def format_utc(unix_s: float) -> str:
    """UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_s))
