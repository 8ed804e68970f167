"""Everything that is promised about speed, measured in one run and printed as one table.

    .venv/bin/python -m benchmarks.bench
    .venv/bin/python -m benchmarks.bench --only normaliser service --rounds 3

The peers' columns are filled where `make bench-peers` has installed them. Ten minutes, most of them
the 10,000 captions in a row. Only figures of one run compare, and only where the machine is quiet.
"""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import engines, peers, servers, table
from benchmarks.bench.promises import Measured, promises
from benchmarks.bench.servers import crowd

PARTS = ("normaliser", "service", "latency", "crowd", "memory", "scaling", "start")
_JSON = Path("build/bench.json")


def measured(arguments: argparse.Namespace) -> Measured:
    """Run the parts that were asked for."""
    seen, rounds = Measured(), arguments.rounds
    for part in PARTS:
        if part not in arguments.only:
            continue
        print(f"measuring: {part} ...", flush=True)
        if part == "normaliser":
            seen.normaliser = engines.measure(rounds)
        elif part == "service":
            seen.service = servers.cost({"1mp": 60, "12mp": 20}, rounds=rounds)
        elif part == "latency":
            seen.latency = servers.latency(100)
        elif part == "crowd":
            seen.crowds = [
                crowd(model_s=0.5, callers=256, a_second=20, seconds=15, concurrency=64),
                # All of them in work at the same time: that many fit below two full cores only
                # where the model is slow.
                crowd(model_s=10.0, callers=256, a_second=25, seconds=25, concurrency=256),
            ]
        elif part == "memory":
            seen.memory = servers.growth(arguments.captions)
        elif part == "scaling":
            seen.scaling = servers.scaling(rounds=rounds, seconds=5)
        else:
            seen.start_s = servers.start(rounds)
    return seen


def main() -> None:
    """Measure, print, write JSON; exit code 1 where a promise did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--rounds", type=int, default=5, help="figures are medians over these")
    parser.add_argument("--captions", type=int, default=10_000, help="in a row, for memory")
    parser.add_argument("--json", type=Path, default=_JSON)
    parser.add_argument("--install-peers", action="store_true", help="first, into build/peers/")
    arguments = parser.parse_args()
    for sentence in peers.install() if arguments.install_peers else ():
        print(sentence)
    machine = _machine()
    seen = measured(arguments)
    print(f"\n{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, "
          f"load {machine['load']:.1f} at the start\n")  # fmt: skip
    for line in table.lines(seen):
        print(line)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(table.as_json(seen, machine), indent=2) + "\n")
    print(f"\nwritten to {arguments.json}")
    raise SystemExit(any(line.held is False for line in promises(seen)))


def _machine() -> dict[str, Any]:
    return {
        "processor": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    main()
