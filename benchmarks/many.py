"""Ten thousand pictures through caption_many: the rate, what is refused, and what it holds.

    .venv/bin/python -m benchmarks.many                      # nothing is refused
    .venv/bin/python -m benchmarks.many --limit 60/second    # the key's limit changes on the way

Starts the real server with a model that takes half a second, and asks it with at most 64 requests
in flight, so that 128 captions a second are ideal. With `--limit` the server begins to refuse after
a quarter of the items. Client, server and model share the machine. Exit code 1 where what
docs/sdk.md says did not hold.
"""

import argparse
import asyncio
import base64
import hashlib
import io
import json
import os
import platform
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from altwright import Altwright, AsyncAltwright, Caption, Job
from PIL import Image

from benchmarks.service import altwright, cpu_seconds, far_ends
from testing import load, process_tree

IN_FLIGHT = 64
MODEL_S = 0.5
LEAST_OF_IDEAL = 0.9
MOST_REFUSED = 0.05
MOST_GROWTH = 0.05
_SETTLING_S = 20.0
"""What the server allows is taken as found this long after it began to refuse."""
_KEY = "altw_a-key-for-benchmarks-that-nobody-else-has"
_ANY = "10000000/minute"


@dataclass(slots=True)
class Run:
    """What one run saw. Times are seconds since its start."""

    items: int
    told: Counter[str] = field(default_factory=Counter)
    """`caption`, or the name of an error's class."""
    doubles: int = 0
    """Items that were told twice."""
    captioned_s: "array[float]" = field(default_factory=lambda: array("d"))
    passed_s: "array[float]" = field(default_factory=lambda: array("d"))
    """When each answer came that was no 429; and below, when each 429 came."""
    refused_s: "array[float]" = field(default_factory=lambda: array("d"))
    limited_s: float | None = None
    """When the server's limit changed."""
    client_bytes: list[tuple[int, int]] = field(default_factory=list)
    """Memory of this process after so many items."""
    server_bytes: list[tuple[int, int]] = field(default_factory=list)
    cpu_s: float = 0.0
    """Processor time of this process."""

    def rate(self, from_s: float = 0.0, to_s: float | None = None) -> float:
        """Captions a second in this stretch."""
        end_s = self.captioned_s[-1] if to_s is None else to_s
        return sum(from_s < at_s <= end_s for at_s in self.captioned_s) / (end_s - from_s)

    def refused(self, from_s: float = 0.0) -> float:
        """The share of answers from then on that were 429."""
        refused = sum(at_s >= from_s for at_s in self.refused_s)
        return refused / max(1, refused + sum(at_s >= from_s for at_s in self.passed_s))

    def growth(self) -> float:
        """Memory of this process in the last tenth beyond that of the second one, as a share."""
        early = [size for done, size in self.client_bytes if 0.1 <= done / self.items < 0.2]
        late = [size for done, size in self.client_bytes if done / self.items >= 0.9]
        return max(late) / max(early) - 1


def picture() -> str:
    """A small JPEG as a data: URL, so that decoding is not what is measured."""
    out = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").save(out, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def set_limit(keys_file: Path, limit: str) -> None:
    """Write the file of keys; the running server rereads it."""
    entry = {"name": "many", "sha256": hashlib.sha256(_KEY.encode()).hexdigest(), "limit": limit}
    new = keys_file.with_suffix(".new")
    new.write_text(json.dumps({"keys": [entry]}))
    new.replace(keys_file)


