"""What a run would ask, take and cost. Nothing is called."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from altwright.backfill.connectors import Connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.run.progress import TokenPrices
from altwright.backfill.run.request_loop import RequestOptions
from altwright.backfill.run.scan import ScanResult, scan_source
from altwright.backfill.run_state import DecideOutcome, describe_difference
from altwright.errors import UsageError

ASSUMED_INPUT, ASSUMED_OUTPUT = 1_500, 40
"""Tokens of one text, where no answer was counted: a picture of 1200 pixels is 1,100 to 1,400 of
them to common models, the instructions 200 to 300."""
ASSUMED_SECONDS = 3.0
"""Of one call, where nothing was measured."""
_ENOUGH = 20
"""Answers that say more than an assumption."""


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """Of what is left to do."""

    rows: int
    described: int
    broken: int
    blank: int
    """Without an outcome yet."""
    done: int
    """Blank in the source, and answered in the journal."""
    calls: int
    repeated_urls: int
    """Rows with the picture (the same URL) and the context of another one: no call of their own."""
    same_picture_elsewhere: int
    """Rows with the picture of another one in another context: a call of their own."""
    repeated_contents: int
    """Rows with the bytes of another local file, and its context: no call of their own."""
    answered_twice: int
    """Of the answers in the journal: those whose picture, by its bytes, another URL has, too."""
    input_tokens: int
    output_tokens: int
    tokens_are_measured: bool
    money: float | None
    seconds: float

    def as_data(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def estimate_run(
    places: Connectors,
    existing: Path,
    judge: DecideOutcome,
    manner: RequestOptions,
    prices: TokenPrices,
    tell: Callable[[ScanResult], None],
) -> RunEstimate:
    """Read the source into a journal that is thrown away; one that exists already is copied."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        if existing.exists():
            with Journal.read(existing) as known:
                if different := describe_difference(known.facts, places.facts):
                    raise UsageError(f"{existing} is the journal of another run ({different}).")
            _copy(existing, path)
        with Journal.open(path, places.facts) as journal:
            scanned = scan_source(places, journal, judge, tell)
            return _estimated(scanned, journal, places, manner, prices)


def _estimated(
    scanned: ScanResult,
    journal: Journal,
    places: Connectors,
    manner: RequestOptions,
    prices: TokenPrices,
) -> RunEstimate:
    left = journal.repeats()
    calls = left.asks if manner.limit is None else min(left.asks, manner.limit)
    counts = journal.counts()
    texts = len(places.spec.asked.pairs)
    is_measured = counts.answered >= _ENOUGH and counts.input_tokens > 0
    input_each, output_each = (
        (counts.input_tokens / counts.answered, counts.output_tokens / counts.answered)
        if is_measured
        else (ASSUMED_INPUT * texts, ASSUMED_OUTPUT * texts)
    )
    input_tokens, output_tokens = round(calls * input_each), round(calls * output_each)
    per_second = manner.concurrency / ASSUMED_SECONDS
    if manner.per_second is not None:
        per_second = min(per_second, manner.per_second)
    return RunEstimate(
        rows=scanned.rows,
        described=scanned.described,
        broken=scanned.broken,
        blank=left.rows,
        done=scanned.blank - left.rows,
        calls=calls,
        repeated_urls=left.rows - left.asks - left.same_bytes,
        same_picture_elsewhere=left.asks - left.pictures,
        repeated_contents=left.same_bytes,
        answered_twice=left.answered_twice,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        tokens_are_measured=is_measured,
        money=round(prices.of(input_tokens, output_tokens), 2) if prices.are_known else None,
        seconds=round(calls / per_second, 1),
    )


def _copy(existing: Path, path: Path) -> None:
    source = sqlite3.connect(f"{existing.resolve().as_uri()}?mode=ro", uri=True)
    target = sqlite3.connect(path)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()
