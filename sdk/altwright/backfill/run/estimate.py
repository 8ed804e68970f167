"""Estimate: what a run would request, take and cost. No caption is requested."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.connectors import Connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.request_item import RequestItem
from altwright.backfill.run.caption_request import can_be_sent
from altwright.backfill.run.progress import TokenPrices
from altwright.backfill.run.request_loop import RequestOptions
from altwright.backfill.run.scan import ScanResult, scan_source
from altwright.backfill.run_state import DecideOutcome, describe_difference
from altwright.errors import UsageError
from altwright.models import ExpectedTokens

ASSUMED_INPUT_TOKENS, ASSUMED_OUTPUT_TOKENS = 1_500, 40
"""Tokens of one text if none were measured: common models take 1,100 to 1,400 for an image of 1,200
pixels, and the instructions take 200 to 300."""
INSTRUCTION_TOKENS = 300
"""Of one text, where the server says what the picture takes."""
ASSUMED_REQUEST_S = 3.0
"""Seconds of one request if none were measured."""


TokenOrigin = Literal["measured", "formula", "assumed"]
"""Of the texts so far, by the formula of the model's provider, or neither."""


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What is left to do. The field names are those of the command's JSON output."""

    rows: int
    described: int
    without_image: int
    """Rows without an alt text that name no image."""
    broken: int
    repeated: int
    """Lines with the key, image and context of an earlier line: they get its text."""
    blank: int
    """Rows without an outcome."""
    done: int
    """Rows that are blank in the source and have an outcome in the journal."""
    calls: int
    """A call has at most 12 texts. None is made for a row without a URL or a readable file."""
    repeated_urls: int
    """Rows with the image URL and context of another row: no request of their own."""
    same_picture_elsewhere: int
    """Rows with the image of another row in another context: a request of their own."""
    repeated_contents: int
    """Rows with the bytes of another local file and its context: no request of their own."""
    answered_twice: int
    """Results in the journal whose image has the same bytes as that of another URL."""
    input_tokens: int
    output_tokens: int
    tokens_are_measured: bool
    tokens_are: TokenOrigin
    is_without_thinking: bool
    """The server's model thinks before it writes, of which no estimate knows how long."""
    money: float | None
    seconds: float

    def as_data(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def estimate_run(
    connectors: Connectors,
    journal_path: Path,
    decide: DecideOutcome,
    options: RequestOptions,
    prices: TokenPrices,
    on_progress: Callable[[ScanResult], None],
    expected: ExpectedTokens | None = None,
) -> RunEstimate:
    """Scan the source into a temporary journal, a copy of the run's journal if there is one.

    `expected` is what the server says of a picture, and its price where `prices` has none.
    """
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "journal"
        if journal_path.exists():
            with Journal.read(journal_path) as existing:
                difference = describe_difference(existing.identity, connectors.identity)
            if difference:
                raise UsageError(f"{journal_path} is the journal of another run ({difference}).")
            _copy_journal(journal_path, temporary)
        with Journal.open(temporary, connectors.identity) as journal:
            scan = scan_source(connectors, journal, decide, on_progress)
            return _estimate(
                scan, journal, connectors.config.caption_options, options, prices, expected
            )


def _estimate(
    scan: ScanResult,
    journal: Journal,
    caption_options: CaptionOptions,
    options: RequestOptions,
    prices: TokenPrices,
    expected: ExpectedTokens | None,
) -> RunEstimate:
    left = journal.counts.duplicates()
    calls, texts = count_work(journal, caption_options, options.limit)
    origin, input_each, output_each = _tokens_of_a_text(journal, expected)
    input_tokens, output_tokens = round(texts * input_each), round(texts * output_each)
    per_second = options.concurrency / ASSUMED_REQUEST_S
    if options.per_second is not None:
        per_second = min(per_second, options.per_second)
    if not prices.are_known and expected is not None and expected.price is not None:
        prices = TokenPrices(expected.price.input, expected.price.output)
    cost = prices.cost(input_tokens, output_tokens)
    return RunEstimate(
        rows=scan.rows,
        described=scan.described,
        without_image=scan.without_image,
        broken=scan.broken,
        repeated=scan.repeated,
        blank=left.rows,
        done=scan.blank - left.rows,
        calls=calls,
        repeated_urls=left.rows - left.requests - left.same_bytes,
        same_picture_elsewhere=left.requests - left.images,
        repeated_contents=left.same_bytes,
        answered_twice=left.answered_twice,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        tokens_are_measured=origin == "measured",
        tokens_are=origin,
        is_without_thinking=origin != "measured" and expected is not None and expected.thinks,
        money=round(cost, 2) if prices.are_known else None,
        seconds=round(calls / per_second, 1),
    )


def _tokens_of_a_text(
    journal: Journal, expected: ExpectedTokens | None
) -> tuple[TokenOrigin, float, float]:
    """Input and output: of the texts that an earlier run asked for, else by the formula.

    A text that the model refused, or that a person should write, costs as much as any other: a mean
    of the texts whose tokens are known is taken for each.
    """
    measured, input_tokens, output_tokens = journal.counts.measured_texts()
    if measured:
        return "measured", input_tokens / measured, output_tokens / measured
    if expected is None or expected.image_tokens is None:
        return "assumed", ASSUMED_INPUT_TOKENS, ASSUMED_OUTPUT_TOKENS
    if not expected.image_tokens:
        return "formula", 0, 0  # the embedded captioner calls no model
    return "formula", expected.image_tokens + INSTRUCTION_TOKENS, ASSUMED_OUTPUT_TOKENS


def count_work(
    journal: Journal, caption_options: CaptionOptions, limit: int | None
) -> tuple[int, int]:
    """Calls and texts that are left. Texts that an earlier run paid for are not requested again."""
    calls = texts = 0
    for pending in itertools.islice(journal.iter_pending_requests(), limit):
        if not can_be_sent(pending.row):
            continue
        item = RequestItem(pending, caption_options)
        calls += item.count_calls()
        texts += item.count_texts()
    return calls, texts


def _copy_journal(existing: Path, copy: Path) -> None:
    address = f"{existing.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as source, closing(
        sqlite3.connect(copy)
    ) as target:  # fmt: skip
        source.backup(target)