def measure(
    url: str,
    server_pid: int,
    *,
    items: int,
    kind: str = "sync",
    limit_after: int | None = None,
    change_limit: Callable[[], None] = lambda: None,
) -> Run:
    """Send the items; after `limit_after` captions, `change_limit` is called once."""
    run = Run(items)
    url_of_picture = picture()
    told = bytearray(items)
    began_s, cpu_s = time.monotonic(), time.process_time()

    def jobs() -> Iterator[Job]:
        for number in range(items):
            yield Job(url_of_picture, ref=number)

    def tell(job: Job, outcome: object) -> None:
        now_s = time.monotonic() - began_s
        assert isinstance(job.ref, int)
        run.doubles += told[job.ref]
        told[job.ref] = 1
        run.told["caption" if isinstance(outcome, Caption) else type(outcome).__name__] += 1
        if isinstance(outcome, Caption):
            run.captioned_s.append(now_s)
        done = run.told.total()
        if done % max(1, items // 100) == 0:
            run.client_bytes.append((done, process_tree.resident_bytes(os.getpid())))
            run.server_bytes.append((done, process_tree.tree_bytes(server_pid)))
        if done == limit_after:
            change_limit()
            run.limited_s = time.monotonic() - began_s

    def note(response: httpx.Response) -> None:
        came_s = run.refused_s if response.status_code == 429 else run.passed_s
        came_s.append(time.monotonic() - began_s)

    if kind == "sync":
        _in_threads(url, jobs(), tell, note)
    else:
        asyncio.run(_on_loop(url, jobs(), tell, note))
    run.cpu_s = time.process_time() - cpu_s
    return run


def _in_threads(
    url: str, jobs: Iterator[Job], tell: Callable[[Job, object], None], note: Callable[..., None]
) -> None:
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    with (
        httpx.Client(limits=limits, event_hooks={"response": [note]}) as http,
        Altwright(_KEY, url, http_client=http) as client,
    ):
        for job, outcome in client.caption_many(jobs, concurrency=IN_FLIGHT):
            tell(job, outcome)


async def _on_loop(
    url: str, jobs: Iterator[Job], tell: Callable[[Job, object], None], note: Callable[..., None]
) -> None:
    async def later(response: httpx.Response) -> None:
        note(response)

    async def feed() -> AsyncIterator[Job]:
        for job in jobs:
            yield job

    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with (
        httpx.AsyncClient(limits=limits, event_hooks={"response": [later]}) as http,
        AsyncAltwright(_KEY, url, http_client=http) as client,
    ):
        async for job, outcome in client.caption_many(feed(), concurrency=IN_FLIGHT):
            tell(job, outcome)


def without_sdk(url: str, seconds: float) -> float:
    """Captions a second of as many callers that only write and read bytes: what there is."""
    message = load.request(
        "POST", "/v1/image/caption", {"image_url": picture()}, Authorization=f"Bearer {_KEY}"
    )

    async def asked() -> load.Told:
        await load.closed_loop(url, [message], in_flight=IN_FLIGHT, seconds=1)
        return await load.closed_loop(url, [message], in_flight=IN_FLIGHT, seconds=seconds)

    return len(asyncio.run(asked()).of("ok").answers) / seconds


def allowed_per_s(limit: str) -> float:
    """`60/second` as a number."""
    amount, _, unit = limit.partition("/")
    return int(amount) / {"second": 1, "minute": 60, "hour": 3600}[unit]


def figures(run: Run, limit: str | None) -> dict[str, Any]:
    """One row of the table."""
    first, last = run.client_bytes[len(run.client_bytes) // 10], run.client_bytes[-1]
    row: dict[str, Any] = {
        "told": dict(run.told),
        "seconds": round(run.captioned_s[-1], 1),
        "a second": round(run.rate(to_s=run.limited_s), 1),
        "client MiB": f"{first[1] / 1_048_576:.1f} to {last[1] / 1_048_576:.1f}",
        "growth %": round(run.growth() * 100, 1),
        "server MiB at the end": round(run.server_bytes[-1][1] / 1_048_576),
        "client CPU ms each": round(run.cpu_s / run.items * 1000, 2),
    }
    if limit is None:
        row["of ideal %"] = round(run.rate() / (IN_FLIGHT / MODEL_S) * 100, 1)
    elif run.limited_s is not None:
        row["allowed"] = limit
        row["settled a second"] = round(run.rate(run.limited_s + _SETTLING_S), 1)
        row["refused since %"] = round(run.refused(run.limited_s) * 100, 1)
        row["refused, settled %"] = round(run.refused(run.limited_s + _SETTLING_S) * 100, 1)
    return row


def faults(run: Run, limit: str | None) -> list[str]:
    """What did not hold."""
    found = []
    if run.told != {"caption": run.items} or run.doubles:
        found.append("an item was lost, failed or told twice")
    if run.growth() > MOST_GROWTH:
        found.append("memory grew")
    if limit is None and run.rate() < LEAST_OF_IDEAL * IN_FLIGHT / MODEL_S:
        found.append(f"under {LEAST_OF_IDEAL:.0%} of the ideal rate")
    if limit is not None and run.limited_s is not None:
        settled = run.rate(run.limited_s + _SETTLING_S)
        if not 0.8 * allowed_per_s(limit) <= settled <= 1.02 * allowed_per_s(limit):
            found.append("it did not settle near the allowed rate")
        if run.refused(run.limited_s) >= MOST_REFUSED:
            found.append(f"{MOST_REFUSED:.0%} or more were refused")
    return found


def main() -> None:
    """Measure, print, and say whether it held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--kind", choices=["sync", "async"], default="sync")
    parser.add_argument("--limit", help="the key's limit after a quarter: 60/second, 3600/minute")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the load without the SDK")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
          f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, far_ends([], delay_s=MODEL_S) as far:
        keys_file = Path(folder) / "keys.json"
        set_limit(keys_file, _ANY)
        with altwright(far, ALTWRIGHT_KEYS_FILE=str(keys_file)) as (url, pid):
            plain = without_sdk(url, arguments.seconds)
            before_s = cpu_seconds(pid)
            run = measure(
                url,
                pid,
                items=arguments.items,
                kind=arguments.kind,
                limit_after=arguments.items // 4 if arguments.limit else None,
                change_limit=lambda: set_limit(keys_file, arguments.limit),
            )
            server_s = cpu_seconds(pid) - before_s
    row = {
        "kind": arguments.kind,
        "without SDK a second": round(plain, 1),
        **figures(run, arguments.limit),
    }
    row["server CPU ms each"] = round(server_s / run.items * 1000, 1)
    for name, value in row.items():
        print(f"{name:>22}: {value}")
    wrong = faults(run, arguments.limit)
    print("held" if not wrong else f"did NOT hold: {'; '.join(wrong)}")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
