"""Runs random histories of a backfill, and prints what an oracle found.

    .venv/bin/python -m benchmarks.histories --count 200 --seed 1
    .venv/bin/python -m benchmarks.histories --count 1 --seed 17 --kind csv   # replay one

Each kind gets `count` histories. PostgreSQL and MariaDB run on 127.0.0.1 (users postgres and root,
no password), and Redis for the kind `queue`. What failed is written to `--failures`, with its
steps. Exit code 1 if any did.
"""

import argparse
import sys
import time
import warnings
from contextlib import ExitStack
from pathlib import Path

from testing.histories.caption_stub import CaptionStub
from testing.histories.catalogue import KINDS
from testing.histories.command import load_modules
from testing.histories.databases import history_database
from testing.histories.run_history import HistoryResult, history_folder, run_history


def main() -> None:
    """Run, print the table, write the failures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--broker", default="redis://127.0.0.1:6379/0", help="of the kind queue")
    parser.add_argument("--failures", type=Path, default=Path("histories-failed.txt"))
    parser.add_argument("--steps", action="store_true", help="print the steps of every history")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside the stub's thread
    failed: list[HistoryResult] = []
    print(f"{'kind':<12}{'histories':>10}{'failed':>8}{'kills':>8}{'paid':>8}{'needed':>8}"
          f"{'seconds':>9}")  # fmt: skip
    for kind in arguments.kind or KINDS:
        failed += _run_kind(kind, arguments)
    with arguments.failures.open("a") as file:
        for result in failed:
            lines = [f"--kind {result.kind} --seed {result.seed} --count 1", *result.steps,
                     *(f"FAULT {each}" for each in result.faults)]  # fmt: skip
            file.write("\n    ".join(lines) + "\n")
    sys.exit(bool(failed))


def _run_kind(kind: str, arguments: argparse.Namespace) -> list[HistoryResult]:
    started_s = time.monotonic()
    results: list[HistoryResult] = []
    stub = CaptionStub()
    load_modules(stub, history_folder())
    with ExitStack() as stack:
        url = stack.enter_context(history_database(kind))
        for seed in range(arguments.seed, arguments.seed + arguments.count):
            result = run_history(seed, kind, stub, url, arguments.broker)
            results.append(result)
            if arguments.steps:
                print("\n    ".join(result.steps))
            for fault in result.faults:
                print(f"  {kind} {seed}: {fault[:700]}", flush=True)
    stub.close()
    failed = [each for each in results if each.faults]
    print(f"{kind:<12}{len(results):>10}{len(failed):>8}{sum(r.kills for r in results):>8}"
          f"{sum(r.paid for r in results):>8}{sum(r.needed for r in results):>8}"
          f"{time.monotonic() - started_s:>9.0f}", flush=True)  # fmt: skip
    for refusal in sorted({each for result in results for each in result.refusals}):
        print(f"    refused: {refusal}")
    return failed


if __name__ == "__main__":
    main()
