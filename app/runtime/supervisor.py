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

from uvicorn.config import STARTUP_FAILURE

_logger = logging.getLogger(__name__)

_POLL_S = 0.1
_RESTART_PAUSE_S = 1.0


def run_processes(count: int, sock: socket.socket) -> int:
    """Keep `count` server processes running until SIGTERM or SIGINT; returns the exit code.

    A process that dies is replaced. One that cannot start ends all of them.
    """
    metrics_dir = tempfile.mkdtemp(prefix="altwright-metrics-")
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics_dir}
    is_stopping = False

    def stop(_sig: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "app", "serve", "--listen-fd", str(sock.fileno())],
            env=environment,
            pass_fds=[sock.fileno()],
            # A process group of its own: only this process gets Ctrl+C, and passes it on.
            process_group=0,
        )

    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, stop)
    processes = [start() for _ in range(count)]
    try:
        while not is_stopping:
            time.sleep(_POLL_S)
            for index, process in enumerate(processes):
                if process.poll() == STARTUP_FAILURE:
                    _logger.error("server_process.start_failed", extra={"pid": process.pid})
                    is_stopping = True
                elif process.returncode is not None and not is_stopping:
                    _logger.warning(
                        "server_process.died",
                        extra={"pid": process.pid, "exit_code": process.returncode},
                    )
                    time.sleep(_RESTART_PAUSE_S)
                    processes[index] = start()
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait() for process in processes]
        shutil.rmtree(metrics_dir, ignore_errors=True)
    if any(code == STARTUP_FAILURE for code in codes):
        return STARTUP_FAILURE
    # A process that was only starting dies of our SIGTERM; it had no request to answer.
    return int(any(code not in (0, -signal.SIGTERM) for code in codes))
