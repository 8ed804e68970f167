"""The lock of a journal: one run at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from altwright.errors import UsageError


class JournalLock:
    """Held until `release`, or until the process ends in any way.

    It is an SQLite file beside the journal, in an exclusive transaction that never commits. SQLite
    uses the operating system's locks, which end with a killed process on every platform.
    """

    def __init__(self, journal: Path) -> None:
        """Raises UsageError if another run holds it, OSError if it cannot be created."""
        path = journal.with_name(journal.name + "-lock")
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" not in str(error):
                raise OSError(f"{path} cannot be locked: {error}") from None
            raise UsageError(
                f"Another run works with {journal} at the moment: wait until it ends, or stop it."
            ) from None

    def release(self) -> None:
        """Release it. The empty file stays: removing it would race with another run's lock."""
        self._db.close()
