"""`altwright review` and `altwright apply`: a person looks, decides, and it is written."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Union

import typer

from altwright.backfill.connectors import open_connectors
from altwright.backfill.database import connect, is_database_url
from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.apply_decisions import (
    ApplyResult,
    apply_to_file,
    apply_to_table,
    plan_decisions,
)
from altwright.backfill.review.decisions import DecisionsFile, read_decisions
from altwright.backfill.review.page import PageHeader, render_page
from altwright.backfill.review.review_item import HELD_LABEL, make_review_item, run_id
from altwright.backfill.review.selection import LIMIT, select_rows
from altwright.backfill.review.thumbnails import make_thumbnails
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import RunCounts
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import AltSource
from altwright.cli.exit_codes import ExitCode
from altwright.cli.output import OutputUnwritable, print_error, print_line, to_one_line
from altwright.errors import UsageError

if TYPE_CHECKING:
    from altwright.backfill.queue.outcome_store import OutcomeStore

AnyJournal = Union[Journal, "OutcomeStore"]
RunName = Annotated[str, typer.Option("--run", metavar="NAME", help="Of a queue in a database.")]
_SHOWN = 50
"""Decisions that were not applied and are told one by one."""
_DONE = {
    "approve": "approved",
    "edit": "edited",
    "decorative": "decorative",
    "blank": "left blank",
}


def review(
    journal: Annotated[
        str, typer.Argument(metavar="JOURNAL", help="Of a backfill; of a queue, its database.")
    ],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The page.")] = Path(
        "review.html"
    ),
    outcome: Annotated[
        str, typer.Option("--outcome", metavar="LIST", help="Only these: held,uncertain,ai.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Pictures on the page.")] = LIMIT,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=0, help="Of what a model wrote, so many drawn at random."),
    ] = None,
    no_web: Annotated[
        bool, typer.Option("--no-web-pictures", help="The page loads nothing from the web.")
    ] = False,
    run: RunName = "",
) -> None:
    """Write one HTML page in which a person looks at a backfill's texts, edits and approves them.

    Local pictures are inside it, made small; those on the web are loaded from there. It saves a
    file of decisions, which altwright apply writes.
    """
    wanted = [each.strip() for each in outcome.split(",") if each.strip()]
    with _opened(journal, run) as opened:
        chosen = select_rows(opened, labels=wanted, limit=limit, sample=sample)
        about = PageHeader(
            id=run_id(opened.facts),
            source=opened.facts.source,
            made_at=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
            outcomes=_by_label(opened.counts()),
            left_out=chosen.left_out,
        )
    small = make_thumbnails((row.image for row, _ in chosen.pairs), link=not no_web)
    items = [
        make_review_item(number, row, made, thumb)
        for number, ((row, made), thumb) in enumerate(zip(chosen.pairs, small, strict=True), 1)
    ]
    try:
        # Bytes: the page's policy knows its script by its hash, line ends included.
        to.write_bytes(render_page(about, items).encode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror}.") from None
    left = f", {chosen.left_out:,} more are not on it" if chosen.left_out else ""
    print_line(f"{to}: {len(items):,} picture{'' if len(items) == 1 else 's'}{left}")


def apply(
    decisions: Annotated[Path, typer.Argument(metavar="DECISIONS", help="As the page saved it.")],
    journal: Annotated[
        str,
        typer.Option("--journal", metavar="JOURNAL", help="By default the run's in this folder."),
    ] = "",
    run: RunName = "",
    database: Annotated[
        str,
        typer.Option(
            "--database",
            metavar="URL",
            envvar="ALTWRIGHT_DATABASE_URL",
            help="Of the table, where its password is needed.",
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and change nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was done as JSON.")] = False,
) -> None:
    """Write what a person decided, wherever the text is still the one that was looked at.

    Repeated it changes nothing. Exit code 1 says that somebody changed a row since: theirs stays.
    """
    made = read_decisions(decisions)
    word = journal or str(_find_journal(made))
    if dry_run:
        with _opened(word, run) as opened:
            _same_run(opened, made, word)
            applied = plan_decisions(opened, made).applied
    elif is_database_url(word):
        with _opened(word, run) as opened:
            _same_run(opened, made, word)
            applied = _apply(opened, word, made, database or word)
    else:
        try:
            with Journal.open(Path(word)) as locked:
                _same_run(locked, made, word)
                applied = _apply(locked, word, made, database)
        except sqlite3.Error as error:
            raise OutputUnwritable(f"{word}: {error}") from None
    _tell(applied, as_json=as_json, is_dry=dry_run)
    if applied.waiting:
        raise typer.Exit(ExitCode.LATER)
    raise typer.Exit(ExitCode.FAILED if applied.left else ExitCode.OK)


def _apply(opened: AnyJournal, word: str, made: DecisionsFile, database: str) -> ApplyResult:
    places = open_connectors(RunConfig.of(opened.facts, database_url=database))
    if places.facts.target != opened.facts.target:
        raise UsageError(f"{word} is the journal of another target: {opened.facts.target}.")
    if isinstance(places.target, TableTarget):
        return apply_to_table(opened, made, places.target)
    if not isinstance(opened, Journal):
        raise UsageError("A queue's run writes into a table.")
    places.target.check(opened)
    try:
        return apply_to_file(opened, made, places.target)
    except OSError as error:
        raise OutputUnwritable(f"{places.target.shown}: {error.strerror}") from None


@contextlib.contextmanager
def _opened(word: str, run: str) -> Iterator[AnyJournal]:
    """A journal to read: a file, or the run of a queue in a database."""
    if not is_database_url(word):
        with Journal.read(Path(word)) as journal:
            yield journal
        return
    if not run:
        raise UsageError(
            "Name the queue's run: --run NAME; it is the table's, where none was named."
        )
    from altwright.backfill.queue.outcome_store import OutcomeStore  # SQLAlchemy is an extra

    engine = connect(word)
    try:
        yield OutcomeStore(engine, run)
    finally:
        engine.dispose()


def _find_journal(made: DecisionsFile) -> Path:
    """The one in this folder whose page it was; others may be broken."""
    found = {path: _run_of(path) for path in sorted(Path().glob("*.journal"))}
    for path, about in found.items():
        if about == made.run:
            return path
    unread = [str(path) for path, about in found.items() if about is None]
    others = f" ({', '.join(unread)} cannot be read as one)" if unread else ""
    raise UsageError(
        f"The journal of that run is not in this folder{others}: name it with --journal FILE."
    )


def _run_of(path: Path) -> str | None:
    with contextlib.suppress(UsageError, sqlite3.Error), Journal.read(path) as opened:
        return run_id(opened.facts)
    return None


def _same_run(opened: AnyJournal, made: DecisionsFile, word: str) -> None:
    if run_id(opened.facts) != made.run:
        which = "that database" if is_database_url(word) else word
        raise UsageError(f"The decisions are about another run than that of {which}.")


def _by_label(counts: RunCounts) -> dict[str, int]:
    found = {each.value: number for each, number in counts.by_state.items()}
    uncertain = AltSource.UNCERTAIN.value
    found[uncertain] = found.get(uncertain, 0) - counts.held
    return {**found, HELD_LABEL: counts.held}


def _tell(applied: ApplyResult, *, as_json: bool, is_dry: bool) -> None:
    kinds = Counter(applied.made.values())
    if as_json:
        said = {
            "applied": {kind: kinds[kind] for kind in _DONE},
            "before": applied.before,
            "left": applied.left,
            "waiting": applied.waiting,
        }
        print_line(json.dumps(said, ensure_ascii=False))
        return
    told = {**applied.left, **applied.waiting}
    for key, why in list(told.items())[:_SHOWN]:
        print_error(f"row {to_one_line(key)}: {why}")
    if len(told) > _SHOWN:
        print_error(f"and {len(told) - _SHOWN} more (--json has all)")
    counted = ", ".join(f"{kinds[kind]} {word}" for kind, word in _DONE.items() if kinds[kind])
    word = "would be applied" if is_dry else "applied"
    before = f", {applied.before} applied before" if applied.before else ""
    left = f", {len(applied.left)} not applied" if applied.left else ""
    waiting = f", {len(applied.waiting)} could not be written yet" if applied.waiting else ""
    print_line(
        f"{len(applied.made)} {word}{f' ({counted})' if counted else ''}{before}{left}{waiting}"
    )
