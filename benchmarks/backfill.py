"""What `altwright backfill` promises, measured at length.

    .venv/bin/python -m benchmarks.backfill kills    # 10,000 rows, 50 kills, an editor beside
    .venv/bin/python -m benchmarks.backfill memory   # 1,000 to 100,000 rows
    .venv/bin/python -m benchmarks.backfill rate     # against what the limits would allow

`kills` has the real server with a flaky model behind it, and PostgreSQL on 127.0.0.1:5432 (user
postgres, no password). `memory` and `rate` have a stand-in for the server's wire (stand_in.py): it
is the backfill that is measured. Prints a table, and ends with 1 where a promise is broken.
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

from testing.catalogue import COMMAND
from testing.servers.altwright import Altwright
from testing.servers.flaky_model_server import CAPTION, Behaviour, FlakyModelServer

CONCURRENCY = 8
_SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432/"


# Kills


def kills(arguments: argparse.Namespace) -> bool:
    """Kill it again and again while a person edits the table. Whether every promise held."""
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
        _database() as url,
        FlakyModelServer(behaviour) as model,
        Altwright(**model.altwright_settings()) as server,
    ):
        engine = sa.create_engine(url)
        _fill(engine, model, arguments.rows)
        editor = _Editor(engine, arguments.rows)
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            env = {**os.environ, "ALTWRIGHT_URL": server.url}
            command = [COMMAND, "backfill", url, "--table", "products"]
            editor.start()
            killed = _kill(command, env, folder, model, arguments)
            last = subprocess.run([*command, "--json"], cwd=folder, env=env, check=False,
                                  capture_output=True, text=True)  # fmt: skip
            editor.stop.set()
            editor.join()
        took_s = time.monotonic() - began_s
        held = _judge(engine, model, editor, last, killed)
        print(f"{arguments.rows:,} rows, {killed} kills, {took_s:.0f} s; "
              f"{model.log.calls:,} calls of the model: {dict(model.log.outcomes)}")  # fmt: skip
        engine.dispose()
    return held


def _kill(
    command: list[str],
    env: dict[str, str],
    folder: str,
    model: FlakyModelServer,
    arguments: argparse.Namespace,
) -> int:
    """Start and kill, each after a random number of the model's calls. How often it was killed."""
    chance = random.Random(arguments.seed)
    each = arguments.rows / (arguments.kills + 4)
    killed = 0
    while killed < arguments.kills:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        until = model.log.calls + chance.uniform(0.1, 1.9) * each
        while model.log.calls < until and process.poll() is None:
            time.sleep(0.003)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
            process.wait()
        elif process.returncode == 0:
            break
    return killed


def _judge(
    engine: sa.Engine,
    model: FlakyModelServer,
    editor: "_Editor",
    last: "subprocess.CompletedProcess[str]",
    killed: int,
) -> bool:
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT id, alt, alt_source FROM products")).all()
    outcomes = Counter(row.alt_source or "none" for row in rows)
    lost = [row.id for row in rows if editor.wrote.get(row.id, row.alt) != row.alt]
    strange = [
        row.id for row in rows
        if row.id not in editor.wrote and not _is_one_outcome(row.alt, row.alt_source)
    ]  # fmt: skip
    twice = model.log.captioned.total() - len(model.log.captioned)
    print(f"exit code of the last run      {last.returncode}")
    print(f"outcomes in the table          {dict(outcomes)}")
    print(f"rows without exactly one       {len(strange)}")
    print(f"rows that a person edited      {len(editor.wrote)}, of these lost: {len(lost)}")
    print(f"paid answers bought twice      {twice}; in flight at kills: up to "
          f"{killed * CONCURRENCY}")  # fmt: skip
    return not (strange or lost) and twice <= killed * CONCURRENCY and last.returncode == 0


def _is_one_outcome(alt: str | None, source: str | None) -> bool:
    if source == "ai":
        return alt == CAPTION
    return source in ("rejected", "uncertain") and not alt


class _Editor(threading.Thread):
    """A person who writes into rows at random, some of them twice."""

    def __init__(self, engine: sa.Engine, rows: int) -> None:
        super().__init__(daemon=True)
        self._engine, self._rows = engine, rows
        self.wrote: dict[int, str] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        """Until it shall stop."""
        chance = random.Random(5)
        update = sa.text("UPDATE products SET alt = :alt, alt_source = 'human' WHERE id = :id")
        count = 0
        while not self.stop.wait(0.4):
            count += 1
            number, alt = chance.randrange(1, self._rows + 1), f"By hand, {count}"
            with self._engine.begin() as connection:
                connection.execute(update, {"alt": alt, "id": number})
            self.wrote[number] = alt


