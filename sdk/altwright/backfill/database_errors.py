"""Errors of databases: their text for people, and whether a moment, a row or the table is wrong."""

from __future__ import annotations

import sqlite3
from enum import Enum
from typing import TYPE_CHECKING

from altwright.backfill.errors import SourceError
from altwright.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

_MESSAGE_CHARS = 300


class ErrorScope(Enum):
    """What an error of a database is about, and so what is worth trying again."""

    MOMENT = "moment"
    """A lock, a restart, a lost connection: the same statement may succeed later."""
    ROW = "row"
    """A value that a column or a trigger refuses: other rows are not concerned."""
    TABLE = "table"
    """A missing right or column, a read-only server: every row would fail."""


_MOMENT_CODES = {
    "55P03", "57014", "57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "40001", "40P01",
    1020, 1021, 1040, 1053, 1114, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1317, 1927, 1969,
    2003, 2006, 2013, 2014, 3024, 4031,
}  # fmt: skip
"""SQLSTATEs of PostgreSQL and error numbers of MySQL: a lock, a deadlock, a timeout, a restart, no
free connection, a full disk."""
_MOMENT_CLASSES = ("08", "53", "58")
"""Classes of SQLSTATE: connection, resources (disk full, out of memory), system error."""
_ROW_CLASSES = ("22", "23", "44", "P0")
"""Classes of SQLSTATE: data, constraint, WITH CHECK OPTION, errors that PL/pgSQL raises."""
_ROW_CODES = {1048, 1264, 1265, 1292, 1366, 1369, 1406, 1644, 3140, 3819, 4025}
"""Error numbers of MySQL and MariaDB for a value, a violated CHECK, or SIGNAL in a trigger. PyMySQL
calls some of them operational."""
_SQLITE_MOMENTS = ("locked", "busy", "disk i/o", "disk is full")


def error_text(error: BaseException) -> str:
    """The database's own message in one line, without what SQLAlchemy adds.

    Of PostgreSQL the primary message alone: its DETAIL shows other cells of the row.
    """
    original = getattr(error, "orig", None) or error
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    # PyMySQL's errors are (number, message).
    has_message = original.args and isinstance(original.args[-1], str)
    text = primary or (original.args[-1] if has_message else str(original))
    return " ".join(str(text).split()).rstrip(".")[:_MESSAGE_CHARS] or type(original).__name__


def is_database_error(error: Exception) -> bool:
    """Whether a database raised it. Works without SQLAlchemy, which may not be installed."""
    return type(error).__module__ == "sqlalchemy.exc" and hasattr(error, "orig")


def error_scope(error: BaseException) -> ErrorScope:
    """What an error is about that SQLAlchemy, or a driver's conversion of a value, has raised."""
    import sqlalchemy as sa

    if not isinstance(error, sa.exc.DBAPIError):
        return ErrorScope.ROW  # the driver cannot send the value: a lone surrogate
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return _sqlite_scope(error, str(original).lower())
    number = next(iter(getattr(original, "args", ())), None)
    code = number if isinstance(number, int) else getattr(original, "sqlstate", None)
    sql_class = code[:2] if isinstance(code, str) and len(code) == 5 else ""
    if error.connection_invalidated or code in _MOMENT_CODES or sql_class in _MOMENT_CLASSES:
        return ErrorScope.MOMENT
    if (
        isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError))
        or code in _ROW_CODES
        or sql_class in _ROW_CLASSES
        or (code == "42501" and "row-level security" in str(original))
    ):
        return ErrorScope.ROW
    has_code = bool(sql_class) or (isinstance(code, int) and code > 0)
    return ErrorScope.TABLE if has_code else ErrorScope.MOMENT


def _sqlite_scope(error: DBAPIError, message: str) -> ErrorScope:
    import sqlalchemy as sa

    if any(each in message for each in _SQLITE_MOMENTS):
        return ErrorScope.MOMENT
    is_row = isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError))
    return ErrorScope.ROW if is_row else ErrorScope.TABLE


def is_row_refused(error: BaseException) -> bool:
    """Whether the database would always refuse this row, and perhaps take others."""
    return error_scope(error) is ErrorScope.ROW


def as_source_error(what: str, error: DBAPIError) -> UsageError | SourceError:
    """The error to raise if a database cannot be read: temporary, or until someone fixes it."""
    message = f"{what}: {error_text(error)}"
    if error_scope(error) is ErrorScope.MOMENT:
        return SourceError(message, is_temporary=True)
    return UsageError(f"{message}.")
