"""What must hold, each with its figure: mostly ratios between two things measured in one run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.bench import engines, peers
from benchmarks.bench.engines import Figures
from benchmarks.bench.servers import Cost, Crowd, Growth, Latency, Scaling
from testing.photographs import Photograph

LATENCY_ADDED_MS = 8.0
PATH_MS = 6.0
CROWDED_TIMES = 1.5
SERVICE_BOUNDS = {"1mp": 0.45, "12mp": 0.6}
NORMALISER_BOUNDS = (
    (("baseline",), 0.7),
    (("progressive",), 1.0),
    (("png",), 1.2),
    (("webp",), 1.2),
)
GROWTH_PERCENT = 5.0
SCALING = 1.8
START_S = 1.0


@dataclass(frozen=True, slots=True)
class Promise:
    """One line of the table. `figure` is None where what it takes is not installed."""

    what: str
    figure: float | None
    bound: float
    unit: str
    at_least: bool = False
    install: str = ""
    """What to do where there is no figure."""

    @property
    def held(self) -> bool | None:
        """None where nothing was measured."""
        if self.figure is None or math.isnan(self.figure):
            return None
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound


@dataclass(slots=True)
class Measured:
    """Everything that one run saw; a part that was not asked for is None."""

    normaliser: dict[Photograph, Figures] | None = None
    service: dict[str, dict[str, Cost]] | None = None
    latency: Latency | None = None
    crowds: list[Crowd] = field(default_factory=list)
    memory: Growth | None = None
    scaling: Scaling | None = None
    start_s: float | None = None


def promises(seen: Measured) -> list[Promise]:
    """The lines of what was measured, in the order of the table."""
    lines: list[Promise] = []
    if seen.normaliser is not None:
        lines += _of_normaliser(seen.normaliser)
    if seen.service is not None:
        lines += _of_service(seen.service, seen.normaliser or {})
    if seen.latency is not None:
        # What origin and model take by themselves is not added by us, as in the rows of a crowd.
        one = seen.latency
        added = one.caption - one.far_ends - one.normaliser
        what = "p50 added beyond the normaliser, far ends taken off"
        lines.append(Promise(what, added, LATENCY_ADDED_MS, "ms"))
    for crowd in seen.crowds:
        what = f"p50 added, {crowd.callers} callers, model {crowd.model_ms:.0f} ms, over one caller"
        lines.append(Promise(what, crowd.added_ms / crowd.added_alone_ms, CROWDED_TIMES, "times"))
    if seen.memory is not None:
        what = f"memory after {seen.memory.captions} captions, over that after a tenth"
        lines.append(Promise(what, seen.memory.percent, GROWTH_PERCENT, "% more"))
    if seen.scaling is not None:
        what = "captions a second of two cores, over one"
        lines.append(Promise(what, seen.scaling.factor, SCALING, "times", at_least=True))
    if seen.start_s is not None:
        lines.append(Promise("start to the first /healthz", seen.start_s, START_S, "s"))
    return lines


def _of_normaliser(found: dict[Photograph, Figures]) -> list[Promise]:
    return [
        Promise(
            f"normaliser, {kinds[0]}, geometric mean, over {peer}",
            engines.ratio(found, peer, *kinds),
            bound,
            "times",
            install=peers.INSTALL,
        )
        for kinds, bound in NORMALISER_BOUNDS
        for peer in ("libvips", "sharp")
    ]


def _of_service(
    service: Mapping[str, Mapping[str, Cost]], normaliser: dict[Photograph, Figures]
) -> list[Promise]:
    lines = []
    for size, costs in service.items():
        both = [costs[name].whole for name in ("thumbor", "litellm") if name in costs]
        lines.append(
            Promise(
                f"whole service, {size} JPEG, over thumbor + LiteLLM",
                costs["altwright"].whole / sum(both) if len(both) == 2 else None,
                SERVICE_BOUNDS[size],
                "times",
                install=peers.INSTALL,
            )
        )
    bare = normaliser.get(Photograph("1mp", "baseline"))
    if bare is not None and "1mp" in service:
        rest = service["1mp"]["altwright"].whole - bare["altwright"]
        lines.append(Promise("of it not decoding, resizing, encoding", rest, PATH_MS, "ms"))
    return lines
