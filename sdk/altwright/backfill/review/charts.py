"""Bars as SVG that a screen reader can read, each with the same figures as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_ROW_PX, _BAR_PX, _LABEL_PX, _WIDTH_PX, _COUNT_PX = 26, 16, 125, 400, 50
_LENGTHS = ((1, 40), (41, 80), (81, 125), (126, 160), (161, 250), (251, None))
"""Characters; 125 is where alt text gets long for a screen reader, 160 what `concise` allows."""


def render_bar_chart(name: str, title: str, bars: Sequence[tuple[str, int]]) -> str:
    """A figure of horizontal bars, `name` unique on the page. Labels may hold anything."""
    total = sum(count for _, count in bars)
    most = max((count for _, count in bars), default=0) or 1
    height = _ROW_PX * len(bars) + 6
    said = "; ".join(f"{label}: {count}" for label, count in bars) or "nothing"
    rows = [_bar(index, label, count, most) for index, (label, count) in enumerate(bars)]
    cells = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{count:,}</td>'
        f"<td>{_share(count, total)}</td></tr>"
        for label, count in bars
    )
    return (
        f'<figure><figcaption id="{name}-title">{escape(title)}</figcaption>'
        f'<svg class="chart" viewBox="0 0 {_WIDTH_PX} {height}" role="img"'
        f' aria-labelledby="{name}-title {name}-said"><desc id="{name}-said">{escape(said)}</desc>'
        f'<line class="axis" x1="{_LABEL_PX}" y1="0" x2="{_LABEL_PX}" y2="{height}"></line>'
        f"{''.join(rows)}</svg>"
        f'<details class="chart-table"><summary>As a table</summary><table>'
        f'<thead><tr><th scope="col">{escape(title)}</th><th scope="col">Pictures</th>'
        f'<th scope="col">Share</th></tr></thead><tbody>{cells}</tbody></table></details></figure>'
    )


def count_lengths(texts: Sequence[str]) -> list[tuple[str, int]]:
    """How many texts are how long, in characters; empty ones first."""
    counts = [("no text", sum(not text for text in texts))]
    for least, most in _LENGTHS:
        label = f"{least} to {most}" if most else f"over {least - 1}"
        inside = sum(least <= len(text) and (most is None or len(text) <= most) for text in texts)
        counts.append((label, inside))
    return counts


def _bar(index: int, label: str, count: int, most: int) -> str:
    y = index * _ROW_PX + 3
    full = _WIDTH_PX - _LABEL_PX - _COUNT_PX
    width = round(full * count / most, 1)
    middle = y + _BAR_PX // 2 + 5
    return (
        f'<text x="{_LABEL_PX - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>'
        f'<rect class="bar" x="{_LABEL_PX}" y="{y}" width="{width}" height="{_BAR_PX}"></rect>'
        f'<text x="{_LABEL_PX + width + 6}" y="{middle}">{count:,}</text>'
    )


def _share(count: int, total: int) -> str:
    if not total:
        return ""
    percent = 100 * count / total
    return "under 1 %" if 0 < percent < 1 else f"{percent:.0f} %"
