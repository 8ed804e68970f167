"""A backfill with `--verify`: contradicted captions go to review with the evidence."""

import io
import re

import pytest
from altwright import Altwright as Client
from altwright.backfill.connectors import open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.queue.worker import RunWorker, WorkerOptions
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.types import AltSource, Outcome
from altwright.throttle import AdaptiveThrottle
from PIL import Image, ImageDraw

from testing.catalogue import BackfillCommand, blank_row, read_csv, write_csv
from testing.images import data_url
from testing.products_table import create_products, run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.conftest import KEY

CSV = ("in.csv", "--to", "out.csv")
WHITE_AND_BLUE, RED_AND_YELLOW = ("#2b9a40", "white", "#1f5fd0"), ("#2b9a40", "#e02020", "#f8dc30")


def picture(ground: str, disc: str, rim: str) -> str:
    """A data: URL of a disc. The model speaks of white with a blue rim, whatever it shows."""
    image = Image.new("RGB", (320, 240), ground)
    ImageDraw.Draw(image).ellipse((80, 40, 240, 200), fill=disc, outline=rim, width=24)
    file = io.BytesIO()
    image.save(file, "PNG")
    return data_url(file.getvalue(), "image/png")


def outcomes(command: BackfillCommand) -> list[Outcome]:
    with Journal.read(command.folder / "out.csv.journal") as journal:
        return [outcome for _, outcome in journal.iter_outcomes()]


def test_a_contradicted_caption_goes_to_review_and_its_checks_stay_in_the_journal(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """It is not written, its draft is not lost, and the next run pays for nothing."""
    rows = [
        blank_row(1, picture(*WHITE_AND_BLUE)),
        blank_row(2, picture(*RED_AND_YELLOW)),
    ]
    write_csv(command.folder / "in.csv", rows)
    summary = command.run_json(*CSV, "--verify")
    assert (summary["outcomes"]["ai"], summary["held"]) == (1, 1)
    true, lie = read_csv(command.folder / "out.csv")
    assert (true["alt"], true["alt_source"]) == (CAPTION, "ai")
    assert (lie["alt"], lie["alt_source"]) == ("", "uncertain")
    assert lie["reasons"] == (
        "held: colour_not_in_picture: the picture lacks a colour that it names (“White”, “blue”)"
    )
    written, held = outcomes(command)
    verdicts = {check.claim: check.verdict for check in written.result.texts[0].checks}
    assert (verdicts["White"], verdicts["blue"]) == ("confirmed", "confirmed")
    assert (held.alt_source, held.draft) == (AltSource.UNCERTAIN, CAPTION)
    checks = held.result.texts[0].checks
    assert [(c.kind, c.claim, c.verdict) for c in checks if c.kind == "colour"] == [
        ("colour", "White", "contradicted"),
        ("colour", "blue", "contradicted"),
    ]
    assert checks[0].seen is not None
    assert re.search(r"red #[d-f][0-9a-f]{5} \d+ %", checks[0].seen)
    calls = flaky_model.log.calls
    assert command.run_json(*CSV, "--verify")["calls"] == 0
    assert flaky_model.log.calls == calls


def test_whether_captions_are_verified_belongs_to_the_run(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """As its styles and languages do; a run without the option has the journal of before."""
    write_csv(command.folder / "in.csv", [blank_row(1, picture(*WHITE_AND_BLUE))])
    command.run_json(*CSV)
    assert outcomes(command)[0].result.texts[0].checks == ()
    with Journal.read(command.folder / "out.csv.journal") as journal:
        assert "verify" not in journal.identity.settings
    refused = command.run(*CSV, "--verify")
    assert refused.returncode == 2
    assert "is the journal of another run (with other verify)" in refused.stderr


@pytest.mark.slow
def test_a_worker_of_a_queue_verifies_as_the_run_says(
    postgresql: str, command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """The option travels in the run's identity, not in the worker's command."""
    create_products(postgresql, flaky_model, 1)
    run_sql(postgresql, "ALTER TABLE products ALTER image_url TYPE text")
    run_sql(postgresql, "UPDATE products SET image_url = :image", image=picture(*RED_AND_YELLOW))
    connectors = open_connectors(RunConfig(postgresql, table="products", verify=True))
    journal = SharedJournal.create(connectors.target.engine, "products", connectors.identity)  # type: ignore[union-attr]
    rules = OutcomeRules(connectors.config.caption_options)
    scan_source(connectors, journal, rules.decide, lambda _: None)
    with Client(KEY, command.env["ALTWRIGHT_URL"], 15, max_retries=0) as client:
        throttle = AdaptiveThrottle(concurrency=1, per_second=None)
        worker = RunWorker("products", postgresql, client, throttle, WorkerOptions())
        assert worker.process_row("1") is None
    assert run_sql(postgresql, "SELECT alt, alt_source FROM products") == [(None, "uncertain")]
    found = worker.journal.outcomes.find_outcome("1")
    assert found is not None
    assert found[1].is_held
    assert found[1].draft == CAPTION
    assert found[1].result.texts[0].checks[0].verdict == "contradicted"
