"""A worker and one row, with a real database and a real server."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
import sqlalchemy as sa
from altwright import Altwright as Client
from altwright import UsageError
from altwright.backfill.connectors import open_connectors
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.queue.worker import (
    RunWorker,
    WorkerOptions,
    hold_rules_from_settings,
)
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.stop_reason import StopKind
from altwright.backfill.types import AltSource, RequestResult, TextResult
from altwright.throttle import AdaptiveThrottle

from testing.catalogue import BackfillCommand
from testing.products_table import create_products, run_sql
from testing.servers.fault_proxy import FaultProxy, problem
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.conftest import KEY

StartRun = Callable[..., RunWorker]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """PostgreSQL, or the database of a test's parameter."""
    url: str = request.getfixturevalue(getattr(request, "param", "postgresql"))
    return url


on_both_databases = pytest.mark.parametrize("database", ["postgresql", "mysql"], indirect=True)


@pytest.fixture
def start_run(
    database: str, flaky_model: FlakyModelServer, command: BackfillCommand
) -> Iterator[StartRun]:
    """Creates a table of mugs and a run for it; returns the worker of the run."""
    clients: list[Client] = []

    def start(
        count: int,
        *,
        url: str = "",
        rules: HoldRules | None = None,
        of_the_user: Mapping[str, str] | None = None,
    ) -> RunWorker:
        create_products(database, flaky_model, count)
        for name, value in (of_the_user or {}).items():
            run_sql(
                database, f"UPDATE products SET {name} = :value, alt_source = 'failed'", value=value
            )
        connectors = open_connectors(RunConfig(database, table="products"))
        identity = connectors.identity
        settings = {**identity.settings, "rules": dataclasses.asdict(rules or HoldRules())}
        journal = SharedJournal.create(
            connectors.target.engine,  # type: ignore[union-attr]
            "products",
            dataclasses.replace(identity, settings=settings),
        )
        outcome_rules = OutcomeRules(connectors.config.caption_options)
        scan_source(connectors, journal, outcome_rules.decide, lambda _: None)
        clients.append(Client(KEY, url or command.env["ALTWRIGHT_URL"], 15, max_retries=0))
        throttle = AdaptiveThrottle(concurrency=4, per_second=None)
        options = WorkerOptions(lease_s=2, patience_s=0.5, longest_wait_s=60)
        return RunWorker("products", database, clients[-1], throttle, options)

    yield start
    for client in clients:
        client.close()


def read_rows(database: str) -> list[tuple[object, ...]]:
    """Text and source of every row of the table."""
    return run_sql(database, "SELECT alt, alt_source FROM products ORDER BY id")


@on_both_databases
def test_an_outcome_is_written_to_table_and_journal_in_one_transaction(
    start_run: StartRun, database: str, flaky_model: FlakyModelServer
) -> None:
    worker = start_run(2)
    assert worker.process_row("1") is None
    assert read_rows(database) == [(CAPTION, "ai"), (None, None)]
    found = worker.journal.outcomes.find_outcome("1")
    assert found is not None
    assert (found[1].alt, found[1].result.texts[0].text) == (CAPTION, CAPTION)
    assert [row.key for row, _ in worker.journal.outcomes.iter_outcomes()] == ["1"]
    counts = worker.journal.outcomes.read_counts()
    assert counts.by_state == {AltSource.AI: 1, AltSource.PENDING: 1}
    assert (counts.written, counts.attempts, counts.input_tokens) == (1, 1, 1_000)
    assert worker.process_row("1") is None  # the message is delivered again
    assert flaky_model.log.captioned == {1: 1}


@on_both_databases
def test_a_table_that_takes_no_text_any_more_stops_the_workers_before_more_is_paid(
    start_run: StartRun, database: str, flaky_model: FlakyModelServer
) -> None:
    worker = start_run(3)
    assert worker.process_row("1") is None
    kind = "VIRTUAL" if database.startswith("mysql") else "STORED"
    run_sql(database, "ALTER TABLE products DROP COLUMN alt")
    run_sql(database, f"ALTER TABLE products ADD alt varchar(9) GENERATED ALWAYS AS (NULL) {kind}")
    for key in ("2", "3"):
        worker.process_row(key)
    assert flaky_model.log.calls <= 2
    stop = worker.journal.stop
    assert stop is not None
    assert stop.kind is StopKind.DISK
    assert "The table takes no text" in stop.message
    assert worker.journal.count_rows("pending") == 2


