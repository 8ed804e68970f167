"""All performance targets, measured in one run and printed as one table.

    .venv/bin/python -m benchmarks.bench
    .venv/bin/python -m benchmarks.bench --only normaliser service --rounds 3

The columns of other programs are filled where `make bench-peers` has installed them. A run takes
ten minutes, most of them for the 10,000 captions in a row. Compare only figures of one run, and
only on a machine that is otherwise idle.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import peers, resizers, table
from benchmarks.bench.core_scaling import measure_scaling
from benchmarks.bench.latency import measure_concurrent, measure_single
from benchmarks.bench.memory_growth import measure_growth
from benchmarks.bench.service_cost import measure_cost
from benchmarks.bench.start_time import measure_start_s
from benchmarks.bench.targets import Measurements, evaluate

PARTS = ("normaliser", "service", "latency", "concurrency", "memory", "scaling", "start")
_JSON = Path("build/bench.json")


def run(arguments: argparse.Namespace) -> Measurements:
    """Run the parts that were asked for."""
    found, rounds = Measurements(), arguments.rounds
    for part in PARTS:
        if part not in arguments.only:
            continue
        print(f"measuring: {part} ...", flush=True)
        match part:
            case "normaliser":
                found.normaliser = resizers.measure(rounds)
            case "service":
                found.service = measure_cost({"1mp": 60, "12mp": 20}, rounds=rounds)
            case "latency":
                found.latency = measure_single(100)
            case "concurrency":
                found.concurrency = [
                    measure_concurrent(
                        model_delay_s=0.5, clients=256, per_second=20, seconds=15, concurrency=64
                    ),
                    # With 256 requests at work at the same time, two cores are not the limit only
                    # if the model is slow.
                    measure_concurrent(
                        model_delay_s=10.0, clients=256, per_second=25, seconds=25, concurrency=256
                    ),
                ]
            case "memory":
                found.memory = measure_growth(arguments.captions)
            case "scaling":
                found.scaling = measure_scaling(rounds=rounds, seconds=5)
            case _:
                found.start_s = measure_start_s(rounds)
    return found


def main() -> None:
    """Measure, print, write JSON; exit code 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--rounds", type=int, default=5, help="figures are medians over these")
    parser.add_argument("--captions", type=int, default=10_000, help="in a row, for memory")
    parser.add_argument("--json", type=Path, default=_JSON)
    parser.add_argument("--install-peers", action="store_true", help="first, into build/peers/")
    arguments = parser.parse_args()
    for sentence in peers.install() if arguments.install_peers else ():
        print(sentence)
    machine = _describe_machine()
    found = run(arguments)
    print(f"\n{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
          f"load {machine['load']:.1f} at the start\n")  # fmt: skip
    for line in table.format_lines(found):
        print(line)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(table.to_json(found, machine), indent=2) + "\n")
    print(f"\nwritten to {arguments.json}")
    raise SystemExit(any(target.met is False for target in evaluate(found)))


def _describe_machine() -> dict[str, Any]:
    return {
        "processor": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    main()
