"""Measures the promises of `altwright backfill`.

    .venv/bin/python -m benchmarks.backfill kills    # 10,000 rows, 50 kills, and an editor
    .venv/bin/python -m benchmarks.backfill memory   # 1,000 to 100,000 rows
    .venv/bin/python -m benchmarks.backfill rate     # compared with what the limits allow

`kills` uses the real server with a flaky model server, and PostgreSQL on 127.0.0.1:5432 (user
postgres, no password). `memory` and `rate` use a stub of the server (stub_server.py), since the
backfill is measured. Prints a table; exit code 1 if a promise does not hold.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import sqlalchemy as sa

from benchmarks.temporary_database import temporary_database
from testing.catalogue import COMMAND
from testing.servers.altwright import Altwright
from testing.servers.flaky_model_server import CAPTION, Behaviour, FlakyModelServer

CONCURRENCY = 8
"""The command's default: the most calls in flight at a kill."""


# Kills


def measure_kills(arguments: argparse.Namespace) -> bool:
    """Kill the command repeatedly while a person edits the table. True if every promise held."""
    behaviour = Behaviour(
        rate_limit_probability=0.02,
        reset_probability=0.01,
        slow_probability=0.01,
        slow_response_s=3.0,
        response_s=0.02,
        refused_every=97,
        uncertain_every=89,
    )
    with (
        temporary_database() as url,
        FlakyModelServer(behaviour) as model,
        Altwright(**model.altwright_settings()) as server,
    ):
        engine = sa.create_engine(url)
        _create_products(engine, model, arguments.rows)
        editor = _Editor(engine, arguments.rows)
        started_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "ALTWRIGHT_URL": server.url}
            command = [COMMAND, "backfill", url, "--table", "products"]
            editor.start()
            kills = _run_and_kill(command, env, folder, model, arguments)
            last_run = subprocess.run([*command, "--json"], cwd=folder, env=env, check=False,
                                      capture_output=True, text=True)  # fmt: skip
            editor.stop.set()
            editor.join()
        seconds = time.monotonic() - started_s
        held = _check(engine, model, editor, last_run.returncode, kills)
        print(f"{arguments.rows:,} rows, {kills} kills, {seconds:.0f} s; "
              f"{model.log.calls:,} calls of the model: {dict(model.log.outcomes)}")  # fmt: skip
        engine.dispose()
    return held


def _run_and_kill(
    command: list[str],
    env: dict[str, str],
    folder: str,
    model: FlakyModelServer,
    arguments: argparse.Namespace,
) -> int:
    """Start and kill, each time after a random number of model calls. Returns the kills."""
    randomness = random.Random(arguments.seed)
    mean_calls = arguments.rows / (arguments.kills + 4)
    kills = 0
    while kills < arguments.kills:
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


def _check(
    engine: sa.Engine, model: FlakyModelServer, editor: "_Editor", exit_code: int, kills: int
) -> bool:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT id, alt, alt_source FROM products")).all()
    outcomes = Counter(row.alt_source or "none" for row in rows)
    lost = [row.id for row in rows if editor.texts.get(row.id, row.alt) != row.alt]
    invalid = [
        row.id for row in rows
        if row.id not in editor.texts and not _has_one_outcome(row.alt, row.alt_source)
    ]  # fmt: skip
    paid_twice = model.log.captioned.total() - len(model.log.captioned)
    in_flight = kills * CONCURRENCY
    print(f"exit code of the last run      {exit_code}")
    print(f"outcomes in the table          {dict(outcomes)}")
    print(f"rows without exactly one       {len(invalid)}")
    print(f"rows that a person edited      {len(editor.texts)}, of these lost: {len(lost)}")
    print(f"captions paid for twice        {paid_twice}; in flight at kills: up to {in_flight}")
    return not (invalid or lost) and paid_twice <= in_flight and exit_code == 0


def _has_one_outcome(alt: str | None, source: str | None) -> bool:
    if source == "ai":
        return alt == CAPTION
    return source in ("rejected", "uncertain") and not alt


class _Editor(threading.Thread):
    """A person who writes into rows at random, into some of them twice."""

    def __init__(self, engine: sa.Engine, rows: int) -> None:
        super().__init__(daemon=True)
        self._engine, self._rows = engine, rows
        self.texts: dict[int, str] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        """Edit until `stop` is set."""
        randomness = random.Random(5)
        update = sa.text("UPDATE products SET alt = :alt, alt_source = 'human' WHERE id = :id")
        count = 0
        while not self.stop.wait(0.4):
            count += 1
            key, alt = randomness.randrange(1, self._rows + 1), f"By hand, {count}"
            with self._engine.begin() as connection:
                connection.execute(update, {"alt": alt, "id": key})
            self.texts[key] = alt


