"""Two runs over one table do not pay twice."""

import signal

import pytest

from testing.catalogue import BackfillCommand, wait_until
from testing.products_table import create_products
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
