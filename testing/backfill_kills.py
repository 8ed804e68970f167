"""Kills a backfill again and again while people write into its table.

The editor and the checks connect to the database itself, the command to it or to a pooler.
"""

import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from testing.catalogue import COMMAND
from testing.servers.altwright import Altwright
from testing.servers.flaky_model_server import NUMBERED_CAPTION, Behaviour, FlakyModelServer

CONCURRENCY = 8
"""The command's default: the most calls in flight at a kill."""
_TABLE = ("CREATE TABLE {} (id int PRIMARY KEY, image_url varchar(500), name varchar(100),"
          " alt varchar(300), alt_source varchar(40))")  # fmt: skip
_LOCKED_S = 0.1
"""How long the writer of another table holds SQLite's only lock."""


@dataclass(frozen=True, slots=True)
class KillReport:
    """What a table has in the end, and what was paid."""

    exit_code: int
    """Of the last run, which nobody kills."""
    message: str
    """The end of what it wrote to standard error."""
    outcomes: dict[str, int]
    invalid: int
    """Rows without exactly one outcome."""
    misplaced: int
    """Rows with the text of another row, or of the other table."""
    edited: int
    lost: int
    """Edited rows that have another text."""
    paid_twice: int
    in_flight: int
    """The most calls that were in flight at the kills."""
    kills: int
    seconds: float
    writes: str
    """What people wrote meanwhile."""

    @property
    def holds(self) -> bool:
        """Whether every promise held."""
        is_right = not (self.invalid or self.misplaced or self.lost or self.exit_code)
        return is_right and self.paid_twice <= self.in_flight

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"exit code of the last run      {self.exit_code} {self.message}".rstrip(),
            f"outcomes in the table          {self.outcomes}",
            f"rows without exactly one       {self.invalid}",
            f"texts in another row or table  {self.misplaced}",
            f"rows that a person edited      {self.edited}, of these lost: {self.lost}",
            f"captions paid for twice        {self.paid_twice}",
            f"in flight at the kills         up to {self.in_flight}",
            f"meanwhile                      {self.writes}",
            f"{self.kills} kills, {self.seconds:.0f} s",
        ]


def kill_repeatedly(direct_url: str, url: str, rows: int, most_kills: int, seed: int) -> KillReport:
    """Kill the command repeatedly while people edit the table.

    In an empty database: people use `direct_url`, the command `url`.
    """
    behaviour = Behaviour(
        rate_limit_probability=0.02,
        reset_probability=0.01,
        slow_probability=0.01,
        slow_response_s=3.0,
        response_s=0.02,
        refused_every=97,
        uncertain_every=89,
        has_numbered_captions=True,
    )
    with (
        FlakyModelServer(behaviour) as model,
        Altwright(**model.altwright_settings()) as server,
    ):
        engine = sa.create_engine(direct_url, pool_pre_ping=True)
        _create_tables(engine, model, rows)
        people: list[_Editor] = [_Editor(engine, rows)]
        if engine.dialect.name == "sqlite":
            people.append(_OrderTaker(engine, rows))
        started_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "ALTWRIGHT_URL": server.url}
            command = [COMMAND, "backfill", url, "--table", "products"]
            for each in people:
                each.start()
            kills = _run_and_kill(command, env, folder, model, rows / (most_kills + 4),
                                  most_kills, seed)  # fmt: skip
            last_run = subprocess.run([*command, "--json"], cwd=folder, env=env, check=False,
                                      capture_output=True, text=True)  # fmt: skip
            for each in people:
                each.stop.set()
                each.join()
        seconds = time.monotonic() - started_s
        found = _read(engine, people[0])
        engine.dispose()
    return KillReport(
        exit_code=last_run.returncode,
        message=last_run.stderr[-300:] if last_run.returncode else "",
        paid_twice=model.log.captioned.total() - len(model.log.captioned),
        in_flight=kills * CONCURRENCY,
        kills=kills,
        seconds=seconds,
        writes=", ".join(each.describe() for each in people),
        **found,
    )


