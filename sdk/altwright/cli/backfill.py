"""`altwright backfill` and `altwright backfill init-db`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from altwright._async.client import AsyncAltwright
from altwright.backfill import database
from altwright.backfill.audit_fields import audit_field_names as audit_names
from altwright.backfill.column_mapping import guess_columns
from altwright.backfill.connectors import Connectors, open_connectors
from altwright.backfill.errors import JournalUnwritable, SourceError
from altwright.backfill.rules.hold_rules import HOLD_SETS, HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.estimate import RunEstimate, estimate_run
from altwright.backfill.run.local_run import RunResult, run_backfill
from altwright.backfill.run.progress import TokenPrices
from altwright.backfill.run.request_loop import RequestOptions
from altwright.backfill.run.summary import RunSummary
from altwright.backfill.run_config import RunConfig
from altwright.backfill.stop_reason import StopKind, StopReason
from altwright.backfill.targets import audit_columns
from altwright.cli.config import resolve_server
from altwright.cli.exit_codes import ExitCode
from altwright.cli.output import print_error, print_line
from altwright.cli.progress_display import ProgressDisplay, format_duration
from altwright.cli.worker import Broker, QueueName, needed
from altwright.errors import UsageError

_EPILOG = (
    "Exit codes: 0 everything is asked and nothing failed; 1 some rows failed or are broken, and "
    "stay for the next run; 2 the command is wrong; 74 the disk is full; 75 try again later; "
    "77 the key is wrong; 130 and 143 stopped by a signal. "
    "Audit columns of a table: altwright backfill init-db."
)
_EXITS = {
    StopKind.WRONG_KEY: ExitCode.WRONG_KEY,
    StopKind.WRONG_SERVER: ExitCode.USAGE,
    StopKind.LATER: ExitCode.LATER,
    StopKind.DISK: ExitCode.IO_ERROR,
    StopKind.INTERRUPTED: ExitCode.INTERRUPTED,
    StopKind.TERMINATED: ExitCode.TERMINATED,
}
_IN_DATABASE = "altwright_runs, _rows and _answers in the same database, made where missing"
_PER = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600,
        "d": 86_400, "day": 86_400}  # fmt: skip


class _BackfillOrInitDb(TyperGroup):
    """`backfill SOURCE` runs one; `backfill init-db` is the only other word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - own type
        """Put `run` before what is no command."""
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        found: list[str] = super().parse_args(ctx, args)
        return found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """The word that nobody typed does not show in the usage either."""
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if name == "run" else name), command, rest


app = typer.Typer(
    cls=_BackfillOrInitDb,
    help="Fill the blank alt texts of a file, a folder or a table.",
    rich_markup_mode=None,
)

Words = list[str] | None
Word = str | None
Column = Annotated[
    Words,
    typer.Option("--column", metavar="ROLE=NAME", help="Which column is what: image=photo_url."),
]
Styles = Annotated[
    str, typer.Option("--styles", metavar="LIST", help="The first is the alt text: concise,seo.")
]
Locales = Annotated[
    str, typer.Option("--locales", metavar="LIST", help="The first is the alt text's: en,de.")
]
Table = Annotated[str, typer.Option("--table", metavar="NAME", help="Of a database.")]


