"""The schema of a journal file: made for a new one, and checked and completed for an old one."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path

from altwright.backfill.journal import keyless_rows, sql
from altwright.backfill.run_state import RunIdentity
from altwright.errors import UsageError


def needs_schema(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is empty. Raises UsageError if another version wrote it."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, sql.SCHEMA_VERSION):
        raise UsageError(
            f"{path} was written by another version of altwright (format {version}, "
            f"this one reads {sql.SCHEMA_VERSION})."
        )
    return bool(version == 0)


def create_schema(db: sqlite3.Connection, identity: RunIdentity) -> None:
    """Make the tables of a new journal; needs an open transaction."""
    for statement in sql.SCHEMA.split(";"):
        db.execute(statement)
    db.execute("INSERT INTO run (one, facts) VALUES (1, ?)", (json.dumps(asdict(identity)),))
    db.execute(f"PRAGMA user_version = {sql.SCHEMA_VERSION}")


def store_columns(db: sqlite3.Connection, identity: RunIdentity) -> None:
    """Store the identity with the columns that the run takes now; needs an open transaction."""
    db.execute("UPDATE run SET facts = ? WHERE facts != ?", (json.dumps(asdict(identity)),) * 2)


def add_scan_schema(db: sqlite3.Connection) -> None:
    """Make the tables that older versions did not have; needs an open transaction."""
    for statement in f"{sql.SCAN_SCHEMA};{keyless_rows.SCHEMA}".split(";"):
        db.execute(statement)
