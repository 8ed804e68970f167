"""What a run came to, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from altwright.backfill.run.progress import RunProgress, TokenPrices
from altwright.backfill.run.scan import ScanResult
from altwright.backfill.run_state import RunCounts
from altwright.backfill.stop_reason import StopReason, format_utc
from altwright.backfill.types import AltSource


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Of a run's end. `outcomes` are of all rows that were blank, earlier runs included."""

    source: str
    target: str
    journal: str
    rows: int
    described: int
    broken: int
    outcomes: dict[str, int]
    held: int
    """Of the uncertain ones: good texts that one of your rules keeps back."""
    calls: int
    """Of this run; `input_tokens`, `output_tokens` and `money` as well."""
    input_tokens: int
    output_tokens: int
    money: float | None
    written: int
    kept: int
    """Rows that a person had filled before the answer could be written."""
    stopped: str | None
    come_back_at: str | None
    seconds: float

    def as_data(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        counted = [f"{n:,} {state}" for state, n in self.outcomes.items() if n]
        lines = [
            f"{self.rows:,} rows: {self.described:,} described before"
            + (f", {self.broken:,} broken" if self.broken else "")
            + (f", {', '.join(counted)}" if counted else "")
        ]
        money = "" if self.money is None else f", {self.money:,.2f} by your prices"
        lines.append(
            f"{self.calls:,} {'call' if self.calls == 1 else 'calls'} in {self.seconds:,.0f} s, "
            f"{self.input_tokens:,} tokens in, "
            f"{self.output_tokens:,} out{money}"
        )
        if self.kept:
            lines.append(f"{self.kept:,} rows were filled by a person meanwhile: theirs stayed")
        to_review = sum(self.outcomes.get(each, 0) for each in ("uncertain", "rejected"))
        if to_review:
            held = f" ({self.held:,} held by your rules)" if self.held else ""
            are = "is" if to_review == 1 else "are"
            lines.append(f"{to_review:,} {are} for a person{held}: altwright review {self.journal}")
        return lines


def summarise_run(
    scanned: ScanResult,
    counts: RunCounts,
    progress: RunProgress,
    prices: TokenPrices,
    places: tuple[str, str, str],
    stop: StopReason | None,
    seconds: float,
) -> RunSummary:
    """From all that was counted; `places` are source, target and journal."""
    until = stop.come_back_at_unix_s if stop is not None else None
    return RunSummary(
        *places,
        rows=scanned.rows,
        described=scanned.described,
        broken=scanned.broken,
        outcomes={str(state): counts.by_state.get(state, 0) for state in AltSource},
        held=counts.held,
        calls=progress.calls,
        input_tokens=progress.input_tokens,
        output_tokens=progress.output_tokens,
        money=(
            round(prices.of(progress.input_tokens, progress.output_tokens), 4)
            if prices.are_known
            else None
        ),
        written=counts.written,
        kept=counts.kept,
        stopped=None if stop is None else stop.sentence,
        come_back_at=None if until is None else format_utc(until),
        seconds=round(seconds, 1),
    )