def test_a_worker_whose_recorded_column_is_gone_stops_the_run(
    start_run: StartRun, database: str, flaky_model: FlakyModelServer
) -> None:
    """Else it would take another column that may have alt texts."""
    worker = start_run(1)
    run_sql(database, "ALTER TABLE products RENAME alt TO old_alt")
    run_sql(database, "ALTER TABLE products ADD alt_text varchar(300)")
    with pytest.raises(UsageError, match="The run's alt column is 'alt', which is gone"):
        RunWorker("products", database, worker._client, worker._throttle, WorkerOptions())
    stop = worker.journal.stop
    assert stop is not None
    assert stop.kind is StopKind.DISK
    assert flaky_model.log.calls == 0


def test_a_key_that_the_journal_of_a_queue_cannot_hold_costs_its_row(
    database: str, flaky_model: FlakyModelServer
) -> None:
    create_products(database, flaky_model, 2)
    run_sql(database, "ALTER TABLE products ALTER id TYPE text")
    run_sql(database, "UPDATE products SET id = :key WHERE id = '1'", key="k" * 256)
    connectors = open_connectors(RunConfig(database, table="products"))
    journal = SharedJournal.create(
        connectors.target.engine,  # type: ignore[union-attr]
        "products",
        connectors.identity,
    )
    scan = scan_source(connectors, journal, None, lambda _: None)
    assert (scan.broken, scan.blank, journal.count_rows("pending")) == (1, 1, 1)
    assert "has a key of 256 characters; a queue takes 255" in scan.broken_lines[0]
    with pytest.raises(UsageError, match="The run's name has 65 characters"):
        SharedJournal.create(
            connectors.target.engine,  # type: ignore[union-attr]
            "r" * 65,
            connectors.identity,
        )


def test_a_request_claimed_by_another_worker_is_not_made(
    start_run: StartRun, flaky_model: FlakyModelServer
) -> None:
    worker = start_run(1)
    found = worker.journal.find_row("1")
    assert found is not None
    assert worker.journal.claim(found.request_key, "another worker", 1.5).busy_s == 0
    retry_after_s = worker.process_row("1")
    assert retry_after_s is not None
    assert 0 < retry_after_s <= 1.5
    assert flaky_model.log.calls == 0
    time.sleep(retry_after_s + 0.1)  # the other worker was killed, and its claim has ended
    assert worker.process_row("1") is None
    assert flaky_model.log.captioned == {1: 1}


def test_a_paid_result_is_not_requested_again_after_a_kill(
    start_run: StartRun, database: str, flaky_model: FlakyModelServer
) -> None:
    worker = start_run(1)
    found = worker.journal.find_row("1")
    assert found is not None
    worker.journal.claim(found.request_key, "killed", 0.1)
    paid = RequestResult(
        (TextResult("concise", "en", "A mug that was paid for.", model="m1"),), attempts=1
    )
    worker.journal.record_result(found.request_key, paid)
    time.sleep(0.2)
    assert worker.process_row("1") is None
    assert read_rows(database) == [("A mug that was paid for.", "ai")]
    assert flaky_model.log.calls == 0


def test_rows_with_the_same_request_share_one_call(
    start_run: StartRun, database: str, flaky_model: FlakyModelServer
) -> None:
    worker = start_run(0)
    for key in (1, 2):
        run_sql(
            database,
            "INSERT INTO products (id, image_url, name) VALUES (:id, :image, 'Mug, row-1')",
            id=key, image=flaky_model.image_url(1),
        )  # fmt: skip
    for key in ("1", "2"):
        assert worker.process_row(key) is None  # no scan has seen them: read from the table
    assert read_rows(database) == [(CAPTION, "ai")] * 2
    assert flaky_model.log.captioned == {1: 1}


def test_a_row_that_a_person_filled_is_neither_requested_nor_changed(
    start_run: StartRun, database: str, flaky_model: FlakyModelServer
) -> None:
    worker = start_run(2)
    run_sql(database, "UPDATE products SET alt = 'Mine.', alt_source = 'human' WHERE id = 1")
    assert worker.process_row("1") is None
    assert flaky_model.log.calls == 0
    assert worker.journal.find_row("1") is None
    found = worker.journal.find_row("2")
    assert found is not None
    answer = RequestResult((TextResult("concise", "en", CAPTION, model="m1"),))
    worker.journal.claim(found.request_key, "me", 1)
    run_sql(database, "UPDATE products SET alt = 'Mine.', alt_source = 'human' WHERE id = 2")
    worker.journal.record_result(found.request_key, answer)
    assert worker.process_row("2") is None
    assert read_rows(database) == [("Mine.", "human")] * 2


