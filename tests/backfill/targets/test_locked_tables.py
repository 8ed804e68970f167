"""A lock that somebody holds costs seconds, not minutes, and never a paid text."""

import signal
import time

import pytest
import sqlalchemy as sa

from testing.catalogue import BackfillCommand, wait_until
from testing.products_table import create_products, run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE

ROWS = 350
_LOCKS = {
    "postgresql": "SELECT id FROM products FOR UPDATE",
    "mysql": "SELECT id FROM products FOR UPDATE",
    "sqlite": "BEGIN IMMEDIATE",
}


@pytest.mark.slow
@pytest.mark.measures
def test_a_table_that_somebody_has_locked_ends_the_run_soon(
    command: BackfillCommand, flaky_model: FlakyModelServer, url: str
) -> None:
    """Every row is locked from the beginning to the end of the run; none is bought again."""
    create_products(url, flaky_model, ROWS)
    other = sa.create_engine(url, isolation_level="AUTOCOMMIT" if "sqlite" in url else None)
    with other.connect() as holder:
        begun_s = time.monotonic()
        unlocked = command.run_json(url, *TABLE, "--limit", "100", "--journal", "free")
        free_s = time.monotonic() - begun_s
        assert unlocked["written"] == 100
        holder.execute(sa.text(_LOCKS[sa.make_url(url).get_backend_name()]))
        begun_s = time.monotonic()
        completed = command.run(url, *TABLE)
        locked_s = time.monotonic() - begun_s
        assert completed.returncode == 75, completed.stderr
        assert f"{ROWS - 100} rows could not be written" in completed.stderr
        if "sqlite" in url:
            holder.execute(sa.text("ROLLBACK"))
        holder.rollback()
    other.dispose()
    assert locked_s < 4 * free_s + 45
    calls = flaky_model.log.calls
    assert command.run_json(url, *TABLE)["calls"] == 0
    assert flaky_model.log.calls == calls
    assert run_sql(url, "SELECT count(*) FROM products WHERE alt = :alt", alt=CAPTION) == [(ROWS,)]


@pytest.mark.slow
@pytest.mark.measures
def test_a_run_that_is_stopped_does_not_wait_for_locks(
    command: BackfillCommand, flaky_model: FlakyModelServer, url: str
) -> None:
    flaky_model.behaviour.response_s = 0.02
    create_products(url, flaky_model, ROWS)
    other = sa.create_engine(url, isolation_level="AUTOCOMMIT" if "sqlite" in url else None)
    with other.connect() as holder:
        holder.execute(sa.text(_LOCKS[sa.make_url(url).get_backend_name()]))
        process = command.start(url, *TABLE)
        wait_until(lambda: flaky_model.log.calls > 150, process)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        if "sqlite" in url:
            holder.execute(sa.text("ROLLBACK"))
        holder.rollback()
    other.dispose()
