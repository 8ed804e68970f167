"""Memory of the process tree after many captions."""

import asyncio
import statistics
import time
from dataclasses import dataclass

from testing import load, process_tree
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

_CLIENTS = 8


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Memory of the process tree in MiB."""

    captions: int
    after_a_tenth: float
    at_the_end: float

    @property
    def percent(self) -> float:
        """The growth from the first tenth to the end."""
        return (self.at_the_end / self.after_a_tenth - 1) * 100


def measure_growth(captions: int) -> MemoryGrowth:
    """Memory after the first tenth of `captions` and after the last."""
    with (
        stub_upstreams(["1mp"]) as upstream,
        Altwright(**stub_model_settings(upstream)) as server,
    ):
        message = load.caption_request(f"{upstream}/1mp.jpg")
        sizes = []
        for count in (captions // 10, captions - captions // 10):
            asyncio.run(_send(server.url, message, count))
            sizes.append(_idle_mib(server.process.pid))
    return MemoryGrowth(captions, *sizes)


async def _send(url: str, message: bytes, count: int) -> None:
    responses = await load.send_all(url, [message] * count, in_flight=_CLIENTS)
    if len(responses.with_codes("ok")) != count:
        raise RuntimeError(f"not every caption succeeded: {responses.codes()}")


def _idle_mib(pid: int) -> float:
    """The median of some samples, after a second without requests."""
    time.sleep(1.0)
    samples = []
    for _ in range(5):
        samples.append(process_tree.tree_memory_bytes(pid) / 1_048_576)
        time.sleep(0.1)
    return statistics.median(samples)
