"""Databases of the servers of this machine, one for the histories of a process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import sqlalchemy as sa

_SERVERS = {
    "postgresql": ("postgresql+psycopg://postgres@127.0.0.1:5432/{name}", "postgres", ""),
    "mariadb": ("mysql+pymysql://root@127.0.0.1:3306/{name}", "mysql", " CHARACTER SET utf8mb4"),
}


@contextlib.contextmanager
def history_database(kind: str) -> Iterator[str]:
    """The URL of an empty database; '' for files and SQLite, which need none."""
    kind = "postgresql" if kind == "queue" else kind
    if kind not in _SERVERS:
        yield ""
        return
    pattern, maintenance, options = _SERVERS[kind]
    name = f"altwright_histories_{os.urandom(4).hex()}"
    server = sa.create_engine(pattern.format(name=maintenance), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}{options}"))
        if kind == "postgresql":  # a history commits often, and the server stays up
            connection.execute(sa.text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    try:
        yield pattern.format(name=name)
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}"))
        server.dispose()
