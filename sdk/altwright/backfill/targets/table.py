"""Table target: writes outcomes back by compare-and-set, so that a person's text always stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from altwright.backfill import database
from altwright.backfill.audit_fields import audit_values, clears_further_texts, is_writable
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import ColumnMapping
from altwright.backfill.key_column import open_key_column
from altwright.backfill.run_state import GONE, KEPT, WRITTEN
from altwright.backfill.sources.table import TableSource
from altwright.backfill.targets.base_tables import find_base_tables
from altwright.backfill.targets.image_check import ImageCheck
from altwright.backfill.targets.table_columns import TargetColumns
from altwright.backfill.text_conditions import as_string, equals_exactly
from altwright.backfill.types import WRITTEN_BY_PEOPLE, AltSource, Outcome, Row
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine, RowMapping

BATCH_ROWS = 100
"""Rows of one transaction: few, so that editors are locked out for a short time only."""
_DISCARDED = "it discards the text: a trigger, a rule or row-level security"


class RowRefused(Exception):
    """The table takes the statement, and then has another text or none. Nothing stays written."""


class RowState(Enum):
    """What a row is before its request."""

    OPEN = "open"
    """Blank, and nobody's decision."""
    FILLED = "filled"
    """A person has filled it, or decided that it is to be blank."""
    CHANGED = "changed"
    """It has another image than when it was read."""
    MISSING = "missing"
    """No row has the key."""


@dataclass(frozen=True, slots=True)
class RowWrite:
    """What became of one outcome in the table."""

    state: int
    """WRITTEN, KEPT or GONE."""
    stored_alt: str | None = None
    """The alt text as a trigger has changed it; None if it is as it was written."""


@dataclass(frozen=True, slots=True)
class _Update:
    """One executed UPDATE."""

    condition: ColumnElement[bool]
    is_made: bool
    """Whether the database says that it has changed a row."""


