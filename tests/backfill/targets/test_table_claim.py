"""Two runs over one table do not pay twice."""

import hashlib
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from altwright import UsageError
from altwright.backfill.connectors import open_connectors
from altwright.backfill.queue.schema import ROWS
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.queue.waiting_runs import check_other_queues
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.targets.server_lock import ServerLock
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.targets.table_claim import claim_table

from testing.catalogue import BackfillCommand, wait_until
from testing.products_table import create_products, run_sql
from testing.servers.flaky_model_server import FlakyModelServer
from tests.backfill.targets.conftest import TABLE


@pytest.mark.slow
def test_a_second_run_over_a_table_from_another_folder_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, url: str
) -> None:
    """It may run as soon as the first one has ended, however that ended."""
    flaky_model.behaviour.response_s = 0.2
    create_products(url, flaky_model, 40)
    first = command.start(url, *TABLE, "--concurrency", "1")
    wait_until(lambda: flaky_model.log.calls >= 2, first)
    journal = ("--journal", "elsewhere.journal")
    second = command.run(url, *TABLE, *journal)
    assert second.returncode == 2
    assert "Another run works with products in this database" in second.stderr
    calls = flaky_model.log.calls
    assert command.run(url, *TABLE, *journal, "--estimate").returncode == 0
    first.send_signal(signal.SIGKILL)
    first.wait()
    flaky_model.behaviour.response_s = 0.0
    assert command.run_json(url, *TABLE)["written"] == 40
    assert flaky_model.log.captioned.total() <= 41
    assert calls <= 40


def test_a_table_of_sqlite_in_other_letters_is_the_same(
    command: BackfillCommand, flaky_model: FlakyModelServer, sqlite_url: str
) -> None:
    create_products(sqlite_url, flaky_model, 1)
    target = open_connectors(RunConfig(sqlite_url, table="products")).table
    assert target is not None
    with claim_table(target):
        second = command.run(sqlite_url, "--table", "PRODUCTS")
    assert second.returncode == 2
    assert "Another run works with PRODUCTS" in second.stderr


def open_target(url: str, table: str, *roles: str) -> TableTarget:
    """The table as a run writes into it."""
    target = open_connectors(RunConfig(url, table=table, column_roles=roles)).table
    assert target is not None
    return target


def test_a_table_and_a_view_of_it_are_the_same(
    command: BackfillCommand, flaky_model: FlakyModelServer, url: str
) -> None:
    """Also through another view, under other names, and where the view reads more tables."""
    create_products(url, flaky_model, 1)
    run_sql(url, "CREATE TABLE shops (id integer primary key, name varchar(9))")
    run_sql(
        url,
        "CREATE VIEW shown AS SELECT id, image_url, name, alt, alt_source FROM products"
        " WHERE id NOT IN (SELECT id FROM shops)",
    )
    run_sql(url, "CREATE VIEW again AS SELECT id, image_url, alt FROM shown")
    run_sql(url, "CREATE TABLE media (id integer primary key, image_url varchar(9), alt text)")
    run_sql(
        url,
        "CREATE VIEW others AS SELECT * FROM media WHERE id NOT IN (SELECT id FROM shops)",
    )
    with claim_table(open_target(url, "products")):
        for view in ("shown", "again"):
            second = command.run(url, "--table", view, "--column", "key=id")
            assert second.returncode == 2
            assert f"Another run works with {view}" in second.stderr
        with claim_table(open_target(url, "others", "key=id")):
            pass
    with claim_table(open_target(url, "again", "key=id")):
        second = command.run(url, *TABLE)
        assert "Another run works with products" in second.stderr
    assert flaky_model.log.calls == 0


def test_a_table_with_an_odd_name_and_a_view_of_it_are_the_same(
    flaky_model: FlakyModelServer, sqlite_url: str
) -> None:
    create_products(sqlite_url, flaky_model, 1)
    run_sql(sqlite_url, 'ALTER TABLE products RENAME TO "my ""best"" mugs"')
    run_sql(sqlite_url, 'CREATE VIEW shown AS SELECT * FROM "my ""best"" mugs"')
    with (
        claim_table(open_target(sqlite_url, 'my "best" mugs')),
        pytest.raises(UsageError, match="Another run works with shown"),
        claim_table(open_target(sqlite_url, "shown", "key=id"), wait_s=0.0),
    ):
        pass


