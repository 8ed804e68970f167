"""`altwright review` and `altwright apply`: a page to review texts, and the decisions it saves."""

from __future__ import annotations

import contextlib
import errno
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Union

import typer

from altwright.backfill.connectors import open_connectors
from altwright.backfill.database import connect, is_database_url
from altwright.backfill.errors import TargetChanged
from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.apply_decisions import (
    ApplyResult,
    apply_to_file,
    apply_to_table,
    plan_decisions,
)
from altwright.backfill.review.decisions import DecisionsFile, read_decisions
from altwright.backfill.review.page import (
    PAGE_MARKS,
    PageHeader,
    describe_spot_check,
    render_page,
)
from altwright.backfill.review.review_item import (
    HELD_LABEL,
    REVIEWED_LABEL,
    make_review_item,
    run_id,
)
from altwright.backfill.review.selection import MAX_ROWS, select_rows
from altwright.backfill.review.thumbnails import make_thumbnails
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import RunCounts
from altwright.backfill.stop_signals import StopSignals
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import AltSource
from altwright.cli.dataclass_options import takes_options
from altwright.cli.exit_codes import ExitCode
from altwright.cli.output import OutputUnwritable, print_error, print_line, to_one_line
from altwright.errors import UsageError
from altwright.output_file import check_may_replace, write_output

if TYPE_CHECKING:
    from altwright.backfill.queue.outcome_store import OutcomeStore

AnyJournal = Union[Journal, "OutcomeStore"]
RunName = Annotated[
    str, typer.Option("--run", metavar="NAME", help="Name of a queue's run in a database.")
]
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
_MAX_LISTED = 50
"""Decisions that were not applied and are listed one by one."""
_STOPPED_REVIEW = "stopped: the page was not written. Run the same command again."
_STOPPED_APPLY = (
    "stopped: some decisions may not be written yet. Apply the same file again: it writes what is "
    "missing, and says what is there."
)
_KIND_TEXTS = {
    "approve": "approved",
    "edit": "edited",
    "decorative": "decorative",
    "blank": "left blank",
}


@dataclass(frozen=True, kw_only=True)
class ReviewOptions:
    """Options of `altwright review`."""

    journal: Annotated[
        str,
        typer.Argument(metavar="JOURNAL", help="Journal of a backfill, or database of a queue."),
    ]
    page_path: Annotated[Path, typer.Option("--to", metavar="FILE", help="Page to write.")] = Path(
        "review.html"
    )
    outcome: Annotated[
        str,
        typer.Option("--outcome", metavar="LIST", help="Only these outcomes: held,uncertain,ai."),
    ] = ""
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most images on the page.")] = (
        MAX_ROWS
    )
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            min=0,
            metavar="N",
            help="Spot check: N of the model's texts, the most doubtful and a random part.",
        ),
    ] = None
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Another number draws another random part.")
    ] = 0
    no_web: Annotated[
        bool, typer.Option("--no-web-pictures", help="Show no images from the web.")
    ] = False
    run: RunName = ""


@dataclass(frozen=True, kw_only=True)
class ApplyOptions:
    """Options of `altwright apply`."""

    decisions: Annotated[
        Path, typer.Argument(metavar="DECISIONS", help="Decisions saved by the page.")
    ]
    journal: Annotated[
        str,
        typer.Option(
            "--journal", metavar="JOURNAL", help="Journal; default: the run's in this folder."
        ),
    ] = ""
    run: RunName = ""
    database: Annotated[
        str,
        typer.Option(
            "--database",
            metavar="URL",
            envvar="ALTWRIGHT_DATABASE_URL",
            help="Database of the table, with its password.",
        ),
    ] = ""
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done and change nothing.")
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False


@takes_options(ReviewOptions)
def review(options: ReviewOptions) -> None:
    """Write one HTML page in which a person looks at a backfill's texts, edits and approves them.

    Local pictures are inside it, made small; those on the web are loaded from there. It saves a
    file of decisions, which altwright apply writes.
    """
    with StopSignals(_STOPPED_REVIEW):
        _write_page(options)


