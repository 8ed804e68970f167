"""`caption_many` on ten thousand images: the rate, the refused requests and the memory.

    .venv/bin/python -m benchmarks.caption_many                      # nothing is refused
    .venv/bin/python -m benchmarks.caption_many --limit 60/second    # the key's limit changes

Starts the real server with a model that takes half a second and sends at most 64 requests at a
time, so the ideal rate is 128 captions a second. With `--limit` the server begins to refuse after a
quarter of the items. Client, server and model share the machine. Exit code 1 where a target of
docs/sdk.md was missed.
"""

import argparse
import asyncio
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from testing import load, process_tree
from testing.caption_many_run import (
    API_KEY,
    IN_FLIGHT,
    Run,
    run_caption_many,
    small_image_url,
    write_keys_file,
)
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

MODEL_DELAY_S = 0.5
IDEAL_PER_S = IN_FLIGHT / MODEL_DELAY_S
MIN_OF_IDEAL = 0.9
MAX_REFUSED = 0.05
MAX_GROWTH = 0.05
_SETTLING_S = 20.0
"""Seconds in which the client may find the server's new limit."""
_NO_LIMIT = "10000000/minute"


def measure_without_sdk(url: str, seconds: float) -> float:
    """Captions a second of 64 clients that only write and read bytes: the server's capacity."""
    message = load.http_request(
        "POST", "/v1/image/caption", {"image_url": small_image_url()},
        Authorization=f"Bearer {API_KEY}",
    )  # fmt: skip

    async def measure() -> load.Responses:
        await load.closed_loop(url, [message], in_flight=IN_FLIGHT, seconds=1)
        return await load.closed_loop(url, [message], in_flight=IN_FLIGHT, seconds=seconds)

    return len(asyncio.run(measure()).with_codes("ok")) / seconds


def parse_limit(limit: str) -> float:
    """Requests a second of a limit such as `3600/minute`."""
    amount, _, unit = limit.partition("/")
    return int(amount) / {"second": 1, "minute": 60, "hour": 3600}[unit]


def summarise(run: Run, limit: str | None) -> dict[str, Any]:
    """The figures of a run by their names."""
    first, last = run.client_bytes[len(run.client_bytes) // 10], run.client_bytes[-1]
    row: dict[str, Any] = {
        "outcomes": dict(run.outcomes),
        "seconds": round(run.captioned_at_s[-1], 1),
        "captions a second": round(run.rate_per_s(to_s=run.limit_changed_at_s), 1),
        "client MiB": f"{first[1] / 1_048_576:.1f} to {last[1] / 1_048_576:.1f}",
        "growth %": round(run.memory_growth() * 100, 1),
        "server MiB at the end": round(run.server_bytes[-1][1] / 1_048_576),
        "client CPU ms each": round(run.client_cpu_s / run.items * 1000, 2),
    }
    if limit is None:
        row["of ideal %"] = round(run.rate_per_s() / IDEAL_PER_S * 100, 1)
    elif run.limit_changed_at_s is not None:
        settled_at_s = run.limit_changed_at_s + _SETTLING_S
        row["limit"] = limit
        row["a second, settled"] = round(run.rate_per_s(settled_at_s), 1)
        row["refused since %"] = round(run.refused_fraction(run.limit_changed_at_s) * 100, 1)
        row["refused, settled %"] = round(run.refused_fraction(settled_at_s) * 100, 1)
    return row


def missed_targets(run: Run, limit: str | None) -> list[str]:
    """A sentence for each target that was missed."""
    missed = []
    if run.outcomes != {"caption": run.items} or run.duplicates:
        missed.append("an item was lost, failed or reported twice")
    if run.memory_growth() > MAX_GROWTH:
        missed.append("memory grew")
    if limit is None and run.rate_per_s() < MIN_OF_IDEAL * IDEAL_PER_S:
        missed.append(f"under {MIN_OF_IDEAL:.0%} of the ideal rate")
    if limit is not None and run.limit_changed_at_s is not None:
        settled = run.rate_per_s(run.limit_changed_at_s + _SETTLING_S)
        if not 0.8 * parse_limit(limit) <= settled <= 1.02 * parse_limit(limit):
            missed.append("it did not settle near the limit")
        if run.refused_fraction(run.limit_changed_at_s) >= MAX_REFUSED:
            missed.append(f"{MAX_REFUSED:.0%} or more were refused")
    return missed


def main() -> None:
    """Measure and print; exit code 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--client", choices=["sync", "async"], default="sync")
    parser.add_argument("--limit", help="the key's limit after a quarter: 60/second, 3600/minute")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the load without the SDK")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
          f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    with (
        tempfile.TemporaryDirectory() as folder,
        stub_upstreams(model_delay_s=MODEL_DELAY_S) as upstream,
    ):
        keys_file = Path(folder) / "keys.json"
        write_keys_file(keys_file, _NO_LIMIT)
        settings = {**stub_model_settings(upstream), "KEYS_FILE": str(keys_file)}
        with Altwright(**settings) as server:
            pid = server.process.pid
            without_sdk = measure_without_sdk(server.url, arguments.seconds)
            cpu_before_s = process_tree.tree_cpu_s(pid)
            run = run_caption_many(
                server.url,
                pid,
                items=arguments.items,
                client=arguments.client,
                change_limit_after=arguments.items // 4 if arguments.limit else None,
                change_limit=lambda: write_keys_file(keys_file, arguments.limit),
            )
            server_cpu_s = process_tree.tree_cpu_s(pid) - cpu_before_s
    row = {
        "client": arguments.client,
        "without SDK a second": round(without_sdk, 1),
        **summarise(run, arguments.limit),
        "server CPU ms each": round(server_cpu_s / run.items * 1000, 1),
    }
    for name, value in row.items():
        print(f"{name:>22}: {value}")
    missed = missed_targets(run, arguments.limit)
    print("targets met" if not missed else f"targets MISSED: {'; '.join(missed)}")
    raise SystemExit(bool(missed))


if __name__ == "__main__":
    main()