def test_a_partition_and_a_table_by_its_schema_are_the_same_as_the_table(
    flaky_model: FlakyModelServer, postgresql: str
) -> None:
    run_sql(
        postgresql,
        "CREATE TABLE media (id integer, image_url text, alt text, PRIMARY KEY (id))"
        " PARTITION BY RANGE (id)",
    )
    run_sql(postgresql, "CREATE TABLE media_old PARTITION OF media FOR VALUES FROM (1) TO (9)")
    for name in ("media_old", "public.media"):
        with (
            claim_table(open_target(postgresql, "media")),
            pytest.raises(UsageError, match=f"Another run works with {name}"),
            claim_table(open_target(postgresql, name), wait_s=0.0),
        ):
            pass


@pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
def test_a_view_of_a_table_whose_rows_are_in_work_for_a_queue_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, url: str
) -> None:
    create_products(url, flaky_model, 1)
    run_sql(url, "CREATE VIEW shown AS SELECT id, image_url, name, alt FROM products")
    connectors = open_connectors(RunConfig(url, table="products"))
    assert connectors.table is not None
    nightly = SharedJournal.create(connectors.table.engine, "nightly", connectors.identity)
    scan_source(connectors, nightly, None, lambda _: None)
    nightly.mark_queued(["1"])
    refused = command.run(url, "--table", "shown", "--column", "key=id")
    assert refused.returncode == 2
    assert "'nightly' works with shown" in refused.stderr


on_servers = pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
QUEUE = ("--queue", "celery", "--broker", "redis://127.0.0.1:9/0")


