"""The measurements as text, as a table for the documentation, and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.chaos.verdict import MAX_MEMORY_MIB, Row, Window
from testing import load

_HEADINGS = (
    "attack", "", "p50 alone", "beside", "p99 alone", "beside", "/healthz p99", "MiB",
    "server's cores", "attacker's", "attacker got", "",
)  # fmt: skip


def text_line(row: Row) -> str:
    """One line about one attack."""
    alone = row.alone_together()
    verdict = "; ".join(row.faults()) or "stood"
    return (
        f"{row.name:<24} p50 {alone.p50_ms():5.0f} {row.beside.p50_ms():6.0f}  "
        f"p99 {alone.p99_ms():5.0f} {row.beside.p99_ms():6.0f} ms  "
        f"healthz {alone.health_p99_ms():4.0f} {row.beside.health_p99_ms():5.0f} ms  "
        f"{row.peak_mib:5.0f} MiB  "
        f"{row.server_cores:3.1f} + {row.attacker_cores:3.1f} cores  "
        f"{row.attacker_sent:>5} sent: {_codes(row.attacker_codes)}; {verdict}"
    )


def summary(rows: Sequence[Row]) -> str:
    """How many attacks were stood, and how large the noise is."""
    failed = [row.name for row in rows if row.faults()]
    alone_ms = [row.alone_together().p99_ms() for row in rows]
    lines = [
        f"{len(rows) - len(failed)} of {len(rows)} attacks stood",
        (
            f"p99 alone: {load.percentile(alone_ms, 0.5):.0f} ms (median of the attacks), "
            f"{min(alone_ms):.0f} to {max(alone_ms):.0f} ms; two windows of one attack differ by "
            f"{load.percentile(map(_noise_ms, rows), 0.5):.0f} ms (median), "
            f"{load.percentile(map(_noise_ms, rows), 0.9):.0f} ms (nine in ten)"
        ),
    ]
    if failed:
        lines.append("not stood: " + ", ".join(failed))
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """The table of docs/security.md."""
    return "\n".join(_markdown_lines(rows))


def _markdown_lines(rows: Sequence[Row]) -> Iterator[str]:
    yield "| " + " | ".join(_HEADINGS) + " |"
    yield "|---" * len(_HEADINGS) + "|"
    for row in rows:
        alone, beside = row.alone_together(), row.beside
        cells = [
            f"`{row.name}`", row.what, _ms(alone.p50_ms()), _ms(beside.p50_ms()),
            _ms(alone.p99_ms()), _ms(beside.p99_ms()), _ms(beside.health_p99_ms()),
            f"{row.peak_mib:.0f}", f"{row.server_cores:.1f}", f"{row.attacker_cores:.1f}",
            _codes(row.attacker_codes), "; ".join(row.faults()) or "stood",
        ]  # fmt: skip
        yield "| " + " | ".join(cells) + " |"


def to_json(row: Row) -> dict[str, Any]:
    """Every figure of one attack."""
    return {
        "name": row.name,
        "what": row.what,
        "alone": [_window_json(window) for window in row.alone],
        "beside": _window_json(row.beside),
        "limit_ms": round(row.limit_ms(), 1),
        "attacker": {"sent": row.attacker_sent, "codes": dict(row.attacker_codes)},
        "memory_mib": round(row.peak_mib),
        "server_cores": round(row.server_cores, 2),
        "attacker_cores": round(row.attacker_cores, 2),
        "memory_max_mib": MAX_MEMORY_MIB,
        "faults": row.faults(),
    }


def _window_json(window: Window) -> dict[str, Any]:
    return {
        "requests": len(window.latencies_s),
        "p50_ms": round(window.p50_ms(), 1),
        "p99_ms": round(window.p99_ms(), 1),
        "healthz_p99_ms": round(window.health_p99_ms(), 1),
        "codes": dict(window.codes),
    }


def _noise_ms(row: Row) -> float:
    p99_ms = [window.p99_ms() for window in row.alone]
    return max(p99_ms) - min(p99_ms)


def _codes(codes: Mapping[str, int]) -> str:
    ordered = sorted(codes.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{count} {code}" for code, count in ordered) or "no answer"


def _ms(value: float) -> str:
    return f"{value:.0f}"
