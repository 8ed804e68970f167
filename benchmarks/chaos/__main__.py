"""Chaos test: what a good caller notices of each of many attacks by another caller.

    .venv/bin/python -m benchmarks.chaos
    .venv/bin/python -m benchmarks.chaos --only tiff-tags model-hangs --seconds 10

For each attack a real server is started with two keys or more. The good caller sends a steady mix
of photographs and checks, first alone, in two windows of which the difference is the noise, then
beside the attack. Exit code 1 where the server did not stand an attack.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks import cpu_steal
from benchmarks.chaos import table
from benchmarks.chaos.attack import Attack
from benchmarks.chaos.attacks import ATTACKS
from benchmarks.chaos.run import PER_SECOND, Timing, measure, started_callers
from benchmarks.chaos.verdict import Row


def main() -> None:
    """Run the attacks and print the table."""
    arguments = _parse()
    before = cpu_steal.read_ticks()
    began_s = time.monotonic()
    rows: list[Row] = []
    timing = Timing.of(arguments.seconds, arguments.per_second)
    with started_callers() as callers:
        for attack in _chosen(arguments.only):
            row = measure(attack, callers, timing)
            rows.append(row)
            sys.stderr.write(table.text_line(row) + "\n")
    machine = (
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"{cpu_steal.describe_since(before)}, {time.monotonic() - began_s:.0f} s"
    )
    print(machine)
    print(table.summary(rows))
    if arguments.markdown:
        print(table.markdown(rows))
    if arguments.json:
        report = {"machine": machine, "rows": [table.to_json(row) for row in rows]}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    raise SystemExit(any(row.faults() for row in rows))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="attacks, or beginnings of names: tiff model-"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="beside each attack")
    parser.add_argument(
        "--per-second", type=float, default=PER_SECOND, help="requests of the good caller"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--markdown", action="store_true", help="print the table for the docs")
    parser.add_argument("--list", action="store_true", help="print the attacks and exit")
    arguments = parser.parse_args()
    if arguments.list:
        for attack in ATTACKS.values():
            print(f"{attack.name:<24}{attack.what}")
        raise SystemExit(0)
    for prefix in arguments.only or ():
        if not any(name.startswith(prefix) for name in ATTACKS):
            parser.error(f"there is no attack {prefix!r}; --list shows them")
    return arguments


def _chosen(prefixes: list[str] | None) -> list[Attack]:
    return [
        attack
        for name, attack in ATTACKS.items()
        if prefixes is None or name.startswith(tuple(prefixes))
    ]


if __name__ == "__main__":
    main()