@app.command(epilog=_EPILOG, hidden=True)
def run(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A .csv, .jsonl or .parquet, a folder, a URL.")
    ],
    to: Annotated[
        Word, typer.Option("--to", metavar="FILE", help="The new file; else back into --table.")
    ] = None,
    table: Table = "",
    query: Annotated[
        str, typer.Option("--query", metavar="SQL", help="Read what it finds, by its key.")
    ] = "",
    column: Column = None,
    base: Annotated[
        str,
        typer.Option(
            "--base", metavar="URL", help="Before images that are relative; a folder too."
        ),
    ] = "",
    encoding: Annotated[str, typer.Option("--encoding", metavar="NAME", help="Of a CSV.")] = "",
    journal: Annotated[
        Path | None,
        typer.Option("--journal", metavar="FILE", help="Where it is remembered what was answered."),
    ] = None,
    styles: Styles = "concise",
    locales: Locales = "en",
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=32, max=256, help="A ceiling; 256 where detailed."),
    ] = None,
    hold: Annotated[
        str,
        typer.Option("--hold", metavar="LIST", help="Never write unseen: " + ", ".join(HOLD_SETS)),
    ] = "",
    hold_column: Annotated[
        Words, typer.Option("--hold-column", metavar="NAME=VALUE,...", help="Nor such rows.")
    ] = None,
    hold_pattern: Annotated[
        Words, typer.Option("--hold-pattern", metavar="REGEX", help="Nor where this is found.")
    ] = None,
    hold_locale: Annotated[
        Words, typer.Option("--hold-locale", metavar="TAG", help="Nor in this language.")
    ] = None,
    only_estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would take; nothing is called.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="Pictures of this run: a pilot."),
    ] = None,
    rate: Annotated[
        Word, typer.Option("--rate", metavar="N/UNIT", help="At most: 24/min, 2/s, 5000/day.")
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, max=256)] = 8,
    price_in: Annotated[
        float, typer.Option("--price-in", min=0, help="Money for a million tokens in.")
    ] = 0.0,
    price_out: Annotated[
        float, typer.Option("--price-out", min=0, help="Money for a million tokens out.")
    ] = 0.0,
    patience: Annotated[
        float,
        typer.Option("--patience", min=0, metavar="MIN", help="For a server that is away."),
    ] = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
    queue: Annotated[
        Word, typer.Option("--queue", metavar="celery", help="Put rows on a queue: see worker.")
    ] = None,
    broker: Broker = None,
    queue_name: QueueName = "altwright",
    run_name: Annotated[
        str, typer.Option("--run", metavar="NAME", help="Of a queue's run; else the table's.")
    ] = "",
    window: Annotated[
        int, typer.Option("--window", min=1, help="Rows that are on the queue at once.")
    ] = 10_000,
    again_after: Annotated[
        float,
        typer.Option("--again-after", min=1, metavar="S", help="Send a row again that is lost."),
    ] = 900.0,
    base_url: Annotated[
        Word, typer.Option("--base-url", metavar="URL", help="Where the server listens.")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds that one call may take.")
    ] = 35.0,
) -> None:
    """Fill the blank alt texts of a file, a folder or a table; audited, resumable.

    The same command goes on where an earlier one was stopped or killed.
    """
    asked = _list(styles, "--styles")
    if not source.strip():
        raise UsageError("SOURCE is empty: name a file, a folder or a database's URL.")
    spec = RunConfig(
        source=source,
        to=to or "",
        table=table,
        query=query,
        base=base,
        encoding=encoding,
        chosen=tuple(column or ()),
        styles=asked,
        locales=_list(locales, "--locales"),
        # Its paragraph would end where the contract's 64 tokens end.
        max_tokens=max_tokens or (256 if "detailed" in asked else None),
    )
    rules = HoldRules.of(
        [each for each in hold.split(",") if each], hold_column or (), hold_pattern or (),
        hold_locale or (),
    )  # fmt: skip
    manner = RequestOptions(
        concurrency=concurrency,
        per_second=None if rate is None else _per_second(rate),
        limit=limit,
        patience_s=patience * 60,
        longest_wait_s=patience * 60,
    )
    prices = TokenPrices(price_in, price_out)
    places = open_connectors(spec)
    path = journal or spec.journal
    _show_plan(places, _IN_DATABASE if queue else str(path), rules)
    judge = OutcomeRules(spec.asked, rules, places.table.room() if places.table else {})
    bar = ProgressDisplay(prices)
    try:
        if only_estimate:
            _show_estimate(estimate_run(places, path, judge, manner, prices, bar.scanning), as_json)
            return
        if queue is not None:
            ended = _feed(
                queue, broker, places, judge, prices, bar,
                window=window, again_after_s=again_after, run=run_name, limit=limit,
                queue_name=queue_name, patience_s=patience * 60,
            )  # fmt: skip
            _show_end(ended.summary, ended.stop, as_json)
            raise typer.Exit(_exit(ended.summary, ended.stop))
        server = resolve_server(base_url)
        ended = run_backfill(
            places, path, judge, manner, prices,
            lambda: AsyncAltwright(server.api_key, server.base_url, timeout, max_retries=0), bar,
        )  # fmt: skip
    except JournalUnwritable as error:
        print_error(str(error))
        raise typer.Exit(ExitCode.IO_ERROR) from None
    except SourceError as error:
        print_error(f"{error}. Nothing was asked.")
        raise typer.Exit(ExitCode.LATER if error.may_pass else ExitCode.IO_ERROR) from None
    finally:
        bar.close()
    _show_end(ended.summary, ended.stop, as_json)
    raise typer.Exit(_exit(ended.summary, ended.stop))


