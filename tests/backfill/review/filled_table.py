"""A table filled by a run with known results, and decisions files about it."""

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from altwright.backfill.connectors import Connectors, open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.review_item import outcome_label, run_id, shown_text
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import RequestResult, TextResult

DRAFT = "Image of a mug"
TEXTS = {
    "1": TextResult("concise", "en", "A white mug.", model="m1"),
    "2": TextResult("concise", "en", code="caption_rejected", draft=DRAFT, reasons=("opener",)),
    "3": TextResult("concise", "en", code="caption_uncertain"),
    "4": TextResult("concise", "en", decorative=True, model="m1"),
    "5": TextResult("concise", "en", "A blue mug.", model="m1"),
}
"""The result of each row's request, by key."""
SEO = TextResult("seo", "en", "White ceramic mug for coffee and tea.", model="m1")
_AUDIT_COLUMNS = ("alt", "alt_source", "alt_locale", "alt_model", "alt_reviewed_at", "seo",
                  "reasons", "search_text")  # fmt: skip


class FilledTable:
    """A table whose five blank rows have results, written where they may be."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.engine = sa.create_engine(url)
        columns = [sa.Column(name, sa.Text) for name in _AUDIT_COLUMNS]
        self.table = sa.Table(
            "products", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("image_url", sa.Text), *columns,
        )  # fmt: skip
        self.table.create(self.engine)
        images = [{"id": n, "image_url": f"https://a.example/{n}.jpg"} for n in range(1, 6)]
        with self.engine.begin() as connection:
            connection.execute(sa.insert(self.table), images)
        named = ("alt_locale", "alt_model", "reasons", "search_text")
        self.config = RunConfig(
            url, table="products", styles=("concise", "seo"),
            column_roles=tuple(f"{name}={name}" for name in named),
        )  # fmt: skip
        self.journal_path = folder / "products.journal"
        run_with_known_results(self.journal_path, open_connectors(self.config))

    def row(self, key: int) -> dict[str, Any]:
        """The row as it is now."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(self.table).where(self.table.c.id == key))
            return dict(found.mappings().one())

    def edit(self, key: int, **values: str | None) -> None:
        """Change a row as an editor does."""
        with self.engine.begin() as connection:
            connection.execute(sa.update(self.table).where(self.table.c.id == key).values(values))


def run_with_known_results(journal_path: Path, connectors: Connectors) -> None:
    """A run as the command does it, with the results of TEXTS."""
    rules = OutcomeRules(connectors.config.caption_options)
    with Journal.open(journal_path, connectors.identity) as journal:
        scan_source(connectors, journal, rules.decide, lambda _: None)
        for pending in list(journal.iter_pending_requests()):
            key = pending.row.key
            result = RequestResult((TEXTS[key], SEO), sha256=key)
            journal.record_results([(pending.request_key, result)], rules.decide)
        target = connectors.target
        if isinstance(target, TableTarget):
            written = target.write(journal.next_unwritten(100))
            journal.mark_written({key: each.state for key, each in written.items()})
        else:
            assert isinstance(target, FileTarget)
            target.write(journal)


def write_decisions(journal_path: Path, reviewer: str = "Ana", **made: tuple[str, str]) -> Path:
    """Write a decisions file about what the page shows now: `r1=("edit", "A mug.")` is row 1."""
    decisions = []
    with Journal.read(journal_path) as journal:
        for name, (kind, text) in made.items():
            found = journal.find_outcome(name.removeprefix("r"))
            assert found is not None
            row, outcome = found
            decisions.append({"key": row.key, "outcome": outcome_label(outcome), "decision": kind,
                              "shown": shown_text(outcome), "text": text,
                              "at": "2026-11-25T10:00:00.000Z"})  # fmt: skip
        data = {"version": 1, "journal": run_id(journal.identity), "reviewer": reviewer,
                "saved_at": "", "decisions": decisions}  # fmt: skip
    folder = journal_path.parent
    file = folder / f"decisions-{reviewer}-{len(list(folder.iterdir()))}.json"
    file.write_text(json.dumps(data))
    return file
