"""`altwright backfill` and `altwright backfill init-db`."""

from __future__ import annotations

import json
from typing import Any

import typer
from typer.core import TyperGroup

from altwright._async.client import AsyncAltwright
from altwright._sync.client import Altwright
from altwright.backfill import database
from altwright.backfill.audit_fields import audit_field_names, note_on_shared_columns
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import guess_columns
from altwright.backfill.connectors import Connectors, open_connectors
from altwright.backfill.errors import SourceError
from altwright.backfill.failure_class import exit_code_of
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.estimate import RunEstimate, TokenOrigin, estimate_run
from altwright.backfill.run.local_run import STOPPED_SCANNING, LocalRun, RunResult
from altwright.backfill.stop_signals import StopSignals
from altwright.backfill.targets.audit_columns import add_columns, missing_column_statements
from altwright.backfill.targets.table import TableTarget
from altwright.cli.backfill_options import BackfillOptions, InitDbOptions, parse_list
from altwright.cli.config import resolve_server
from altwright.cli.dataclass_options import takes_options
from altwright.cli.exit_codes import ExitCode
from altwright.cli.output import print_error, print_line
from altwright.cli.progress_display import ProgressDisplay, format_duration
from altwright.cli.worker import missing_packages
from altwright.errors import AltwrightError, UsageError
from altwright.models import ExpectedTokens

_EPILOG = (
    "Exit codes: 0 everything is asked and nothing failed; 1 some rows failed or are broken, and "
    "stay for the next run; 2 the command is wrong; 74 the disk is full; 75 try again later; "
    "77 the key is wrong; 130 and 143 stopped by a signal. "
    "Audit columns of a table: altwright backfill init-db."
)
_USUAL_CHARS = 125
"""What the shortest of the server's own styles aims at."""
_EXPECTED_TOKENS_TIMEOUT_S = 5.0
_TOKEN_ORIGINS: dict[TokenOrigin, str] = {
    "measured": "measured on the answers so far",
    "formula": "by the formula of the model's provider",
    "assumed": "assumed",
}
_SHARED_JOURNAL = (
    "altwright_runs, _rows, _answers and _set_aside in the same database, made where missing"
)


class _RunByDefault(TyperGroup):
    """`backfill SOURCE` runs a backfill; `backfill init-db` is the only subcommand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - own type
        """Put the hidden command `run` before arguments that name no command."""
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Leave `run`, which the user did not type, out of the usage line."""
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if name == "run" else name), command, rest


app = typer.Typer(
    cls=_RunByDefault,
    help="Fill the blank alt texts of a file, a folder or a table.",
    rich_markup_mode=None,
)


@app.command(epilog=_EPILOG, hidden=True)
@takes_options(BackfillOptions)
def run(options: BackfillOptions) -> None:
    """Fill the blank alt texts of a file, a folder or a table; audited, resumable.

    The same command goes on where an earlier one was stopped or killed.
    """
    with StopSignals(STOPPED_SCANNING) as signals:
        _run(options, signals)


def _run(options: BackfillOptions, signals: StopSignals) -> None:
    config, hold_rules = options.run_config(), options.hold_rules()
    request_options = options.request_options()
    connectors = open_connectors(config)
    journal_path = options.journal or config.default_journal
    _show_plan(connectors, _SHARED_JOURNAL if options.queue else str(journal_path), hold_rules)
    max_chars = connectors.table.max_chars() if connectors.table else {}
    rules = OutcomeRules(config.caption_options, hold_rules, max_chars, connectors.encoding)
    display = ProgressDisplay(options.prices)
    try:
        if options.only_estimate:
            estimate = estimate_run(
                connectors, journal_path, rules.decide, request_options, options.prices,
                display.scanning, _ask_expected_tokens(options.base_url),
            )  # fmt: skip
            _show_estimate(estimate, as_json=options.as_json)
            return
        if options.queue is not None:
            result = _feed_queue(options, connectors, rules, display, signals)
        else:
            server = resolve_server(options.base_url)
            result = LocalRun(
                connectors, journal_path, rules, request_options, options.prices,
                lambda: AsyncAltwright(
                    server.api_key, server.base_url, options.timeout_s, max_retries=0
                ),
                display,
                signals,
                _check_queues,
            ).execute()  # fmt: skip
    except SourceError as error:
        print_error(f"{error}. Nothing was requested.")
        raise typer.Exit(ExitCode.LATER if error.is_temporary else ExitCode.IO_ERROR) from None
    finally:
        display.close()
    _show_result(result, as_json=options.as_json)
    raise typer.Exit(_exit_code(result))


@app.command("init-db", epilog=_EPILOG)
@takes_options(InitDbOptions)
def init_database(options: InitDbOptions) -> None:
    """Add the audit columns that a table lacks; all may be NULL, nothing else changes."""
    caption_options = CaptionOptions(
        parse_list(options.styles, "--styles"), parse_list(options.locales, "--locales")
    )
    engine = database.connect(options.url)
    existing = [each.name for each in database.reflect_table(engine, options.table).columns]
    columns = guess_columns(existing, options.column or ())
    statements = missing_column_statements(engine, options.table, columns, caption_options)
    if not statements:
        names = ", ".join(audit_field_names(caption_options))
        print_line(
            f"{options.table} has every audit column: {names}. Of those without the mark of "
            "init-db, alt_locale, alt_model, reasons and search_text are taken for your own."
        )
        return
    if not options.dry_run:
        add_columns(engine, statements)
    for name, of_column in statements.items():
        for line in of_column if options.dry_run else [f"added {name}"]:
            print_line(line)


