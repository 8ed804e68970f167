"""Single sentences of docs/backfill.md that no other test shows."""

import asyncio
import os
import pty
import socket
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
from altwright.backfill.journal import writer
from altwright.backfill.journal.journal import Journal
from altwright.backfill.journal.writer import JournalWriter
from altwright.backfill.run_state import RunIdentity
from altwright.backfill.stop_reason import StopKind, StopReason
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row

from testing.catalogue import COMMAND, BackfillCommand, blank_row, write_csv
from testing.servers.flaky_model_server import FlakyModelServer

_SSL_REQUEST_BYTES = 8
_ASK_FOR_PASSWORD = b"R" + (8).to_bytes(4) + (3).to_bytes(4)


def _take_password(listener: socket.socket, found: list[bytes]) -> None:
    """Speak PostgreSQL's protocol until the client has sent its password."""
    connection, _ = listener.accept()
    with connection:
        start = connection.recv(4_096)
        if len(start) == _SSL_REQUEST_BYTES:
            connection.sendall(b"N")
            connection.recv(4_096)
        connection.sendall(_ASK_FOR_PASSWORD)
        found.append(connection.recv(4_096))


@pytest.mark.parametrize("place", ["PGPASSWORD", ".pgpass"])
def test_a_password_comes_from_where_the_databases_own_tools_read_it(
    command: BackfillCommand, tmp_path: Path, place: str
) -> None:
    file = tmp_path / "passwords"
    file.write_text("*:*:*:*:hunter2\n")
    file.chmod(0o600)
    env = {"PGPASSWORD": "hunter2"} if place == "PGPASSWORD" else {"PGPASSFILE": str(file)}
    found: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_take_password, args=(listener, found))
        thread.start()
        port = listener.getsockname()[1]
        url = f"postgresql://shop@127.0.0.1:{port}/shop"
        completed = command.run(url, "--table", "products", **env)
        thread.join(10)
    assert completed.returncode == 2
    assert b"hunter2\0" in found[0]
    assert "hunter2" not in completed.stderr


def test_a_terminal_shows_a_bar_with_rate_outcomes_and_money(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    flaky_model.behaviour.response_s = 0.5
    write_csv(command.folder / "in.csv", (blank_row(n, flaky_model.image_url(n)) for n in (1, 2)))
    ours, theirs = pty.openpty()
    arguments = ["in.csv", "--to", "out.csv", "--concurrency", "1", "--price-in", "1"]
    process = subprocess.Popen(
        [COMMAND, "backfill", *arguments], cwd=command.folder, stderr=theirs, close_fds=True,
        env={**command.env, "TERM": "xterm", "COLUMNS": "150"}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    assert "━" in text
    assert all(each in text for each in ("1 of 2", "/min", "1 ai", "0.00 spent"))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other side is closed
        return b""


def test_a_full_disk_is_tried_four_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_RETRY_DELAYS_S", (0.0,) * len(writer._RETRY_DELAYS_S))
    tries: list[int] = []

    def fail(*_: object) -> None:
        tries.append(1)
        raise sqlite3.OperationalError("database or disk is full")

    def decide(row: Row, result: RequestResult) -> Outcome:
        return Outcome(row.key, AltSource.AI, result)

    with Journal.open(tmp_path / "j", RunIdentity("s", "t", {})) as journal:
        monkeypatch.setattr(journal, "record_results", fail)

        async def record() -> StopReason | None:
            journal_writer = JournalWriter(journal, decide)
            await journal_writer.record("a request", RequestResult(), is_complete=True)
            await journal_writer.close()
            return journal_writer.stop

        stop = asyncio.run(record())
    assert stop is not None
    assert stop.kind is StopKind.DISK
    assert len(tries) == 4