@on_servers
@pytest.mark.parametrize("how", [(), QUEUE])
def test_a_second_run_on_another_machine_is_refused(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    url: str,
    how: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another folder of temporary files stands for the other machine."""
    create_products(url, flaky_model, 1)
    target = open_connectors(RunConfig(url, table="products")).table
    assert target is not None
    with claim_table(target) as claim:
        (tmp_path / "other").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "other"))
        second = command.run(url, *TABLE, *how)
        assert second.returncode == 2
        assert "on another machine or of a queue" in second.stderr
        assert not claim.is_lost
    assert command.run_json(url, *TABLE)["written"] == flaky_model.log.calls == 1


@on_servers
def test_a_table_whose_rows_are_in_work_for_a_queue_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, url: str
) -> None:
    create_products(url, flaky_model, 3)
    connectors = open_connectors(RunConfig(url, table="products"))
    target = connectors.table
    assert target is not None
    nightly = SharedJournal.create(target.engine, "nightly", connectors.identity)
    scan_source(connectors, nightly, None, lambda _: None)
    with claim_table(target, "nightly"):  # its feeder
        assert command.run(url, *TABLE).returncode == 2
    assert command.run_json(url, *TABLE, "--limit", "1")["calls"] == 1
    nightly.mark_queued(["2"])
    refused = command.run(url, *TABLE)
    assert refused.returncode == 2
    assert "'nightly' works with products" in refused.stderr
    with target.engine.begin() as connection:
        connection.execute(sa.update(ROWS).values(queued_at=time.time() - 1801))
    found = nightly.find_row("3")
    assert found is not None
    nightly.claim(found.request_key, "a worker", 60)
    assert command.run(url, *TABLE).returncode == 2
    nightly.release(found.request_key, "a worker")
    assert command.run_json(url, *TABLE)["written"] == 3


@on_servers
def test_two_queues_share_a_table_and_no_row(flaky_model: FlakyModelServer, url: str) -> None:
    create_products(url, flaky_model, 4)
    journals = {}
    for run, where in (("early", "id < 3"), ("late", "id > 2"), ("all", "id > 0")):
        query = f"SELECT * FROM products WHERE {where}"
        connectors = open_connectors(RunConfig(url, table="products", query=query))
        assert connectors.table is not None
        journals[run] = SharedJournal.create(connectors.table.engine, run, connectors.identity)
        scan_source(connectors, journals[run], None, lambda _: None)
    target = connectors.table
    assert target is not None
    journals["early"].mark_queued(["1", "2"])
    check_other_queues(target, "late")
    with pytest.raises(UsageError, match="2 rows of products are in work"):
        check_other_queues(target, "all")
    with claim_table(target, "late"), claim_table(target, "early"):
        check_other_queues(target, "early")
        with pytest.raises(UsageError, match="rows of products are in work"):
            check_other_queues(target, "all")


@on_servers
def test_a_lock_is_taken_again_after_its_connection_was_lost(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altwright.backfill.targets.server_lock._HEARTBEAT_S", 0.05)
    engine = sa.create_engine(url)
    lock = ServerLock(engine, "main", "products")
    assert lock.is_held
    assert ServerLock(engine, "main", "products").is_held is False
    session = lock_holder(url)
    end_session(url, session)
    wait_for(lambda: lock_holder(url) not in (None, session))
    assert lock.is_held
    lock.release()
    wait_for(lambda: lock_holder(url) is None)
    engine.dispose()


@on_servers
def test_a_lock_ends_soon_after_its_machine_is_gone(url: str) -> None:
    """The server looks after the connection for one to two minutes, whatever its own settings."""
    engine = sa.create_engine(url)
    lock = ServerLock(engine, "main", "products")
    connection = lock._connection
    assert connection is not None
    if engine.dialect.name == "postgresql":
        names = [f"tcp_keepalives_{each}" for each in ("idle", "interval", "count")]
        shown = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
        idle_s, interval_s, count = (int(str(each)) for each in shown)
        silence_s = idle_s + interval_s * count
    else:
        silence_s = int(str(connection.exec_driver_sql("SELECT @@wait_timeout").scalar()))
    lock.release()
    engine.dispose()
    assert 60 <= silence_s <= 120


@on_servers
def test_a_lock_that_another_run_took_meanwhile_is_lost(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altwright.backfill.targets.server_lock._HEARTBEAT_S", 0.05)
    engine = sa.create_engine(url)
    lock = ServerLock(engine, "main", "products")
    session = lock_holder(url)
    is_over = threading.Event()

    def wait_for_the_lock() -> None:
        statement = "pg_advisory_lock(:number)" if "postgres" in url else "get_lock(:name, 60)"
        with engine.connect() as connection:
            connection.execute(sa.text(f"SELECT {statement}"), LOCK)
            is_over.wait(60)

    other = threading.Thread(target=wait_for_the_lock)
    other.start()
    wait_for(lambda: count_sessions(url) >= 2)
    end_session(url, session)
    wait_for(lambda: lock.is_held is False)
    is_over.set()
    other.join()
    lock.release()
    engine.dispose()


def test_behind_a_pooler_no_lock_is_taken(pgbouncer: str) -> None:
    """It would belong to a session that others get next."""
    engine = sa.create_engine(pgbouncer.replace("postgresql:", "postgresql+psycopg:"))
    for _ in range(2):
        assert ServerLock(engine, "main", "products").is_held is None
    engine.dispose()


DIGEST = hashlib.sha256(b"main\0products").digest()
LOCK = {"number": int.from_bytes(DIGEST[:8]) >> 1, "name": f"altwright-{DIGEST.hex()[:32]}"}


def lock_holder(url: str) -> object:
    """The session that has the lock, or None."""
    statement = (
        "SELECT max(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND"
        " (classid::bigint << 32) + objid::bigint = :number"
        if "postgres" in url
        else "SELECT is_used_lock(:name)"
    )
    [(session,)] = run_sql(url, statement, **LOCK)
    return session


def count_sessions(url: str) -> int:
    """Sessions of this database, without the one that counts."""
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
        if "postgres" in url
        else "SELECT count(*) FROM information_schema.processlist WHERE db = database()"
        " AND id <> connection_id()"
    )
    [(count,)] = run_sql(url, statement)
    return int(str(count))


def end_session(url: str, session: object) -> None:
    """End it, as a server that restarts does."""
    is_postgresql = "postgres" in url
    run_sql(url, f"SELECT pg_terminate_backend({session})" if is_postgresql else f"KILL {session}")


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it is true; fail after a timeout."""
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
