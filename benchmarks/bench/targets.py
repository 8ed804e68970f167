"""Performance targets and their figures; most are ratios of two things measured in one run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.bench import peers, resizers
from benchmarks.bench.core_scaling import CoreScaling
from benchmarks.bench.latency import ConcurrentLatency, SingleLatency
from benchmarks.bench.memory_growth import MemoryGrowth
from benchmarks.bench.resizers import CpuMs
from benchmarks.bench.service_cost import CpuCost
from testing.photographs import Photograph

MAX_ADDED_LATENCY_MS = 8.0
MAX_CPU_BESIDES_NORMALISER_MS = 6.0
MAX_CONCURRENT_RATIO = 1.5
MAX_SERVICE_RATIOS = {"1mp": 0.45, "12mp": 0.6}
MAX_NORMALISER_RATIOS = (("baseline", 0.7), ("progressive", 1.0), ("png", 1.2), ("webp", 1.2))
MAX_GROWTH_PERCENT = 5.0
MIN_SCALING = 1.8
MAX_START_S = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table. `figure` is None where a peer that it needs is not installed."""

    what: str
    figure: float | None
    bound: float
    unit: str
    at_least: bool = False
    install: str = ""
    """The command that installs what is missing."""

    @property
    def met(self) -> bool | None:
        """None where nothing was measured."""
        if self.figure is None or math.isnan(self.figure):
            return None
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


@dataclass(slots=True)
class Measurements:
    """Everything that one run measured; a part that was not run is None."""

    normaliser: dict[Photograph, CpuMs] | None = None
    service: dict[str, dict[str, CpuCost]] | None = None
    latency: SingleLatency | None = None
    concurrency: list[ConcurrentLatency] = field(default_factory=list)
    memory: MemoryGrowth | None = None
    scaling: CoreScaling | None = None
    start_s: float | None = None


def evaluate(found: Measurements) -> list[Target]:
    """The targets of what was measured, in the order of the table."""
    targets: list[Target] = []
    if found.normaliser is not None:
        targets += _normaliser_targets(found.normaliser)
    if found.service is not None:
        targets += _service_targets(found.service, found.normaliser or {})
    if found.latency is not None:
        # The time of origin and model is not ours, as in the rows of concurrent clients.
        one = found.latency
        added = one.caption - one.upstreams - one.normaliser
        what = "p50 added beyond normaliser and upstreams"
        targets.append(Target(what, added, MAX_ADDED_LATENCY_MS, "ms"))
    for many in found.concurrency:
        what = f"p50 added, {many.clients} clients, model {many.model_ms:.0f} ms, over one client"
        targets.append(
            Target(what, many.added_ms / many.added_alone_ms, MAX_CONCURRENT_RATIO, "times")
        )
    if found.memory is not None:
        what = f"memory after {found.memory.captions} captions, over that after a tenth"
        targets.append(Target(what, found.memory.percent, MAX_GROWTH_PERCENT, "% more"))
    if found.scaling is not None:
        what = "captions a second of two cores, over one"
        targets.append(Target(what, found.scaling.factor, MIN_SCALING, "times", at_least=True))
    if found.start_s is not None:
        targets.append(Target("start to the first /healthz", found.start_s, MAX_START_S, "s"))
    return targets


def _normaliser_targets(found: dict[Photograph, CpuMs]) -> list[Target]:
    return [
        Target(
            f"normaliser, {kind}, geometric mean, over {peer}",
            resizers.ratio(found, peer, kind),
            bound,
            "times",
            install=peers.INSTALL,
        )
        for kind, bound in MAX_NORMALISER_RATIOS
        for peer in ("libvips", "sharp")
    ]


def _service_targets(
    service: Mapping[str, Mapping[str, CpuCost]], normaliser: dict[Photograph, CpuMs]
) -> list[Target]:
    targets = []
    for size, costs in service.items():
        both = [costs[name].tree_ms for name in ("thumbor", "litellm") if name in costs]
        targets.append(
            Target(
                f"whole service, {size} JPEG, over thumbor + LiteLLM",
                costs["altwright"].tree_ms / sum(both) if len(both) == 2 else None,
                MAX_SERVICE_RATIOS[size],
                "times",
                install=peers.INSTALL,
            )
        )
    bare = normaliser.get(Photograph("1mp", "baseline"))
    if bare is not None and "1mp" in service:
        rest = service["1mp"]["altwright"].tree_ms - bare["altwright"]
        what = "of it not decoding, resizing, encoding"
        targets.append(Target(what, rest, MAX_CPU_BESIDES_NORMALISER_MS, "ms"))
    return targets
