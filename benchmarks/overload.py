"""Five times the load that the server can carry: what is refused, how fast, and what remains after.

    .venv/bin/python -m benchmarks.overload --seconds 60

First one caller alone (unloaded), then as much as it carries, then a multiple of that rate at fixed
intervals, whatever the answers, while another caller asks /healthz, /readyz and /metrics. The load
and both far ends share the machine with the server: figures of a small one are pessimistic.
"""

import argparse
import asyncio
import os
import platform
from dataclasses import dataclass

from benchmarks import neighbours
from benchmarks.service import altwright, far_ends
from testing import load, process_tree

REFUSAL_P99_MS = 50.0
_SERVICE = [load.request("GET", path) for path in ("/healthz", "/readyz", "/metrics")]


@dataclass(frozen=True, slots=True)
class Overload:
    """One run's figures."""

    unloaded: load.Told
    carried_a_second: float
    over: load.Told
    service: load.Told
    after: load.Told
    peak: process_tree.Peak
    after_bytes: int

    def growth_mib(self) -> float:
        """Memory of the last fifth of the overload beyond that of the second fifth, medians."""
        sizes = [size for _, size in self.peak.samples]
        fifth = max(1, len(sizes) // 5)
        early, late = sorted(sizes[fifth : 2 * fifth] or sizes), sorted(sizes[-fifth:])
        return (late[len(late) // 2] - early[len(early) // 2]) / 1_048_576


async def overloaded(
    url: str,
    pid: int,
    messages: list[bytes],
    *,
    times: float,
    seconds: float,
    warm_s: float,
    connections: int = 600,
) -> Overload:
    """Measure; `times` is the multiple of the rate that the server carries."""
    await load.closed_loop(url, messages, in_flight=4, seconds=warm_s / 2)
    unloaded = await load.closed_loop(url, messages, in_flight=1, seconds=warm_s)
    carried = await load.closed_loop(url, messages, in_flight=16, seconds=warm_s)
    a_second = len(carried.answers) / warm_s
    with process_tree.watched(pid, 0.25) as peak:
        service = asyncio.create_task(
            load.closed_loop(url, _SERVICE, in_flight=1, seconds=seconds, pause_s=0.05)
        )
        over = await load.open_loop(
            url, messages, a_second=times * a_second, seconds=seconds, connections=connections
        )
        asked = await service
    await asyncio.sleep(1)
    after = await load.closed_loop(url, messages, in_flight=1, seconds=warm_s)
    return Overload(unloaded, a_second, over, asked, after, peak, process_tree.tree_bytes(pid))


def _print(name: str, told: load.Told) -> None:
    print(
        f"{name:>12}: {len(told.answers):>6}  p50 {told.percentile_ms(0.5):7.1f} ms  "
        f"p99 {told.percentile_ms(0.99):7.1f} ms  max {told.percentile_ms(1):7.1f} ms"
    )


def main() -> None:
    """Measure and print; exit code 1 where a promise did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--picture", default="1mp")
    arguments = parser.parse_args()
    before = neighbours.ticks()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with far_ends([arguments.picture]) as far, altwright(far) as (url, pid):
        messages = [load.caption(f"{far}/{arguments.picture}.jpg")]
        found = asyncio.run(
            overloaded(
                url, pid, messages, times=arguments.times, seconds=arguments.seconds, warm_s=5
            )
        )
    print(neighbours.told(before))
    told = found.over
    print(f"carries {found.carried_a_second:.0f} captions a second, asked for "
          f"{len(told.answers) / arguments.seconds:.0f}")  # fmt: skip
    print(f"codes: {dict(told.codes())}")
    _print("unloaded", found.unloaded)
    _print("accepted", told.of("ok"))
    _print("refused", told.of("overloaded"))
    _print("service", found.service)
    _print("after", found.after)
    print(f"memory: peak {found.peak.mib:.0f} MiB, grew by {found.growth_mib():.0f} MiB, "
          f"{found.after_bytes >> 20} MiB after")  # fmt: skip
    failed = [
        sentence
        for held, sentence in (
            (set(told.codes()) <= {"ok", "overloaded"}, "an answer other than 200 or overloaded"),
            (told.of("overloaded").percentile_ms(0.99) < REFUSAL_P99_MS, "refusals took too long"),
            (
                told.of("ok").percentile_ms(0.99) < 2 * found.unloaded.percentile_ms(0.99) + 30_000,
                "accepted requests took longer than twice the unloaded ones and the queue's wait",
            ),
            (found.growth_mib() < 32, "memory grew"),
            (set(found.service.codes()) == {"ok"}, "a service path failed"),
            (set(found.after.codes()) == {"ok"}, "not as before afterwards"),
        )
        if not held
    ]
    print("held" if not failed else "did NOT hold: " + "; ".join(failed))
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
