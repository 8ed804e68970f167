"""More load than the server can carry, and what it does before, during and after."""

import asyncio
from dataclasses import dataclass

from testing import load, process_tree

SERVICE_REQUESTS = [load.http_request("GET", path) for path in ("/healthz", "/readyz", "/metrics")]


@dataclass(frozen=True, slots=True)
class OverloadResult:
    """The responses of each phase, and the memory of the process tree."""

    unloaded: load.Responses
    """To one client alone, before."""
    capacity_per_s: float
    """Captions a second that the server can make."""
    overloaded: load.Responses
    service: load.Responses
    """To /healthz, /readyz and /metrics during the overload."""
    after: load.Responses
    """To one client alone, afterwards."""
    peak: process_tree.MemoryPeak
    after_bytes: int

    def growth_mib(self) -> float:
        """Median memory in the last fifth of the overload minus that in the second fifth."""
        sizes = [size for _, size in self.peak.samples]
        fifth = max(1, len(sizes) // 5)
        early, late = sorted(sizes[fifth : 2 * fifth] or sizes), sorted(sizes[-fifth:])
        return (late[len(late) // 2] - early[len(early) // 2]) / 1_048_576


async def overload(
    url: str,
    pid: int,
    messages: list[bytes],
    *,
    factor: float,
    seconds: float,
    warm_up_s: float,
    connections: int = 600,
) -> OverloadResult:
    """Measure the capacity, then send `factor` times as many requests for `seconds`."""
    await load.closed_loop(url, messages, in_flight=4, seconds=warm_up_s / 2)
    unloaded = await load.closed_loop(url, messages, in_flight=1, seconds=warm_up_s)
    at_capacity = await load.closed_loop(url, messages, in_flight=16, seconds=warm_up_s)
    capacity_per_s = len(at_capacity) / warm_up_s
    with process_tree.watch_memory(pid, 0.25) as peak:
        service_task = asyncio.create_task(
            load.closed_loop(url, SERVICE_REQUESTS, in_flight=1, seconds=seconds, pause_s=0.05)
        )
        overloaded = await load.open_loop(
            url, messages, per_second=factor * capacity_per_s, seconds=seconds,
            connections=connections,
        )  # fmt: skip
        service = await service_task
    await asyncio.sleep(1)
    after = await load.closed_loop(url, messages, in_flight=1, seconds=warm_up_s)
    return OverloadResult(
        unloaded, capacity_per_s, overloaded, service, after, peak,
        process_tree.tree_memory_bytes(pid),
    )  # fmt: skip
