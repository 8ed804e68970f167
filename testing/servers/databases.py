"""Databases for tests: PostgreSQL and MySQL where one answers on loopback, or can be started."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from testing.servers.need import need

_START_S = 20.0
_POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:{port}/{name}"
_MYSQL = "mysql+pymysql://root@127.0.0.1:3306/{name}"


@pytest.fixture(scope="session")
def postgresql_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where a PostgreSQL answers to the user postgres: the usual port, else one of our own."""
    if _answers(_POSTGRESQL.format(port=5432, name="postgres")):
        yield 5432
        return
    folder = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if folder is None and shutil.which("postgres") is None:
        need("postgres", "postgresql", "postgresql")
    bin_folder = folder or Path(shutil.which("postgres") or "").parent
    data = tmp_path_factory.mktemp("postgresql")
    as_user: list[str] = []
    if os.getuid() == 0:  # it refuses to run as root
        shutil.chown(data, "postgres", "postgres")
        for parent in [data.parent, data.parent.parent]:
            # Rights are added and none is taken: with --basetemp one of these may be /tmp itself.
            parent.chmod(parent.stat().st_mode | 0o055)
        as_user = ["runuser", "-u", "postgres", "--"]
    init = [str(bin_folder / "initdb"), "-D", f"{data}/db", "-A", "trust", "-U", "postgres", "-N"]
    subprocess.run([*as_user, *init], check=True, capture_output=True)
    port = _free_port()
    serve = [str(bin_folder / "postgres"), "-D", f"{data}/db", "-p", str(port), "-k", str(data),
             "-h", "127.0.0.1", "-F"]  # fmt: skip
    process = subprocess.Popen([*as_user, *serve], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _START_S
        while not _answers(_POSTGRESQL.format(port=port, name="postgres")):
            assert time.monotonic() < until, "PostgreSQL did not start"
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def postgresql(postgresql_port: int) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of the test's own."""
    with _database(_POSTGRESQL.replace("{port}", str(postgresql_port)), "postgres") as url:
        yield url


@pytest.fixture
def mysql() -> Iterator[str]:
    """The URL of an empty MySQL or MariaDB database of the test's own."""
    if not _answers(_MYSQL.format(name="mysql")):
        sentence = "start MySQL or MariaDB on 127.0.0.1:3306, for root without a password"
        pytest.skip(f"{sentence}, to run this test")
    with _database(_MYSQL, "mysql") as url:
        yield url


@contextlib.contextmanager
def _database(pattern: str, first: str) -> Iterator[str]:
    name = f"altwright_test_{os.urandom(6).hex()}"
    server = sa.create_engine(pattern.format(name=first), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield pattern.format(name=name)
    finally:
        force = " WITH (FORCE)" if first == "postgres" else ""
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name}{force}"))
        server.dispose()


def _answers(url: str) -> bool:
    engine = sa.create_engine(url, connect_args={"connect_timeout": 2})
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
