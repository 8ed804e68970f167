"""Load shedding: the server gets five times the requests that it can carry.

    .venv/bin/python -m benchmarks.overload --seconds 60

First one client alone, then as many requests as the server can carry, then a multiple of that rate
at fixed intervals. Another client asks /healthz, /readyz and /metrics meanwhile. The load
generator, the origin and the model share the machine with the server, so a small machine shows
lower figures.
"""

import argparse
import asyncio
import os
import platform

from benchmarks import cpu_steal
from testing import load
from testing.overload import OverloadResult, overload
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

REFUSAL_P99_MS = 50.0
GROWTH_MIB = 32.0
_QUEUE_WAIT_MS = 30_000.0


def failed_targets(found: OverloadResult) -> list[str]:
    """A sentence for each target that was missed."""
    accepted = found.overloaded.with_codes("ok")
    refused = found.overloaded.with_codes("overloaded")
    targets = (
        (set(found.overloaded.codes()) <= {"ok", "overloaded"}, "a code other than overloaded"),
        (refused.percentile_ms(0.99) < REFUSAL_P99_MS, "refusals took too long"),
        (
            accepted.percentile_ms(0.99) < 2 * found.unloaded.percentile_ms(0.99) + _QUEUE_WAIT_MS,
            "accepted requests took longer than twice the unloaded ones plus the wait in the queue",
        ),
        (found.growth_mib() < GROWTH_MIB, "memory grew"),
        (set(found.service.codes()) == {"ok"}, "a service path failed"),
        (set(found.after.codes()) == {"ok"}, "captions failed after the overload"),
    )
    return [sentence for met, sentence in targets if not met]


def _print_latency(name: str, responses: load.Responses) -> None:
    print(
        f"{name:>12}: {len(responses):>6}  p50 {responses.percentile_ms(0.5):7.1f} ms  "
        f"p99 {responses.percentile_ms(0.99):7.1f} ms  max {responses.percentile_ms(1):7.1f} ms"
    )


def main() -> None:
    """Measure and print; exit code 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--factor", type=float, default=5.0, help="requests, over the capacity")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", default="1mp", help="of the image")
    arguments = parser.parse_args()
    before = cpu_steal.read_ticks()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with (
        stub_upstreams([arguments.size]) as upstream,
        Altwright(**stub_model_settings(upstream)) as server,
    ):
        messages = [load.caption_request(f"{upstream}/{arguments.size}.jpg")]
        found = asyncio.run(
            overload(
                server.url, server.process.pid, messages, factor=arguments.factor,
                seconds=arguments.seconds, warm_up_s=5,
            )
        )  # fmt: skip
    print(cpu_steal.describe_since(before))
    print(f"capacity {found.capacity_per_s:.0f} captions a second, "
          f"{len(found.overloaded) / arguments.seconds:.0f} requests a second sent")  # fmt: skip
    print(f"codes: {dict(found.overloaded.codes())}")
    _print_latency("unloaded", found.unloaded)
    _print_latency("accepted", found.overloaded.with_codes("ok"))
    _print_latency("refused", found.overloaded.with_codes("overloaded"))
    _print_latency("service", found.service)
    _print_latency("after", found.after)
    print(f"memory: peak {found.peak.mib:.0f} MiB, grew by {found.growth_mib():.0f} MiB, "
          f"{found.after_bytes >> 20} MiB after")  # fmt: skip
    failed = failed_targets(found)
    print("targets met" if not failed else "targets MISSED: " + "; ".join(failed))
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
