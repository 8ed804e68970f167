"""The options of `altwright backfill`, and the settings that they stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from altwright.backfill.rules.hold_rules import HOLD_SETS, HoldRules
from altwright.backfill.run.progress import TokenPrices
from altwright.backfill.run.request_loop import RequestOptions
from altwright.backfill.run_config import RunConfig
from altwright.cli.worker import Broker, QueueName
from altwright.errors import UsageError

_UNIT_S = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600,
           "hour": 3600, "d": 86_400, "day": 86_400}  # fmt: skip
_MAX_TOKENS_OF_DETAILED = 256
"""`detailed` asks for a paragraph, which would be cut at the server's default of 64 tokens."""

Column = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=NAME", help="Column of a role: image=photo_url."),
]
Styles = Annotated[
    str,
    typer.Option(
        "--styles", metavar="LIST", help="Styles; the first is the alt text: concise,seo."
    ),
]
Locales = Annotated[
    str,
    typer.Option(
        "--locales", metavar="LIST", help="Languages; the first is the alt text's: en,de."
    ),
]
Table = Annotated[str, typer.Option("--table", metavar="NAME", help="Table of the database.")]


@dataclass(frozen=True, kw_only=True)
class BackfillOptions:
    """Options of `altwright backfill SOURCE`."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="File (.csv, .jsonl, .parquet), folder or database URL."
        ),
    ]
    target_file: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help="New file to write; default: write to --table."),
    ] = None
    table: Table = ""
    query: Annotated[
        str, typer.Option("--query", metavar="SQL", help="Read the rows of a query, by their key.")
    ] = ""
    column: Column = None
    image_base: Annotated[
        str,
        typer.Option("--base", metavar="URL", help="Base URL or folder of relative images."),
    ] = ""
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help="Encoding of a CSV file.")
    ] = ""
    journal: Annotated[
        Path | None,
        typer.Option("--journal", metavar="FILE", help="Journal of the run."),
    ] = None
    styles: Styles = "concise"
    locales: Locales = "en"
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=32, max=256, help="Token limit of a caption."),
    ] = None
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Hold captions against their image, and contradicted ones for review.",
        ),
    ] = None
    hold: Annotated[
        str,
        typer.Option(
            "--hold", metavar="LIST", help="Hold rows for review: " + ", ".join(HOLD_SETS)
        ),
    ] = ""
    hold_column: Annotated[
        list[str] | None,
        typer.Option(
            "--hold-column", metavar="NAME=VALUE,...", help="Hold rows with such a value."
        ),
    ] = None
    hold_pattern: Annotated[
        list[str] | None,
        typer.Option("--hold-pattern", metavar="REGEX", help="Hold rows that match."),
    ] = None
    hold_locale: Annotated[
        list[str] | None,
        typer.Option("--hold-locale", metavar="TAG", help="Hold texts in this language."),
    ] = None
    write_generic: Annotated[
        bool,
        typer.Option(
            "--write-generic", help="Write texts that tell nothing of their picture, too."
        ),
    ] = False
    only_estimate: Annotated[
        bool, typer.Option("--estimate", help="Estimate only, without any request.")
    ] = False
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="Most images in this run."),
    ] = None
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate", metavar="N/UNIT", help="Highest request rate: 24/min, 2/s, 5000/day."
        ),
    ] = None
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, max=256)] = 8
    price_in: Annotated[
        float, typer.Option("--price-in", min=0, help="Price of a million input tokens.")
    ] = 0.0
    price_out: Annotated[
        float, typer.Option("--price-out", min=0, help="Price of a million output tokens.")
    ] = 0.0
    patience_min: Annotated[
        float,
        typer.Option(
            "--patience",
            min=0,
            metavar="MIN",
            help="Minutes to wait for a server that is unavailable.",
        ),
    ] = 15.0
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="celery", help="Send rows to workers over a queue."),
    ] = None
    broker: Broker = None
    queue_name: QueueName = "altwright"
    run_name: Annotated[
        str,
        typer.Option("--run", metavar="NAME", help="Name of a queue's run; default: the table's."),
    ] = ""
    window: Annotated[
        int, typer.Option("--window", min=1, help="Most rows on the queue at a time.")
    ] = 10_000
    resend_after_s: Annotated[
        float,
        typer.Option(
            "--again-after", min=1, metavar="S", help="Seconds before a lost row is sent again."
        ),
    ] = 900.0
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="The server's address.")
    ] = None
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, help="The most seconds that a call may take.")
    ] = 35.0

    @property
    def patience_s(self) -> float:
        """How long the server may be unavailable."""
        return self.patience_min * 60

    @property
    def prices(self) -> TokenPrices:
        """Token prices for estimate and summary."""
        return TokenPrices(self.price_in, self.price_out)

    def run_config(self) -> RunConfig:
        """What the run reads, writes and requests. Raises UsageError."""
        styles = parse_list(self.styles, "--styles")
        if not self.source.strip():
            raise UsageError("SOURCE is empty: name a file, a folder or a database's URL.")
        default_max_tokens = _MAX_TOKENS_OF_DETAILED if "detailed" in styles else None
        return RunConfig(
            source=self.source,
            target_file=self.target_file or "",
            table=self.table,
            query=self.query,
            image_base=self.image_base,
            encoding=self.encoding,
            column_roles=tuple(self.column or ()),
            styles=styles,
            locales=parse_list(self.locales, "--locales"),
            max_tokens=self.max_tokens or default_max_tokens,
            verify=self.verify,
        )

    def hold_rules(self) -> HoldRules:
        """Which rows are held for review. Raises UsageError."""
        return HoldRules.parse(
            [name for name in self.hold.split(",") if name],
            self.hold_column or (),
            self.hold_pattern or (),
            self.hold_locale or (),
            generic=not self.write_generic,
        )

    def request_options(self) -> RequestOptions:
        """How requests are made. Raises UsageError."""
        return RequestOptions(
            concurrency=self.concurrency,
            per_second=None if self.rate is None else _parse_rate(self.rate),
            limit=self.limit,
            patience_s=self.patience_s,
            longest_wait_s=self.patience_s,
        )


@dataclass(frozen=True, kw_only=True)
class InitDbOptions:
    """Options of `altwright backfill init-db`."""

    url: Annotated[str, typer.Argument(metavar="URL", help="postgresql://user@host/name")]
    table: Table
    column: Column = None
    styles: Styles = "concise,seo"
    locales: Locales = "en"
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the statements and change nothing.")
    ] = False


def parse_list(text: str, option: str) -> tuple[str, ...]:
    """The distinct names of a comma-separated option. Raises UsageError if there are none."""
    names = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not names:
        raise UsageError(f"{option} names nothing.")
    return names


def _parse_rate(rate: str) -> float:
    """Requests per second of `24/min` or `5000 per day`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/|per )\s*([a-z]+)\s*", rate.lower())
    units = {name.rstrip("s"): seconds for name, seconds in _UNIT_S.items()}
    if found is None or found[2].rstrip("s") not in units:
        raise UsageError(f"--rate is a number and a unit (24/min, 2/s, 5000/day), not {rate!r}.")
    number = float(found[1])
    if not number:
        raise UsageError("--rate must be over 0.")
    return number / units[found[2].rstrip("s")]
