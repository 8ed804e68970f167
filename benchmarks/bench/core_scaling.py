"""Captions a second on two cores, over those on one."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from testing import load
from testing.servers.altwright import Altwright
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

_IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class CoreScaling:
    """Captions a second by the number of cores."""

    per_second: dict[int, float]

    @property
    def factor(self) -> float:
        """The rate of two cores over that of one."""
        return self.per_second[2] / self.per_second[1]


def measure_scaling(*, rounds: int, seconds: float) -> CoreScaling:
    """Alternate between a server on one core and a server on two.

    The load generator and the upstreams run on the same cores as their server. They take the same
    processor time for each caption, so the single core is not left with more of its time.
    """
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise RuntimeError("this machine has only one core")
    rates: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        started = []
        for count in (1, 2):
            cores = frozenset(available[:count])
            with cpu_affinity(cores):  # child processes inherit it
                upstream = stack.enter_context(stub_upstreams(["1mp"]))
                server = stack.enter_context(Altwright(**stub_model_settings(upstream)))
            messages = [load.caption_request(f"{upstream}/1mp.jpg")]
            started.append((cores, server.url, messages))
        for number in range(rounds + 1):
            for cores, url, messages in started:
                with cpu_affinity(cores):
                    rate = asyncio.run(_rate_per_s(url, messages, seconds if number else 2.0))
                if number:  # the first round is a warm-up
                    rates[len(cores)].append(rate)
    return CoreScaling({count: statistics.median(found) for count, found in rates.items()})


async def _rate_per_s(url: str, messages: Sequence[bytes], seconds: float) -> float:
    started_at_s = time.perf_counter()
    responses = await load.closed_loop(url, messages, in_flight=_IN_FLIGHT, seconds=seconds)
    if len(responses.with_codes("ok")) != len(responses):
        raise RuntimeError(f"not every caption succeeded: {responses.codes()}")
    return len(responses) / (time.perf_counter() - started_at_s)


@contextmanager
def cpu_affinity(cores: frozenset[int]) -> Iterator[None]:
    """Bind this thread, and the processes that it starts, to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
