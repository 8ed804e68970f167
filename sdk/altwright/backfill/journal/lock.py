"""One run at a time on one journal."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from altwright.errors import UsageError


class JournalLock:
    """Held until `release`, or until the process ends in whatever way.

    An SQLite file beside the journal, in an exclusive transaction that never commits: SQLite's
    locks are the system's, so that those of a killed process are gone with it, on every platform.
    """

    def __init__(self, journal: Path) -> None:
        """Raises UsageError where another run holds it, OSError where it cannot be made."""
        path = journal.with_name(journal.name + "-lock")
        self._held = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._held.close()
            if "locked" not in str(error):
                raise OSError(f"{path} cannot be locked: {error}") from None
            raise UsageError(
                f"Another run works with {journal} at the moment: wait until it ends, or stop it."
            ) from None

    def release(self) -> None:
        """Let others work with it. The empty file stays: to remove it would be a race."""
        self._held.close()
