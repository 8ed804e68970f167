"""Every row is found by its key, in the database's own comparison, or told."""

import sqlite3
from pathlib import Path

import pytest

from testing.catalogue import BackfillCommand
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

POSTGRESQL_KEYS = {
    "real": ("1.1", "2.0", "1e-20"),
    "double precision": ("0.1", "'infinity'"),
    "date": ("'infinity'", "'2026-01-01'", "'0044-03-15 BC'"),
    "timestamptz": ("'2026-10-25 02:30+02'", "'2026-10-25 02:30+01'"),
    "timestamp": ("'-infinity'", "'2026-01-01 10:00:00.000001'"),
    "time": ("'24:00'", "'10:00'"),
    "interval": ("'-1 day'", "'1 month 2 hours'"),
    "uuid": ("gen_random_uuid()", "gen_random_uuid()"),
    "bytea": ("'\\x00ff'", "'\\x'"),
    "inet": ("'10.0.0.1/8'", "'::1'"),
    "char(6)": ("'ab'", "'abcdef'"),
    "text": ("' a'", "'a '", "'A'", "'a'", "'a\u200b'", "'0x41'"),
    "numeric(9,2)": ("1.50", "2.00"),
    "numeric": ("'NaN'", "12345678901234567890.123456789"),
    "bigint": ("9223372036854775807", "-1"),
    "boolean": ("true", "false"),
    '"char"': ("'a'", "'b'"),
    "bit(3)": ("B'101'", "B'001'"),
    "int4range": ("'[1,5)'", "'empty'"),
    "text[]": ("'{a,b}'", "'{}'"),
    "sku": ("'a-1'", "'a-2'"),
    "origin": ("'first'", "'second'"),
}
MYSQL_KEYS = {
    "float": ("1.1", "2", "3.3e-20"),
    "double": ("0.1", "1e300"),
    "time": ("'-01:00:00'", "'100:00:00'"),
    "datetime(6)": ("'2026-01-01 10:00:00.000001'", "'2026-01-01 10:00:00'"),
    "timestamp": ("'2026-01-01 10:00:00'", "'2026-01-01 10:00:01'"),
    "date": ("'0000-00-00'", "'2026-01-01'"),
    "datetime": ("'0000-00-00'", "'2026-01-01'"),
    "year": ("2026", "1999"),
    "bit(3)": ("b'101'", "b'001'"),
    "bigint unsigned": ("18446744073709551615", "18446744073709551614"),
    "decimal(20,10)": ("1.5000000000", "9999999999.9999999999"),
    "varchar(20)": ("'a'", "'B'", "'0x41'", "'é'"),
    "varchar(20) CHARACTER SET latin1 COLLATE latin1_bin": ("'ä'", "'a'", "'A'"),
    "varbinary(20)": ("x'00ff'", "'a'"),
    "enum('first','second')": ("'first'", "'second'"),
    "uuid": ("uuid()", "uuid()"),
}


@pytest.mark.parametrize("kind", POSTGRESQL_KEYS)
def test_keys_of_any_postgresql_type_find_their_rows(
    command: BackfillCommand, fill: Fill, postgresql: str, kind: str
) -> None:
    run_sql(postgresql, "CREATE DOMAIN sku AS text CHECK (value LIKE 'a-%')")
    run_sql(postgresql, "CREATE TYPE origin AS ENUM ('first', 'second')")
    rows = [f"{key}, IMAGE, NULL" for key in POSTGRESQL_KEYS[kind]]
    fill(postgresql, f"id {kind} PRIMARY KEY, image_url text, alt text", *rows)
    assert command.run_json(postgresql, *TABLE)["written"] == len(rows)
    assert run_sql(postgresql, "SELECT alt FROM products") == [(CAPTION,)] * len(rows)


@pytest.mark.parametrize("kind", MYSQL_KEYS)
def test_keys_of_any_mysql_type_find_their_rows(
    command: BackfillCommand, fill: Fill, mysql: str, kind: str
) -> None:
    rows = [f"{key}, IMAGE, NULL" for key in MYSQL_KEYS[kind]]
    fill(mysql, f"id {kind}, image_url text, alt text, PRIMARY KEY (id)", *rows)
    summary = command.run_json(mysql, *TABLE)
    assert (summary["rows"], summary["broken"], summary["written"]) == (len(rows), 0, len(rows))
    assert run_sql(mysql, "SELECT alt FROM products") == [(CAPTION,)] * len(rows)


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("REAL", (1.0, 2.5, 1e300, float("inf"))),
        ("", (1, "2", 1.5, "2.5", b"1", "x")),
        ("INTEGER", (1, 2)),
        ("INT", (1, "abc", 3.5, b"\0")),
        ("NUMERIC", ("1.50", "n/a", "2")),
        ("TEXT", ("7", "7.0", " 7", "0x37", "ä")),
        ("BLOB", (b"7", "8", 9)),
        ("TEXT COLLATE NOCASE", ("a", "B")),
    ],
)
def test_keys_of_any_value_in_sqlite_find_their_rows(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    tmp_path: Path,
    sqlite_url: str,
    kind: str,
    keys: tuple[object, ...],
) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        without = "" if kind in ("INTEGER", "INT") else "WITHOUT ROWID"
        shop.execute(f"CREATE TABLE products (id {kind} PRIMARY KEY, image_url, alt) {without}")
        rows = [(key, flaky_model.image_url(n)) for n, key in enumerate(keys)]
        shop.executemany("INSERT INTO products VALUES (?, ?, NULL)", rows)
    shop.close()
    assert command.run(sqlite_url, *TABLE).returncode == 0
    assert run_sql(sqlite_url, "SELECT alt FROM products") == [(CAPTION,)] * len(keys)


