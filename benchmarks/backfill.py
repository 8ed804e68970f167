"""Measures the promises of `altwright backfill`.

    .venv/bin/python -m benchmarks.backfill kills    # 10,000 rows, 50 kills, and an editor
    .venv/bin/python -m benchmarks.backfill kills --database pgbouncer
    .venv/bin/python -m benchmarks.backfill kills --database mariadb
    .venv/bin/python -m benchmarks.backfill kills --database sqlite   # and another writer
    .venv/bin/python -m benchmarks.backfill memory   # 1,000 to 100,000 rows
    .venv/bin/python -m benchmarks.backfill rate     # compared with what the limits allow

`kills` uses the real server with a flaky model server, and PostgreSQL or
MariaDB on 127.0.0.1 (users postgres and root, no password); it starts its PgBouncer, in transaction
pooling with two sessions. `memory` and `rate` use a stub of the server (stub_server.py), since the
backfill is measured. Prints a table; exit code 1 if a promise does not hold.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.temporary_database import temporary_database
from testing.backfill_kills import kill_repeatedly
from testing.catalogue import COMMAND
from testing.histories.databases import history_database
from testing.servers.pgbouncer import running_pgbouncer

DATABASES = ("postgresql", "pgbouncer", "mariadb", "sqlite")


def measure_kills(arguments: argparse.Namespace) -> bool:
    """Kill the command repeatedly while people edit the table. True if every promise held."""
    print(f"database                       {arguments.database}")
    with _database(arguments.database) as (direct_url, url):
        report = kill_repeatedly(direct_url, url, arguments.rows, arguments.kills, arguments.seed)
    print(f"{arguments.rows:,} rows")
    for line in report.lines():
        print(line)
    return report.holds


@contextmanager
def _database(kind: str) -> Iterator[tuple[str, str]]:
    """An empty database: its own URL, and the URL that the command gets."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/shop.db", f"sqlite:///{folder}/shop.db"
    elif kind == "mariadb":
        with history_database(kind) as url:
            yield url, url
    else:
        with temporary_database() as url:
            if kind == "postgresql":
                yield url, url
                return
            program = shutil.which("pgbouncer")
            if program is None:
                raise SystemExit("install pgbouncer (apt-get install pgbouncer)")
            with (
                tempfile.TemporaryDirectory() as folder,
                running_pgbouncer(program, url, Path(folder)) as pooled_url,
            ):
                yield url, pooled_url


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
    parser.add_argument("--database", choices=DATABASES, default="postgresql", help="of kills")
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
