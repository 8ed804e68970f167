"""Runs a command of the product in a forked child, which may be killed or meet a fault.

A fork costs some milliseconds, a new interpreter half a second on a busy machine. The child's
clock runs faster, so that waits between retries cost a twentieth.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import importlib
import io
import os
import selectors
import signal
import sqlite3
import ssl
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer.main
from altwright.cli.main import run

from testing.histories.caption_stub import CaptionStub, SignalAt
from testing.histories.command_result import CommandResult, Fault, Pause

_CLOCK_FACTOR = 20.0
_TIMEOUT_S = 60.0
_QUEUE_MODULES = (
    "altwright.backfill.queue.consumer", "altwright.backfill.queue.feeder", "celery.apps.worker",
    "celery.bin.worker", "celery.concurrency.thread", "kombu.transport.redis",
)  # fmt: skip


class Commands:
    """Starts commands in one folder."""

    def __init__(self, stub: CaptionStub, folder: Path) -> None:
        self._stub = stub
        self._folder = folder
        self.signal_other = 0
        """Process that gets the fault's signal instead of the command; 0: none."""

    def start(self, arguments: Sequence[str]) -> int:
        """Start a command that goes on beside others; returns its process."""
        gate_read, gate_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(gate_write)
            output = self._folder.parent / "output-worker"
            _be_the_command(arguments, self._folder, self._stub.url, None, 0, output, gate_read)
        os.close(gate_read)
        os.close(gate_write)
        return pid

    def run(
        self, arguments: Sequence[str], fault: Fault | None = None, pause: Pause | None = None
    ) -> CommandResult:
        """Run a command to its end."""
        return self.run_all([arguments], fault, pause)[0]

    def run_all(
        self,
        commands: Sequence[Sequence[str]],
        fault: Fault | None = None,
        pause: Pause | None = None,
    ) -> list[CommandResult]:
        """Run commands at once; the fault and the pause are the first one's."""
        self._stub.command += 1
        number = self._stub.command
        self._stub.signal_at = None
        self._stub.set_pause(pause if pause is not None and pause.kind == "request" else None)
        stop_at = pause.number if pause is not None and pause.kind == "statement" else 0
        pids = []
        gate_read, gate_write = os.pipe()
        for index, arguments in enumerate(commands):
            own_fault = fault if index == 0 else None
            output = self._folder.parent / f"output-{index}"
            pid = os.fork()
            if pid == 0:
                os.close(gate_write)
                _be_the_command(
                    arguments, self._folder, self._stub.url, own_fault,
                    0 if index else stop_at, output, gate_read,
                )  # fmt: skip
            pids.append((pid, arguments, output, own_fault))
        if fault is not None and fault.kind in ("request", "answer"):
            self._stub.signal_at = SignalAt(
                self.signal_other or pids[0][0], fault.number, fault.signal, fault.kind == "answer"
            )
        os.close(gate_read)
        os.close(gate_write)
        results = []
        for pid, arguments, output, own_fault in pids:
            code = _wait(pid, pause)
            out, err = (
                Path(f"{output}.{name}").read_text("utf-8", "replace") for name in ("out", "err")
            )
            results.append(CommandResult(tuple(arguments), code, out, err, number, own_fault))
        self._stub.set_pause(None)
        return results


def load_modules(stub: CaptionStub, folder: Path) -> None:
    """Have this process import what commands import, so that each forked child has it already."""
    for name in _QUEUE_MODULES:
        importlib.import_module(name)
    tables = folder / "load.db"
    with contextlib.closing(sqlite3.connect(tables)) as connection:
        connection.execute("CREATE TABLE media (id INTEGER PRIMARY KEY, url TEXT, alt TEXT)")
        connection.execute("INSERT INTO media VALUES (1, 'https://img.example/p/ok-0.jpg', NULL)")
        connection.commit()
    source = folder / "load.csv"
    source.write_text("id,url,alt\n1,https://img.example/p/ok-0.jpg,\n")
    typer.main.get_command = functools.cache(typer.main.get_command)
    options = ["--base-url", stub.url, "--json"]
    journal = str(folder / "load.journal")
    with (
        contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),
        contextlib.redirect_stderr(io.StringIO()) as printed,
    ):
        for arguments in (
            ["backfill", str(source), "--to", str(folder / "load-out.csv"), *options],
            ["backfill", f"sqlite:///{tables}", "--table", "media", "--journal", journal, *options],
            ["review", journal, "--to", str(folder / "load.html")],
        ):
            code = run(arguments)
            assert code == 0, (arguments, code, printed.getvalue())


