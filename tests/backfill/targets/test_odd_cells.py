"""One odd cell costs at most its row; what no rule needs is not read."""

import sqlite3
import tracemalloc
from pathlib import Path

import pytest
from altwright.backfill import database
from altwright.backfill.column_mapping import guess_columns
from altwright.backfill.sources.base import Record
from altwright.backfill.sources.table import TableSource

from testing.catalogue import BackfillCommand, read_csv
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

ODD_CELLS = {
    "postgresql": {
        "d": ("date", "'infinity'"), "t": ("timestamptz", "'-infinity'"),
        "bc": ("timestamp", "'0044-03-15 BC'"), "i": ("interval", "'178000000 years'"),
        "n": ("numeric", "'NaN'"), "r": ("int4range", "'empty'"), "p": ("point", "'(1,2)'"),
        "m": ("money", "12.5"), "x": ("xml", "'<a/>'"), "b": ("bit(3)", "B'101'"),
    },
    "mysql": {
        "d": ("date", "'0000-00-00'"), "t": ("time", "'-838:59:59'"), "y": ("year", "0"),
        "g": ("geometry", "point(1,2)"), "s": ("set('a','b')", "'a,b'"), "b": ("bit(3)", "b'101'"),
        "dt": ("datetime", "'0000-00-00 00:00:00'"),
    },
}  # fmt: skip


@pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
def test_values_that_python_has_no_form_for_are_read_as_text(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    cells = ODD_CELLS["postgresql" if url.startswith("postgresql") else "mysql"]
    more = ", ".join(f"{name} {kind}" for name, (kind, _) in cells.items())
    values = ", ".join(value for _, value in cells.values())
    if url.startswith("mysql"):
        mode = run_sql(url, "SELECT @@global.sql_mode")[0][0]
        run_sql(url, "SET GLOBAL sql_mode = ''")
    try:
        fill(url, f"id int PRIMARY KEY, image_url varchar(300), alt varchar(300), {more}",
             f"1, IMAGE, NULL, {values}", f"2, IMAGE, NULL, {values}")  # fmt: skip
    finally:
        if url.startswith("mysql"):
            run_sql(url, f"SET GLOBAL sql_mode = '{mode}'")
    made = command.run_json(url, *TABLE, "--to", "out.csv", "--journal", "j")
    assert made["outcomes"]["ai"] == 2
    [row, _] = read_csv(command.folder / "out.csv")
    assert row["d"] == ("infinity" if url.startswith("postgresql") else "0000-00-00")
    assert command.run_json(url, *TABLE)["written"] == 2


def test_bytes_that_are_not_utf8_in_sqlite_cost_nothing(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, sqlite_url: str
) -> None:
    fill(sqlite_url, "id int PRIMARY KEY, image_url, name, alt",
         "1, IMAGE, CAST(x'4d7567ff' AS TEXT), NULL", "2, IMAGE, 'x', CAST(x'fffe' AS TEXT)",
         "3, IMAGE, 'x', ''")  # fmt: skip
    assert command.run_json(sqlite_url, *TABLE)["written"] == 2
    found = run_sql(sqlite_url, "SELECT CAST(alt AS BLOB) FROM products")
    assert found == [(CAPTION.encode(),), (b"\xff\xfe",), (CAPTION.encode(),)]


def test_arrays_are_keywords_and_not_pieces(
    command: BackfillCommand, fill: Fill, postgresql: str, tmp_path: Path
) -> None:
    fill(postgresql, "id int PRIMARY KEY, image_url text, tags text[], alt text",
         "1, IMAGE, '{\"red, blue\",cup}', NULL")  # fmt: skip
    for query in ((), ("--query", "SELECT * FROM products")):
        command.run_json(postgresql, *TABLE, *query, "--to", f"{len(query)}.csv")
        [row] = read_csv(tmp_path / f"{len(query)}.csv")
        assert row["tags"] == '["red, blue", "cup"]'


def test_times_are_written_in_utc_whatever_zone_the_server_has(
    command: BackfillCommand, fill: Fill, postgresql: str, tmp_path: Path
) -> None:
    name = postgresql.rpartition("/")[2]
    run_sql(postgresql, f"ALTER DATABASE {name} SET timezone = 'Pacific/Auckland'")
    fill(postgresql, "id int PRIMARY KEY, image_url text, alt text, at timestamptz",
         "1, IMAGE, NULL, '2026-01-01 00:00+00'")  # fmt: skip
    command.run_json(postgresql, *TABLE, "--to", "out.csv")
    [row] = read_csv(tmp_path / "out.csv")
    assert row["at"] == "2026-01-01 00:00:00+00"


@pytest.mark.measures
def test_blobs_beside_the_text_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as shop:
        shop.execute("CREATE TABLE products (id INTEGER PRIMARY KEY, image_url, alt, photo)")
        shop.executemany("INSERT INTO products VALUES (?, 'http://a.example/1.jpg', NULL, ?)",
                         ((n, bytes(200_000)) for n in range(300)))  # fmt: skip
        shop.execute("UPDATE products SET image_url = 'data:image/png;base64,' || hex(photo)")
    shop.close()
    source = TableSource(database.connect(f"sqlite:///{path}"), name="products")
    source.set_columns(guess_columns(source.columns), only_blank=True)
    tracemalloc.start()
    count = sum(isinstance(each, Record) for each in source.read())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 300
    assert peak < 300 * 200_000 * 2 / 3  # of 120 MB in `data:` URLs alone
