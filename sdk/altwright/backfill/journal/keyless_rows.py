"""Keyless rows: recognises the rows of a file that have no key by what they show.

A scan stages them. At its end each gets the journal's row that it is: first by all its cells but
the alt text, then by its request, then by its picture alone. So lines may be inserted, deleted and
moved, and a text stays with its picture. A new row gets a name, which it keeps.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from altwright.backfill.journal import serialization
from altwright.backfill.types import Row

SCHEMA = """
CREATE TABLE IF NOT EXISTS keyless_rows (id INTEGER PRIMARY KEY, cells TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS places (place INTEGER PRIMARY KEY, id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS arrivals (
    place INTEGER PRIMARY KEY, cells TEXT NOT NULL, ask TEXT NOT NULL, picture TEXT NOT NULL,
    is_blank INTEGER NOT NULL, row TEXT NOT NULL, id INTEGER, is_guess INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS arrivals_by_id ON arrivals (id);
CREATE INDEX IF NOT EXISTS arrivals_by_cells ON arrivals (cells);
CREATE INDEX IF NOT EXISTS arrivals_by_ask ON arrivals (ask);
CREATE INDEX IF NOT EXISTS arrivals_by_picture ON arrivals (picture)
"""
"""The hash of the cells of each row without a key, the places of these rows in the last scan, and
what that scan has staged."""

_PAGE_ROWS = 256
_CREATE_CANDIDATES = """
CREATE TEMP TABLE candidates AS
SELECT r.id, r.place, r.pass, coalesce(k.cells, '') AS cells, r.ask,
       CASE WHEN json_extract(r.row, '$.content') LIKE 'sha256:%'
            THEN json_extract(r.row, '$.content')
            ELSE coalesce(json_extract(r.row, '$.image'), '') END AS picture,
       json_extract(r.outcome, '$.alt_reviewed_at') IS NOT NULL AS is_decided
FROM rows r LEFT JOIN keyless_rows k USING (id)
WHERE k.id IS NOT NULL OR (
    r.key NOT GLOB '*[^0-9]*' AND NOT EXISTS (SELECT 1 FROM rows WHERE pass = ?))
"""
"""Journals of older versions named these rows by their lines: those of a file without any key."""
_MARK_GUESSES = """
UPDATE arrivals SET is_guess = 1 WHERE id IS NULL AND picture IN (
    SELECT picture FROM arrivals WHERE id IS NULL AND is_blank
    GROUP BY picture HAVING count(*) > 1
    UNION SELECT picture FROM candidates
    WHERE id NOT IN (SELECT id FROM arrivals WHERE id IS NOT NULL)
    GROUP BY picture HAVING count(*) > 1)
"""
_MATCH = (
    """
CREATE TEMP TABLE a_ranked AS
SELECT place, {name} AS name,
       row_number() OVER (PARTITION BY {name} ORDER BY is_blank DESC, place) AS rank,
       count(*) OVER (PARTITION BY {name}) AS size
FROM arrivals WHERE id IS NULL
""",
    """
CREATE TEMP TABLE c_ranked AS
SELECT id, place, {name} AS name,
       row_number() OVER (PARTITION BY {name} ORDER BY pass DESC, is_decided DESC, place, id)
           AS rank,
       count(*) OVER (PARTITION BY {name}) AS size
FROM candidates WHERE id NOT IN (SELECT id FROM arrivals WHERE id IS NOT NULL)
""",
    "CREATE TEMP TABLE sizes (name TEXT PRIMARY KEY, a INTEGER, c INTEGER)",
    "INSERT INTO sizes SELECT DISTINCT name, size, 0 FROM a_ranked",
    "CREATE TEMP TABLE c_sizes (name TEXT PRIMARY KEY, c INTEGER)",
    "INSERT INTO c_sizes SELECT DISTINCT name, size FROM c_ranked",
    "UPDATE sizes SET c = coalesce((SELECT c FROM c_sizes WHERE c_sizes.name = sizes.name), 0)",
    "CREATE TEMP TABLE a_ordered (name TEXT, n INTEGER, place INTEGER, PRIMARY KEY (name, n))",
    """
INSERT INTO a_ordered
SELECT name, row_number() OVER (PARTITION BY name ORDER BY place), place
FROM a_ranked r CROSS JOIN sizes USING (name) WHERE rank <= min(sizes.a, sizes.c)
""",
    "CREATE TEMP TABLE c_ordered (name TEXT, n INTEGER, id INTEGER, PRIMARY KEY (name, n))",
    """
INSERT INTO c_ordered
SELECT name, row_number() OVER (PARTITION BY name ORDER BY place, id), id
FROM c_ranked r CROSS JOIN sizes USING (name) WHERE rank <= min(sizes.a, sizes.c)
""",
    "CREATE TEMP TABLE found (place INTEGER PRIMARY KEY, id INTEGER)",
    "INSERT INTO found SELECT place, id FROM a_ordered CROSS JOIN c_ordered USING (name, n)",
    """
UPDATE arrivals SET id = (SELECT id FROM found WHERE found.place = arrivals.place)
WHERE place IN (SELECT place FROM found)
""",
)
"""Equal rows are matched in their order. Where one side has fewer, the blank ones, the ones of the
last scan, and what a person decided come first. Each step has its own table with a key: as one
statement with common table expressions it took the square of the rows."""
_STEP_TABLES = ("a_ranked", "c_ranked", "sizes", "c_sizes", "a_ordered", "c_ordered", "found")


@dataclass(frozen=True, slots=True)
class KeylessRow:
    """A row of the source without a key."""

    row: Row
    cells: str
    """Hash of its cells without the alt text."""
    is_blank: bool
    """Whether it needs an alt text. Others are staged, so that equal rows are told apart."""


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A blank row without a key, under the name that the journal has for it."""

    row: Row
    cells: str
    is_guess: bool
    """Whether another row of the journal might be meant as well."""


class KeylessRows:
    """The rows without a key in one journal. Every method needs an open transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def clear(self) -> None:
        """Forget what an earlier scan found."""
        self._db.execute("DELETE FROM arrivals")
        self._db.execute("DELETE FROM places")

    def stage(self, rows: Sequence[KeylessRow]) -> None:
        """Add rows of the source, in its order."""
        self._db.executemany(
            "INSERT INTO arrivals (place, cells, ask, picture, is_blank, row) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [
                (each.row.line_number, each.cells, each.row.request_key, each.row.picture,
                 int(each.is_blank), serialization.row_to_json(each.row) if each.is_blank else "")
                for each in rows
            ],
        )  # fmt: skip

    def match(self, scan_number: int) -> None:
        """Find the journal's row for each that was staged."""
        self._drop("candidates", *_STEP_TABLES)
        self._db.execute(_CREATE_CANDIDATES, (scan_number,))
        for name in ("cells", "ask", "picture"):
            if name == "picture":
                self._db.execute(_MARK_GUESSES)
            for statement in _MATCH:
                self._db.execute(statement.format(name=name))
            self._drop(*_STEP_TABLES)
        self._drop("candidates")

    def _drop(self, *tables: str) -> None:
        for table in tables:
            self._db.execute(f"DROP TABLE IF EXISTS temp.{table}")

    def read_pages(self) -> Iterator[list[NamedRow]]:
        """The blank ones among the staged rows, with their keys."""
        last_place = -1
        while True:
            page = self._db.execute(
                "SELECT a.place, a.row, a.cells, a.is_guess, r.key FROM arrivals a "
                "LEFT JOIN rows r USING (id) WHERE a.place > ? AND is_blank "
                "ORDER BY a.place LIMIT ?",
                (last_place, _PAGE_ROWS),
            ).fetchall()
            if not page:
                return
            last_place = page[-1][0]
            named = []
            for _, stored, cells, is_guess, known_key in page:
                row = serialization.row_from_json(stored)
                key = known_key or self._new_key(row)
                named.append(NamedRow(replace(row, key=key), cells, bool(is_guess)))
            yield named

    def settle(self, rows: Sequence[NamedRow]) -> None:
        """Store places and cells of rows that the journal has now."""
        for each in rows:
            [row_id] = self._db.execute(
                "SELECT id FROM rows WHERE key = ?", (each.row.key,)
            ).fetchone()
            self._db.execute(
                "INSERT OR REPLACE INTO keyless_rows (id, cells) VALUES (?, ?)",
                (row_id, each.cells),
            )
            self._db.execute(
                "INSERT INTO places (place, id) VALUES (?, ?)", (each.row.line_number, row_id)
            )

    def _new_key(self, row: Row) -> str:
        """A name that no row has: the picture's name, and a hash."""
        number = 0
        while True:
            digest = hashlib.sha256(f"{row.picture}\n{row.line_number}\n{number}".encode())
            key = f"picture:{row.file_name[-80:] or 'unnamed'}:{digest.hexdigest()[:12]}"
            known = self._db.execute("SELECT 1 FROM rows WHERE key = ?", (key,)).fetchone()
            if known is None:
                return key
            number += 1