@app.command("init-db", epilog=_EPILOG)
def init_database(
    url: Annotated[str, typer.Argument(metavar="URL", help="postgresql://user@host/name")],
    table: Table,
    column: Column = None,
    styles: Styles = "concise,seo",
    locales: Locales = "en",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the statements and change nothing.")
    ] = False,
) -> None:
    """Add the audit columns that a table lacks; all may be NULL, nothing else changes."""
    spec = RunConfig(url, styles=_list(styles, "--styles"), locales=_list(locales, "--locales"))
    engine = database.connect(url)
    there = [each.name for each in database.reflect_table(engine, table).columns]
    statements = audit_columns.missing_column_statements(
        engine, table, guess_columns(there, column or ()), spec.asked
    )
    if not statements:
        print_line(f"{table} has every audit column: {', '.join(audit_names(spec.asked))}")
        return
    if not dry_run:
        audit_columns.add_columns(engine, statements)
    for name, statement in statements.items():
        print_line(statement if dry_run else f"added {name}")


def _feed(
    queue: str,
    broker: str | None,
    places: Connectors,
    judge: OutcomeRules,
    prices: TokenPrices,
    bar: ProgressDisplay,
    *,
    queue_name: str,
    **manner: Any,  # noqa: ANN401 - the fields of Manner
) -> RunResult:
    if queue != "celery":
        raise UsageError(f"--queue is celery, not {queue!r}.")
    if broker is None:
        raise UsageError("Name the broker: --broker URL, or ALTWRIGHT_BROKER_URL.")
    try:
        from altwright.backfill.queue import feeder
    except ModuleNotFoundError as error:
        raise needed(error) from None
    return feeder.feed_queue(
        places, judge, feeder.FeedOptions(queue=queue_name, **manner), prices, broker, bar
    )


def _show_plan(places: Connectors, journal: str, rules: HoldRules) -> None:
    for line in (
        f"source      {places.source.shown}",
        *places.columns.lines(),
        f"target      {places.target.shown}",
        f"journal     {journal}",
    ):
        typer.echo(line, err=True)
    for note in places.source.notes:
        print_error(note)
    if places.table is not None and places.table.missing:
        print_error(
            f"the table has no column {', '.join(places.table.missing)}: these stay in the "
            "journal alone (altwright backfill init-db adds them)"
        )
    if absent := rules.missing(places.source.columns):
        raise UsageError(
            f"--hold-column {absent[0]!r} is no column. There are: "
            f"{', '.join(places.source.columns)}."
        )


def _show_estimate(found: RunEstimate, as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(found.as_data()))
        return
    how = "measured on the answers so far" if found.tokens_are_measured else "assumed"
    money = "" if found.money is None else f", {found.money:,.2f} by your prices"
    print_line(
        f"{found.rows:,} rows: {found.described:,} described, {found.broken:,} broken, "
        f"{found.done:,} answered before, {found.blank:,} to do"
    )
    print_line(
        f"{found.repeated_urls:,} repeat a URL with the same context, "
        f"{found.repeated_contents:,} the bytes of another file: no calls; "
        f"{found.same_picture_elsewhere:,} show a picture again in another context"
    )
    calls = "call" if found.calls == 1 else "calls"
    print_line(
        f"{found.calls:,} {calls}, {found.input_tokens:,} tokens in, {found.output_tokens:,} out "
        f"({how}){money}"
    )
    print_line(f"{format_duration(found.seconds)} at this rate and concurrency")


def _show_end(summary: RunSummary, stop: StopReason | None, as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(summary.as_data(), ensure_ascii=False))
    else:
        for line in summary.lines():
            print_line(line)
    if stop is not None:
        print_error(stop.sentence)


def _exit(summary: RunSummary, stop: StopReason | None) -> ExitCode:
    if stop is not None:
        return _EXITS[stop.why]
    return ExitCode.FAILED if summary.broken or summary.outcomes["failed"] else ExitCode.OK


def _list(text: str, option: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not found:
        raise UsageError(f"{option} names nothing.")
    return found


def _per_second(rate: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:/|per )\s*([a-z]+)\s*", rate.lower())
    if found is None or found[2].rstrip("s") not in {each.rstrip("s") for each in _PER}:
        raise UsageError(f"--rate is a number and a unit (24/min, 2/s, 5000/day), not {rate!r}.")
    per = next(n for name, n in _PER.items() if name.rstrip("s") == found[2].rstrip("s"))
    number = float(found[1])
    if not number:
        raise UsageError("--rate is over 0.")
    return number / per
