"""A PostgreSQL database for one benchmark, dropped at its end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

DEFAULT_SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


@contextmanager
def temporary_database(server_url: str = DEFAULT_SERVER) -> Iterator[str]:
    """Create a database on the server; yields its URL."""
    name = f"altwright_benchmark_{os.urandom(4).hex()}"
    server = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield f"{server_url.rpartition('/')[0]}/{name}"
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()
