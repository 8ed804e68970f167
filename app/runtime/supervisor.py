"""Supervisor: several server processes on one listening socket (setting WORKERS)."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from types import FrameType

from prometheus_client import multiprocess
from uvicorn.config import STARTUP_FAILURE

_logger = logging.getLogger(__name__)

_POLL_S = 0.1
_RESTART_PAUSE_S = 1.0
_STOPPED_AT_START = (-signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGINT)
"""Exit codes of a process that did not handle signals yet."""


def run_processes(count: int, sock: socket.socket) -> int:
    """Keep `count` server processes running until SIGTERM or SIGINT; returns the exit code.

    A process that dies is replaced. One that cannot start ends all of them.
    """
    metrics_dir = tempfile.mkdtemp(prefix="altwright-metrics-")
    supervisor = _Supervisor(sock, metrics_dir)
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, supervisor.handle_signal)
    try:
        supervisor.start(count)
        supervisor.watch()
    finally:
        codes = supervisor.stop()
        shutil.rmtree(metrics_dir, ignore_errors=True)
    if any(code == STARTUP_FAILURE for code in codes):
        return STARTUP_FAILURE
    # A process that was only starting dies of our signal; it had no request to answer.
    return int(any(code not in (0, *_STOPPED_AT_START) for code in codes))


class _Supervisor:
    """The server processes. Only the very first one listens before it is ready.

    So /healthz and /readyz respond from the start. Another one would let requests wait meanwhile
    that a ready process can answer at once.
    """

    def __init__(self, sock: socket.socket, metrics_dir: str) -> None:
        self._sock = sock
        self._metrics_dir = metrics_dir
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stop_signal: int | None = None

    def handle_signal(self, sig: int, _frame: FrameType | None) -> None:
        """End `watch`. A second Ctrl+C is passed on: it stops the processes at once."""
        if self._stop_signal is None:
            self._stop_signal = sig
            return
        for process in self._processes:
            process.send_signal(sig)

    def start(self, count: int) -> None:
        """Start `count` processes."""
        for number in range(count):
            self._processes.append(self._start_one(listens_when_ready=number > 0))

    def watch(self) -> None:
        """Replace processes that die, until a signal arrives or one cannot start."""
        while self._stop_signal is None:
            time.sleep(_POLL_S)
            for index, process in enumerate(self._processes):
                if process.poll() == STARTUP_FAILURE:
                    _logger.error("server_process.start_failed", extra={"pid": process.pid})
                    self._stop_signal = self._stop_signal or signal.SIGINT
                elif process.returncode is not None and self._stop_signal is None:
                    _logger.warning(
                        "server_process.died",
                        extra={"pid": process.pid, "exit_code": process.returncode},
                    )
                    # Its gauges would be added to those of the others for ever. Its counters stay.
                    multiprocess.mark_process_dead(process.pid, self._metrics_dir)  # type: ignore[no-untyped-call]
                    time.sleep(_RESTART_PAUSE_S)
                    self._processes[index] = self._start_one(listens_when_ready=True)

    def stop(self) -> list[int]:
        """Pass the signal on, wait for the processes, and return their exit codes."""
        # With this copy open, the kernel would go on to accept connections that nobody reads.
        self._sock.close()
        for process in self._processes:
            # The same signal, because Ctrl+C needs no notice.
            process.send_signal(self._stop_signal or signal.SIGINT)
        return [process.wait() for process in self._processes]

    def _start_one(self, *, listens_when_ready: bool) -> subprocess.Popen[bytes]:
        descriptor = self._sock.fileno()
        options = ["--listen-when-ready"] if listens_when_ready else []
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "app", "serve", "--listen-fd", str(descriptor), *options],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._metrics_dir},
            pass_fds=[descriptor],
            # A process group of its own: only this process gets Ctrl+C, and passes it on.
            process_group=0,
        )
