"""The journal's tables in a database that many processes write to. Times are seconds of Unix."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

METADATA = sa.MetaData()

_LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# A key is a key, whatever its case and the database's default.
_KEY = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)

RUNS = sa.Table(
    "altwright_runs",
    METADATA,
    sa.Column("run", sa.String(64), primary_key=True),
    sa.Column("facts", _LONG, nullable=False),
    sa.Column("pass", sa.Integer, nullable=False, server_default="0"),
    # Why nobody shall ask at the moment: a Stop as JSON; '' where all is well.
    sa.Column("stop", sa.String(2000), nullable=False, server_default=""),
    mysql_charset="utf8mb4",
)

ROWS = sa.Table(
    "altwright_rows",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
    sa.Column("run", sa.String(64), nullable=False),
    sa.Column("row_key", _KEY, nullable=False),
    sa.Column("ask", sa.String(32), nullable=False),
    sa.Column("row", _LONG, nullable=False),
    sa.Column("pass", sa.Integer, nullable=False),
    # pending, queued, or an alt_source.
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("queued_at", sa.Float(53), nullable=False, server_default="0"),
    sa.Column("outcome", _LONG),
    sa.Column("written", sa.SmallInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("run", "row_key", name="altwright_rows_by_key"),
    sa.Index("altwright_rows_by_ask", "run", "ask"),
    sa.Index("altwright_rows_by_state", "run", "state", "queued_at"),
    mysql_charset="utf8mb4",
)

ANSWERS = sa.Table(
    "altwright_answers",
    METADATA,
    sa.Column("run", sa.String(64), primary_key=True),
    sa.Column("ask", sa.String(32), primary_key=True),
    sa.Column("answer", _LONG),
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
    # Who asks at the moment, and until when nobody else may.
    sa.Column("claimed_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("claimed_until", sa.Float(53), nullable=False, server_default="0"),
    mysql_charset="utf8mb4",
)

QUEUED = "queued"
"""Between pending and its outcome: there is, or was, a message for it."""
WAITING_STATES = ("pending", QUEUED)
UNSETTLED_STATES = (*WAITING_STATES, "failed")
"""States that an answer changes."""
