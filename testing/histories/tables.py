"""Tables of a history, in three databases, edited and read without the product."""

from __future__ import annotations

import random
from typing import Any

import sqlalchemy as sa

Record = dict[str, Any]
_KEY_TYPES = {
    "integer": {"": "INTEGER"},
    "text": {"": "VARCHAR(40)", "sqlite": "TEXT"},
    "float": {"": "DOUBLE PRECISION", "sqlite": "REAL", "mysql": "FLOAT"},
    "decimal": {"": "NUMERIC(10,2)"},
}
_WORDS = ("pending", "ai", "human", "human-edited-ai", "decorative", "uncertain", "rejected",
          "failed", "Manual")  # fmt: skip


class TableCatalogue:
    """A table that people edit and the product fills."""

    def __init__(
        self, url: str, name: str, key_type: str, columns: list[str], variant: str
    ) -> None:
        self.url, self.name, self.columns = url, name, list(columns)
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)
        self._dialect = self._engine.dialect.name.replace("mariadb", "mysql")
        self._has_bytes = "bytes" in variant and self._dialect == "sqlite"
        self._create(key_type, variant)

    def close(self) -> None:
        """Drop the table."""
        self.execute(f"DROP TABLE {self.name}")
        self._engine.dispose()

    def execute(self, sql: str, lock_wait_s: float = 20.0, **values: Any) -> None:
        """Run a statement in a transaction of its own.

        Raises sa.exc.OperationalError if somebody holds the row so long.
        """
        with self._engine.begin() as connection:
            if self._dialect == "postgresql":
                wait = f"SET LOCAL lock_timeout = '{round(lock_wait_s * 1000)}ms'"
            elif self._dialect == "mysql":
                wait = f"SET innodb_lock_wait_timeout = {max(1, round(lock_wait_s))}"
            else:
                wait = f"PRAGMA busy_timeout = {round(lock_wait_s * 1000)}"
            connection.execute(sa.text(wait))
            connection.execute(sa.text(sql), values)

    def source(self) -> list[Record]:
        """All rows."""
        with self._engine.connect() as connection:
            found = connection.execute(sa.text(f"SELECT * FROM {self.name} ORDER BY uid"))
            return [{**row, "_uid": row["uid"]} for row in found.mappings()]

    def insert(self, row: Record, lock_wait_s: float = 20.0) -> None:
        """Add a row. Raises sa.exc.IntegrityError if its key is there."""
        names = [name for name in row if name in self.columns and row[name] is not None]
        marks = ", ".join(f":{name}" for name in names)
        self.execute(
            f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({marks})",
            lock_wait_s,
            **{name: self._stored(name, row[name]) for name in names},
        )

    def update(self, uid: str, lock_wait_s: float = 20.0, **values: Any) -> None:
        """Change cells of a row."""
        values = {name: self._stored(name, value) for name, value in values.items()}
        cells = ", ".join(f"{name} = :{name}" for name in values)
        self.execute(f"UPDATE {self.name} SET {cells} WHERE uid = :_uid", lock_wait_s,
                     _uid=uid, **values)  # fmt: skip

    def delete(self, uid: str, lock_wait_s: float = 20.0) -> None:
        """Delete a row."""
        self.execute(f"DELETE FROM {self.name} WHERE uid = :uid", lock_wait_s, uid=uid)

    def _stored(self, column: str, value: Any) -> Any:
        """A cell as people's program stores it: some programs store texts as bytes."""
        is_bytes = column == "alt" and self._has_bytes and isinstance(value, str)
        return value.encode() if is_bytes else value

    def _create(self, key_type: str, variant: str) -> None:
        types = _KEY_TYPES[key_type]
        lines = []
        for column in self.columns:
            if column == "id":
                kind = types.get(self._dialect, types[""])
                lines.append(f"id {kind} {'PRIMARY KEY' if 'no-pk' not in variant else 'NOT NULL'}")
            elif column == "uid":
                lines.append("uid VARCHAR(20) NOT NULL")
            else:
                lines.append(f"{column} {self._column_type(column, variant)}")
        if "no-pk" in variant:
            lines.append("UNIQUE (id)")
        self.execute(f"CREATE TABLE {self.name} ({', '.join(lines)})")

    def _column_type(self, column: str, variant: str) -> str:
        if column == "price":
            return "DOUBLE PRECISION"
        if column == "alt" and "not-null" in variant:
            return "VARCHAR(400) NOT NULL DEFAULT ''"
        if column == "alt" and "short" in variant:
            return "VARCHAR(90)"
        if column == "alt_source" and "enum" in variant:
            words = ", ".join(f"'{word}'" for word in _WORDS)
            if self._dialect == "mysql":
                return f"ENUM({words})"
            return f"VARCHAR(40) CHECK (alt_source IN ({words}))"
        if column == "alt_reviewed_at":
            return "TIMESTAMP NULL" if "timestamp" in variant else "VARCHAR(40)"
        return "VARCHAR(1000)"  # a row of MySQL has at most 65,535 bytes, of four a character


def draw_variant(randomness: random.Random) -> str:
    """What is odd about a table."""
    return " ".join(
        each
        for each in (
            "not-null",
            "short",
            "enum",
            "timestamp",
            "no-pk",
            "own-reasons",
            "own-search_text",
            "init-db",
            "bytes",
        )
        if randomness.random() < 0.2
    )
