"""How a table is read and written: pages, transactions, columns of a query, a second journal."""

from collections import Counter

import pytest
import sqlalchemy as sa
from altwright.backfill import database
from altwright.backfill.column_mapping import guess_columns
from altwright.backfill.sources.base import Record
from altwright.backfill.sources.table import TableSource

from testing.catalogue import BackfillCommand
from testing.products_table import create_products, run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

COLUMNS = "id int PRIMARY KEY, image_url varchar(300), alt varchar(300)"


@pytest.mark.parametrize(
    ("image", "most"), [("https://a.example/1.jpg", 1_000), (f"data:,{'x' * 20_000}", 150)]
)
def test_pages_are_short_where_images_are_long(sqlite_url: str, image: str, most: int) -> None:
    run_sql(sqlite_url, "CREATE TABLE products (id integer PRIMARY KEY, image_url text, alt text)")
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        insert = "INSERT INTO products (image_url) VALUES (:image)"
        connection.execute(sa.text(insert), [{"image": image}] * 2_500)
    engine.dispose()
    engine = database.connect(sqlite_url)
    limits: list[int] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note_limit(*event: object) -> None:
        if " LIMIT " in str(event[2]):
            limits.append(int(event[3][-2]))  # type: ignore[index]

    source = TableSource(engine, name="products")
    source.set_columns(guess_columns(source.columns, primary_key="id"), only_blank=True)
    assert sum(isinstance(each, Record) for each in source.read()) == 2_500
    assert max(limits) <= most
    engine.dispose()


def test_bytes_are_not_read_and_of_other_texts_the_beginning(fill: Fill, url: str) -> None:
    blob, text, photo = "blob", "longtext", "x'ffd8'"
    if url.startswith("postgresql"):
        blob, text, photo = "bytea", "text", "decode('ffd8', 'hex')"
    fill(url, f"{COLUMNS}, name {text}, note {text}, photo {blob}",
         f"1, IMAGE, NULL, '{'n' * 3_000}', '{'t' * 3_000}', {photo}")  # fmt: skip
    engine = database.connect(url)
    source = TableSource(engine, name="products")
    source.set_columns(guess_columns(source.columns, primary_key="id"), only_blank=True)
    [record] = source.read()
    assert isinstance(record, Record)
    engine.dispose()
    lengths = {name: len(str(record.values[name])) for name in ("name", "note")}
    assert lengths == {"name": 2_000, "note": 500}
    assert record.values["photo"] is None


@pytest.mark.slow
def test_a_transaction_writes_a_hundred_rows(
    command: BackfillCommand, flaky_model: FlakyModelServer, postgresql: str
) -> None:
    create_products(postgresql, flaky_model, 250)
    same = f"UPDATE products SET image_url = '{flaky_model.image_url(1)}', name = 'row-1'"
    run_sql(postgresql, same)
    run_sql(postgresql, "ALTER TABLE products ADD number text")
    run_sql(postgresql, "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$ BEGIN NEW.number = txid_current(); RETURN NEW; END $$")  # fmt: skip
    run_sql(postgresql, "CREATE TRIGGER note BEFORE UPDATE ON products FOR EACH ROW "
                        "EXECUTE FUNCTION note()")  # fmt: skip
    assert command.run_json(postgresql, *TABLE)["written"] == 250
    rows = Counter(number for (number,) in run_sql(postgresql, "SELECT number FROM products"))
    assert sorted(rows.values()) == [50, 100, 100]


def test_a_column_that_the_query_names_otherwise_is_not_written(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL")
    query = "SELECT id, image_url AS image, alt AS alt_text FROM products"
    completed = command.run(url, *TABLE, "--query", query)
    assert completed.returncode == 2
    assert "no column for alt texts" in completed.stderr
    assert flaky_model.log.calls == 0


@pytest.mark.parametrize("has_source", [True, False])
def test_a_new_journal_knows_what_the_table_says(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str, has_source: bool
) -> None:
    flaky_model.behaviour.uncertain_every = 2
    more = ", alt_source varchar(30)" if has_source else ""
    null = ", NULL" if has_source else ""
    columns = COLUMNS.replace("alt v", "name varchar(99), alt v") + more
    fill(url, columns, *(f"{n}, IMAGE, 'row-{n}', NULL{null}" for n in (1, 2)))
    command.run_json(url, *TABLE, "--journal", "first.journal")
    calls = flaky_model.log.calls
    second = command.run_json(url, *TABLE, "--journal", "second.journal")
    assert second["calls"] == (0 if has_source else 1)
    assert (flaky_model.log.calls > calls) is not has_source
    assert flaky_model.log.captioned == {1: 1}


@pytest.mark.parametrize("kind", ["rebuilt", "view"])
def test_marks_are_gone_in_a_rebuilt_table_and_in_a_view(
    command: BackfillCommand, fill: Fill, url: str, kind: str
) -> None:
    if kind == "view" and url.startswith("sqlite"):
        pytest.skip("a view of SQLite is not written without a trigger")
    fill(url, COLUMNS, "1, IMAGE, NULL")
    assert command.run("init-db", url, *TABLE).returncode == 0
    if kind == "view":
        run_sql(url, "CREATE VIEW others AS SELECT * FROM products")
    else:
        found = run_sql(url, "SELECT * FROM products")
        assert len(found) == 1
        audit = (
            "alt_source",
            "alt_locale",
            "alt_model",
            "alt_reviewed_at",
            "reasons",
            "search_text",
        )
        run_sql(url, f"CREATE TABLE others ({COLUMNS}, {', '.join(f'{a} text' for a in audit)})")
        run_sql(url, "INSERT INTO others (id, image_url) SELECT id, image_url FROM products")
    told = command.run(url, "--table", "others", "--column", "key=id").stderr
    assert "alt_locale, alt_model, reasons, search_text without the mark of init-db" in told
    found = run_sql(url, "SELECT alt, alt_model FROM others")
    assert found == [(CAPTION, None)]
    run_sql(url, "UPDATE others SET alt = NULL, alt_source = NULL")
    named = ("--column", "key=id", "--column", "alt_model=alt_model")
    command.run_json(url, "--table", "others", *named, "--journal", "named.journal")
    assert run_sql(url, "SELECT alt, alt_model FROM others") == [(CAPTION, "flaky-1")]
