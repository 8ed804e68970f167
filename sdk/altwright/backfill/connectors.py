"""What a run reads and writes, and the objects for it; a review and a worker open the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from altwright.backfill import column_mapping as names
from altwright.backfill import database
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import RunIdentity
from altwright.backfill.sources.base import Source
from altwright.backfill.sources.csv_file import CsvSource
from altwright.backfill.sources.folder import FolderSource
from altwright.backfill.sources.jsonl_file import JsonlSource
from altwright.backfill.sources.parquet_file import ParquetSource
from altwright.backfill.sources.table import TableSource
from altwright.backfill.targets.file import SUFFIXES, FileTarget
from altwright.backfill.targets.table import TableTarget
from altwright.errors import UsageError


@dataclass(frozen=True, slots=True)
class Connectors:
    """Opened: where rows come from, what their columns mean, where outcomes go."""

    spec: RunConfig
    source: Source
    columns: ColumnMapping
    target: FileTarget | TableTarget
    described: int
    """Rows of a table that are not blank, counted beforehand; of a file they are seen."""

    @property
    def facts(self) -> RunIdentity:
        """For the journal."""
        kept: dict[str, Any] = asdict(self.spec)
        if database.is_database_url(self.spec.source):
            kept["source"] = self.source.shown.partition(" ")[0]
        return RunIdentity(self.source.shown, self.target.shown, kept)

    @property
    def table(self) -> TableTarget | None:
        """The target where it is a table."""
        return self.target if isinstance(self.target, TableTarget) else None


def open_connectors(spec: RunConfig) -> Connectors:
    """Look at the source and the target. Raises UsageError with one sentence; changes nothing."""
    if database.is_database_url(spec.source):
        return _open_database(spec)
    if not spec.to:
        raise UsageError("Name the new file: --to FILE. (Write-back is for tables.)")
    if spec.table or spec.query:
        raise UsageError("--table and --query are for a database's URL.")
    source = _open_path(Path(spec.source), spec)
    found = names.guess_columns(source.columns, spec.chosen, primary_key=source.primary_key)
    base = spec.source if isinstance(source, FolderSource) else spec.base
    target = FileTarget(Path(spec.to), source, found, spec.asked, base)
    return Connectors(replace(spec, base=base), source, found, target, 0)


def _open_path(path: Path, spec: RunConfig) -> Source:
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise UsageError(f"There is no file {path}.")
    kind = SUFFIXES.get(path.suffix.lower())
    if kind == "csv":
        return CsvSource(path, encoding=spec.encoding or None)
    if kind == "jsonl":
        return JsonlSource(path)
    if kind == "parquet":
        return ParquetSource(path)
    raise UsageError(f"{path}: a source is .csv, .jsonl, .parquet, a folder, or a database's URL.")


def _open_database(spec: RunConfig) -> Connectors:
    if not spec.table and not spec.query:
        raise UsageError("Name what to read: --table NAME, or --query 'SELECT ...'.")
    engine = database.connect(spec.source)
    source = TableSource(engine, name="" if spec.query else spec.table, query=spec.query)
    found = names.guess_columns(source.columns, spec.chosen, primary_key=source.primary_key)
    if spec.to:
        described = source.use(found, only_blank=False)
        target = FileTarget(Path(spec.to), source, found, spec.asked, spec.base)
        return Connectors(spec, source, found, target, described)
    if not spec.table:
        raise UsageError("A query is written into a file (--to FILE), or back into --table NAME.")
    described = source.use(found, only_blank=True)
    return Connectors(
        spec, source, found, TableTarget(engine, spec.table, found, spec.asked), described
    )