class TableTarget:
    """Writes outcomes into a table. Writing the same outcome twice changes nothing."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        columns: ColumnMapping,
        options: CaptionOptions,
        source: TableSource,
    ) -> None:
        """`source` is what its rows are read from: itself, or a query.

        Raises UsageError if a column is missing that the alt text needs.
        """
        self.engine = engine
        self.name = name
        self.display_name = f"{database.url_without_password(engine)} {name}"
        self.table = database.reflect_table(engine, name)
        self._options = options
        key_name = database.find_column(self.table, columns.key)
        if key_name is None:
            raise UsageError(f"{name} has no column {columns.key!r} to find its rows by.")
        self.key_name = key_name
        self.key = open_key_column(engine, self.table.columns[key_name])
        self.columns = TargetColumns(engine, self.table, columns, options)
        image = database.find_column(self.table, columns.image)
        image_column = (
            None if image is None or columns.image == columns.key else self.table.columns[image]
        )
        self._images = ImageCheck(engine, self.key, image_column, source)

    @property
    def url(self) -> str:
        """The database's URL without the password."""
        return database.url_without_password(self.engine)

    def base_tables(self) -> list[str]:
        """What names the tables that store its rows: itself, or those of a view."""
        alt = self.columns.column("alt").name
        return find_base_tables(self.engine, self.table.schema, self.table.name, alt)

    @property
    def has_table_locks(self) -> bool:
        """Whether a lock on one row locks every row, as in SQLite."""
        return self.engine.dialect.name == "sqlite"

    @property
    def can_skip_locks(self) -> bool:
        """Whether a locked row costs no waiting; MySQL waits for a second at least."""
        return self.engine.dialect.name == "postgresql" or database.is_mariadb(self.engine)

    @property
    def missing_fields(self) -> list[str]:
        """Audit fields that are not written into the table; the journal stores them."""
        return self.columns.missing_fields

    def text_fields(self) -> Mapping[tuple[str, str], str]:
        """Style and locale of each text of the run, and its audit field."""
        return self._options.text_fields()

    def max_chars(self) -> Mapping[str, int]:
        """Characters that the column of each audit field takes, if it has a limit."""
        return self.columns.max_chars()

    def look_up(self, rows: Iterable[Row]) -> dict[str, RowState]:
        """The state of rows before their requests, by key."""
        import sqlalchemy as sa

        by_key = {row.key: row for row in rows}
        statement = sa.select(
            self.key.selected.label("key"), self._images.cell.label("image"),
            sa.case((self._may_be_set(), 1), else_=0).label("is_open"),
        ).where(self.key.is_one_of(by_key))  # fmt: skip
        states = dict.fromkeys(by_key, RowState.MISSING)
        open_cells: list[tuple[Row, object]] = []
        with self.engine.connect() as connection:
            database.prepare_to_read(connection)
            for found in connection.execute(statement).mappings().all():
                row = by_key.get(self.key.to_text(found["key"]))
                if row is not None:
                    states[row.key] = RowState.OPEN if found["is_open"] else RowState.FILLED
                    if found["is_open"]:
                        open_cells.append((row, found["image"]))
            changed = self._images.find_changed(connection, open_cells)
        return states | dict.fromkeys(changed, RowState.CHANGED)

    def write(
        self, outcomes: Sequence[tuple[Row, Outcome]], lock_wait_s: float = database.LOCK_WAIT_S
    ) -> dict[str, RowWrite]:
        """Write outcomes in one transaction.

        Raises RowRefused, and errors of SQLAlchemy and of drivers; nothing is written then.
        """
        with database.short_transaction(self.engine, lock_wait_s=lock_wait_s) as connection:
            return self.write_in(connection, outcomes)

    def write_in(
        self, connection: Connection, outcomes: Sequence[tuple[Row, Outcome]]
    ) -> dict[str, RowWrite]:
        """As `write`, in a transaction of the caller, to be rolled back if it raises."""
        import sqlalchemy as sa

        # Always in the same order, so that two writers wait for each other and do not deadlock.
        ordered = sorted(outcomes, key=lambda each: each[0].key)
        changed = self._images.find_changed_elsewhere(connection, [row for row, _ in ordered])
        written: dict[str, _Update] = {}
        for row, outcome in ordered:
            if values := self.column_values(outcome):
                image = sa.false() if row.key in changed else self._images.has_image(row)
                update = self._update(connection, row, values, self._may_be_set(outcome, image))
                other = None if update.is_made else self._images.has_same_cell(connection, row)
                if other is not None and row.key not in changed:
                    update = self._update(connection, row, values, self._may_be_set(outcome, other))
                written[row.key] = update
        stored = self._read_back(connection, list(written))
        return {
            row.key: RowWrite(WRITTEN)
            if row.key not in written
            else self._judge(connection, outcome, stored.get(row.key), written[row.key])
            for row, outcome in ordered
        }

    def _update(
        self,
        connection: Connection,
        row: Row,
        values: Mapping[str, Any],
        may_be_set: ColumnElement[bool],
    ) -> _Update:
        import sqlalchemy as sa

        condition = sa.and_(self.key.is_one_of([row.key]), may_be_set)
        # SQLite's ON CONFLICT REPLACE would delete another row for the sake of this one.
        statement = sa.update(self.table).prefix_with("OR ABORT", dialect="sqlite").where(condition)
        # Columns that others' conditions name come last: MySQL sets from left to right.
        last = [self.columns.column(each).name for each in ("alt", "alt_source")
                if each in self.columns]  # fmt: skip
        in_order = sorted(values.items(), key=lambda each: each[0] in last)
        result = connection.execute(statement.ordered_values(*in_order))
        if result.rowcount > 1:
            raise RowRefused(f"{result.rowcount} rows have its key")
        return _Update(condition, is_made=bool(result.rowcount))

    def _read_back(self, connection: Connection, keys: Sequence[str]) -> dict[str, RowMapping]:
        import sqlalchemy as sa

        read = ("alt", "alt_source", "alt_reviewed_at", "reasons")
        fields = [field for field in read if field in self.columns]
        texts = [as_string(self.columns.column(field)).label(field) for field in fields]
        statement = sa.select(self.key.selected.label("key"), *texts)
        found = connection.execute(statement.where(self.key.is_one_of(keys))).mappings()
        return {self.key.to_text(each["key"]): each for each in found}

    def _judge(
        self,
        connection: Connection,
        outcome: Outcome,
        stored: RowMapping | None,
        update: _Update,
    ) -> RowWrite:
        """What the table has after an update that it reports to have made, or not."""
        import sqlalchemy as sa

        if stored is None:
            # A view of blank rows loses a row by its text.
            return RowWrite(WRITTEN if update.is_made else GONE)
        alt = str(stored["alt"] or "")
        source = str(stored.get("alt_source") or "").strip()
        has_source = source == outcome.alt_source or "alt_source" not in stored
        sets_alt = is_writable(outcome) or outcome.is_decided
        if alt == outcome.alt and has_source:
            # Or an earlier process wrote it, and was killed before the journal stored that.
            is_ours = update.is_made or (sets_alt and self._has_decision(stored, outcome))
            return RowWrite(WRITTEN if is_ours else KEPT)
        if not update.is_made:
            may_be_set = sa.select(sa.literal(1)).select_from(self.table).where(update.condition)
            if connection.execute(may_be_set).first() is None:
                # Or it is what a trigger made of the text before such a kill. Of a decision it is
                # rather what somebody made of the text that the reviewer saw.
                is_open = not outcome.is_decided and sets_alt and "alt_source" in stored
                is_own = is_open and has_source and _has_its_words(alt, outcome.alt)
                return RowWrite(WRITTEN, alt) if is_own else RowWrite(KEPT)
            raise RowRefused(_DISCARDED)
        if not sets_alt:
            if has_source:
                return RowWrite(WRITTEN)
            raise RowRefused(_DISCARDED)
        if alt == outcome.alt or _has_its_words(alt, outcome.alt):
            return RowWrite(WRITTEN, None if alt == outcome.alt else alt)
        raise RowRefused("it stores another text" if alt.strip() else _DISCARDED)

    def _has_decision(self, stored: RowMapping, outcome: Outcome) -> bool:
        """Whether a row that has the decided text has this decision, and not another person's."""
        if not outcome.is_decided:
            return True
        if "reasons" in stored:
            wanted = audit_values(outcome, self._options)["reasons"]
            wanted = wanted[: self.columns.max_chars().get("reasons")]
            return str(stored["reasons"] or "").strip() == wanted.strip()
        return "alt_reviewed_at" not in stored or bool(stored["alt_reviewed_at"])

    def find_kept_texts(self, outcomes: Iterable[tuple[Row, Outcome]]) -> dict[str, list[str]]:
        """Fields of decided rows whose further text is not as decided, by key.

        Somebody has filled or changed them in the table: theirs stay.
        """
        import sqlalchemy as sa

        kept: dict[str, list[str]] = {}
        with self.engine.connect() as connection:
            for row, outcome in outcomes:
                is_cleared = clears_further_texts(outcome)
                fields = self._further_fields(outcome)
                if not fields or not (outcome.edits or is_cleared):
                    continue
                texts = (as_string(self.columns.column(field)) for field in fields.values())
                found = connection.execute(
                    sa.select(*texts).where(self.key.is_one_of([row.key]))
                ).first()
                wanted = {} if is_cleared else outcome.texts
                edited = {(each[0], each[1]) for each in outcome.edits}
                decided = set(fields) if is_cleared else edited
                for (pair, field), value in zip(fields.items(), found or (), strict=False):
                    if pair in decided and str(value or "") != wanted.get(pair, ""):
                        kept.setdefault(row.key, []).append(field)
        return kept

    def column_values(self, outcome: Outcome) -> dict[str, Any]:
        """Column name to the SQL expression that is set."""
        import sqlalchemy as sa

        texts = audit_values(outcome, self._options)
        further = {*self._options.text_fields().values()} - {"alt"}
        if not is_writable(outcome) and not outcome.is_decided:
            texts = {name: texts[name] for name in ("alt_source", "reasons")}
        values: dict[str, Any] = {}
        for field, text in texts.items():
            if field not in self.columns or field in further:
                continue
            column = self.columns.column(field)
            # NULL is missing, '' is decorative: a rejected row is missing its text.
            is_decorative = field == "alt" and not text and is_writable(outcome)
            value = self.columns.empty_text if is_decorative else self.columns.literal(field, text)
            if value is None:
                continue
            condition = self.columns.may_replace[field]
            values[column.name] = (
                value if condition is None else sa.case((condition, value), else_=column)
            )
        return values | self._further_texts(outcome)

    def _further_texts(self, outcome: Outcome) -> dict[str, Any]:
        """Column name to expression: set if the column is blank or has the text that is replaced.

        Any other text may be a person's.
        """
        import sqlalchemy as sa

        values: dict[str, Any] = {}
        replaced = {(each[0], each[1]): each[3] for each in outcome.edits}
        is_cleared = clears_further_texts(outcome)
        for pair, field in self._further_fields(outcome).items():
            text = "" if is_cleared else outcome.texts[pair]
            column = self.columns.column(field)
            may_be_set = self._has_text(column, replaced.get(pair, outcome.texts[pair]))
            if text:
                is_blank = self.columns.is_blank[field]
                may_be_set = sa.or_(is_blank, may_be_set) if pair in replaced else is_blank
            elif not is_cleared and pair not in replaced:
                continue
            new = self.columns.literal(field, text)
            if new is not None:
                values[column.name] = sa.case((may_be_set, new), else_=column)
        return values

    def _further_fields(self, outcome: Outcome) -> dict[tuple[str, str], str]:
        """Style and locale to the field of the further texts that an outcome may set."""
        if not (is_writable(outcome) or outcome.is_decided):
            return {}
        fields = self._options.text_fields()
        return {
            pair: fields[pair]
            for pair in outcome.texts
            if fields.get(pair, "alt") != "alt" and fields[pair] in self.columns
        }

    def _has_text(self, column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
        return equals_exactly(self.engine, column, text)

    def _may_be_set(
        self, outcome: Outcome | None = None, image: ColumnElement[bool] | None = None
    ) -> ColumnElement[bool]:
        """The compare of compare-and-set: the row is blank, not a person's, and shows its image.

        For a decision: or it still has what the reviewer saw.
        """
        import sqlalchemy as sa

        alt = self.columns.column("alt")
        seen = outcome.seen_source if outcome is not None and outcome.is_decided else ""
        is_reviewed_as_seen = self.columns.is_reviewed_as_seen(
            outcome.seen_reviewed_at if outcome is not None else ""
        )
        # A blank row with a person's alt_source was blanked on purpose; a decorative one may be
        # set if the decision is about exactly that.
        may_be_set = sa.and_(
            self.columns.is_blank["alt"],
            self.columns.is_machines({seen} & {AltSource.DECORATIVE.value}),
        )
        if outcome is not None and outcome.draft and seen in (AltSource.AI, *WRITTEN_BY_PEOPLE):
            # A blank row with the source of a text has been emptied.
            may_be_set = sa.and_(may_be_set, self.columns.has_no_source)
            is_as_seen = sa.and_(
                self._has_text(alt, outcome.draft), self.columns.is_machines({seen})
            )
            may_be_set = sa.or_(may_be_set, is_as_seen)
        return sa.and_(may_be_set, is_reviewed_as_seen, *([] if image is None else [image]))


def _has_its_words(stored: str, text: str) -> bool:
    """Whether a text is only written differently: by a trigger that trims, or adds a full stop."""
    words, stored_words = (
        "".join(filter(str.isalnum, each.casefold())) for each in (text, stored)
    )  # fmt: skip
    return bool(words) and words in stored_words