def _create_products(engine: sa.Engine, model: FlakyModelServer, count: int) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TABLE products (id int PRIMARY KEY, image_url text, name text, alt text,"
            " alt_source text)"))  # fmt: skip
        connection.execute(
            sa.text("INSERT INTO products (id, image_url, name) VALUES (:id, :url, :name)"),
            [{"id": n, "url": model.image_url(n), "name": f"Mug, row-{n}"}
             for n in range(1, count + 1)],
        )  # fmt: skip


# Memory and rate


def measure_memory(arguments: argparse.Namespace) -> bool:
    """Peak memory of the process for CSV files of several sizes."""
    print(f"{'rows':>8}  {'peak MiB':>8}  {'seconds':>8}  {'rows/s':>8}")
    peaks: list[float] = []
    for count in arguments.rows_of_memory:
        with _stub_server(0, 0) as url, tempfile.TemporaryDirectory() as folder:
            _write_csv(Path(folder) / "in.csv", count)
            started_s = time.monotonic()
            peak, _ = _run_backfill(["in.csv", "--to", "out.csv", "-j", "32"], folder, url)
            seconds = time.monotonic() - started_s
        peaks.append(peak)
        print(f"{count:>8,}  {peak:>8.1f}  {seconds:>8.1f}  {count / seconds:>8.0f}", flush=True)
    return peaks[-1] - peaks[0] < 32


def measure_rate(arguments: argparse.Namespace) -> bool:
    """Captions a second, compared with what concurrency, --rate or the server's limit allow."""
    cases = [
        ("8 at once, a response takes 1 s", 1.0, 0.0, ["-j", "8"], 8.0),
        ("--rate 240/min", 0.2, 0.0, ["--rate", "240/min"], 4.0),
        ("server's limit 5/s, 429 over it", 0.5, 5.0, ["-j", "16"], 5.0),
    ]
    print(f"{'case':<34}  {'ideal/s':>8}  {'found/s':>8}  {'share':>6}  {'refused':>8}")
    held = True
    for name, response_s, limit_per_s, options, ideal in cases:
        count = int(ideal * arguments.seconds)
        with _stub_server(response_s, limit_per_s) as url, tempfile.TemporaryDirectory() as folder:
            _write_csv(Path(folder) / "in.csv", count)
            _, counts = _run_backfill(["in.csv", "--to", "out.csv", *options], folder, url)
        if "--rate" in options:
            # Starts are limited: count - 1 intervals between the first and the last.
            found = (counts["captioned"] - 1) / (counts["seconds"] - response_s)
        else:
            found = counts["captioned"] / counts["seconds"]
        held = held and found >= 0.9 * ideal
        print(f"{name:<34}  {ideal:>8.1f}  {found:>8.2f}  {found / ideal:>6.0%}  "
              f"{counts['refused']:>8}", flush=True)  # fmt: skip
    return held


def _write_csv(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("id,image_url,name,alt,description\n")
        for n in range(1, count + 1):
            file.write(f"{n},https://images.example.com/{n}.jpg,Mug {n},,{'text ' * 40}\n")


def _run_backfill(arguments: list[str], folder: str, url: str) -> tuple[float, dict[str, float]]:
    """Run the command. Returns its peak memory in MiB, and the counts of the stub server."""
    env = {**os.environ, "ALTWRIGHT_URL": url}
    process = subprocess.Popen([COMMAND, "backfill", *arguments], cwd=folder, env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"the backfill ended with {process.returncode}")
    counts: dict[str, float] = httpx.get(f"{url}/counts", trust_env=False).json()
    return usage.ru_maxrss / 1024, counts


@contextmanager
def _stub_server(response_s: float, rate_per_s: float) -> Iterator[str]:
    options = ["--response-s", str(response_s), "--rate", str(rate_per_s)]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.stub_server", *options],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Run one benchmark; exit code 1 if its promise does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("promise", choices=["kills", "memory", "rate"])
    parser.add_argument("--rows", type=int, default=10_000, help="of kills")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=40, help="of each case of rate")
    parser.add_argument("--rows-of-memory", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments = parser.parse_args()
    benchmarks = {"kills": measure_kills, "memory": measure_memory, "rate": measure_rate}
    held = benchmarks[arguments.promise](arguments)
    print(json.dumps({"promise": arguments.promise, "held": held}))
    sys.exit(not held)


if __name__ == "__main__":
    main()
