"""Two people, or a person and a feeder, who change a row of a queue's run at the same time."""

from collections.abc import Callable, Iterable

import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.queue.outcome_store import OutcomeStore
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.review.apply_decisions import ApplyResult, apply_to_table
from altwright.backfill.review.decisions import Decision, DecisionsFile
from altwright.backfill.review.review_item import run_id
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.targets.journaled_writes import record_in_journal, write_batch
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import Outcome, RequestResult, TextResult

from testing.products_table import create_products, run_sql
from testing.servers.flaky_model_server import FlakyModelServer


class QueueRun:
    """A run of a queue over one mug that the model is not sure of."""

    def __init__(self, url: str, flaky_model: FlakyModelServer) -> None:
        create_products(url, flaky_model, 1)
        self.url = url
        connectors = open_connectors(RunConfig(url, table="products"))
        assert isinstance(connectors.target, TableTarget)
        self.target = connectors.target
        self.journal = SharedJournal.create(self.target.engine, "products", connectors.identity)
        rules = OutcomeRules(connectors.config.caption_options)
        scan_source(connectors, self.journal, rules.decide, lambda _: None)
        found = self.journal.find_row("1")
        assert found is not None
        self.journal.claim(found.request_key, "worker", 60)
        result = RequestResult((TextResult("concise", "en", code="caption_uncertain"),))
        self.journal.record_result(found.request_key, result)
        self.journal.settle(found.request_key, result, rules.decide, self.target)

    def apply(self, reviewer: str, store: OutcomeStore | None = None) -> ApplyResult:
        """Apply what a reviewer decided about the page as it was after the run."""
        decision = Decision("1", "uncertain", "", "edit", f"By {reviewer}.", "2026-11-25T10:00:00Z",
                            reviewed_at="")  # fmt: skip
        file = DecisionsFile(run_id(self.journal.identity), reviewer, (decision,))
        return apply_to_table(store or self.journal.outcomes, file, self.target)

    @property
    def alt(self) -> object:
        """The text in the table."""
        [(found,)] = run_sql(self.url, "SELECT alt FROM products")
        return found


class InterruptedStore(OutcomeStore):
    """Lets others act before or after it stores a decision."""

    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None

    def replace_outcomes(self, outcomes: Iterable[Outcome]) -> set[str]:
        found = list(outcomes)
        if found and self.before is not None:
            act, self.before = self.before, None
            act()
        changed = super().replace_outcomes(found)
        if found and self.after is not None:
            act, self.after = self.after, None
            act()
        return changed


@pytest.fixture(params=["postgresql", "mysql"])
def queue_run(request: pytest.FixtureRequest, flaky_model: FlakyModelServer) -> QueueRun:
    """A run in each kind of database."""
    return QueueRun(request.getfixturevalue(request.param), flaky_model)


def test_of_two_people_who_decide_at_once_the_second_one_is_told(queue_run: QueueRun) -> None:
    store = InterruptedStore(queue_run.target.engine, "products")
    store.before = lambda: queue_run.apply("Ana")
    result = queue_run.apply("Bo", store)
    assert (result.applied, list(result.not_applied)) == ({}, ["1"])
    assert "at the same time" in result.not_applied["1"]
    assert queue_run.alt == "By Ana."
    found = queue_run.journal.outcomes.find_outcome("1")
    assert found is not None
    assert found[1].alt == "By Ana."


def test_a_decision_is_written_that_is_made_while_a_feeder_writes_the_row(
    queue_run: QueueRun,
) -> None:
    """The feeder marks what it has written, and not the decision that took its place."""
    feeder = queue_run.journal.outcomes
    run_sql(queue_run.url, "UPDATE altwright_rows SET written = 0")
    result = write_batch(queue_run.target, feeder.next_unwritten(100))
    store = InterruptedStore(queue_run.target.engine, "products")
    run_sql(queue_run.url, "UPDATE altwright_rows SET written = 1")
    store.after = lambda: record_in_journal(feeder, result)
    assert queue_run.apply("Ana", store).applied == {"1": "edit"}
    assert queue_run.alt == "By Ana."
