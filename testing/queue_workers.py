"""`altwright worker` processes on a queue, which a test may kill."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from testing.catalogue import COMMAND

_STOP_TIMEOUT_S = 15.0


class QueueWorkers:
    """Some worker processes with the same options, environment and log file."""

    def __init__(self, count: int, options: list[str], env: dict[str, str], log: Path) -> None:
        self._options = options
        self._env = env
        self._log = log.open("ab")
        self._random = random.Random(5)
        self.kills = 0
        self.processes = [self._start() for _ in range(count)]

    def kill_one(self) -> None:
        """Kill one with SIGKILL, and start another in its place."""
        number = self._random.randrange(len(self.processes))
        self.processes[number].kill()
        self.processes[number].wait()
        self.kills += 1
        self.processes[number] = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        deadline_s = time.monotonic() + _STOP_TIMEOUT_S
        for process in self.processes:
            try:
                process.wait(max(0.1, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [COMMAND, "worker", *self._options], env={**os.environ, **self._env},
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
