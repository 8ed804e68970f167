"""Workers on a queue, as processes that may be killed, and the table that they fill."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from testing.catalogue import COMMAND
from testing.servers.flaky_model_server import FlakyModelServer

_AUDIT = {"alt_source": 32, "alt_locale": 35, "alt_model": 255, "reasons": 2000}


def make_products(url: str, flaky_model: FlakyModelServer, count: int) -> None:
    """A table of blank mugs, with audit columns."""
    engine = sa.create_engine(url)
    table = sa.Table(
        "products", sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("image_url", sa.String(500)), sa.Column("name", sa.String(100)),
        sa.Column("alt", sa.String(300)),
        *(sa.Column(name, sa.String(length)) for name, length in _AUDIT.items()),
    )  # fmt: skip
    table.create(engine)
    rows = [
        {"id": n, "image_url": flaky_model.image_url(n), "name": f"Mug, row-{n}"}
        for n in range(1, count + 1)
    ]
    with engine.begin() as connection:
        if rows:
            connection.execute(table.insert(), rows)
    engine.dispose()


def query(url: str, sql: str, **values: object) -> list[tuple[object, ...]]:
    """What a statement finds, or changes."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            found = connection.execute(sa.text(sql), values)
            return [tuple(row) for row in found] if found.returns_rows else []
    finally:
        engine.dispose()


def states(url: str) -> Counter[str]:
    """How many rows of the table have which alt_source."""
    return Counter(str(source) for (source,) in query(url, "SELECT alt_source FROM products"))


class Fleet:
    """Some workers; `words` are the command's options, `env` its environment."""

    def __init__(self, count: int, words: list[str], env: dict[str, str], log: Path) -> None:
        self._words = words
        self._env = env
        self._log = log.open("ab")
        self._chance = random.Random(5)
        self.kills = 0
        self.workers = [self._start() for _ in range(count)]

    def kill_one(self) -> None:
        """With -9, at whatever it is, and start another in its place."""
        number = self._chance.randrange(len(self.workers))
        self.workers[number].kill()
        self.workers[number].wait()
        self.kills += 1
        self.workers[number] = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        until = time.monotonic() + 15
        for worker in self.workers:
            try:
                worker.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [COMMAND, "worker", *self._words], env={**os.environ, **self._env},
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip
