"""What one worker does with one row, against a real database and a real server."""

import dataclasses
import time
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from altwright import Altwright as Client
from altwright import UsageError
from altwright.backfill.connectors import open_connectors
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.queue.worker import RowWorker, WorkerOptions, hold_rules_from_settings
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.stop_reason import StopKind
from altwright.backfill.types import AltSource, RequestResult, TextResult
from altwright.throttle import AdaptiveThrottle

from testing.catalogue import Command
from testing.fleet import make_products, query
from testing.servers.fault_proxy import FaultProxy, problem
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.conftest import KEY

Begin = Callable[..., RowWorker]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """PostgreSQL; where a test is marked so, the other one, too."""
    url: str = request.getfixturevalue(getattr(request, "param", "postgresql"))
    return url


both = pytest.mark.parametrize("database", ["postgresql", "mysql"], indirect=True)


@pytest.fixture
def begin(database: str, flaky_model: FlakyModelServer, command: Command) -> Iterator[Begin]:
    """Makes a table of so many mugs and a run for it; gives the work of a worker."""
    clients: list[Client] = []

    def begun(count: int, *, url: str = "", rules: HoldRules | None = None) -> RowWorker:
        make_products(database, flaky_model, count)
        places = open_connectors(RunConfig(database, table="products"))
        facts = places.facts
        kept = {**facts.settings, "rules": dataclasses.asdict(rules or HoldRules())}
        journal = SharedJournal.make(
            places.target.engine,  # type: ignore[union-attr]
            "products",
            dataclasses.replace(facts, settings=kept),
        )
        scan_source(places, journal, OutcomeRules(places.spec.asked), lambda _: None)
        clients.append(Client(KEY, url or command.env["ALTWRIGHT_URL"], 15, max_retries=0))
        throttle = AdaptiveThrottle(concurrency=4, per_second=None)
        manner = WorkerOptions(lease_s=2, patience_s=0.5, longest_wait_s=60)
        return RowWorker("products", database, clients[-1], throttle, manner)

    yield begun
    for client in clients:
        client.close()


def rows(database: str) -> list[tuple[object, ...]]:
    """What the table says."""
    return query(database, "SELECT alt, alt_source FROM products ORDER BY id")


@both
def test_a_row_comes_to_its_outcome_in_table_and_journal_at_once(
    begin: Begin, database: str, flaky_model: FlakyModelServer
) -> None:
    work = begin(2)
    assert work.caption("1") is None
    assert rows(database) == [(CAPTION, "ai"), (None, None)]
    found = work.journal.outcomes.outcome("1")
    assert found is not None
    assert (found[1].alt, found[1].answer.texts[0].text) == (CAPTION, CAPTION)
    assert [row.key for row, _ in work.journal.outcomes.outcomes()] == ["1"]
    counts = work.journal.outcomes.counts()
    assert counts.by_state == {AltSource.AI: 1, AltSource.PENDING: 1}
    assert (counts.written, counts.attempts, counts.input_tokens) == (1, 1, 1_000)
    assert work.caption("1") is None  # the message comes again
    assert flaky_model.log.captioned == {1: 1}


def test_while_somebody_asks_nobody_else_does(begin: Begin, flaky_model: FlakyModelServer) -> None:
    work = begin(1)
    found = work.journal.row("1")
    assert found is not None
    assert work.journal.claim(found[1], "another worker", 1.5).busy_s == 0
    again_s = work.caption("1")
    assert again_s is not None
    assert 0 < again_s <= 1.5
    assert flaky_model.log.calls == 0
    time.sleep(again_s + 0.1)  # it was killed, and its claim has run out
    assert work.caption("1") is None
    assert flaky_model.log.captioned == {1: 1}


def test_an_answer_that_was_paid_is_not_bought_again_after_a_kill(
    begin: Begin, database: str, flaky_model: FlakyModelServer
) -> None:
    work = begin(1)
    found = work.journal.row("1")
    assert found is not None
    work.journal.claim(found[1], "killed", 0.1)
    paid = RequestResult(
        (TextResult("concise", "en", "A mug that was paid for.", model="m1"),), attempts=1
    )
    work.journal.keep(found[1], paid)
    time.sleep(0.2)
    assert work.caption("1") is None
    assert rows(database) == [("A mug that was paid for.", "ai")]
    assert flaky_model.log.calls == 0


def test_rows_that_would_ask_the_same_are_settled_by_one_call(
    begin: Begin, database: str, flaky_model: FlakyModelServer
) -> None:
    work = begin(0)
    for key in (1, 2):
        query(
            database,
            "INSERT INTO products (id, image_url, name) VALUES (:id, :image, 'Mug, row-1')",
            id=key, image=flaky_model.image_url(1),
        )  # fmt: skip
    for key in ("1", "2"):
        assert work.caption(key) is None  # no run has seen them: read from the table
    assert rows(database) == [(CAPTION, "ai")] * 2
    assert flaky_model.log.captioned == {1: 1}


