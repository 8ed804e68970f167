"""Latency, throughput and processor time of captions on this machine.

    .venv/bin/python -m benchmarks.service

Starts the real server with a model that responds at once. Sends requests one at a time for the
latency, then several at a time for the throughput and the processor time of one caption. The same
fetch and a model call are made directly in the same run; the difference is the server's share.
"""

import argparse
import asyncio
import base64
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import httpx

from testing import process_tree
from testing.photographs import SIZES
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

_WARM_UP_REQUESTS = 5
"""The first requests open connections."""


def measure_latency_ms(url: str, image_url: str, count: int) -> list[float]:
    """Milliseconds of each of `count` captions requested one after the other."""
    times = []
    with httpx.Client(timeout=60) as http:
        for number in range(count + _WARM_UP_REQUESTS):
            started_at_s = time.perf_counter()
            response = http.post(f"{url}/v1/image/caption", json={"image_url": image_url})
            response.raise_for_status()
            if number >= _WARM_UP_REQUESTS:
                times.append((time.perf_counter() - started_at_s) * 1000)
    return times


def measure_upstreams_ms(upstream: str, image_url: str, count: int) -> list[float]:
    """Milliseconds of fetching the image and calling the model with 130 kB, without the server."""
    body = json.dumps({"model": "stub", "messages": [base64.b64encode(bytes(100_000)).decode()]})
    times = []
    with httpx.Client(timeout=60) as http:
        for _ in range(count):
            started_at_s = time.perf_counter()
            http.get(image_url)
            http.post(f"{upstream}/v1/chat/completions", content=body)
            times.append((time.perf_counter() - started_at_s) * 1000)
    return times


async def measure_throughput(
    url: str, image_url: str, in_flight: int, seconds: float
) -> tuple[int, float]:
    """Captions made and seconds taken with `in_flight` requests at any time."""
    done = 0
    started_at_s = time.perf_counter()
    limits = httpx.Limits(max_connections=in_flight)
    async with httpx.AsyncClient(timeout=60, limits=limits) as http:

        async def worker() -> None:
            nonlocal done
            while time.perf_counter() < started_at_s + seconds:
                response = await http.post(f"{url}/v1/image/caption", json={"image_url": image_url})
                response.raise_for_status()
                done += 1

        await asyncio.gather(*(worker() for _ in range(in_flight)))
    return done, time.perf_counter() - started_at_s


def measure_size(
    size: str, upstream: str, server: Altwright, arguments: argparse.Namespace
) -> dict[str, Any]:
    """The figures of one image size."""
    pid, image_url = server.process.pid, f"{upstream}/{size}.jpg"
    upstreams_ms = measure_upstreams_ms(upstream, image_url, arguments.count)
    latency_ms = measure_latency_ms(server.url, image_url, arguments.count)
    cpu_before_s = process_tree.tree_cpu_s(pid)
    done, took_s = asyncio.run(
        measure_throughput(server.url, image_url, arguments.in_flight, arguments.seconds)
    )
    cpu_s = process_tree.tree_cpu_s(pid) - cpu_before_s
    return {
        "size": size,
        "latency_ms_median": round(statistics.median(latency_ms), 1),
        "latency_ms_p90": round(statistics.quantiles(latency_ms, n=10)[-1], 1),
        "upstreams_ms_median": round(statistics.median(upstreams_ms), 1),
        "captions_per_second": round(done / took_s, 1),
        "cpu_ms_per_caption": round(cpu_s / done * 1000, 1),
    }


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["1mp"], choices=list(SIZES))
    parser.add_argument("--count", type=int, default=100, help="captions requested one by one")
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    with (
        stub_upstreams(arguments.sizes) as upstream,
        Altwright(**stub_model_settings(upstream)) as server,
    ):
        rows = [measure_size(size, upstream, server, arguments) for size in arguments.sizes]
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print("  ".join(f"{key:>24}" for key in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>24}" for value in row.values()))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
