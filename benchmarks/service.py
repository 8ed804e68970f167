"""What the server adds to a caption, and how many it makes a second, on this machine.

    .venv/bin/python -m benchmarks.service

Starts the real server with a model that answers at once, asks it one by one for the added time,
then with several requests in flight for the rate and the processor time of one caption. Beside it,
in the same run, the same fetch and a model call are made directly: what remains is ours.
"""

import argparse
import asyncio
import base64
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import httpx

from testing.photographs import SIZES

_T = TypeVar("_T")
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def far_ends(names: list[str], *, delay_s: float = 0.0) -> Iterator[str]:
    """The origin and the model, which takes `delay_s` for an answer; its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.far_ends", *names, f"--delay={delay_s}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


@contextmanager
def altwright(far: str, **settings: str) -> Iterator[tuple[str, int]]:
    """The server with the model behind `far`; its address and process id."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")} | {
        "ALTWRIGHT_PORT": "0",
        "ALTWRIGHT_MODEL": "fake",
        "ALTWRIGHT_MODEL_BASE_URL": f"{far}/v1",
        "ALTWRIGHT_RATE_LIMIT": "10000000/minute",
        "ALTWRIGHT_FETCH__ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        **settings,
    }
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([sys.executable, "-m", "app", "serve"], env=env, stderr=log)
        try:
            url = _until(lambda: _address_in(log))
            _until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(25)


def _address_in(log: IO[str]) -> str:
    log.seek(0)
    found = re.search(r"listening on (\S+)", log.read())
    return found.group(1) if found else ""


def _until(ask: Callable[[], _T]) -> _T:
    until = time.monotonic() + 30
    while not (answer := ask()):
        if time.monotonic() > until:
            raise TimeoutError("the server did not get ready")
        time.sleep(0.05)
    return answer


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and all its descendants, also of those that are gone."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(int(field) for field in stat[11:15]) / _TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def own_cpu_seconds(pid: int) -> float:
    """Processor time of a process alone."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in stat[11:13]) / _TICKS


def one_by_one(url: str, picture: str, count: int) -> list[float]:
    """Milliseconds of each of `count` captions asked one after the other."""
    times = []
    with httpx.Client(timeout=60) as http:
        for index in range(count + 5):
            began = time.perf_counter()
            answer = http.post(f"{url}/v1/image/caption", json={"image_url": picture})
            answer.raise_for_status()
            if index >= 5:  # the first ones open connections
                times.append((time.perf_counter() - began) * 1000)
    return times


def directly(far: str, picture: str, count: int) -> list[float]:
    """Milliseconds of fetching the picture and making one model call with half as much base64."""
    body = json.dumps({"model": "fake", "messages": [base64.b64encode(bytes(100_000)).decode()]})
    times = []
    with httpx.Client(timeout=60) as http:
        for _ in range(count):
            began = time.perf_counter()
            http.get(picture)
            http.post(f"{far}/v1/chat/completions", content=body)
            times.append((time.perf_counter() - began) * 1000)
    return times


async def at_full_rate(url: str, picture: str, in_flight: int, seconds: float) -> tuple[int, float]:
    """Captions made and seconds taken with `in_flight` requests at any time."""
    done = 0
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    limits = httpx.Limits(max_connections=in_flight)
    async with httpx.AsyncClient(timeout=60, limits=limits) as http:

        async def worker() -> None:
            nonlocal done
            while time.perf_counter() < until:
                answer = await http.post(f"{url}/v1/image/caption", json={"image_url": picture})
                answer.raise_for_status()
                done += 1

        await asyncio.gather(*(worker() for _ in range(in_flight)))
    return done, time.perf_counter() - began


def row(name: str, far: str, url: str, pid: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one picture."""
    picture = f"{far}/{name}.jpg"
    direct = directly(far, picture, arguments.count)
    added = one_by_one(url, picture, arguments.count)
    before = cpu_seconds(pid)
    done, took = asyncio.run(at_full_rate(url, picture, arguments.in_flight, arguments.seconds))
    return {
        "picture": name,
        "whole_ms_median": round(statistics.median(added), 1),
        "whole_ms_p90": round(statistics.quantiles(added, n=10)[-1], 1),
        "far_ends_alone_ms_median": round(statistics.median(direct), 1),
        "captions_per_second": round(done / took, 1),
        "cpu_ms_per_caption": round((cpu_seconds(pid) - before) / done * 1000, 1),
    }


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", nargs="+", default=["1mp"], choices=list(SIZES))
    parser.add_argument("--count", type=int, default=100, help="captions asked one by one")
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    with far_ends(arguments.pictures) as far, altwright(far) as (url, pid):
        rows = [row(name, far, url, pid, arguments) for name in arguments.pictures]
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print("  ".join(f"{key:>24}" for key in rows[0]))
    for one in rows:
        print("  ".join(f"{value!s:>24}" for value in one.values()))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
