"""What a run reads and writes, and the objects for it; a review and a worker open the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from altwright.backfill import columns as names
from altwright.backfill import database
from altwright.backfill.audit import Asked
from altwright.backfill.columns import Columns
from altwright.backfill.sources import Source
from altwright.backfill.sources.csv_file import CsvFile
from altwright.backfill.sources.folder import Folder
from altwright.backfill.sources.jsonl_file import JsonlFile
from altwright.backfill.sources.parquet_file import ParquetFile
from altwright.backfill.sources.table import TableSource
from altwright.backfill.standing import Facts
from altwright.backfill.targets.new_file import SUFFIXES, FileTarget
from altwright.backfill.targets.table import TableTarget
from altwright.errors import UsageError


@dataclass(frozen=True, slots=True)
class Spec:
    """A run's places as somebody named them. The journal keeps it, without the password."""

    source: str
    """A path, or a database's URL."""
    to: str = ""
    """The new file; empty: write-back into the table."""
    table: str = ""
    query: str = ""
    base: str = ""
    """A URL or a folder that stands before images that are relative."""
    encoding: str = ""
    chosen: tuple[str, ...] = ()
    """`ROLE=NAME` words."""
    styles: tuple[str, ...] = ("concise",)
    locales: tuple[str, ...] = ("en",)
    max_tokens: int | None = None

    @property
    def asked(self) -> Asked:
        """What is asked for each picture."""
        return Asked(self.styles, self.locales, self.max_tokens)

    @property
    def journal(self) -> Path:
        """Where its journal is, unless somebody says otherwise: beside what the run makes."""
        if self.to:
            return Path(f"{self.to}.journal")
        # A database has no folder: the one that the command runs in.
        bare = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.table or "query")
        return Path(f"altwright-{bare}.journal")

    @classmethod
    def of(cls, facts: Facts, *, database_url: str = "") -> Spec:
        """From a journal; a database's password has to come with its URL, or from its driver."""
        data = dict(facts.settings)
        known = {each.name for each in fields(cls)}
        spec = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()
                      if k in known})  # type: ignore[arg-type] # fmt: skip
        return replace(spec, source=database_url) if database_url else spec


@dataclass(frozen=True, slots=True)
class Places:
    """Opened: where rows come from, what their columns mean, where outcomes go."""

    spec: Spec
    source: Source
    columns: Columns
    target: FileTarget | TableTarget
    described: int
    """Rows of a table that are not blank, counted beforehand; of a file they are seen."""

    @property
    def facts(self) -> Facts:
        """For the journal."""
        kept: dict[str, Any] = asdict(self.spec)
        if database.is_database(self.spec.source):
            kept["source"] = self.source.shown.partition(" ")[0]
        return Facts(self.source.shown, self.target.shown, kept)

    @property
    def table(self) -> TableTarget | None:
        """The target where it is a table."""
        return self.target if isinstance(self.target, TableTarget) else None


def open_places(spec: Spec) -> Places:
    """Look at the source and the target. Raises UsageError with one sentence; changes nothing."""
    if database.is_database(spec.source):
        return _open_database(spec)
    if not spec.to:
        raise UsageError("Name the new file: --to FILE. (Write-back is for tables.)")
    if spec.table or spec.query:
        raise UsageError("--table and --query are for a database's URL.")
    source = _open_path(Path(spec.source), spec)
    found = names.guess(source.columns, spec.chosen, primary_key=source.primary_key)
    base = spec.source if isinstance(source, Folder) else spec.base
    target = FileTarget(Path(spec.to), source, found, spec.asked, base)
    return Places(replace(spec, base=base), source, found, target, 0)


def _open_path(path: Path, spec: Spec) -> Source:
    if path.is_dir():
        return Folder(path)
    if not path.exists():
        raise UsageError(f"There is no file {path}.")
    kind = SUFFIXES.get(path.suffix.lower())
    if kind == "csv":
        return CsvFile(path, encoding=spec.encoding or None)
    if kind == "jsonl":
        return JsonlFile(path)
    if kind == "parquet":
        return ParquetFile(path)
    raise UsageError(f"{path}: a source is .csv, .jsonl, .parquet, a folder, or a database's URL.")


def _open_database(spec: Spec) -> Places:
    if not spec.table and not spec.query:
        raise UsageError("Name what to read: --table NAME, or --query 'SELECT ...'.")
    engine = database.connect(spec.source)
    source = TableSource(engine, name="" if spec.query else spec.table, query=spec.query)
    found = names.guess(source.columns, spec.chosen, primary_key=source.primary_key)
    if spec.to:
        described = source.use(found, only_blank=False)
        target = FileTarget(Path(spec.to), source, found, spec.asked, spec.base)
        return Places(spec, source, found, target, described)
    if not spec.table:
        raise UsageError("A query is written into a file (--to FILE), or back into --table NAME.")
    described = source.use(found, only_blank=True)
    return Places(
        spec, source, found, TableTarget(engine, spec.table, found, spec.asked), described
    )
