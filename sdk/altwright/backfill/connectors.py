"""Connectors of a run: opens the source, the column mapping and the target from its configuration.

`backfill`, `apply` and the workers of a queue open the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from altwright.backfill import database
from altwright.backfill.column_mapping import ColumnMapping, guess_columns
from altwright.backfill.recorded_columns import find_recorded, record_columns
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import RunIdentity
from altwright.backfill.sources.base import Source
from altwright.backfill.sources.csv_file import CsvSource
from altwright.backfill.sources.folder import FolderSource
from altwright.backfill.sources.jsonl_file import JsonlSource
from altwright.backfill.sources.parquet_file import ParquetSource
from altwright.backfill.sources.table import TableSource
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.targets.file_content import FILE_FORMATS
from altwright.backfill.targets.preflight import FindSettled, check_table
from altwright.backfill.targets.table import TableTarget
from altwright.errors import UsageError
from altwright.output_file import hash_file


@dataclass(frozen=True, slots=True)
class Connectors:
    """An opened source, what its columns mean, and an opened target."""

    config: RunConfig
    source: Source
    columns: ColumnMapping
    target: FileTarget | TableTarget
    described: int
    """Rows of a table that have an alt text, counted beforehand; 0 for a file, which is scanned."""

    @property
    def identity(self) -> RunIdentity:
        """The run's identity for its journal, without a password."""
        settings = self.config.to_settings()
        if database.is_database_url(self.config.source):
            settings["source"] = self.source.display_name.partition(" ")[0]
        columns = self.columns.to_record(may_be_missing=isinstance(self.source, JsonlSource))
        settings |= record_columns(columns, self.source.columns)
        return RunIdentity(self.source.display_name, self.target.display_name, settings)

    @property
    def scanned_file(self) -> FileTarget | None:
        """The target if the source is a file whose rows may lack a key, or change meanwhile."""
        is_file = isinstance(self.source, (CsvSource, JsonlSource, ParquetSource))
        return self.target if is_file and isinstance(self.target, FileTarget) else None

    @property
    def encoding(self) -> str:
        """The codec of a target file; empty for a table."""
        return self.target.encoding if isinstance(self.target, FileTarget) else ""

    @property
    def target_notes(self) -> list[str]:
        """What the user should know about the columns of a target file."""
        return self.target.notes if isinstance(self.target, FileTarget) else []

    @property
    def table(self) -> TableTarget | None:
        """The target if it is a table."""
        return self.target if isinstance(self.target, TableTarget) else None

    def check_table(self, find_settled: FindSettled) -> None:
        """Raise UsageError if the target is a table that cannot take the texts."""
        if self.table is not None and isinstance(self.source, TableSource):
            check_table(
                self.table, self.source, self.columns, self.config.caption_options,
                self.config.image_base, find_settled,
            )  # fmt: skip


def open_connectors(config: RunConfig) -> Connectors:
    """Open source and target; changes nothing. Raises UsageError."""
    if database.is_database_url(config.source):
        return _open_database(config)
    if not config.target_file:
        raise UsageError("Name the new file: --to FILE. (Write-back is for tables.)")
    if config.table or config.query:
        raise UsageError("--table and --query are for a database's URL.")
    path = Path(config.source)
    try:
        fingerprint = hash_file(path) if path.is_file() else ""
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    source = _open_path(path, config)
    columns = guess_columns(
        source.columns,
        config.column_roles,
        primary_key=source.primary_key,
        recorded=find_recorded(
            source.columns,
            config.recorded_columns,
            may_be_missing=isinstance(source, JsonlSource),
        ),
    )
    image_base = config.source if isinstance(source, FolderSource) else config.image_base
    config = replace(config, image_base=image_base)
    target = _file_target(config, source, columns, fingerprint)
    return Connectors(config, source, columns, target, 0)


def _open_path(path: Path, config: RunConfig) -> Source:
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise UsageError(f"There is no file {path}.")
    file_format = FILE_FORMATS.get(path.suffix.lower())
    if file_format == "csv":
        return CsvSource(path, encoding=config.encoding or None)
    if file_format == "jsonl":
        return JsonlSource(path)
    if file_format == "parquet":
        return ParquetSource(path)
    raise UsageError(f"{path}: a source is .csv, .jsonl, .parquet, a folder, or a database's URL.")


def _open_database(config: RunConfig) -> Connectors:
    if not config.table and not config.query:
        raise UsageError("Name what to read: --table NAME, or --query 'SELECT ...'.")
    engine = database.connect(config.source)
    source = TableSource(
        engine, name="" if config.query else config.table, query=config.query,
        written_to=config.table if config.query and not config.target_file else "",
    )  # fmt: skip
    columns = source.guess_columns(config.column_roles, config.recorded_columns)
    if config.target_file:
        described = source.set_columns(columns, only_blank=False)
        return Connectors(config, source, columns, _file_target(config, source, columns), described)
    if not config.table:
        raise UsageError("A query is written into a file (--to FILE), or back into --table NAME.")
    described = source.set_columns(columns, only_blank=True)
    target = TableTarget(engine, config.table, columns, config.caption_options, source)
    return Connectors(config, source, columns, target, described)


def _file_target(
    config: RunConfig, source: Source, columns: ColumnMapping, fingerprint: str = ""
) -> FileTarget:
    return FileTarget(
        Path(config.target_file), source, columns, config.caption_options, config.image_base,
        fingerprint,
    )  # fmt: skip
