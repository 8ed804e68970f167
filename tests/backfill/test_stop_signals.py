"""SIGINT and SIGTERM in every phase: one line that says what to do next, and nothing is lost."""

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from altwright.backfill.stop_signals import Stopped, StopSignals

from testing.catalogue import COMMAND, BackfillCommand, blank_row, wait_until, write_csv
from testing.products_table import create_products
from testing.servers.flaky_model_server import FlakyModelServer
from tests.backfill.review.filled_table import FilledTable, write_decisions

SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


def start(command: BackfillCommand, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command with its error output readable."""
    return subprocess.Popen(
        [COMMAND, *arguments], cwd=command.folder, env=command.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


class Relay:
    """Passes a TCP connection on to a port of loopback, until it is told to hang."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sockets: list[socket.socket] = []
        self._may_pass = threading.Event()
        self._may_pass.set()
        self._holds_data = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def hang(self) -> None:
        """Keep connections open, and pass nothing."""
        self._may_pass.clear()

    def wait_until_it_holds_data(self) -> None:
        """Return once somebody waits for an answer to something that was not passed on."""
        assert self._holds_data.wait(60)

    def go_on(self) -> None:
        """Pass everything on again."""
        self._may_pass.set()

    def close(self) -> None:
        """End."""
        self._may_pass.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not self._may_pass.is_set():
                    self._holds_data.set()
                self._may_pass.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def relay(postgresql: str) -> Iterator[Relay]:
    """In front of PostgreSQL."""
    made = Relay(sa.engine.make_url(postgresql).port or 5432)
    yield made
    made.close()


def test_the_first_signal_raises_or_is_passed_on() -> None:
    passed: list[bool] = []
    with StopSignals("advice") as signals, signals.passed_to(passed.append):
        signal.raise_signal(signal.SIGTERM)
    assert passed == [False]
    with pytest.raises(Stopped, match="advice") as raised, StopSignals("advice"):
        signal.raise_signal(signal.SIGINT)
    assert raised.value.exit_code == 130


@SIGNALS
def test_a_signal_while_the_source_is_read_says_that_nothing_was_requested(
    command: BackfillCommand, flaky_model: FlakyModelServer, number: signal.Signals, code: int
) -> None:
    rows = (blank_row(n, f"https://a.example/{n}.jpg") for n in range(150_000))
    write_csv(command.folder / "in.csv", rows)
    process = start(command, "backfill", "in.csv", "--to", "out.csv")
    wait_until((command.folder / "out.csv.journal-wal").exists, process)
    process.send_signal(number)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == code, printed
    last = printed.splitlines()[-1]
    assert last.startswith("altwright: stopped while the source was read: nothing was requested.")
    assert flaky_model.log.calls == 0


@SIGNALS
@pytest.mark.slow
def test_a_second_signal_ends_a_run_whose_database_hangs(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    postgresql: str,
    relay: Relay,
    number: signal.Signals,
    code: int,
) -> None:
    flaky_model.behaviour.response_s = 0.2
    create_products(postgresql, flaky_model, 200)
    url = sa.engine.make_url(postgresql).set(port=relay.port).render_as_string(False)
    process = start(command, "backfill", url, "--table", "products")
    wait_until(lambda: flaky_model.log.calls >= 8, process)
    relay.hang()
    relay.wait_until_it_holds_data()
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(3)
    process.send_signal(number)
    _, printed = process.communicate(timeout=20)
    assert process.returncode == code, printed
    assert "the same command continues from there" in printed.splitlines()[-1]
    relay.go_on()
    summary = command.run_json(url, "--table", "products")
    assert summary["outcomes"]["ai"] == 200
    assert flaky_model.log.captioned.total() <= 200 + 8


def test_a_signal_while_a_file_is_written_leaves_the_old_file_and_pays_nothing_again(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    described = [blank_row(n, "https://a.example/x.jpg", text="x" * 50) for n in range(60_000)]
    for row in described:
        row["alt"] = "A mug."
    rows = [{**blank_row(99_999, flaky_model.image_url(1)), "text": ""}, *described]
    write_csv(command.folder / "in.csv", rows)
    process = start(command, "backfill", "in.csv", "--to", "out.csv")
    partial = command.folder / ".out.csv.part"
    wait_until(lambda: partial.exists() and partial.stat().st_size > 0, process)
    process.send_signal(signal.SIGTERM)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 143, printed
    assert "the same command writes it without a new request" in printed.splitlines()[-1]
    assert not (command.folder / "out.csv").exists()
    assert command.run_json("in.csv", "--to", "out.csv")["calls"] == 0


def test_a_signal_while_decisions_are_applied_says_to_apply_them_again(
    command: BackfillCommand, tmp_path: Path, postgresql: str, relay: Relay
) -> None:
    url = sa.engine.make_url(postgresql).set(port=relay.port).render_as_string(False)
    filled = FilledTable(url, tmp_path)
    filled.engine.dispose()
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    relay.hang()
    arguments = ["apply", str(file), "--journal", str(filled.journal_path), "--database", url]
    process = start(command, *arguments)
    relay.wait_until_it_holds_data()
    process.terminate()
    _, printed = process.communicate(timeout=30)
    assert process.returncode == 143, printed
    assert "Apply the same file again" in printed
