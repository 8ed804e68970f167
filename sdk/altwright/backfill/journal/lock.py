"""The lock of a journal: one run at a time, and never a database of somebody else."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

from altwright.errors import UsageError


class JournalLock:
    """Held until `release`, or until the process ends in any way.

    It is an SQLite file beside the journal, in an exclusive transaction that never commits. SQLite
    uses the operating system's locks, which end with a killed process on every platform.
    """

    def __init__(self, journal: Path, what: str = "") -> None:
        """Raises UsageError if another run holds it, OSError if it cannot be created.

        `what` is locked for the user: the journal, unless something else is named.
        """
        path = journal.with_name(journal.name + "-lock")
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" not in str(error):
                raise OSError(str(error)) from None
            raise UsageError(
                f"Another run works with {what or journal} at the moment: wait until it ends, or "
                "stop it."
            ) from None

    def release(self) -> None:
        """Release it. The empty file stays: removing it would race with another run's lock."""
        self._db.close()


def files_of_journal(path: Path) -> list[Path]:
    """The files that a journal consists of, or may have beside it."""
    return [path, *(path.with_name(f"{path.name}{each}") for each in ("-lock", "-wal", "-shm"))]


def lock_on_this_machine(names: Sequence[object], what: str) -> JournalLock | None:
    """A lock that `names` name, in the folder of temporary files; None if none can be made there.

    Raises UsageError if another run holds it. `what` is locked for the user.
    """
    name = hashlib.sha256(json.dumps(list(names), default=str).encode()).hexdigest()[:24]
    try:
        return JournalLock(Path(tempfile.gettempdir()) / f"altwright-{name}", what)
    except (OSError, sqlite3.Error):  # a file of another user, or no folder to write into
        return None


def refuse_other_database(path: Path) -> None:
    """Raise UsageError if the file is a database of somebody else, and leave it as it is.

    Reading changes nothing: opening it as a journal would switch its journal mode and add tables.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    # A database in WAL mode that nobody has open would get two more files.
    is_open = path.with_name(f"{path.name}-wal").exists()
    mode = "mode=ro" if is_open else "mode=ro&immutable=1"
    reader = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True)
    try:
        tables = {name for (name,) in reader.execute("SELECT name FROM sqlite_master")}
    except sqlite3.OperationalError:  # locked, or not readable: opening it says so
        return
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{path} cannot be used as a journal: {error}.") from None
    finally:
        reader.close()
    if tables and not tables >= {"run", "rows", "answers"}:
        raise UsageError(
            f"{path} is not a journal of a backfill but another database: name a new file with "
            "--journal."
        )
