"""Summary of a run, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from altwright.backfill.run.progress import RunProgress, TokenPrices
from altwright.backfill.run.scan import ScanResult
from altwright.backfill.run_state import RunCounts
from altwright.backfill.stop_reason import StopReason, format_utc
from altwright.backfill.types import AltSource


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did. The field names are those of the command's JSON output."""

    source: str
    target: str
    journal: str
    rows: int
    described: int
    without_image: int
    """They have no alt text and name no image: nothing is asked or written."""
    broken: int
    repeated: int
    """Lines with the key, image and context of an earlier line: they have its text."""
    outcomes: dict[str, int]
    """Of all rows that were blank, earlier runs included."""
    held: int
    """Of the uncertain rows: valid texts held by a rule, or not taken by the table or the file."""
    calls: int
    """Of this run, as are `input_tokens`, `output_tokens` and `money`."""
    input_tokens: int
    output_tokens: int
    money: float | None
    """Of those tokens; null without prices, and where no text has a count."""
    texts_without_tokens: int | None
    """Of this run: rejected, refused or without a count, so that their cost is not in `money`. null
    where other processes make the calls."""
    written: int
    kept: int
    """Rows that a person filled before the outcome could be written."""
    gone: int
    """Rows that had another key by then, or were deleted; their texts are in the journal."""
    stopped: str | None
    come_back_at: str | None
    seconds: float

    def as_data(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        by_state = [f"{n:,} {state}" for state, n in self.outcomes.items() if n]
        lines = [
            f"{self.rows:,} rows: {self.described:,} described before this run"
            + (f", {self.without_image:,} without an image" if self.without_image else "")
            + (f", {self.broken:,} broken" if self.broken else "")
            + (f", {self.repeated:,} with another one's key and picture" if self.repeated else "")
        ]
        if by_state:  # a table's rows of earlier runs are described by now
            lines.append(f"Outcomes, earlier runs included: {', '.join(by_state)}")
        money = "" if self.money is None else f", {self.money:,.2f} by your prices"
        if self.texts_without_tokens and money:
            noun = "text" if self.texts_without_tokens == 1 else "texts"
            money += f" without {self.texts_without_tokens:,} {noun} whose tokens are not known"
        lines.append(
            f"{self.calls:,} {'call' if self.calls == 1 else 'calls'} in {self.seconds:,.0f} s, "
            f"{self.input_tokens:,} tokens in, "
            f"{self.output_tokens:,} out{money}"
        )
        if self.kept:
            lines.append(
                f"{self.kept:,} rows were filled or changed by a person meanwhile: theirs stayed"
            )
        if self.gone:
            lines.append(
                f"{self.gone:,} rows are gone from the table, or have another key: nothing was "
                "written for them, and the next run finds them anew"
            )
        if (pending := self.outcomes.get("pending", 0)) and not self.stopped:
            lines.append(f"{pending:,} are left for the next run")
        to_review = sum(self.outcomes.get(each, 0) for each in ("uncertain", "rejected"))
        if to_review:
            held = f" ({self.held:,} held)" if self.held else ""
            are = "is" if to_review == 1 else "are"
            lines.append(f"{to_review:,} {are} for a person{held}: altwright review {self.journal}")
        return lines


@dataclass(frozen=True, slots=True)
class RunNames:
    """Display names of a run's source, target and journal."""

    source: str
    target: str
    journal: str


def summarise_run(
    names: RunNames,
    scan: ScanResult,
    counts: RunCounts,
    progress: RunProgress,
    prices: TokenPrices,
    stop: StopReason | None,
    seconds: float,
) -> RunSummary:
    """Combine everything that was counted."""
    retry_at_unix_s = stop.retry_at_unix_s if stop is not None else None
    cost = prices.cost(progress.input_tokens, progress.output_tokens)
    is_cost_known = prices.are_known and bool(cost or not progress.texts_without_tokens)
    return RunSummary(
        source=names.source,
        target=names.target,
        journal=names.journal,
        rows=scan.rows,
        described=scan.described,
        without_image=scan.without_image,
        broken=scan.broken,
        repeated=scan.repeated,
        outcomes={str(state): counts.by_state.get(state, 0) for state in AltSource},
        held=counts.held,
        calls=progress.calls,
        input_tokens=progress.input_tokens,
        output_tokens=progress.output_tokens,
        money=round(cost, 4) if is_cost_known else None,
        texts_without_tokens=progress.texts_without_tokens,
        written=counts.written,
        kept=counts.kept,
        gone=counts.gone,
        stopped=None if stop is None else stop.message,
        come_back_at=None if retry_at_unix_s is None else format_utc(retry_at_unix_s),
        seconds=round(seconds, 1),
    )
