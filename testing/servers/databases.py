"""Empty databases for tests, on servers of this machine or on servers that the tests start."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from testing.ports import free_port
from testing.requirements import require_program

_START_TIMEOUT_S = 60.0
_POSTGRESQL = "postgresql+psycopg://postgres@127.0.0.1:{port}/{name}"
_POSTGRESQL_DEFAULT_PORT = 5432
_MYSQL = "mysql+pymysql://root@127.0.0.1:{port}/{name}"
_MYSQL_DEFAULT_PORT = 3306


@pytest.fixture(scope="session")
def postgresql_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a PostgreSQL that accepts the user postgres."""
    if _responds(_POSTGRESQL.format(port=_POSTGRESQL_DEFAULT_PORT, name="postgres")):
        yield _POSTGRESQL_DEFAULT_PORT
        return
    folder = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if folder is None:  # not Debian's layout
        folder = Path(require_program("postgres", "postgresql", "postgresql")).parent
    data = tmp_path_factory.mktemp("postgresql")
    as_user: list[str] = []
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(data, "postgres", "postgres")
        for parent in [data.parent, data.parent.parent]:
            # Adds rights and removes none: with --basetemp one of these may be /tmp itself.
            parent.chmod(parent.stat().st_mode | 0o055)
        as_user = ["runuser", "-u", "postgres", "--"]
    init = [str(folder / "initdb"), "-D", f"{data}/db", "-A", "trust", "-U", "postgres", "-N"]
    subprocess.run([*as_user, *init], check=True, capture_output=True)
    port = free_port()
    serve = [str(folder / "postgres"), "-D", f"{data}/db", "-p", str(port), "-k", str(data),
             "-h", "127.0.0.1", "-F"]  # fmt: skip
    process = subprocess.Popen([*as_user, *serve], stderr=subprocess.DEVNULL)
    try:
        _wait_until_responds(_POSTGRESQL.format(port=port, name="postgres"), "PostgreSQL")
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def postgresql(postgresql_port: int) -> Iterator[str]:
    """The URL of an empty PostgreSQL database for one test."""
    with empty_postgresql(postgresql_port) as url:
        yield url


@pytest.fixture(scope="session")
def mysql_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a MySQL or MariaDB that accepts root without a password."""
    if _responds(_MYSQL.format(port=_MYSQL_DEFAULT_PORT, name="mysql")):
        yield _MYSQL_DEFAULT_PORT
        return
    program = require_program("mariadbd", "mariadb-server", "mariadb")
    install = require_program("mariadb-install-db", "mariadb-server", "mariadb")
    data = tmp_path_factory.mktemp("mariadb")
    options = ["--no-defaults", f"--datadir={data}/db"]
    if os.getuid() == 0:  # MariaDB runs as root only where that is said
        options.append("--user=root")
    subprocess.run(
        [install, *options, "--auth-root-authentication-method=normal"],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    process = subprocess.Popen(
        [program, *options, "--bind-address=127.0.0.1", f"--port={port}",
         f"--socket={data}/socket", f"--pid-file={data}/pid"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_until_responds(_MYSQL.format(port=port, name="mysql"), "MariaDB")
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def mysql(mysql_port: int) -> Iterator[str]:
    """The URL of an empty MySQL or MariaDB database for one test."""
    with _empty_database(_MYSQL.replace("{port}", str(mysql_port)), "mysql") as url:
        yield url


def empty_postgresql(port: int) -> contextlib.AbstractContextManager[str]:
    """The URL of an empty PostgreSQL database, which is dropped at the end."""
    return _empty_database(_POSTGRESQL.replace("{port}", str(port)), "postgres")


@contextlib.contextmanager
def _empty_database(pattern: str, maintenance_database: str) -> Iterator[str]:
    name = f"altwright_test_{os.urandom(6).hex()}"
    server = sa.create_engine(
        pattern.format(name=maintenance_database), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield pattern.format(name=name)
    finally:
        force = " WITH (FORCE)" if maintenance_database == "postgres" else ""
        with server.connect() as connection:
            if not force:  # engines of the test's process keep their connections until collected
                left = "SELECT id FROM information_schema.processlist WHERE db = :name"
                for each in connection.execute(sa.text(left), {"name": name}).scalars().all():
                    with contextlib.suppress(sa.exc.DBAPIError):  # it has just ended
                        connection.execute(sa.text(f"KILL {each}"))
            connection.execute(sa.text(f"DROP DATABASE {name}{force}"))
        server.dispose()


def _wait_until_responds(url: str, name: str) -> None:
    end_s = time.monotonic() + _START_TIMEOUT_S
    while not _responds(url):
        assert time.monotonic() < end_s, f"{name} did not start"
        time.sleep(0.1)


def _responds(url: str) -> bool:
    engine = sa.create_engine(url, connect_args={"connect_timeout": 2})
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()
