"""Why a run ends before it is done, with the exit code and what to do. Nothing is lost by it."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass

from altwright.errors import AltwrightError, Unauthorized


class StopKind(enum.Enum):
    """What kind of end it is; the command has an exit code for each."""

    WRONG_KEY = "wrong_key"
    WRONG_SERVER = "wrong_server"
    LATER = "later"
    """A quota, a server or a database that is not there now: the same command, later."""
    DISK = "disk"
    """The journal or the target cannot be written."""
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class StopReason:
    """One sentence for a person, one code for a script."""

    why: StopKind
    sentence: str
    come_back_at_unix_s: float | None = None
    """When the same command is worth trying again, where somebody said so."""

    @classmethod
    def wrong_key(cls, said: str) -> StopReason:
        """No key, or one that is not valid any more."""
        return cls(StopKind.WRONG_KEY, f"The key is refused: {said} Rows that wait stay pending.")

    @classmethod
    def wrong_server(cls, said: str) -> StopReason:
        """It would fail for every row."""
        return cls(StopKind.WRONG_SERVER, f"Every row would fail: {said}")

    @classmethod
    def of_error(cls, error: AltwrightError) -> StopReason:
        """An error that will not pass by itself."""
        if isinstance(error, Unauthorized):
            return cls.wrong_key(str(error))
        return cls.wrong_server(str(error))

    @classmethod
    def quota(cls, what: str, until_unix_s: float) -> StopReason:
        """A limit that lasts longer than anybody would wait."""
        return cls(
            StopKind.LATER,
            f"The quota is used up ({what}): come back after {format_utc(until_unix_s)}.",
            until_unix_s,
        )

    @classmethod
    def down(cls, what: str, patience_s: float, now_unix_s: float) -> StopReason:
        """The server is not there, or refuses everything."""
        again_unix_s = now_unix_s + patience_s
        return cls(
            StopKind.LATER,
            f"The server has not taken a picture for {patience_s / 60:.0f} minutes ({what}): try "
            f"again after {format_utc(again_unix_s)}.",
            again_unix_s,
        )

    @classmethod
    def disk(cls, what: str, unrecorded: int = 0) -> StopReason:
        """Nothing can be written any more."""
        lost = f"; {unrecorded} answers could not be recorded" if unrecorded else ""
        return cls(StopKind.DISK, f"{what}{lost}. Make room and run the same command again.")

    @classmethod
    def source(cls, what: str, *, may_pass: bool) -> StopReason:
        """The source was there, and is no more."""
        why = StopKind.LATER if may_pass else StopKind.DISK
        return cls(why, f"{what}. The answers are in the journal.")

    @classmethod
    def database(cls, rows: int, said: str) -> StopReason:
        """The table does not take what is written, at the moment."""
        return cls(
            StopKind.LATER,
            f"{rows} rows could not be written ({said}). Their answers are in the journal: the "
            "same command writes them, without a call.",
        )

    @classmethod
    def signal(cls, *, is_interrupt: bool) -> StopReason:
        """Somebody wants it to stop."""
        why = StopKind.INTERRUPTED if is_interrupt else StopKind.TERMINATED
        return cls(why, "Stopped: the same command goes on from here.")


def format_utc(unix_s: float) -> str:
    """UTC, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix_s))