def _ask_expected_tokens(base_url: str | None) -> ExpectedTokens | None:
    """What the server says that a picture takes; None where none answers."""
    server = resolve_server(base_url)
    try:
        with Altwright(
            server.api_key, server.base_url, _EXPECTED_TOKENS_TIMEOUT_S, max_retries=0
        ) as client:
            return client.expected_tokens()
    except AltwrightError:
        return None


def _check_queues(table: TableTarget) -> None:
    from altwright.backfill.queue.waiting_runs import check_no_queue  # SQLAlchemy is an extra

    check_no_queue(table)


def _feed_queue(
    options: BackfillOptions,
    connectors: Connectors,
    rules: OutcomeRules,
    display: ProgressDisplay,
    signals: StopSignals,
) -> RunResult:
    if options.queue != "celery":
        raise UsageError(f"--queue is celery, not {options.queue!r}.")
    if options.broker is None:
        raise UsageError("Name the broker: --broker URL, or ALTWRIGHT_BROKER_URL.")
    try:
        from altwright.backfill.queue.feeder import FeedOptions, feed_queue
    except ModuleNotFoundError as error:
        raise missing_packages(error) from None
    feed_options = FeedOptions(
        run=options.run_name,
        queue=options.queue_name,
        window=options.window,
        resend_after_s=options.resend_after_s,
        patience_s=options.patience_s,
        limit=options.limit,
    )
    return feed_queue(
        connectors, rules, feed_options, options.prices, options.broker, display, signals
    )


def _show_plan(connectors: Connectors, journal: str, hold_rules: HoldRules) -> None:
    source, table = connectors.source, connectors.table
    for line in (
        f"source      {source.display_name}",
        *connectors.columns.describe(),
        f"target      {connectors.target.display_name}",
        f"journal     {journal}",
    ):
        typer.echo(line, err=True)
    for note in (*source.notes, *connectors.target_notes):
        print_error(note)
    if table is not None:
        _show_journaled_fields(table)
    if missing := hold_rules.missing_columns(source.columns):
        raise UsageError(
            f"--hold-column {missing[0]!r} is not a column. There are: {', '.join(source.columns)}."
        )


def _show_journaled_fields(table: TableTarget) -> None:
    """Which audit fields are not written into the table, and what would change that."""
    own, shared = table.columns.users_own, table.columns.shared
    if missing := [field for field in table.missing_fields if field not in own]:
        print_error(
            f"the table has no column {', '.join(missing)}: these stay in the journal alone "
            "(altwright backfill init-db adds them)"
        )
    if own:
        print_error(
            f"{table.name} has {', '.join(own)} without the mark of init-db: taken for your own "
            f"and never written. If it is for these texts: --column {own[0]}={own[0]}"
        )
    if shared:
        print_error(note_on_shared_columns(table.name, shared))
    limits, texts = table.max_chars(), set(table.text_fields().values())
    for field in sorted(texts & limits.keys()):
        if limits[field] < _USUAL_CHARS:
            print_error(
                f"{table.name} takes {limits[field]} characters of {field}: longer texts are paid "
                "for and wait for a person"
            )


def _show_estimate(estimate: RunEstimate, *, as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(estimate.as_data()))
        return
    origin = _TOKEN_ORIGINS[estimate.tokens_are]
    money = "" if estimate.money is None else f", {estimate.money:,.2f} by your prices"
    print_line(
        f"{estimate.rows:,} rows: {estimate.described:,} described, {estimate.broken:,} broken, "
        f"{f'{estimate.without_image:,} without an image, ' if estimate.without_image else ''}"
        f"{f'{estimate.repeated:,} as another one, ' if estimate.repeated else ''}"
        f"{estimate.done:,} answered before, {estimate.blank:,} to do"
    )
    print_line(
        f"{estimate.repeated_urls:,} repeat a URL with the same context, "
        f"{estimate.repeated_contents:,} the bytes of another file: no calls; "
        f"{estimate.same_picture_elsewhere:,} show a picture again in another context"
    )
    calls = "call" if estimate.calls == 1 else "calls"
    print_line(
        f"{estimate.calls:,} {calls}, {estimate.input_tokens:,} tokens in, "
        f"{estimate.output_tokens:,} out ({origin}){money}"
    )
    if estimate.is_without_thinking:
        print_line(
            "The server's model thinks before it writes, which is paid and not in these numbers: a "
            "pilot (--limit 20) measures it, and the server's MODEL_PARAMS can switch it off"
        )
    print_line(f"{format_duration(estimate.seconds)} at this rate and concurrency")


def _show_result(result: RunResult, *, as_json: bool) -> None:
    if as_json:
        print_line(json.dumps(result.summary.as_data(), ensure_ascii=False))
    else:
        for line in result.summary.lines():
            print_line(line)
    if result.stop is not None:
        print_error(result.stop.message)


def _exit_code(result: RunResult) -> ExitCode:
    if result.stop is not None:
        return ExitCode(exit_code_of(result.stop.kind.value))
    has_failures = result.summary.broken or result.summary.outcomes["failed"]
    return ExitCode.FAILED if has_failures else ExitCode.OK
