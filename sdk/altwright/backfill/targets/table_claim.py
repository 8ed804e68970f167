"""The claim of a table: one run of this machine at a time, from whatever folder it is started.

Two runs with journals of their own would pay twice for the same rows. The claim is a lock of the
operating system in the folder of temporary files, so it ends with its process. It is not a lock of
the database: behind a pooler such a lock may stay, or be granted twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from altwright.backfill import database
from altwright.backfill.journal.lock import JournalLock
from altwright.backfill.targets.table import TableTarget

_SERVER = {
    "postgresql": "SELECT current_database(), system_identifier::text FROM pg_control_system()",
    "mysql": "SELECT database(), @@hostname, @@port, @@datadir",
}
"""What names a database, by whatever address it is reached."""


@contextlib.contextmanager
def claim_table(target: TableTarget) -> Iterator[None]:
    """Hold the claim. Raises UsageError if another run has it."""
    schema = target.table.schema or target.engine.dialect.default_schema_name
    database_of = [schema, target.table.name, *_database_names(target)]
    name = hashlib.sha256(json.dumps(database_of, default=str).encode()).hexdigest()[:24]
    path = Path(tempfile.gettempdir()) / f"altwright-{name}"
    try:
        lock = JournalLock(path, f"{target.name} in this database")
    except (OSError, sqlite3.Error):  # a file of another user, or no folder to write into
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _database_names(target: TableTarget) -> list[object]:
    import sqlalchemy as sa

    url = target.engine.url
    if target.engine.dialect.name == "sqlite":
        return [str(Path(url.database or "").resolve())]
    dialect = "postgresql" if target.engine.dialect.name == "postgresql" else "mysql"
    try:
        with target.engine.connect() as connection:
            database.prepare_to_read(connection)
            return list(connection.execute(sa.text(_SERVER[dialect])).one())
    except sa.exc.DBAPIError:  # a right that is missing
        return [url.host, url.port, url.database]