def _run_and_kill(
    command: list[str],
    env: dict[str, str],
    folder: str,
    model: FlakyModelServer,
    mean_calls: float,
    most_kills: int,
    seed: int,
) -> int:
    """Start and kill, each time after a random number of model calls. Returns the kills."""
    randomness = random.Random(seed)
    kills = 0
    while kills < most_kills:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        last_call = model.log.calls + randomness.uniform(0.1, 1.9) * mean_calls
        while model.log.calls < last_call and process.poll() is None:
            time.sleep(0.003)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
            process.wait()
        elif process.returncode == 0:
            break
    return kills


def _read(engine: sa.Engine, editor: "_Editor") -> dict[str, Any]:
    """The fields of the report that the tables tell."""
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT id, alt, alt_source FROM products")).all()
        others = connection.execute(sa.text("SELECT id FROM media WHERE alt IS NOT NULL")).all()
    misplaced = [
        row.id for row in rows
        if row.alt_source == "ai" and row.alt != NUMBERED_CAPTION.format(row.id)
    ]  # fmt: skip
    invalid = [
        row.id for row in rows
        if row.id not in editor.texts and not _has_one_outcome(row.alt, row.alt_source)
    ]  # fmt: skip
    return {
        "outcomes": dict(Counter(row.alt_source or "none" for row in rows)),
        "invalid": len(invalid),
        "misplaced": len(misplaced) + len(others),
        "edited": len(editor.texts),
        "lost": sum(editor.texts.get(row.id, row.alt) != row.alt for row in rows),
    }


def _has_one_outcome(alt: str | None, source: str | None) -> bool:
    if source == "ai":
        return bool(alt)
    return source in ("rejected", "uncertain") and not alt


class _Editor(threading.Thread):
    """A person who writes into rows at random, into some of them twice."""

    def __init__(self, engine: sa.Engine, rows: int) -> None:
        super().__init__(daemon=True)
        self._engine, self._rows = engine, rows
        self._random = random.Random(5)
        self.count = self.locked = 0
        self._was_locked = False
        self.texts: dict[int, str] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        """Write until `stop` is set."""
        while not self.stop.wait(0.4):
            self.count += 1
            self._write()

    def describe(self) -> str:
        """What was written."""
        return f"{self.count} edits ({self.locked} of them met a lock)"

    def _write(self) -> None:
        key, alt = self._random.randrange(1, self._rows + 1), f"By hand, {self.count}"
        update = sa.text("UPDATE products SET alt = :alt, alt_source = 'human' WHERE id = :id")
        with self._committed() as connection:
            connection.execute(update, {"alt": alt, "id": key})
        if not self._was_locked:
            self.texts[key] = alt

    @contextmanager
    def _committed(self) -> Iterator[sa.Connection]:
        """A transaction; a person who meets a lock or a deadlock gives up."""
        self._was_locked = False
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.OperationalError:
            self._was_locked = True
            self.locked += 1


class _OrderTaker(_Editor):
    """A program that writes into another table of SQLite, and holds its only lock meanwhile."""

    def describe(self) -> str:
        """What was written."""
        return f"{self.count} transactions of {_LOCKED_S:g} s in another table"

    def _write(self) -> None:
        with self._committed() as connection:
            connection.execute(sa.text("UPDATE orders SET count = count + 1"))
            time.sleep(_LOCKED_S)


def _create_tables(engine: sa.Engine, model: FlakyModelServer, count: int) -> None:
    with engine.begin() as connection:
        for name in ("products", "media"):
            connection.execute(sa.text(_TABLE.format(name)))
            connection.execute(
                sa.text(f"INSERT INTO {name} (id, image_url, name) VALUES (:id, :url, :name)"),
                [{"id": n, "url": model.image_url(n), "name": f"Mug, row-{n}"}
                 for n in range(1, count + 1)],
            )  # fmt: skip
        connection.execute(sa.text("CREATE TABLE orders (count int)"))
        connection.execute(sa.text("INSERT INTO orders VALUES (0)"))