@on_both_databases
def test_a_worker_leaves_columns_of_the_users_own(start_run: StartRun, database: str) -> None:
    worker = start_run(
        2, rules=HoldRules.parse(patterns=["row-2"]), of_the_user={"reasons": "sale"}
    )
    assert worker.process_row("1") is None
    assert worker.process_row("2") is None
    found = run_sql(database, "SELECT alt_source, reasons FROM products ORDER BY id")
    assert found == [("ai", "sale"), ("uncertain", "sale")]


def test_workers_apply_the_hold_rules_of_the_run(start_run: StartRun, database: str) -> None:
    worker = start_run(1, rules=HoldRules.parse(patterns=["mug"]))
    assert worker.process_row("1") is None
    assert read_rows(database) == [(None, "uncertain")]
    found = worker.journal.outcomes.find_outcome("1")
    assert found is not None
    assert found[1].is_held
    assert worker.journal.outcomes.read_counts().held == 1


@on_both_databases
def test_a_text_that_the_table_refuses_goes_to_review(start_run: StartRun, database: str) -> None:
    worker = start_run(1)
    run_sql(database, "ALTER TABLE products ADD CONSTRAINT short CHECK (char_length(alt) < 9)")
    assert worker.process_row("1") is None
    assert read_rows(database) == [(None, "uncertain")]
    found = worker.journal.outcomes.find_outcome("1")
    assert found is not None
    assert "the table does not take it" in found[1].reasons[0]
    assert found[1].draft == CAPTION


@on_both_databases
def test_a_locked_row_keeps_its_paid_result_for_later(
    start_run: StartRun,
    database: str,
    flaky_model: FlakyModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("altwright.backfill.database.LOCK_WAIT_S", 1)
    worker = start_run(1)
    engine = sa.create_engine(database)
    with engine.begin() as editor:
        editor.execute(sa.text("UPDATE products SET name = name WHERE id = 1"))
        with pytest.raises(sa.exc.DBAPIError):
            worker.process_row("1")
        editor.rollback()
    engine.dispose()
    assert worker.process_row("1") is None
    assert read_rows(database) == [(CAPTION, "ai")]
    assert flaky_model.log.captioned == {1: 1}


def test_a_quota_stops_every_worker_and_the_row_waits(
    start_run: StartRun, make_fault_proxy: Callable[[str], FaultProxy], command: BackfillCommand
) -> None:
    proxy = make_fault_proxy(command.env["ALTWRIGHT_URL"])
    worker = start_run(2, url=proxy.url)
    proxy.always(problem(429, "rate_limited", retry_after="7200"))
    assert worker.process_row("1") is None
    stop = worker.journal.stop
    assert stop is not None
    assert stop.kind is StopKind.LATER
    assert "come back after" in stop.message
    seen = len(proxy.requests)
    assert worker.process_row("2") is None
    assert len(proxy.requests) == seen
    assert worker.journal.count_rows("pending") == 2
    worker.journal.set_stop(None)
    assert worker.journal.stop is None


def test_a_server_that_is_down_does_not_stop_other_workers(
    start_run: StartRun, make_fault_proxy: Callable[[str], FaultProxy], command: BackfillCommand
) -> None:
    proxy = make_fault_proxy(command.env["ALTWRIGHT_URL"])
    worker = start_run(1, url=proxy.url)
    proxy.always(problem(503, "overloaded", retry_after="1"))
    retry_after_s = worker.process_row("1")
    assert retry_after_s is not None
    assert retry_after_s > 0
    assert worker.journal.stop is None
    assert worker.journal.count_rows("queued") == 1


def test_a_run_can_be_opened_again_and_its_name_is_not_given_to_another(
    start_run: StartRun, database: str
) -> None:
    worker = start_run(1)
    engine = sa.create_engine(database)
    identity = worker.journal.identity
    assert hold_rules_from_settings(identity.settings) == HoldRules()
    SharedJournal.create(engine, "products", identity)
    other = dataclasses.replace(identity, settings={**identity.settings, "locales": ["de"]})
    with pytest.raises(UsageError, match="with other locales"):
        SharedJournal.create(engine, "products", other)
    with pytest.raises(UsageError, match="no run 'shoes'"):
        _ = SharedJournal(engine, "shoes").identity
    engine.dispose()