def test_a_row_that_no_key_can_find_is_told_and_the_others_are_filled(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path, sqlite_url: str
) -> None:
    """A key that is NULL, and one that is not UTF-8."""
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE products (id TEXT PRIMARY KEY, image_url, alt)")
        keys = ("NULL", "'a'", "CAST(x'62ff' AS TEXT)")
        for number, key in enumerate(keys):
            image = flaky_model.image_url(number)
            shop.execute(f"INSERT INTO products VALUES ({key}, '{image}', NULL)")
    shop.close()
    summary = command.run_json(sqlite_url, *TABLE, exit_code=1)
    assert (summary["broken"], summary["written"], summary["calls"]) == (2, 1, 1)


def test_two_keys_with_one_text_are_told(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path, sqlite_url: str
) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE products (id PRIMARY KEY, image_url, alt)")
        rows = [(key, flaky_model.image_url(n)) for n, key in enumerate((7, "7", 8))]
        shop.executemany("INSERT INTO products VALUES (?, ?, NULL)", rows)
    shop.close()
    summary = command.run_json(sqlite_url, *TABLE, exit_code=1)
    assert (summary["broken"], summary["written"], summary["calls"]) == (2, 1, 1)


def test_a_page_of_keys_that_are_not_utf8_comes_to_its_end(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path, sqlite_url: str
) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE products (id TEXT PRIMARY KEY, image_url, alt)")
        image = flaky_model.image_url(1)
        for number in range(60):
            key = f"CAST(x'ff{number:02x}' AS TEXT)"
            shop.execute(f"INSERT INTO products VALUES ({key}, '{image}', NULL)")
    shop.close()
    summary = command.run_json(sqlite_url, *TABLE, exit_code=1)
    assert (summary["rows"], summary["broken"]) == (60, 60)


@pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
def test_names_with_capitals_reserved_words_and_schemas_are_understood(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    quote = '"' if url.startswith("postgresql") else "`"
    definition = (
        '"Order" int PRIMARY KEY, "select" varchar(300), "Alt Text" varchar(300), "from" text'
    )
    name = '"Group"'
    if url.startswith("postgresql"):
        run_sql(url, 'CREATE SCHEMA "Shop"')
        name = '"Shop"."Group"'
    fill(url, definition.replace('"', quote), "1, IMAGE, NULL, 'x'", table=name.replace('"', quote))
    command.run_json(url, "--table", name.replace('"', ""), "--column", "key=Order",
                     "--column", "image=select", "--column", "context=from")  # fmt: skip
    found = run_sql(url, f'SELECT "Alt Text" FROM {name}'.replace('"', quote))
    assert found == [(CAPTION,)]


def test_a_partitioned_table_with_triggers_and_deferred_keys_is_filled(
    command: BackfillCommand, flaky_model: FlakyModelServer, postgresql: str
) -> None:
    for statement in _PARTITIONED.split(";;"):
        run_sql(postgresql, statement)
    run_sql(
        postgresql,
        "INSERT INTO products (shop, image_url) VALUES (1, :image), (1, :image)",
        image=flaky_model.image_url(1),
    )
    assert command.run_json(postgresql, *TABLE, "--column", "key=id")["written"] == 2
    assert run_sql(postgresql, "SELECT alt, changes FROM products") == [(CAPTION, 1)] * 2


_PARTITIONED = """
CREATE TABLE shops (id int PRIMARY KEY);;
INSERT INTO shops VALUES (1);;
CREATE TABLE products (
    id int GENERATED ALWAYS AS IDENTITY, image_url text, alt text, changes int DEFAULT 0,
    shop int NOT NULL REFERENCES shops DEFERRABLE INITIALLY DEFERRED, PRIMARY KEY (shop, id)
) PARTITION BY LIST (shop);;
CREATE TABLE products_1 PARTITION OF products FOR VALUES IN (1);;
CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN NEW.changes = OLD.changes + 1; RETURN NEW; END $$;;
CREATE TRIGGER count_it BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION count_it()
"""
