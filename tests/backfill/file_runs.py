"""Runs over files with known answers, without a server."""

from collections.abc import Callable
from pathlib import Path

from altwright.backfill.connectors import open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.decisions import Decision, DecisionsFile
from altwright.backfill.review.review_item import outcome_label, run_id, shown_text
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.scan import ScanResult, scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.types import Outcome, RequestResult, Row, TextResult

TextOf = Callable[[Row], str | None]
"""What the model says of a row; None: the picture is decorative."""


def model_text(row: Row) -> str:
    """What the model says of a row: it names the picture."""
    return f"Model: {row.file_name}."


class FileRun:
    """`altwright backfill SOURCE --to TARGET`, with a model that names each picture."""

    def __init__(self, source: Path, target: Path, **config: object) -> None:
        self.source, self.target = source, target
        self.journal_path = target.with_name(f"{target.name}.journal")
        self._config = RunConfig(str(source), target_file=str(target), **config)  # type: ignore[arg-type]
        self.asked: list[str] = []
        """Images that were paid for."""
        self.before_writing: Callable[[], None] = lambda: None

    def run(self, text_of: TextOf = model_text) -> ScanResult:
        """Scan, ask and write."""
        connectors = open_connectors(self._config)
        rules = OutcomeRules(connectors.config.caption_options, encoding=connectors.encoding)
        target = connectors.target
        assert isinstance(target, FileTarget)
        with Journal.open(self.journal_path, connectors.identity) as journal:
            target.check_unchanged(journal)
            result = scan_source(connectors, journal, rules.decide, lambda _: None)
            for pending in list(journal.iter_pending_requests()):
                self.asked.append(pending.row.image)
                text = text_of(pending.row)
                texts = (
                    TextResult("concise", "en", text or "", decorative=text is None, model="m"),
                )
                journal.record_results(
                    [(pending.request_key, RequestResult(texts, attempts=1))], rules.decide
                )
            self.before_writing()
            target.write(journal)
        return result

    def decisions(self, reviewer: str = "Ana", **made: tuple[str, str]) -> DecisionsFile:
        """Decisions by file name of the picture: `mug=("edit", "A mug.")` is about mug.jpg."""
        decided = []
        with Journal.read(self.journal_path) as journal:
            for row, outcome in journal.iter_outcomes():
                name = row.file_name.removesuffix(".jpg")
                if name in made:
                    kind, text = made[name]
                    label, shown = outcome_label(outcome), shown_text(outcome)
                    decided.append(
                        Decision(row.key, label, shown, kind, text, "2026-11-25T10:00:00Z")
                    )
            return DecisionsFile(run_id(journal.identity), reviewer, tuple(decided))

    def outcome_of(self, image: str) -> Outcome:
        """The outcome of the row with this picture."""
        with Journal.read(self.journal_path) as journal:
            [found] = [o for row, o in journal.iter_outcomes() if row.image == image]
        return found