def _write_page(options: ReviewOptions) -> None:
    check_may_replace(options.page_path, PAGE_MARKS)
    labels = [each.strip() for each in options.outcome.split(",") if each.strip()]
    with _open_journal(options.journal, options.run) as journal:
        pairs = RunConfig.from_identity(journal.identity).caption_options.pairs
        selection = select_rows(
            journal,
            labels=labels,
            limit=options.limit,
            sample=options.sample,
            seed=options.seed,
        )
        header = PageHeader(
            run_id=run_id(journal.identity),
            source=journal.identity.source,
            created_at=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
            outcomes=_count_labels(journal.read_counts()),
            left_out=selection.left_out,
            spot_check=selection.spot_check,
        )
    thumbnails = make_thumbnails(
        (row.image for row, _ in selection.rows), with_web=not options.no_web
    )
    drawn = selection.spot_check.drawn if selection.spot_check else frozenset()
    items = [
        make_review_item(number, row, outcome, thumbnail, pairs, is_drawn=row.key in drawn)
        for number, ((row, outcome), thumbnail) in enumerate(
            zip(selection.rows, thumbnails, strict=True), 1
        )
    ]
    path = options.page_path
    try:
        # As bytes: the page's security policy has the hash of its script, line ends included.
        write_output(path, render_page(header, items).encode("utf-8", "replace"), PAGE_MARKS)
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise OutputUnwritable(f"{path}: {error.strerror}") from None
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
    left_out = f", {selection.left_out:,} more are not on it" if selection.left_out else ""
    print_line(f"{path}: {len(items):,} picture{'' if len(items) == 1 else 's'}{left_out}")
    if selection.spot_check is not None:
        print_line(describe_spot_check(selection.spot_check))


@takes_options(ApplyOptions)
def apply(options: ApplyOptions) -> None:
    """Write what a person decided, wherever the text is still the one that was looked at.

    Repeated it changes nothing. Exit code 1 says that somebody changed a row since: theirs stays.
    """
    with StopSignals(_STOPPED_APPLY):
        _apply_file(options)


def _apply_file(options: ApplyOptions) -> None:
    decisions = read_decisions(options.decisions)
    if decisions.typed:
        print_error(
            f"{decisions.typed} texts were typed on the page and not approved: they are not applied"
        )
    name = options.journal or str(_find_journal(decisions))
    if options.dry_run:
        with _open_journal(name, options.run) as journal:
            _check_same_run(journal, decisions, name)
            result = plan_decisions(journal, decisions).result
    elif is_database_url(name):
        with _open_journal(name, options.run) as journal:
            _check_same_run(journal, decisions, name)
            result = _apply(journal, name, decisions, options.database or name)
    else:
        try:
            with Journal.open(Path(name)) as locked:
                _check_same_run(locked, decisions, name)
                result = _apply(locked, name, decisions, options.database)
        except sqlite3.Error as error:
            raise OutputUnwritable(f"{name}: {error}") from None
    if options.as_json:
        _show_json(result)
    else:
        _show_result(result, is_dry_run=options.dry_run)
    if result.unwritten:
        raise typer.Exit(ExitCode.LATER)
    is_incomplete = result.not_applied or result.partly
    raise typer.Exit(ExitCode.FAILED if is_incomplete else ExitCode.OK)


def _apply(
    journal: AnyJournal, name: str, decisions: DecisionsFile, database_url: str
) -> ApplyResult:
    identity = journal.identity
    connectors = open_connectors(RunConfig.from_identity(identity, database_url=database_url))
    target = connectors.target
    if connectors.identity.target != identity.target:
        raise UsageError(f"{name} is the journal of another target: {identity.target}.")
    if connectors.identity.source != identity.source:
        raise UsageError(f"{name} is the journal of another source: {identity.source}.")
    if isinstance(target, TableTarget):
        return apply_to_table(journal, decisions, target)
    if not isinstance(journal, Journal):
        raise UsageError("A queue's run writes into a table.")
    with target.claim():
        target.check_unchanged(journal)
        try:
            # Its rows may have moved. Rows without an outcome wait: the run's rules are not known.
            scan_source(connectors, journal, None, lambda _: None)
            return apply_to_file(journal, decisions, target)
        except TargetChanged as error:
            print_error(str(error))
            raise typer.Exit(ExitCode.IO_ERROR) from None
        except OSError as error:
            raise OutputUnwritable(f"{target.display_name}: {error.strerror}") from None


