"""Measures a backfill over Celery whose workers and feeder are killed repeatedly.

    .venv/bin/python -m benchmarks.queue --broker redis://127.0.0.1:6379/9 --rows 2000 --kills 40
    .venv/bin/python -m benchmarks.queue --broker amqp://guest:guest@127.0.0.1:5672// --rows 2000

A model server with rate limits, resets, refusals and slow responses, the real server, two workers,
one feeder, and an editor who writes into the table. At the end every row must have exactly one
outcome, the editor's texts must be unchanged, and no more may be paid for twice than was in flight
at the kills. Needs PostgreSQL, where it creates a database and drops it, and the broker.
"""

import argparse
import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from kombu import Connection, Queue

from benchmarks.temporary_database import DEFAULT_SERVER, temporary_database
from testing.catalogue import COMMAND
from testing.products_table import create_products, run_sql
from testing.queue_workers import QueueWorkers
from testing.servers.altwright import Altwright
from testing.servers.flaky_model_server import CAPTION, Behaviour, FlakyModelServer

THREADS = 8
"""Of each of the two workers: the most calls in flight at a kill."""
LEASE_S, TIMEOUT_S, RESEND_AFTER_S = 16.0, 12.0, 15.0
_EDITED = "A person wrote this."


@dataclass(frozen=True, slots=True)
class Measured:
    """What happened during the run."""

    worker_kills: int
    feeder_kills: int
    exit_code: int
    seconds: float


class Editor(threading.Thread):
    """Fills blank rows by hand, one now and then."""

    def __init__(self, database: str, rows: int) -> None:
        super().__init__(daemon=True)
        self._database, self._rows = database, rows
        self.stop = threading.Event()

    def run(self) -> None:
        """Edit until `stop` is set."""
        randomness = random.Random(3)
        while not self.stop.wait(0.5):
            run_sql(
                self._database,
                f"UPDATE products SET alt = '{_EDITED}', alt_source = 'human'"
                " WHERE id = :key AND coalesce(alt, '') = ''",
                key=randomness.randrange(1, self._rows + 1),
            )


def main() -> None:
    """Measure and print; exit code 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--server", default=DEFAULT_SERVER)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    behaviour = Behaviour(
        rate_limit_probability=0.08,
        reset_probability=0.04,
        slow_probability=0.02,
        slow_response_s=3.0,
        response_s=0.05,
        refused_every=50,
        uncertain_every=70,
    )
    with temporary_database(arguments.server) as database:
        queue = database.rpartition("/")[2]
        try:
            with (
                FlakyModelServer(behaviour) as model,
                Altwright(**model.altwright_settings()) as server,
            ):
                create_products(database, model, arguments.rows)
                measured = run_and_kill(arguments, database, queue, server.url)
                broken = find_broken_promises(arguments.rows, database, model, measured)
        finally:
            with Connection(arguments.broker) as broker:
                Queue(queue).bind(broker.default_channel).delete()
    print("held" if not broken else "did NOT hold: " + "; ".join(broken))
    raise SystemExit(bool(broken))


def run_and_kill(
    arguments: argparse.Namespace, database: str, queue: str, server_url: str
) -> Measured:
    """Run the backfill to its end, and kill workers and feeder meanwhile."""
    env = {**os.environ, "ALTWRIGHT_URL": server_url, "ALTWRIGHT_BROKER_URL": arguments.broker,
           "ALTWRIGHT_DATABASE_URL": database}  # fmt: skip
    options = ["--queue-name", queue, "--concurrency", str(THREADS), "--timeout", str(TIMEOUT_S),
               "--lease", str(LEASE_S)]  # fmt: skip
    editor = Editor(database, arguments.rows)
    editor.start()
    randomness = random.Random(arguments.seed)
    started_s = time.monotonic()
    feeder_kills = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        QueueWorkers(2, options, env, Path(folder) / "worker.log") as workers,
    ):
        feeder = start_feeder(database, queue, env)
        while workers.kills < arguments.kills and feeder.poll() is None:
            time.sleep(randomness.uniform(0.2, 4.0))
            workers.kill_one()
            if randomness.random() < 0.2:
                feeder.kill()
                feeder.wait()
                feeder_kills += 1
                feeder = start_feeder(database, queue, env)
        exit_code = feeder.wait()
        editor.stop.set()
        editor.join()
        worker_kills = workers.kills
    return Measured(worker_kills, feeder_kills, exit_code, time.monotonic() - started_s)


def start_feeder(database: str, queue: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the command that puts rows on the queue."""
    return subprocess.Popen(
        [COMMAND, "backfill", database, "--table", "products", "--queue", "celery",
         "--queue-name", queue, "--again-after", str(RESEND_AFTER_S), "--window", "500"],
        env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def find_broken_promises(
    rows: int, database: str, model: FlakyModelServer, measured: Measured
) -> list[str]:
    """Print the figures, and return what did not hold."""
    table = run_sql(database, "SELECT id, alt, alt_source FROM products")
    sources = Counter(str(source) for _, _, source in table)
    journal = run_sql(database, "SELECT row_key, count(*) FROM altwright_rows GROUP BY row_key")
    expected_texts: dict[str, set[object]] = {
        "ai": {CAPTION}, "human": {_EDITED}, "rejected": {None}, "uncertain": {None},
    }  # fmt: skip
    wrong_texts = [
        (key, alt) for key, alt, source in table
        if alt not in expected_texts.get(str(source), set())
    ]  # fmt: skip
    paid_twice = sum(count - 1 for count in model.log.captioned.values())
    in_flight = measured.worker_kills * THREADS
    print(f"{rows:,} rows in {measured.seconds:.0f} s, {measured.worker_kills} workers and "
          f"{measured.feeder_kills} feeders killed")  # fmt: skip
    print(f"outcomes: {dict(sources)}; journal rows: {len(journal)}")
    print(f"model calls: {model.log.calls}, {dict(model.log.outcomes)}")
    print(f"paid for twice: {paid_twice} of {model.log.captioned.total()} "
          f"(in flight at the kills: at most {in_flight})")  # fmt: skip
    promises = (
        (measured.exit_code == 0, f"the feeder ended with {measured.exit_code}"),
        (sum(sources.values()) == rows, "a row is lost"),
        (set(sources) <= set(expected_texts), f"rows without an outcome: {sources}"),
        (not wrong_texts, f"a text does not match its alt_source: {wrong_texts[:3]}"),
        (all(number == 1 for _, number in journal), "a row has two outcomes"),
        (paid_twice <= in_flight, "more was paid for twice than was in flight"),
    )
    return [sentence for holds, sentence in promises if not holds]


if __name__ == "__main__":
    main()
