"""A history whose runs go over a queue: PostgreSQL, Redis, and a worker that may be killed."""

from __future__ import annotations

import contextlib
import os
import signal

import sqlalchemy as sa

from testing.histories.caption_stub import CaptionStub
from testing.histories.command_result import CommandResult, Fault, Pause
from testing.histories.history import History
from testing.histories.oracle import Record
from testing.histories.world import World

_TIMEOUT_S, _LEASE_S = 200, 300
"""A twentieth of it for requests, by the faster clock; leases are by the real one, and end when
their worker is killed: see `_kill_worker`."""
_WORKER_KILL_PROBABILITY = 0.1


class QueueHistory(History):
    """Every run feeds a queue; the worker goes on between the commands."""

    def __init__(self, world: World, stub: CaptionStub, broker: str) -> None:
        self._worker_pid = 0
        self._seen: list[Record] = []
        self._has_run = False
        self._url, self._table = world.target[0], world.target[-1]
        self._queue = ["--broker", broker, "--queue-name", f"queue_{self._table}_{os.getpid()}"]
        super().__init__(world, stub)
        self._seen = world.source()

    def close(self) -> None:
        """End the worker."""
        self._kill_worker()
        log = self.folder.parent / "output-worker.err"
        if log.exists():
            self.oracle.check_log(log.read_text("utf-8", "replace"))

    @property
    def journal(self) -> list[str]:
        """The run's tables in the database."""
        return [self._url, "--run", self._table]

    def has_journal(self) -> bool:
        """Whether there has been a run."""
        return self._has_run

    def _arguments(self) -> list[str]:
        options = self.options
        found = ["backfill", *self.world.target, "--queue", "celery", *self._queue,
                 "--again-after", "3", "--patience", "500", "--json",
                 "--styles", ",".join(options.styles),
                 "--locales", ",".join(options.locales)]  # fmt: skip
        return [*found, "--hold-column", "note=hold-me"] if options.holds else found

    def _take_step(self) -> None:
        self._look_at_table(self._seen, "by the worker")
        super()._take_step()
        self._seen = self.world.source()

    def _backfill(
        self, extra: list[str], fault: Fault | None, pause: Pause | None = None
    ) -> CommandResult:
        self._start_worker()
        if "--limit" in extra and self.random.random() < 0.5:
            extra = []
        kills_worker = bool(fault) and self.random.random() < _WORKER_KILL_PROBABILITY
        if kills_worker:
            self.kills += 1
            self.oracle.lossy.add(self.stub.command + 1)
            self.commands.signal_other = self._worker_pid
        result = super()._backfill(extra, fault, pause)
        self._has_run = self._has_run or result.code != 2
        if kills_worker:
            self.commands.signal_other = 0
            self._kill_worker()
        return result

    def _draw_fault(self) -> Fault | None:
        if self.random.random() < 0.6:
            return None
        signals = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
        return Fault("request", self.random.randint(1, 4), self.random.choice(signals))

    def _draw_outage(self) -> bool:
        return False  # a worker tries such a row again after half a minute

    def _two_runs(self) -> None:
        self._start_worker()
        super()._two_runs()
        self._has_run = True

    def _forget(self) -> None:
        """Nobody deletes the tables of a run."""

    def _start_worker(self) -> None:
        if not self._worker_pid:
            self._worker_pid = self.commands.start([
                "worker", *self._queue, "--database", self._url, "--timeout", str(_TIMEOUT_S),
                "--lease", str(_LEASE_S), "--concurrency", str(self.concurrency),
            ])  # fmt: skip

    def _kill_worker(self) -> None:
        if self._worker_pid:
            os.kill(self._worker_pid, signal.SIGKILL)
            os.waitpid(self._worker_pid, 0)
            self._worker_pid = 0
            with contextlib.suppress(sa.exc.ProgrammingError):  # killed before there were tables
                self.world.table.execute("UPDATE altwright_answers SET claimed_until = 0")
