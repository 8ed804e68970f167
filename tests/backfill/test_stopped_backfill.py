"""Runs that end early: one line, the right exit code, and nothing is lost."""

import resource
import signal
import subprocess
import time
from asyncio import StreamWriter
from collections import Counter

import pyarrow.parquet
import pytest

from testing.catalogue import COMMAND, BackfillCommand, blank_row, read_csv, wait_until, write_csv
from testing.servers.fault_proxy import (
    Action,
    FaultProxy,
    RecordedRequest,
    forward,
    http_response,
    problem,
)
from testing.servers.flaky_model_server import FlakyModelServer

CSV = ("in.csv", "--to", "out.csv")


@pytest.fixture
def catalogue(command: BackfillCommand, flaky_model: FlakyModelServer) -> BackfillCommand:
    """Forty blank rows."""
    write_csv(
        command.folder / "in.csv", (blank_row(n, flaky_model.image_url(n)) for n in range(1, 41))
    )
    return command


def test_a_wrong_key_stops_before_the_first_picture(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    completed = catalogue.run(*CSV, ALTWRIGHT_API_KEY="wrong")
    assert completed.returncode == 77
    assert "The key is refused" in completed.stderr
    assert flaky_model.log.calls == 0


def refuse(status: int) -> Action:
    """Refuse as a firewall in front of the server does: with a page."""

    async def act(_proxy: FaultProxy, _request: RecordedRequest, writer: StreamWriter) -> None:
        page = b"<html><body>Request blocked</body></html>"
        writer.write(http_response(status, page, content_type="text/html"))

    return act


@pytest.mark.parametrize("status", [403, 413])
def test_a_row_that_a_firewall_refuses_does_not_end_the_run(
    catalogue: BackfillCommand, make_fault_proxy: type[FaultProxy], status: int
) -> None:
    proxy = make_fault_proxy(catalogue.env["ALTWRIGHT_URL"])
    catalogue.env["ALTWRIGHT_URL"] = proxy.url
    proxy.then(forward, refuse(status))
    summary = catalogue.run_json(*CSV, exit_code=1)
    assert summary["outcomes"] == summary["outcomes"] | {"ai": 39, "failed": 1, "pending": 0}
    assert summary["stopped"] is None
    [failed] = [r for r in read_csv(catalogue.folder / "out.csv") if r["alt_source"] == "failed"]
    assert failed["reasons"] == "unexpected_answer"


def test_a_firewall_that_refuses_every_row_stops_the_run(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer, make_fault_proxy: type[FaultProxy]
) -> None:
    proxy = make_fault_proxy(catalogue.env["ALTWRIGHT_URL"])
    catalogue.env["ALTWRIGHT_URL"] = proxy.url
    proxy.then(forward).always(refuse(403))
    summary = catalogue.run_json(*CSV, exit_code=2)
    assert summary["outcomes"]["pending"] == 40
    assert flaky_model.log.calls == 0


def test_a_limit_reaches_rows_that_have_not_been_tried_before_those_that_failed(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    names = [f"missing-{n}" for n in range(3)] + [str(n) for n in range(3)]
    rows = [blank_row(n, flaky_model.image_url(name)) for n, name in enumerate(names)]
    write_csv(command.folder / "in.csv", rows)
    assert command.run_json(*CSV, "--limit", "3", exit_code=1)["outcomes"]["failed"] == 3
    summary = command.run_json(*CSV, "--limit", "3", exit_code=1)
    assert summary["outcomes"] == summary["outcomes"] | {"ai": 3, "failed": 3}


def test_a_key_revoked_during_the_run_stops_it_and_loses_nothing(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer, make_fault_proxy: type[FaultProxy]
) -> None:
    flaky_model.behaviour.response_s = 0.02
    proxy = make_fault_proxy(catalogue.env["ALTWRIGHT_URL"])
    direct = catalogue.env["ALTWRIGHT_URL"]
    catalogue.env["ALTWRIGHT_URL"] = proxy.url
    proxy.then(*[forward] * 18).always(problem(401, "unauthorized"))
    completed = catalogue.run(*CSV)
    assert completed.returncode == 77
    captioned = flaky_model.log.captioned.total()
    assert captioned == 17  # one was the list of styles
    states = Counter(row["alt_source"] for row in read_csv(catalogue.folder / "out.csv"))
    assert states == {"ai": 17, "pending": 23}
    catalogue.env["ALTWRIGHT_URL"] = direct
    assert catalogue.run_json(*CSV)["calls"] == 23


@pytest.mark.usefixtures("own_server")
def test_a_daily_quota_ends_the_run_with_75_and_the_time_to_retry(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    flaky_model.behaviour.quota_after = 12
    summary = catalogue.run_json(*CSV, exit_code=75)
    assert 12 <= summary["outcomes"]["ai"] < 40
    assert summary["outcomes"]["failed"] == 0
    assert summary["come_back_at"].endswith(" UTC")
    assert "The quota is used up (model_unavailable): come back after" in summary["stopped"]


@pytest.mark.usefixtures("own_server")
def test_a_quota_is_found_with_several_styles_too(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(
        command.folder / "in.csv", (blank_row(n, flaky_model.image_url(n)) for n in range(1, 11))
    )
    flaky_model.behaviour.quota_after = 0
    summary = command.run_json(*CSV, "--styles", "concise,seo", exit_code=75)
    assert "come back after" in summary["stopped"]
    assert summary["outcomes"]["pending"] == 10


def test_a_server_that_is_down_leaves_every_row_pending(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    started_s = time.monotonic()
    summary = catalogue.run_json(
        *CSV, "--patience", "0.02", exit_code=75, ALTWRIGHT_URL="http://127.0.0.1:9"
    )
    assert time.monotonic() - started_s < 15
    assert summary["outcomes"]["pending"] == 40
    assert "has not accepted a picture" in summary["stopped"]


@pytest.mark.usefixtures("own_server")
def test_a_model_server_that_is_down_leaves_its_rows_pending(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    flaky_model.behaviour.down = True
    summary = catalogue.run_json(*CSV, "--patience", "0.02", exit_code=75)
    assert summary["outcomes"]["pending"] == 40
    assert summary["outcomes"]["failed"] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.slow
def test_a_signal_stops_cleanly_and_calls_in_flight_are_recorded(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer, number: signal.Signals, code: int
) -> None:
    flaky_model.behaviour.response_s = 0.3
    process = catalogue.start(*CSV)
    wait_until(lambda: flaky_model.log.calls >= 12, process)
    process.send_signal(number)
    assert process.wait(20) == code
    captioned = flaky_model.log.captioned.total()
    states = Counter(row["alt_source"] for row in read_csv(catalogue.folder / "out.csv"))
    assert states == {"ai": captioned, "pending": 40 - captioned}
    assert catalogue.run_json(*CSV)["calls"] == 40 - captioned
    assert flaky_model.log.captioned.total() == 40


def test_two_runs_on_one_journal_are_refused(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    flaky_model.behaviour.response_s = 0.5
    process = catalogue.start(*CSV)
    try:
        wait_until(lambda: flaky_model.log.calls >= 1, process)
        completed = catalogue.run(*CSV)
        assert completed.returncode == 2
        assert "Another run works with out.csv.journal at the moment" in completed.stderr
    finally:
        process.terminate()  # so that its calls do not reach the model server in another test
        process.wait(30)


def test_a_disk_too_full_for_the_journal_stops_the_run_before_any_call(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    completed = _run_with_file_size_limit(catalogue, 40_000)
    assert completed.returncode == 74, completed.stderr
    assert "cannot be" in completed.stderr
    assert flaky_model.log.calls == 0


def test_a_disk_without_any_room_says_so_and_not_that_something_is_locked(
    catalogue: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    completed = _run_with_file_size_limit(catalogue, 0)
    assert completed.returncode == 74, completed.stderr
    last = completed.stderr.splitlines()[-1]
    assert last.endswith("Nothing was requested. Make room, then run the same command again.")
    assert "locked" not in last
    assert flaky_model.log.calls == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_run_with_74_and_the_next_run_resumes(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(n, flaky_model.image_url(n), text="x" * 400) for n in range(1, 301)]
    write_csv(command.folder / "in.csv", rows)
    # Enough for the rows, and for some of their results.
    completed = _run_with_file_size_limit(command, 750_000, "--concurrency", "16")
    assert completed.returncode == 74, completed.stderr
    assert "Make room and run the same command again." in completed.stderr
    paid = flaky_model.log.captioned.total()
    assert 16 < paid < 300
    assert command.run_json(*CSV)["outcomes"]["ai"] == 300
    assert flaky_model.log.captioned.total() - 300 <= 16


def test_a_damaged_source_stops_the_run_before_any_call(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    path = command.folder / "in.parquet"
    columns = {
        "id": list(range(50_000)),
        "image": [flaky_model.image_url(n) for n in range(50_000)],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    path.write_bytes(data)
    completed = command.run("in.parquet", "--to", "out.parquet")
    assert completed.returncode == 74
    assert "could not be read to its end" in completed.stderr
    assert flaky_model.log.calls == 0


def _run_with_file_size_limit(
    command: BackfillCommand, size: int, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run with a limit of the size of files, which acts as a full disk does."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [COMMAND, "backfill", *CSV, *arguments], cwd=command.folder, env=command.env,
        capture_output=True, text=True, timeout=90, stdin=subprocess.DEVNULL, check=False,
        preexec_fn=limit,
    )  # fmt: skip
