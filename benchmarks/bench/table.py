"""The table, for people and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.bench import peers
from benchmarks.bench.engines import WAYS
from benchmarks.bench.promises import Measured, Promise, promises

_NOT_HERE = "-"


def lines(seen: Measured) -> Iterator[str]:
    """What is printed, part by part; what was not measured is left out."""
    if seen.normaliser is not None:
        yield "Making a picture small, processor time in ms (median)"
        rows = [
            [f"{picture.size} {picture.kind}", *(_ms(figures.get(way)) for way in WAYS)]
            for picture, figures in seen.normaliser.items()
        ]
        yield from _grid(["picture", *WAYS], rows)
        yield from _missing(("libvips", "pyvips"), ("sharp", "sharp"))
    if seen.service is not None:
        yield "The whole service, processor time in ms of one request (process trees)"
        names = ("altwright", "thumbor", "litellm")
        rows = []
        for size, costs in seen.service.items():
            whole = [_ms(costs[name].whole if name in costs else None) for name in names]
            rows.append([f"{size} JPEG", *whole, _ms(costs["altwright"].own)])
        yield from _grid(["picture", *names, "altwright's own process"], rows)
        yield from _missing(("thumbor", "thumbor"), ("litellm", "litellm"))
    if seen.latency is not None:
        one = seen.latency
        yield (
            f"One caption at a time: {one.caption:.1f} ms (normaliser {one.normaliser:.1f}, far "
            f"ends alone {one.far_ends:.1f}), medians"
        )
    for crowd in seen.crowds:
        yield (
            f"{crowd.callers} callers, model {crowd.model_ms:.0f} ms, {crowd.a_second:.0f} a "
            f"second on {crowd.cores_used:.2f} cores: p50 {crowd.p50_ms:.0f} ms, alone "
            f"{crowd.alone_ms:.0f} ms, {crowd.failed} failed"
        )
    if seen.memory is not None:
        one_run = seen.memory
        yield (
            f"Memory of the tree: {one_run.after_a_tenth:.0f} MiB after a tenth of "
            f"{one_run.captions} captions, {one_run.at_the_end:.0f} MiB at the end"
        )
    if seen.scaling is not None:
        rates = ", ".join(f"{n}: {rate:.1f}" for n, rate in seen.scaling.by_cores.items())
        yield f"Captions a second by cores: {rates}"
    yield ""
    yield "What must hold"
    yield from _grid(
        ["figure", "seen", "bound", ""], [_promise_row(line) for line in promises(seen)]
    )


def as_json(seen: Measured, machine: dict[str, Any]) -> dict[str, Any]:
    """The same as an object."""
    return {
        "machine": machine,
        "normaliser_cpu_ms": {
            f"{picture.size} {picture.kind}": figures
            for picture, figures in (seen.normaliser or {}).items()
        },
        "service_cpu_ms": {
            size: {name: asdict(one) for name, one in costs.items()}
            for size, costs in (seen.service or {}).items()
        },
        "latency_ms": asdict(seen.latency) if seen.latency else None,
        "crowds": [asdict(crowd) for crowd in seen.crowds],
        "memory_mib": asdict(seen.memory) if seen.memory else None,
        "captions_a_second_by_cores": seen.scaling.by_cores if seen.scaling else None,
        "start_s": seen.start_s,
        "promises": [{**asdict(line), "held": line.held} for line in promises(seen)],
    }


def _promise_row(line: Promise) -> list[str]:
    sign = ">=" if line.at_least else "<="
    seen = _NOT_HERE if line.figure is None else f"{line.figure:.2f} {line.unit}"
    verdict = {True: "held", False: "did NOT hold", None: f"not measured: {line.install}"}
    return [line.what, seen, f"{sign} {line.bound:g}", verdict[line.held]]


def _missing(*pairs: tuple[str, str]) -> Iterator[str]:
    """A sentence for each column that is empty because its peer is not installed."""
    for column, peer in pairs:
        if not peers.is_installed(peer):
            yield f"  {column}: not installed, `{peers.INSTALL}` does it"


def _ms(value: float | None) -> str:
    return _NOT_HERE if value is None else f"{value:.1f}"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for row in [head, *rows]:
        first, *rest = row
        cells = [f"{text:>{width}}" for text, width in zip(rest, widths[1:], strict=True)]
        yield "  " + "  ".join([f"{first:<{widths[0]}}", *cells])
