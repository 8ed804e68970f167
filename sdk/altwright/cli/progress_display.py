"""How a backfill looks while it runs: a bar on a terminal, plain lines elsewhere."""

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

_LINE_EVERY_S = 30.0
"""Between plain lines: a night's log stays readable."""


class ProgressDisplay:
    """Shows a run on standard error. To be closed."""

    def __init__(self, prices: TokenPrices) -> None:
        self._prices = prices
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._said_s = time.monotonic()
        self._note = ""

    def scanning(self, scanned: ScanResult) -> None:
        """So many rows have been read."""
        if self._console.is_terminal:
            self._console.print(f"reading: {scanned.rows:,} rows", end="\r")

    def scanned(self, scanned: ScanResult, progress: RunProgress) -> None:
        """What was found, and what will be asked."""
        before = progress.states.total() - progress.states[AltSource.PENDING]
        self._say(
            f"{scanned.rows:,} rows: {scanned.described:,} described, {scanned.blank:,} blank"
            f"{f', {scanned.broken:,} broken' if scanned.broken else ''}; "
            f"{f'{before:,} answered before, ' if before else ''}{progress.to_ask:,} "
            f"{'call' if progress.to_ask == 1 else 'calls'} to make"
        )
        for line in scanned.told:
            self._say(f"broken: {line}")
        if scanned.broken > len(scanned.told):
            self._say(f"broken: {scanned.broken - len(scanned.told):,} more")
        if self._console.is_terminal and progress.to_ask:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()

    def tick(self, progress: RunProgress) -> None:
        """Draw it again, or say a line where one is due."""
        if self._live is not None:
            self._live.update(self._drawn(progress), refresh=True)
            return
        now_s = time.monotonic()
        is_news = progress.note.partition(" (")[0] != self._note
        if progress.to_ask and (is_news or now_s - self._said_s >= _LINE_EVERY_S):
            self._note = progress.note.partition(" (")[0]
            self._said_s = now_s
            self._say(self._told(progress))

    def writing(self) -> None:
        """The new file is on its way."""
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _drawn(self, progress: RunProgress) -> Table:
        table = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(1, progress.to_ask), completed=progress.asked, width=30)
        table.add_row(bar, Text(self._told(progress)))
        return table

    def _told(self, progress: RunProgress) -> str:
        parts = [f"{progress.asked:,} of {progress.to_ask:,}", f"{progress.per_minute:,.0f}/min"]
        if progress.asked < progress.to_ask and progress.left_s is not None:
            parts.append(f"{format_duration(progress.left_s)} left")
        states = (*(state for state in AltSource if state is not AltSource.PENDING),)
        parts += [f"{progress.states[s]:,} {s}" for s in states if progress.states[s]]
        if progress.kept:
            parts.append(f"{progress.kept:,} kept")
        if self._prices.are_known:
            cost = self._prices.of(progress.input_tokens, progress.output_tokens)
            parts.append(f"{cost:,.2f} spent")
        if progress.note:
            parts.append(progress.note)
        return ", ".join(parts)

    def _say(self, line: str) -> None:
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
