"""Schema of the shared journal, in the database of the table. Times are Unix seconds.

As in the journal file, the stored names are older than the code's terms and stay: `facts` is the
run's identity, `ask` a request key, `altwright_answers` are results, `pass` is the number of a scan
and `settled` says that a result is final.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

METADATA = sa.MetaData()

_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# Keys are compared byte for byte; the database's default collation may ignore case.
MAX_KEY_CHARS, MAX_RUN_CHARS = 255, 64
_KEY = sa.String(MAX_KEY_CHARS).with_variant(
    mysql.VARCHAR(MAX_KEY_CHARS, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)

RUNS = sa.Table(
    "altwright_runs",
    METADATA,
    sa.Column("run", sa.String(MAX_RUN_CHARS), primary_key=True),
    sa.Column("facts", _LONG_TEXT, nullable=False),
    sa.Column("pass", sa.Integer, nullable=False, server_default="0"),
    # Why no worker may make requests at the moment: a StopReason as JSON; '' if they may.
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
    sa.Column("row", _LONG_TEXT, nullable=False),
    sa.Column("pass", sa.Integer, nullable=False),
    # QUEUED, or a value of AltSource.
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("queued_at", sa.Float(53), nullable=False, server_default="0"),
    sa.Column("outcome", _LONG_TEXT),
    sa.Column("written", sa.SmallInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("run", "row_key", name="altwright_rows_by_key"),
    sa.Index("altwright_rows_by_ask", "run", "ask"),
    sa.Index("altwright_rows_by_state", "run", "state", "queued_at"),
    mysql_charset="utf8mb4",
)

RESULTS = sa.Table(
    "altwright_answers",
    METADATA,
    sa.Column("run", sa.String(64), primary_key=True),
    sa.Column("ask", sa.String(32), primary_key=True),
    sa.Column("answer", _LONG_TEXT),
    sa.Column("settled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("input_tokens", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("output_tokens", sa.BigInteger, nullable=False, server_default="0"),
    # The worker that makes the request at the moment, and when its claim ends.
    sa.Column("claimed_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("claimed_until", sa.Float(53), nullable=False, server_default="0"),
    mysql_charset="utf8mb4",
)

SET_ASIDE = sa.Table(
    "altwright_set_aside",
    METADATA,
    # Decisions whose row shows another picture at the moment; `picture` is a hash.
    sa.Column("run", sa.String(64), primary_key=True),
    sa.Column("row_key", _KEY, primary_key=True),
    sa.Column("picture", sa.String(64), primary_key=True),
    sa.Column("ask", sa.String(32), nullable=False),
    sa.Column("outcome", _LONG_TEXT, nullable=False),
    mysql_charset="utf8mb4",
)

QUEUED = "queued"
"""State between pending and an outcome: a message for the row was sent."""
WAITING_STATES = ("pending", QUEUED)
UNSETTLED_STATES = (*WAITING_STATES, "failed")
"""States that a result changes."""
