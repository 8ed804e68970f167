"""The claim of a table: one run at a time, from whatever folder or machine it is started.

Two runs with journals of their own would pay twice for the same rows. Runs of one machine see each
other by a lock of the operating system in the folder of temporary files, runs of several machines
by a lock of the database's server, where there is one. Runs of a queue share a table: each has a
claim of its own.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

from altwright.backfill import database
from altwright.backfill.journal.lock import JournalLock, lock_on_this_machine
from altwright.backfill.targets.server_lock import ServerLock
from altwright.backfill.targets.table import TableTarget
from altwright.errors import UsageError

_WAIT_S = 2.0
"""Several feeders that start at once look at each other's claims, for milliseconds each."""
_SERVER = {
    "postgresql": "SELECT current_database(), system_identifier::text FROM pg_control_system()",
    "mysql": "SELECT @@hostname, @@port, @@datadir",  # a table's name has its database
}
"""What names a database, by whatever address it is reached."""


class TableClaim:
    """The claim of a table, held until `release`."""

    def __init__(self, target: TableTarget, run: str = "") -> None:
        """The claim of a queue's run, or without `run` of the whole table.

        Raises UsageError if another process has it.
        """
        self._of_machine: list[JournalLock] = []
        self._of_server: list[ServerLock] = []
        what = f"{target.name} in this database"
        try:
            for table in target.base_tables():
                self._take(target, [table, *([run] if run else [])], what)
        except UsageError:
            self.release()
            raise
        if self.is_lost:
            self.release()
            raise UsageError(
                f"Another run, on another machine or of a queue, works with {what} at the moment: "
                "wait until it ends, or stop it."
            )

    @property
    def is_lost(self) -> bool:
        """Whether another run has the claim: the connection to the server broke meanwhile."""
        return any(each.is_held is False for each in self._of_server)

    def release(self) -> None:
        """Release the claim."""
        for lock in self._of_machine:
            lock.release()
        for server_lock in self._of_server:
            server_lock.release()

    def _take(self, target: TableTarget, names: list[str], what: str) -> None:
        lock = lock_on_this_machine([*names, *_database_names(target)], what)
        self._of_machine += [] if lock is None else [lock]
        server_lock = _lock_on_server(target, names)
        self._of_server += [] if server_lock is None else [server_lock]


@contextlib.contextmanager
def claim_table(
    target: TableTarget, run: str = "", *, wait_s: float = _WAIT_S
) -> Iterator[TableClaim]:
    """Hold the claim. Raises UsageError if another run has it, and still has it after `wait_s`."""
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            claim = TableClaim(target, run)
            break
        except UsageError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(random.uniform(0.05, 0.15))  # noqa: S311 - not a secret
    try:
        yield claim
    finally:
        claim.release()


def _lock_on_server(target: TableTarget, names: list[str]) -> ServerLock | None:
    import sqlalchemy as sa

    if target.engine.dialect.name == "sqlite":
        return None
    try:
        return ServerLock(target.engine, *names)
    except sa.exc.DBAPIError:  # no connection is left, or another server of the same protocol
        return None


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
