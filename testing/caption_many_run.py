"""A run of `caption_many` against a running server, and what it measured."""

import asyncio
import hashlib
import json
import os
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from altwright import Altwright, AsyncAltwright, Caption, Job

from testing import process_tree
from testing.images import data_url, jpeg

IN_FLIGHT = 64
API_KEY = "altw_a-key-for-benchmarks-that-nobody-else-has"


@dataclass(slots=True)
class Run:
    """The measurements of one run. Times are seconds since its start."""

    items: int
    outcomes: Counter[str] = field(default_factory=Counter)
    """`caption`, or the name of an error's class."""
    duplicates: int = 0
    """Items that were reported twice."""
    captioned_at_s: "array[float]" = field(default_factory=lambda: array("d"))
    accepted_at_s: "array[float]" = field(default_factory=lambda: array("d"))
    """When each response other than 429 arrived."""
    refused_at_s: "array[float]" = field(default_factory=lambda: array("d"))
    """When each 429 arrived."""
    limit_changed_at_s: float | None = None
    client_bytes: list[tuple[int, int]] = field(default_factory=list)
    """The number of finished items, and the memory of this process at that time."""
    server_bytes: list[tuple[int, int]] = field(default_factory=list)
    client_cpu_s: float = 0.0

    def rate_per_s(self, from_s: float = 0.0, to_s: float | None = None) -> float:
        """Captions a second in this interval."""
        end_s = self.captioned_at_s[-1] if to_s is None else to_s
        return sum(from_s < at_s <= end_s for at_s in self.captioned_at_s) / (end_s - from_s)

    def refused_fraction(self, from_s: float = 0.0) -> float:
        """The fraction of responses since then that were 429."""
        refused = sum(at_s >= from_s for at_s in self.refused_at_s)
        return refused / max(1, refused + sum(at_s >= from_s for at_s in self.accepted_at_s))

    def memory_growth(self) -> float:
        """Memory of this process in the last tenth over that in the second tenth, minus one."""
        early = [size for done, size in self.client_bytes if 0.1 <= done / self.items < 0.2]
        late = [size for done, size in self.client_bytes if done / self.items >= 0.9]
        return max(late) / max(early) - 1


def small_image_url() -> str:
    """A data: URL of a small JPEG, so that decoding is not what is measured."""
    return data_url(jpeg((64, 48)))


def write_keys_file(path: Path, limit: str) -> None:
    """Write a file of keys with one key and its limit; a running server reloads it."""
    entry = {"name": "many", "sha256": hashlib.sha256(API_KEY.encode()).hexdigest(), "limit": limit}
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps({"keys": [entry]}))
    unfinished.replace(path)


def run_caption_many(
    url: str,
    server_pid: int,
    *,
    items: int,
    client: str = "sync",
    change_limit_after: int | None = None,
    change_limit: Callable[[], None] = lambda: None,
) -> Run:
    """Caption `items` images with the `sync` or `async` client.

    `change_limit` is called once, after `change_limit_after` items.
    """
    run = Run(items)
    image_url = small_image_url()
    reported = bytearray(items)
    started_at_s, cpu_before_s = time.monotonic(), time.process_time()

    def jobs() -> Iterator[Job]:
        for number in range(items):
            yield Job(image_url, ref=number)

    def record(job: Job, outcome: object) -> None:
        now_s = time.monotonic() - started_at_s
        assert isinstance(job.ref, int)
        run.duplicates += reported[job.ref]
        reported[job.ref] = 1
        run.outcomes["caption" if isinstance(outcome, Caption) else type(outcome).__name__] += 1
        if isinstance(outcome, Caption):
            run.captioned_at_s.append(now_s)
        done = run.outcomes.total()
        if done % max(1, items // 100) == 0:
            run.client_bytes.append((done, process_tree.memory_bytes(os.getpid())))
            run.server_bytes.append((done, process_tree.tree_memory_bytes(server_pid)))
        if done == change_limit_after:
            change_limit()
            run.limit_changed_at_s = time.monotonic() - started_at_s

    def record_response(response: httpx.Response) -> None:
        arrivals = run.refused_at_s if response.status_code == 429 else run.accepted_at_s
        arrivals.append(time.monotonic() - started_at_s)

    if client == "sync":
        _run_sync(url, jobs(), record, record_response)
    else:
        asyncio.run(_run_async(url, jobs(), record, record_response))
    run.client_cpu_s = time.process_time() - cpu_before_s
    return run


def _run_sync(
    url: str,
    jobs: Iterator[Job],
    record: Callable[[Job, object], None],
    record_response: Callable[[httpx.Response], None],
) -> None:
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    with (
        httpx.Client(limits=limits, event_hooks={"response": [record_response]}) as http,
        Altwright(API_KEY, url, http_client=http) as client,
    ):
        for job, outcome in client.caption_many(jobs, concurrency=IN_FLIGHT):
            record(job, outcome)


async def _run_async(
    url: str,
    jobs: Iterator[Job],
    record: Callable[[Job, object], None],
    record_response: Callable[[httpx.Response], None],
) -> None:
    async def on_response(response: httpx.Response) -> None:
        record_response(response)

    async def feed() -> AsyncIterator[Job]:
        for job in jobs:
            yield job

    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    async with (
        httpx.AsyncClient(limits=limits, event_hooks={"response": [on_response]}) as http,
        AsyncAltwright(API_KEY, url, http_client=http) as client,
    ):
        async for job, outcome in client.caption_many(feed(), concurrency=IN_FLIGHT):
            record(job, outcome)