def _wait(pid: int, pause: Pause | None = None) -> int:
    end_s = time.monotonic() + _TIMEOUT_S
    pause_s = 0.002
    while True:
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if found and os.WIFSTOPPED(status):
            if pause is not None:
                pause.do(pause)
            os.kill(pid, signal.SIGCONT)
        elif found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end_s:
            os.kill(pid, signal.SIGABRT)
            end_s += 5
        time.sleep(pause_s)
        pause_s = min(0.02, pause_s * 1.2)


def _be_the_command(
    arguments: Sequence[str], folder: Path, url: str, fault: Fault | None, stop_at: int,
    output: Path, gate: int,
) -> None:  # fmt: skip
    """The child's whole life."""
    code = 70
    try:
        os.read(gate, 1)  # until the parent has set the signal
        for descriptor, name in ((1, "out"), (2, "err")):
            how = os.O_APPEND if output.name == "output-worker" else os.O_TRUNC
            opened = os.open(f"{output}.{name}", os.O_WRONLY | os.O_CREAT | how)
            os.dup2(opened, descriptor)
            os.close(opened)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        os.chdir(folder)
        for name in [each for each in os.environ if each.startswith("ALTWRIGHT_")]:
            del os.environ[name]
        os.environ |= {"ALTWRIGHT_URL": url, "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
        _speed_up()
        if fault is not None:
            _install_fault(fault)
        if stop_at and (fault is None or fault.kind != "statement"):
            _at_statement(stop_at, signal.SIGSTOP)
        gc.freeze()
        code = run(list(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - it ends here, and the oracle reads it
        traceback.print_exc()
        with contextlib.suppress(Exception):
            sys.stderr.flush()
    finally:
        os._exit(code)


def _speed_up() -> None:
    """A faster clock, and none of the certificates that a stub on loopback has no use for."""
    ssl.create_default_context = lambda *_, **__: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monotonic, sleep = time.monotonic, time.sleep
    time.monotonic = lambda: monotonic() * _CLOCK_FACTOR
    time.sleep = lambda seconds: sleep(float(seconds) / _CLOCK_FACTOR)
    select = selectors.DefaultSelector.select

    def fast_select(self: Any, timeout: float | None = None) -> Any:
        shorter = timeout if timeout is None or timeout <= 0 else timeout / _CLOCK_FACTOR
        return select(self, shorter)

    selectors.DefaultSelector.select = fast_select  # type: ignore[method-assign]
    asyncio.set_event_loop_policy(None)


def _install_fault(fault: Fault) -> None:
    """Watch what the command does, and end it or refuse it at the right moment."""
    left = fault.number

    def count() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if fault.kind == "rename" and event == "os.rename" and count():
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault.kind == "disk" and event == "open" and _is_write(values) and count():
            raise OSError(28, "No space left on device")

    if fault.kind == "statement":
        _at_statement(fault.number, signal.SIGKILL)
    else:
        sys.addaudithook(hook)


def _at_statement(number: int, signal_number: int) -> None:
    """Send the process a signal before its `number`th statement of SQLite."""
    left = number
    connect = sqlite3.connect

    def on_statement(_: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal_number)

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(on_statement)
        return connection

    sqlite3.connect = sqlite3.dbapi2.connect = traced  # type: ignore[assignment]


def _is_write(values: tuple[Any, ...]) -> bool:
    path, mode, _ = values
    is_write = isinstance(mode, str) and any(each in mode for each in "wxa+")
    return is_write and isinstance(path, (str, os.PathLike)) and not str(path).startswith("/dev")
