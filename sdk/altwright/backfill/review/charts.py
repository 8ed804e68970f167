"""Bar charts as SVG that a screen reader can read, each with its figures as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_ROW_PX, _BAR_PX, _LABEL_PX, _WIDTH_PX, _COUNT_PX = 26, 16, 125, 400, 50
_LENGTH_RANGES = ((1, 40), (41, 80), (81, 125), (126, 160), (161, 250), (251, None))
"""In characters. From 125 on a screen reader takes long; `concise` allows 160."""


def render_bar_chart(name: str, title: str, bars: Sequence[tuple[str, int]]) -> str:
    """A figure of horizontal bars. `name` must be unique on the page; labels are escaped."""
    total = sum(count for _, count in bars)
    largest = max((count for _, count in bars), default=0) or 1
    height = _ROW_PX * len(bars) + 6
    description = "; ".join(f"{label}: {count}" for label, count in bars) or "nothing"
    rows = [_render_bar(index, label, count, largest) for index, (label, count) in enumerate(bars)]
    cells = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{count:,}</td>'
        f"<td>{_format_share(count, total)}</td></tr>"
        for label, count in bars
    )
    return (
        f'<figure><figcaption id="{name}-title">{escape(title)}</figcaption>'
        f'<svg class="chart" viewBox="0 0 {_WIDTH_PX} {height}" role="img"'
        f' aria-labelledby="{name}-title {name}-description">'
        f'<desc id="{name}-description">{escape(description)}</desc>'
        f'<line class="axis" x1="{_LABEL_PX}" y1="0" x2="{_LABEL_PX}" y2="{height}"></line>'
        f"{''.join(rows)}</svg>"
        f'<details class="chart-table"><summary>As a table</summary><table>'
        f'<thead><tr><th scope="col">{escape(title)}</th><th scope="col">Pictures</th>'
        f'<th scope="col">Share</th></tr></thead><tbody>{cells}</tbody></table></details></figure>'
    )


def count_lengths(texts: Sequence[str]) -> list[tuple[str, int]]:
    """How many texts have a length in each range, in characters; empty texts first."""
    counts = [("no text", sum(not text for text in texts))]
    for least, most in _LENGTH_RANGES:
        label = f"{least} to {most}" if most else f"over {least - 1}"
        number = sum(least <= len(text) and (most is None or len(text) <= most) for text in texts)
        counts.append((label, number))
    return counts


def _render_bar(index: int, label: str, count: int, largest: int) -> str:
    y = index * _ROW_PX + 3
    full_width = _WIDTH_PX - _LABEL_PX - _COUNT_PX
    width = round(full_width * count / largest, 1)
    baseline = y + _BAR_PX // 2 + 5
    return (
        f'<text x="{_LABEL_PX - 8}" y="{baseline}" text-anchor="end">{escape(label)}</text>'
        f'<rect class="bar" x="{_LABEL_PX}" y="{y}" width="{width}" height="{_BAR_PX}"></rect>'
        f'<text x="{_LABEL_PX + width + 6}" y="{baseline}">{count:,}</text>'
    )


def _format_share(count: int, total: int) -> str:
    if not total:
        return ""
    percent = 100 * count / total
    return "under 1 %" if 0 < percent < 1 else f"{percent:.0f} %"
