"""A named lock of a database's server, so that runs on several machines see each other.

It belongs to a connection of its own and ends with it, however the run ends. Behind a pooler a
statement may reach another session than the one before, so such a lock would stay there, or be
granted twice: no lock is taken then. A pooler is told by the session's number, which a client
learns when it connects: a pooler gives one of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_HEARTBEAT_S = 30.0
_SILENCE_S = 120
"""After this time without a heartbeat a server ends the session: the machine is gone."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    session_number: str
    take: str
    prepare: str
    """Makes the server notice a machine that is gone, and keep one that is only quiet."""


_POSTGRESQL = _Dialect(
    "SELECT pg_backend_pid()",
    "SELECT pg_try_advisory_lock(:number)",
    # Keepalives of TCP notice it; settings that this version lacks are left out.
    "SELECT count(set_config(name, CASE name WHEN 'tcp_keepalives_idle' THEN '30'"
    " WHEN 'tcp_keepalives_interval' THEN '10' WHEN 'tcp_keepalives_count' THEN '3'"
    " ELSE '0' END, false)) FROM pg_settings WHERE name IN ('tcp_keepalives_idle',"
    " 'tcp_keepalives_interval', 'tcp_keepalives_count', 'idle_session_timeout')",
)
_MYSQL = _Dialect(
    "SELECT connection_id()",
    "SELECT get_lock(:name, 0)",
    f"SET SESSION wait_timeout = {_SILENCE_S}",
)


class ServerLock:
    """The lock, taken at once or not at all. A thread keeps it alive."""

    def __init__(self, engine: Engine, *names: str | None) -> None:
        """Take the lock that `names` name; see `is_held`. Raises SQLAlchemy's DBAPIError."""
        digest = hashlib.sha256("\0".join(each or "" for each in names).encode()).digest()
        # A positive number of 63 bits for PostgreSQL, and a name of less than 64 characters.
        self._names = {
            "number": int.from_bytes(digest[:8]) >> 1, "name": f"altwright-{digest.hex()[:32]}"
        }  # fmt: skip
        self._engine = engine
        self._dialect = _POSTGRESQL if engine.dialect.name == "postgresql" else _MYSQL
        self._ended = threading.Event()
        self._connection: Connection | None = None
        self.is_held: bool | None = self._take()
        """False if another connection has it; None if it cannot be told."""
        self._heartbeat = threading.Thread(target=self._keep, daemon=True)
        if self.is_held:
            self._heartbeat.start()

    def release(self) -> None:
        """Release it; does nothing if it is not held."""
        self._ended.set()
        if self._heartbeat.is_alive():
            self._heartbeat.join(timeout=2.0)
        self._close()

    def _take(self) -> bool | None:
        import sqlalchemy as sa

        # Never one of the pool's: its session has the lock until it is closed.
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()
        self._connection = connection
        taken: bool | None = False
        try:
            number = connection.execute(sa.text(self._dialect.session_number)).scalar()
            if number != _session_number_at_connect(connection):
                taken = None
            else:
                connection.execute(sa.text(self._dialect.prepare))
                take = sa.text(self._dialect.take)
                taken = bool(connection.execute(take, self._parameters()).scalar())
            return taken
        finally:
            if not taken:
                self._close()

    def _parameters(self) -> dict[str, object]:
        name = "number" if self._dialect is _POSTGRESQL else "name"
        return {name: self._names[name]}

    def _keep(self) -> None:
        """Send a heartbeat; take the lock again if the connection was lost."""
        import sqlalchemy as sa

        while not self._ended.wait(_HEARTBEAT_S):
            with contextlib.suppress(sa.exc.DBAPIError):
                if self._connection is None:
                    self.is_held = self._take()
                    if not self.is_held:
                        return
                    continue
                try:
                    self._connection.execute(sa.text("SELECT 1"))
                except sa.exc.DBAPIError:
                    self._close()

    def _close(self) -> None:
        import sqlalchemy as sa

        if self._connection is not None:
            with contextlib.suppress(sa.exc.DBAPIError):
                self._connection.close()
            self._connection = None


def _session_number_at_connect(connection: Connection) -> object:
    """What the server, or a pooler before it, said of the session when it was opened."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "postgresql":
        return getattr(getattr(driver, "info", None), "backend_pid", None)
    thread_id = getattr(driver, "thread_id", None)
    return thread_id() if callable(thread_id) else None