def test_what_a_person_wrote_meanwhile_is_not_paid_and_not_touched(
    begin: Begin, database: str, flaky_model: FlakyModelServer
) -> None:
    work = begin(2)
    query(database, "UPDATE products SET alt = 'Mine.', alt_source = 'human' WHERE id = 1")
    assert work.caption("1") is None
    assert flaky_model.log.calls == 0
    assert work.journal.row("1") is None
    found = work.journal.row("2")
    assert found is not None
    answer = RequestResult((TextResult("concise", "en", CAPTION, model="m1"),))
    work.journal.claim(found[1], "me", 1)
    query(database, "UPDATE products SET alt = 'Mine.', alt_source = 'human' WHERE id = 2")
    work.journal.keep(found[1], answer)
    assert work.caption("2") is None
    assert rows(database) == [("Mine.", "human")] * 2


def test_a_rule_of_the_run_holds_on_every_machine(begin: Begin, database: str) -> None:
    work = begin(1, rules=HoldRules.of(patterns=["mug"]))
    assert work.caption("1") is None
    assert rows(database) == [(None, "uncertain")]
    found = work.journal.outcomes.outcome("1")
    assert found is not None
    assert found[1].is_held
    assert work.journal.outcomes.counts().held == 1


@both
def test_what_the_table_does_not_take_goes_to_review(begin: Begin, database: str) -> None:
    work = begin(1)
    query(database, "ALTER TABLE products ADD CONSTRAINT short CHECK (char_length(alt) < 9)")
    assert work.caption("1") is None
    assert rows(database) == [(None, "uncertain")]
    found = work.journal.outcomes.outcome("1")
    assert found is not None
    assert "the table does not take it" in found[1].reasons[0]
    assert found[1].draft == CAPTION


@both
def test_a_row_that_somebody_holds_keeps_its_paid_answer_for_later(
    begin: Begin, database: str, flaky_model: FlakyModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altwright.backfill.database.LOCK_WAIT_S", 1)
    work = begin(1)
    engine = sa.create_engine(database)
    with engine.begin() as editor:
        editor.execute(sa.text("UPDATE products SET name = name WHERE id = 1"))
        with pytest.raises(sa.exc.DBAPIError):
            work.caption("1")
        editor.rollback()
    engine.dispose()
    assert work.caption("1") is None
    assert rows(database) == [(CAPTION, "ai")]
    assert flaky_model.log.captioned == {1: 1}


def test_a_quota_is_told_to_every_worker_and_the_row_waits(
    begin: Begin, database: str, flaky_model: FlakyModelServer,
    make_fault_proxy: Callable[[str], FaultProxy],
    command: Command,
) -> None:  # fmt: skip
    proxy = make_fault_proxy(command.env["ALTWRIGHT_URL"])
    work = begin(2, url=proxy.url)
    proxy.always(problem(429, "rate_limited", retry_after="7200"))
    assert work.caption("1") is None
    stop = work.journal.stop
    assert stop is not None
    assert stop.why is StopKind.LATER
    assert "come back after" in stop.sentence
    seen = len(proxy.requests)
    assert work.caption("2") is None
    assert len(proxy.requests) == seen
    assert work.journal.count("pending") == 2
    work.journal.set_stop(None)
    assert work.journal.stop is None


def test_a_server_that_is_away_stops_nobody_else(
    begin: Begin, make_fault_proxy: Callable[[str], FaultProxy], command: Command
) -> None:
    proxy = make_fault_proxy(command.env["ALTWRIGHT_URL"])
    work = begin(1, url=proxy.url)
    proxy.always(problem(503, "overloaded", retry_after="1"))
    again_s = work.caption("1")
    assert again_s is not None
    assert again_s > 0
    assert work.journal.stop is None
    assert work.journal.count("queued") == 1


def test_the_same_run_may_go_on_and_another_may_not_take_its_name(
    begin: Begin, database: str
) -> None:
    work = begin(1)
    engine = sa.create_engine(database)
    facts = work.journal.facts
    assert hold_rules_from_settings(facts.settings) == HoldRules()
    SharedJournal.make(engine, "products", facts)
    other = dataclasses.replace(facts, settings={**facts.settings, "locales": ["de"]})
    with pytest.raises(UsageError, match="with other locales"):
        SharedJournal.make(engine, "products", other)
    with pytest.raises(UsageError, match="no run 'shoes'"):
        _ = SharedJournal(engine, "shoes").facts
    engine.dispose()