@contextlib.contextmanager
def _open_journal(name: str, run: str) -> Iterator[AnyJournal]:
    """Open a journal for reading: a file, or the run of a queue in a database."""
    if not is_database_url(name):
        with Journal.read(Path(name)) as journal:
            yield journal
        return
    if not run:
        raise UsageError(
            "Name the queue's run: --run NAME. Without --run, a run has the name of its table."
        )
    from altwright.backfill.queue.outcome_store import OutcomeStore  # SQLAlchemy is an extra

    engine = connect(name)
    try:
        yield OutcomeStore(engine, run)
    finally:
        engine.dispose()


def _find_journal(decisions: DecisionsFile) -> Path:
    """The journal in this folder that the decisions are about; others may be broken."""
    run_ids = {path: _run_id_of(path) for path in sorted(Path().glob("*.journal"))}
    for path, found in run_ids.items():
        if found == decisions.run_id:
            return path
    unreadable = [str(path) for path, found in run_ids.items() if found is None]
    others = f" ({', '.join(unreadable)} cannot be read as one)" if unreadable else ""
    raise UsageError(
        f"The journal of that run is not in this folder{others}: name it with --journal FILE."
    )


def _run_id_of(path: Path) -> str | None:
    with contextlib.suppress(UsageError, sqlite3.Error), Journal.read(path) as journal:
        return run_id(journal.identity)
    return None


def _check_same_run(journal: AnyJournal, decisions: DecisionsFile, name: str) -> None:
    if run_id(journal.identity) != decisions.run_id:
        which = "that database" if is_database_url(name) else name
        raise UsageError(f"The decisions are about another run than that of {which}.")


def _count_labels(counts: RunCounts) -> dict[str, int]:
    """Rows by label: held rows are counted apart from uncertain ones, reviewed ones from `ai`."""
    labels = {state.value: number for state, number in counts.by_state.items()}
    for state, number in ((AltSource.UNCERTAIN, counts.held), (AltSource.AI, counts.reviewed)):
        labels[state.value] = labels.get(state.value, 0) - number
    return {**labels, HELD_LABEL: counts.held, REVIEWED_LABEL: counts.reviewed}


def _show_json(result: ApplyResult) -> None:
    kinds = Counter(result.applied.values())
    data = {
        "applied": {kind: kinds[kind] for kind in _KIND_TEXTS},
        "before": result.applied_before,
        "partly": result.partly,
        "left": result.not_applied,
        "waiting": result.unwritten,
    }
    print_line(json.dumps(data, ensure_ascii=False))


def _show_result(result: ApplyResult, *, is_dry_run: bool) -> None:
    problems = {**result.partly, **result.not_applied, **result.unwritten}
    for key, why in list(problems.items())[:_MAX_LISTED]:
        print_error(f"row {to_one_line(key)}: {why}")
    if len(problems) > _MAX_LISTED:
        print_error(f"and {len(problems) - _MAX_LISTED} more (--json has all)")
    kinds = Counter(result.applied.values())
    by_kind = ", ".join(
        f"{kinds[kind]} {text}" for kind, text in _KIND_TEXTS.items() if kinds[kind]
    )
    verb = "would be applied" if is_dry_run else "applied"
    print_line(
        f"{len(result.applied)} {verb}"
        + (f" ({by_kind})" if by_kind else "")
        + (f", {result.applied_before} applied before" if result.applied_before else "")
        + (f", {len(result.partly)} only in part" if result.partly else "")
        + (f", {len(result.not_applied)} not applied" if result.not_applied else "")
        + (f", {len(result.unwritten)} could not be written yet" if result.unwritten else "")
    )
