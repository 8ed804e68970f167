"""Latency of a caption: for one client at a time, and for many beside a slow model."""

import asyncio
import statistics
import time
from dataclasses import dataclass

from benchmarks.bench.resizers import start_resizer
from benchmarks.bench.service_cost import chat_request
from testing import load, process_tree
from testing.photographs import Photograph
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams


@dataclass(frozen=True, slots=True)
class SingleLatency:
    """Median milliseconds, one request at a time."""

    caption: float
    normaliser: float
    upstreams: float
    """Fetching the image and calling the model directly: the part that no server can save."""


def measure_single(count: int) -> SingleLatency:
    """Alternate captions of 1 megapixel, bare normalisations and direct upstream calls."""
    with (
        stub_upstreams(["1mp"]) as upstream,
        Altwright(**stub_model_settings(upstream)) as server,
        start_resizer("altwright") as normaliser,
    ):
        message = load.caption_request(f"{upstream}/1mp.jpg")
        asyncio.run(_captions_and_upstreams(server.url, upstream, message, 10))
        photograph = Photograph("1mp", "baseline")
        captions: list[float] = []
        direct: list[float] = []
        bare: list[float] = []
        for _ in range(count // 5):
            bare += [normaliser.resize(photograph)["wall_ms"] for _ in range(5)]
            some, others = asyncio.run(_captions_and_upstreams(server.url, upstream, message, 6))
            captions += some[1:]  # the first one opens the connection
            direct += others[1:]
    return SingleLatency(
        statistics.median(captions), statistics.median(bare), statistics.median(direct)
    )


async def _captions_and_upstreams(
    url: str, upstream: str, message: bytes, count: int
) -> tuple[list[float], list[float]]:
    fetch, chat = load.http_request("GET", "/1mp.jpg"), chat_request(bytes(190_000))
    captions, direct = [], []
    async with load.Connection(url) as to_server, load.Connection(upstream) as to_upstream:
        for _ in range(count):
            captions.append((await to_server.send(message)).duration_s * 1000)
            both = [await to_upstream.send(fetch), await to_upstream.send(chat)]
            direct.append(sum(response.duration_s for response in both) * 1000)
    return captions, direct


@dataclass(frozen=True, slots=True)
class ConcurrentLatency:
    """Latency of many clients beside a slow model."""

    clients: int
    model_ms: float
    alone_ms: float
    """Median for one client at a time."""
    p50_ms: float
    per_second: float
    cores_used: float
    """By the server's process tree."""
    failed: int

    @property
    def added_alone_ms(self) -> float:
        """What the server adds to the model's time for one client."""
        return self.alone_ms - self.model_ms

    @property
    def added_ms(self) -> float:
        """What it adds for many clients."""
        return self.p50_ms - self.model_ms


def measure_concurrent(
    *, model_delay_s: float, clients: int, per_second: float, seconds: float, concurrency: int
) -> ConcurrentLatency:
    """Send `per_second` requests from `clients`: fewer than the processors can carry."""
    with (
        stub_upstreams(["1mp"], model_delay_s=model_delay_s) as upstream,
        Altwright(**stub_model_settings(upstream), CONCURRENCY=str(concurrency)) as server,
    ):
        pid = server.process.pid
        messages = [load.caption_request(f"{upstream}/1mp.jpg")]
        asyncio.run(load.closed_loop(server.url, messages, in_flight=8, seconds=1))
        alone = asyncio.run(
            load.closed_loop(server.url, messages, in_flight=1, seconds=seconds / 2)
        )
        cpu_before_s, started_at_s = process_tree.tree_cpu_s(pid), time.perf_counter()
        responses = asyncio.run(
            load.open_loop(
                server.url, messages, per_second=per_second, seconds=seconds, connections=clients
            )
        )
        took_s = time.perf_counter() - started_at_s
        succeeded = responses.with_codes("ok")
        return ConcurrentLatency(
            clients=clients,
            model_ms=model_delay_s * 1000,
            alone_ms=alone.percentile_ms(0.5),
            p50_ms=succeeded.percentile_ms(0.5),
            per_second=len(responses) / took_s,
            cores_used=(process_tree.tree_cpu_s(pid) - cpu_before_s) / took_s,
            failed=len(responses) - len(succeeded),
        )