def _fill(engine: sa.Engine, model: FlakyModelServer, count: int) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TABLE products (id int PRIMARY KEY, image_url text, name text, alt text,"
            " alt_source text)"))  # fmt: skip
        connection.execute(
            sa.text("INSERT INTO products (id, image_url, name) VALUES (:id, :url, :name)"),
            [{"id": n, "url": model.image_url(n), "name": f"Mug, row-{n}"}
             for n in range(1, count + 1)],
        )  # fmt: skip


@contextmanager
def _database() -> Iterator[str]:
    name = f"altwright_benchmark_{os.urandom(4).hex()}"
    server = sa.create_engine(f"{_SERVER}postgres", isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield f"{_SERVER}{name}"
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


# Memory and rate


def memory(arguments: argparse.Namespace) -> bool:
    """The most that the process ever holds, by rows of a CSV file."""
    print(f"{'rows':>8}  {'peak MiB':>8}  {'seconds':>8}  {'rows/s':>8}")
    peaks: list[float] = []
    for count in arguments.rows_of_memory:
        with _stand_in(0, 0) as url, tempfile.TemporaryDirectory() as folder:
            _write(Path(folder) / "in.csv", count)
            began_s = time.monotonic()
            peak, _ = _peak_mib(["in.csv", "--to", "out.csv", "-j", "32"], folder, url)
            took_s = time.monotonic() - began_s
        peaks.append(peak)
        print(f"{count:>8,}  {peak:>8.1f}  {took_s:>8.1f}  {count / took_s:>8.0f}", flush=True)
    return peaks[-1] - peaks[0] < 32


def rate(arguments: argparse.Namespace) -> bool:
    """Answers a second, of what concurrency, --rate and the server's limit would allow."""
    cases = [
        ("8 at once, answers take 1 s", 1.0, 0.0, ["-j", "8"], 8.0),
        ("--rate 240/min", 0.2, 0.0, ["--rate", "240/min"], 4.0),
        ("server's limit 5/s, 429 over it", 0.5, 5.0, ["-j", "16"], 5.0),
    ]
    print(f"{'case':<34}  {'ideal/s':>8}  {'found/s':>8}  {'share':>6}  {'refused':>8}")
    good = True
    for name, took_s, limit, words, ideal in cases:
        count = int(ideal * arguments.seconds)
        with _stand_in(took_s, limit) as url, tempfile.TemporaryDirectory() as folder:
            _write(Path(folder) / "in.csv", count)
            _, told = _peak_mib(["in.csv", "--to", "out.csv", *words], folder, url)
        # The first answers come after took_s: count - 1 intervals from the first start.
        found = (told["answered"] - 1) / (told["seconds"] - took_s)
        if limit or "--rate" not in words:
            found = told["answered"] / told["seconds"]
        good = good and found >= 0.9 * ideal
        print(f"{name:<34}  {ideal:>8.1f}  {found:>8.2f}  {found / ideal:>6.0%}  "
              f"{told['refused']:>8}", flush=True)  # fmt: skip
    return good


def _write(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("id,image_url,name,alt,description\n")
        for n in range(1, count + 1):
            file.write(f"{n},https://images.example.com/{n}.jpg,Mug {n},,{'text ' * 40}\n")


def _peak_mib(words: list[str], folder: str, url: str) -> tuple[float, dict[str, float]]:
    """Run it; the most memory it held, and what the stand-in counted."""
    env = {**os.environ, "ALTWRIGHT_URL": url}
    process = subprocess.Popen([COMMAND, "backfill", *words], cwd=folder, env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"the backfill ended with {process.returncode}")
    told: dict[str, float] = httpx.get(f"{url}/answered", trust_env=False).json()
    return used.ru_maxrss / 1024, told


@contextmanager
def _stand_in(took_s: float, limit: float) -> Iterator[str]:
    words = ["--took", str(took_s), "--rate", str(limit)]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.stand_in", *words],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Run one proof; exit code 1 where it does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("proof", choices=["kills", "memory", "rate"])
    parser.add_argument("--rows", type=int, default=10_000, help="of kills")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=40, help="of each case of rate")
    parser.add_argument("--rows-of-memory", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments = parser.parse_args()
    held = {"kills": kills, "memory": memory, "rate": rate}[arguments.proof](arguments)
    print(json.dumps({"proof": arguments.proof, "held": held}))
    sys.exit(not held)


if __name__ == "__main__":
    main()
