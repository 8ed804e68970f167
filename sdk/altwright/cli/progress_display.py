"""Progress display of a backfill: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from altwright.backfill.run.progress import RunProgress, TokenPrices
from altwright.backfill.run.scan import ScanResult
from altwright.backfill.types import AltSource

_LINE_INTERVAL_S = 30.0
"""Between plain lines, so that the log of a long run stays readable."""


class ProgressDisplay:
    """Shows a run on standard error. It must be closed."""

    def __init__(self, prices: TokenPrices) -> None:
        self._prices = prices
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._last_line_s = time.monotonic()
        self._last_note = ""

    def scanning(self, scan: ScanResult) -> None:
        """Show how many rows have been read."""
        if self._console.is_terminal:
            self._console.print(f"reading: {scan.rows:,} rows", end="\r")

    def scanned(self, scan: ScanResult, progress: RunProgress) -> None:
        """Show what the source has, and how many requests will be made."""
        before = progress.states.total() - progress.states[AltSource.PENDING]
        calls, repeated = progress.calls_to_make, scan.repeated
        to_do = (
            f"{progress.total_requests:,} rows to ask about"
            if calls is None
            else f"{calls:,} {'call' if calls == 1 else 'calls'} to make"
        )
        self._print_line(
            f"{scan.rows:,} rows: {scan.described:,} described, {scan.blank:,} blank"
            f"{f', {scan.without_image:,} without an image' if scan.without_image else ''}"
            f"{f', {scan.broken:,} broken' if scan.broken else ''}"
            f"{f', {repeated:,} with the key and picture of another one' if repeated else ''}; "
            f"{f'{before:,} answered before, ' if before else ''}{to_do}"
        )
        for line in scan.broken_lines:
            self._print_line(f"broken: {line}")
        if scan.broken > len(scan.broken_lines):
            self._print_line(f"broken: {scan.broken - len(scan.broken_lines):,} more")
        if scan.advice:
            self._print_line(scan.advice)
        if self._console.is_terminal and progress.total_requests:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def update(self, progress: RunProgress) -> None:
        """Draw the bar again, or print a line if one is due."""
        if self._live is not None:
            self._live.update(self._draw(progress), refresh=True)
            return
        now_s = time.monotonic()
        note = progress.note.partition(" (")[0]
        is_due = note != self._last_note or now_s - self._last_line_s >= _LINE_INTERVAL_S
        if progress.total_requests and is_due:
            self._last_note = note
            self._last_line_s = now_s
            self._print_line(self._describe(progress))

    def writing(self) -> None:
        """The new file is being written: the bar is removed."""
        self.close()

    def tell(self, line: str) -> None:
        """Print a line above the bar."""
        self._print_line(f"altwright: {line}")

    def close(self) -> None:
        """Remove the bar."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, progress: RunProgress) -> Table:
        table = Table.grid(padding=(0, 1))
        total = max(1, progress.total_requests)
        bar = ProgressBar(total=total, completed=progress.done_requests, width=30)
        table.add_row(bar, Text(self._describe(progress)))
        return table

    def _describe(self, progress: RunProgress) -> str:
        done, total = progress.done_requests, progress.total_requests
        parts = [f"{done:,} of {total:,}", f"{progress.per_minute:,.0f}/min"]
        if done < total and progress.remaining_s is not None:
            parts.append(f"{format_duration(progress.remaining_s)} left")
        states = [state for state in AltSource if state is not AltSource.PENDING]
        parts += [f"{progress.states[s]:,} {s}" for s in states if progress.states[s]]
        if progress.kept:
            parts.append(f"{progress.kept:,} kept")
        if self._prices.are_known:
            cost = self._prices.cost(progress.input_tokens, progress.output_tokens)
            parts.append(f"{cost:,.2f} spent")
        if progress.note:
            parts.append(progress.note)
        return ", ".join(parts)

    def _print_line(self, line: str) -> None:
        if self._console.is_terminal:
            self._console.print(Text(line))
        else:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


def format_duration(seconds: float) -> str:
    """`40 s`, `12 min`, `27 h 46 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
