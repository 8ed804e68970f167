"""The measurements as a table of text and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.bench import peers
from benchmarks.bench.resizers import RESIZERS
from benchmarks.bench.targets import Measurements, Target, evaluate

_MISSING = "-"
_SERVERS = ("altwright", "thumbor", "litellm")


def format_lines(found: Measurements) -> Iterator[str]:
    """The lines to print, part by part; a part that was not measured is left out."""
    if found.normaliser is not None:
        yield "Making an image small, processor time in ms (median)"
        rows = [
            [f"{one.size} {one.kind}", *(_format_ms(cpu_ms.get(name)) for name in RESIZERS)]
            for one, cpu_ms in found.normaliser.items()
        ]
        yield from _format_grid(["image", *RESIZERS], rows)
        yield from _missing_peers(("libvips", "pyvips"), ("sharp", "sharp"))
    if found.service is not None:
        yield "The whole service, processor time in ms of one request (process trees)"
        rows = []
        for size, costs in found.service.items():
            trees = [
                _format_ms(costs[name].tree_ms if name in costs else None) for name in _SERVERS
            ]
            own = _format_ms(costs["altwright"].main_process_ms)
            rows.append([f"{size} JPEG", *trees, own])
        yield from _format_grid(["image", *_SERVERS, "altwright's main process"], rows)
        yield from _missing_peers(("thumbor", "thumbor"), ("litellm", "litellm"))
    yield from _format_sentences(found)
    yield ""
    yield "Targets"
    yield from _format_grid(
        ["figure", "measured", "bound", ""], [_target_row(target) for target in evaluate(found)]
    )


def _format_sentences(found: Measurements) -> Iterator[str]:
    if found.latency is not None:
        one = found.latency
        yield (
            f"One caption at a time: {one.caption:.1f} ms (normaliser {one.normaliser:.1f}, "
            f"upstreams alone {one.upstreams:.1f}), medians"
        )
    for many in found.concurrency:
        yield (
            f"{many.clients} clients, model {many.model_ms:.0f} ms, {many.per_second:.0f} a "
            f"second on {many.cores_used:.2f} cores: p50 {many.p50_ms:.0f} ms, alone "
            f"{many.alone_ms:.0f} ms, {many.failed} failed"
        )
    if found.memory is not None:
        memory = found.memory
        yield (
            f"Memory of the tree: {memory.after_a_tenth:.0f} MiB after a tenth of "
            f"{memory.captions} captions, {memory.at_the_end:.0f} MiB at the end"
        )
    if found.scaling is not None:
        rates = ", ".join(f"{n}: {rate:.1f}" for n, rate in found.scaling.per_second.items())
        yield f"Captions a second by cores: {rates}"


def to_json(found: Measurements, machine: dict[str, Any]) -> dict[str, Any]:
    """The same as an object for JSON."""
    return {
        "machine": machine,
        "normaliser_cpu_ms": {
            f"{one.size} {one.kind}": cpu_ms for one, cpu_ms in (found.normaliser or {}).items()
        },
        "service_cpu_ms": {
            size: {name: asdict(one) for name, one in costs.items()}
            for size, costs in (found.service or {}).items()
        },
        "latency_ms": asdict(found.latency) if found.latency else None,
        "concurrency": [asdict(many) for many in found.concurrency],
        "memory_mib": asdict(found.memory) if found.memory else None,
        "captions_per_second_by_cores": found.scaling.per_second if found.scaling else None,
        "start_s": found.start_s,
        "targets": [{**asdict(target), "met": target.met} for target in evaluate(found)],
    }


def _target_row(target: Target) -> list[str]:
    sign = ">=" if target.at_least else "<="
    figure = _MISSING if target.figure is None else f"{target.figure:.2f} {target.unit}"
    verdict = {True: "met", False: "MISSED", None: f"not measured: {target.install}"}
    return [target.what, figure, f"{sign} {target.bound:g}", verdict[target.met]]


def _missing_peers(*columns_and_peers: tuple[str, str]) -> Iterator[str]:
    """A sentence for each column that is empty because its peer is not installed."""
    for column, peer in columns_and_peers:
        if not peers.is_installed(peer):
            yield f"  {column}: not installed, `{peers.INSTALL}` does it"


def _format_ms(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.1f}"


def _format_grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    for row in [head, *rows]:
        first, *rest = row
        cells = [f"{text:>{width}}" for text, width in zip(rest, widths[1:], strict=True)]
        yield "  " + "  ".join([f"{first:<{widths[0]}}", *cells])
