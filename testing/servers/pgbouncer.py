"""A PgBouncer in transaction pooling before the PostgreSQL database of a test."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from testing.ports import free_port
from testing.requirements import require_program

_START_TIMEOUT_S = 30.0
_POOL_SIZE = 2
"""Server connections: so few that every client meets the sessions of the others."""


@pytest.fixture
def pgbouncer(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database through the pooler."""
    program = require_program("pgbouncer", "pgbouncer", "pgbouncer")
    with running_pgbouncer(program, postgresql, tmp_path_factory.mktemp("pgbouncer")) as url:
        yield url


@contextmanager
def running_pgbouncer(program: str, database_url: str, folder: Path) -> Iterator[str]:
    """Start the pooler with its settings in a folder; yields the database's URL through it."""
    server, port = sa.make_url(database_url), free_port()
    settings = {
        "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "",
        "auth_type": "any", "pool_mode": "transaction", "default_pool_size": _POOL_SIZE,
        "max_client_conn": 200,
    }  # fmt: skip
    if os.getuid() == 0:  # it refuses to run as root
        settings["user"] = "postgres"
    lines = [
        "[databases]", f"* = host={server.host} port={server.port} user={server.username}",
        "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items()),
    ]  # fmt: skip
    config = folder / "pgbouncer.ini"
    config.write_text("\n".join(lines) + "\n")
    _make_readable(folder)
    process = subprocess.Popen([program, str(config)], stderr=subprocess.DEVNULL)
    url = server.set(port=port)
    try:
        _wait_until_responds(url)
        yield url.render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait()


def _make_readable(folder: Path) -> None:
    """The pooler's user reads its settings."""
    for each in (folder, folder.parent, folder.parent.parent):
        each.chmod(each.stat().st_mode | 0o055)


def _wait_until_responds(url: sa.URL) -> None:
    engine = sa.create_engine(url, connect_args={"connect_timeout": 2})
    end_s = time.monotonic() + _START_TIMEOUT_S
    while True:
        try:
            with engine.connect():
                break
        except sa.exc.OperationalError:
            assert time.monotonic() < end_s, "PgBouncer did not start"
            time.sleep(0.1)
    engine.dispose()
