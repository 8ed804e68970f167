"""What a history is about: its catalogue, who wrote what in it, and the log of its steps."""

from __future__ import annotations

import contextlib
import os
import random
from pathlib import Path

import sqlalchemy as sa

from testing.histories import catalogue
from testing.histories.catalogue import Numbers, Options
from testing.histories.files import Dialect, FileCatalogue
from testing.histories.oracle import Oracle, Record
from testing.histories.tables import TableCatalogue, draw_variant


class World:
    """The catalogue, in a file or a table, and the oracle that watches it."""

    def __init__(self, seed: int, kind: str, folder: Path, url: str) -> None:
        """`url`: an empty database of a server; '' for files and SQLite."""
        self.random = random.Random(f"{seed} {kind}")
        self.folder = folder
        self.numbers = Numbers()
        self.steps: list[str] = []
        self.slugs: list[str] = []
        self.options = _draw_options(kind, self.random)
        self.oracle = Oracle(self.options)
        self._next_key = catalogue.make_keys(self.options, self.random)
        self.files: FileCatalogue | None = None
        self._table: TableCatalogue | None = None
        self.target: list[str] = []
        """The command's arguments that name source and target."""
        self._make_catalogue(seed, url)

    @property
    def table(self) -> TableCatalogue:
        """The table; only where `files` is None."""
        assert self._table is not None
        return self._table

    def close(self) -> None:
        """Drop the table."""
        if self._table is not None:
            self._table.close()

    def log(self, text: str) -> None:
        """Add a step."""
        self.steps.append(text)

    def source(self) -> list[Record]:
        """The rows as they are now."""
        return self.files.source() if self.files else self.table.source()

    def _make_catalogue(self, seed: int, url: str) -> None:
        options = self.options
        rows = [self.new_row() for _ in range(self.random.randint(2, 9))]
        if options.is_file:
            self.files = FileCatalogue(
                options.kind, self.folder, options.columns, Dialect.draw(self.random)
            )
            self.files.rows = rows
            self.files.save()
            self.target = ["in." + options.kind, "--to", "out." + options.kind]
        else:
            url = url or f"sqlite:///{self.folder}/shop.db"
            name = f"media_{os.getpid()}_{seed}"
            self._table = TableCatalogue(
                url, name, options.key_type, options.columns, options.variant
            )
            for row in rows:
                self.insert(row)
            self.target = [url, "--table", name]
        self.remember(rows)
        self.log(f"{options}, {len(rows)} rows")

    def new_row(self) -> Record:
        """A row that is not in the catalogue yet."""
        return catalogue.make_row(
            self.options, self.random, self.numbers, self.slugs, self._next_key
        )

    def remember(self, rows: list[Record]) -> None:
        """Tell the oracle what people have changed; `rows` are new."""
        self.oracle.note_rows(self.source())
        for row in rows:
            self.oracle.cell_texts |= {
                value for value in row.values() if str(value).startswith("Human words")
            }

    def insert(self, row: Record, lock_wait_s: float = 20.0) -> None:
        """Add a row to the table."""
        # Another row may have the key, by this database's comparison.
        with contextlib.suppress(sa.exc.IntegrityError, sa.exc.DataError):
            self.table.insert(row, lock_wait_s)


def _draw_options(kind: str, randomness: random.Random) -> Options:
    is_file = kind in catalogue.FILE_KINDS
    keys = ("integer", "text", "none", "none") if is_file else (
        "integer", "integer", "text", "float", "decimal")  # fmt: skip
    options = Options(
        kind=kind,
        styles=randomness.choice((("concise",), ("concise", "seo"))),
        locales=randomness.choice((("en",), ("en", "de"))),
        key_type=randomness.choice(keys),
        holds=randomness.random() < 0.25,
        variant=draw_variant(randomness),
    )
    columns = ["id", "image_url", "title", "uid", "price", "note"]
    if options.key_type == "none":
        columns.remove("id")
    if is_file:
        options.variant = " ".join(
            each for each in options.variant.split() if each.startswith("own-"))  # fmt: skip
    wanted = ["alt"] if not is_file or randomness.random() < 0.85 else []
    if randomness.random() < 0.6 or "enum" in options.variant:
        wanted += ["alt_source"]
    if randomness.random() < 0.5 or "timestamp" in options.variant:
        wanted += ["alt_reviewed_at"]
    wanted += [each for each in options.fields if each != "alt" and randomness.random() < 0.5]
    wanted += [n for n in ("reasons", "search_text") if f"own-{n}" in options.variant]
    columns += wanted
    randomness.shuffle(columns)
    options.columns = columns
    return options
