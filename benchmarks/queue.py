"""A backfill over Celery whose workers and feeder are killed with -9 again and again.

    .venv/bin/python -m benchmarks.queue --broker redis://127.0.0.1:6379/9 --rows 2000 --kills 40
    .venv/bin/python -m benchmarks.queue --broker amqp://guest:guest@127.0.0.1:5672// --rows 2000

A model's server that throws 429s, resets, refusals and long waits, the real server in front of it,
two workers, one feeder, and an editor who writes into the table meanwhile. At the end every row has
exactly one outcome, no text of the editor's has changed, and no more was paid twice than was in
flight at a kill. Needs PostgreSQL (a database of its own is made and dropped) and the broker.
"""

import argparse
import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa
from kombu import Connection, Queue
from testing.fleet import Fleet, make_products, query

from testing.catalogue import COMMAND
from testing.servers.altwright import Altwright
from testing.servers.flaky_model_server import CAPTION, Behaviour, FlakyModelServer

THREADS = 8
"""Of each of the two workers: so many calls may be in flight in one when it is killed."""
LEASE_S, TIMEOUT_S, AGAIN_S = 16.0, 12.0, 15.0
_HUMAN = "A person wrote this."


class Editor(threading.Thread):
    """Fills blank rows by hand, one every now and then."""

    def __init__(self, database: str, rows: int) -> None:
        super().__init__(daemon=True)
        self._database, self._rows = database, rows
        self.is_over = threading.Event()

    def run(self) -> None:
        """Until it is over."""
        chance = random.Random(3)
        while not self.is_over.wait(0.5):
            query(
                self._database,
                f"UPDATE products SET alt = '{_HUMAN}', alt_source = 'human'"
                " WHERE id = :key AND coalesce(alt, '') = ''",
                key=chance.randrange(1, self._rows + 1),
            )


def main() -> None:
    """Measure and print; exit code 1 where a promise did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--broker", required=True)
    parser.add_argument("--server", default="postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    name = f"altwright_bench_{os.urandom(4).hex()}"
    server = sa.create_engine(arguments.server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        database = f"{arguments.server.rpartition('/')[0]}/{name}"
        behaviour = Behaviour(
            rate_limit_probability=0.08,
            reset_probability=0.04,
            slow_probability=0.02,
            slow_response_s=3.0,
            response_s=0.05,
            refused_every=50,
            uncertain_every=70,
        )
        with FlakyModelServer(behaviour) as model, Altwright(**model.altwright_settings()) as api:
            failed = run(arguments, database, name, model, api.url)
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()
        with Connection(arguments.broker) as broker:
            Queue(name).bind(broker.default_channel).delete()
    print("held" if not failed else "did NOT hold: " + "; ".join(failed))
    raise SystemExit(bool(failed))


def run(
    arguments: argparse.Namespace, database: str, queue: str, model: FlakyModelServer, url: str
) -> list[str]:
    """The whole run; what did not hold."""
    make_products(database, model, arguments.rows)
    env = {**os.environ, "ALTWRIGHT_URL": url, "ALTWRIGHT_BROKER_URL": arguments.broker,
           "ALTWRIGHT_DATABASE_URL": database}  # fmt: skip
    words = ["--queue-name", queue, "--concurrency", str(THREADS), "--timeout", str(TIMEOUT_S),
             "--lease", str(LEASE_S)]  # fmt: skip
    editor = Editor(database, arguments.rows)
    editor.start()
    chance = random.Random(arguments.seed)
    began_s = time.monotonic()
    feeder_kills = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        Fleet(2, words, env, Path(folder) / "worker.log") as fleet,
    ):
        feeder = feed(database, queue, env)
        while fleet.kills < arguments.kills and feeder.poll() is None:
            time.sleep(chance.uniform(0.2, 4.0))
            fleet.kill_one()
            if chance.random() < 0.2:
                feeder.kill()
                feeder.wait()
                feeder_kills += 1
                feeder = feed(database, queue, env)
        code = feeder.wait()
        editor.is_over.set()
        editor.join()
        kills = fleet.kills
    took_s = time.monotonic() - began_s
    return told(arguments.rows, database, model, kills, feeder_kills, code, took_s)


def feed(database: str, queue: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """The command that puts rows on the queue."""
    return subprocess.Popen(
        [COMMAND, "backfill", database, "--table", "products", "--queue", "celery",
         "--queue-name", queue, "--again-after", str(AGAIN_S), "--window", "500"],
        env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def told(
    rows: int,
    database: str,
    model: FlakyModelServer,
    kills: int,
    feeder_kills: int,
    code: int,
    took_s: float,
) -> list[str]:
    """Print the figures; what did not hold."""
    table = query(database, "SELECT id, alt, alt_source FROM products")
    sources = Counter(str(source) for _, _, source in table)
    journal = query(
        database,
        "SELECT row_key, count(*), min(state) FROM altwright_rows GROUP BY row_key",
    )
    texts: dict[str, set[object]] = {
        "ai": {CAPTION}, "human": {_HUMAN}, "rejected": {None}, "uncertain": {None},
    }  # fmt: skip
    wrong = [(key, alt) for key, alt, source in table if alt not in texts.get(str(source), set())]
    twice = sum(count - 1 for count in model.log.captioned.values())
    print(f"{rows:,} rows in {took_s:.0f} s, {kills} workers and {feeder_kills} feeders killed")
    print(f"outcomes: {dict(sources)}; journal rows: {len(journal)}")
    print(f"model calls: {model.log.calls}, {dict(model.log.outcomes)}")
    print(f"bought twice: {twice} of {model.log.captioned.total()} "
          f"(in flight at the kills: at most {kills * THREADS})")  # fmt: skip
    return [
        sentence
        for held, sentence in (
            (code == 0, f"the feeder ended with {code}"),
            (sum(sources.values()) == rows, "a row is lost"),
            (set(sources) <= set(texts), f"rows without an outcome: {sources}"),
            (not wrong, f"a text is not what its source says: {wrong[:3]}"),
            (all(number == 1 for _, number, _ in journal), "a row has two outcomes"),
            (twice <= kills * THREADS, "more was bought twice than was in flight"),
        )
        if not held
    ]


if __name__ == "__main__":
    main()
