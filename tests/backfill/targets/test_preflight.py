"""A table that cannot take the texts is refused with one line, before anything is paid."""

import secrets

import pytest
import sqlalchemy as sa

from testing.catalogue import BackfillCommand, wait_until
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

COLUMNS = "id int PRIMARY KEY, image_url varchar(300), alt varchar(300)"


def assert_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, message: str, *arguments: str
) -> None:
    """The command ends with 2 and one line that has the message; nothing was paid."""
    completed = command.run(*arguments)
    last = completed.stderr.strip().splitlines()[-1]
    assert completed.returncode == 2, completed.stderr
    assert message in last
    assert "DETAIL" not in completed.stderr
    assert flaky_model.log.calls == 0


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (
            "id int PRIMARY KEY, image_url text, alt text GENERATED ALWAYS AS (image_url) STORED",
            "alt",
        ),
        (f"{COLUMNS}, alt_source varchar(9) CHECK (alt_source IN ('me', 'you'))", "products"),
        ("id int PRIMARY KEY, image_url text, alt text CHECK (alt = '')", "products"),
    ],
    ids=["generated", "words", "rule"],
)
def test_a_column_that_takes_no_text_of_a_model_is_refused(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    fill: Fill,
    url: str,
    definition: str,
    message: str,
) -> None:
    if "GENERATED" in definition:
        definition = definition.replace("(image_url)", "(trim('  '))")
        run_sql(url, f"CREATE TABLE products ({definition})")
        image = flaky_model.image_url(1)
        run_sql(url, f"INSERT INTO products (id, image_url) VALUES (1, '{image}')")
    else:
        more = ", NULL" if "alt_source" in definition else ""
        fill(url, definition, f"1, IMAGE, NULL{more}")
    assert_refused(command, flaky_model, message, url, *TABLE)
    assert run_sql(url, "SELECT trim(alt) FROM products")[0][0] in (None, "")


@pytest.mark.parametrize(
    "column", ["int", "date", "text[]", "jsonb", "bytea", "boolean", "numeric(8,2)"]
)
def test_a_column_of_another_type_is_refused(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    fill: Fill,
    postgresql: str,
    column: str,
) -> None:
    fill(postgresql, f"id int PRIMARY KEY, image_url text, alt {column}", "1, IMAGE, NULL")
    assert_refused(command, flaky_model, "does not take the texts", postgresql, *TABLE)


@pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
def test_an_enumeration_without_the_word_ai_is_refused_with_its_words(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    kind = "enum('admin', 'person')"
    if url.startswith("postgresql"):
        run_sql(url, f"CREATE TYPE origin AS {kind}")
        kind = "origin"
    fill(url, f"{COLUMNS}, alt_source {kind}", "1, IMAGE, NULL, NULL")
    assert_refused(command, flaky_model, "takes admin, person and not 'ai'", url, *TABLE)


def test_a_view_that_cannot_be_written_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL")
    run_sql(url, "CREATE VIEW shown AS SELECT DISTINCT id, image_url, alt FROM products")
    assert_refused(command, flaky_model, "shown does not take the texts", url, "--table", "shown")


@pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
def test_a_view_that_can_be_written_is_filled(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL")
    run_sql(url, "CREATE VIEW shown AS SELECT id, image_url, alt FROM products")
    assert command.run_json(url, "--table", "shown")["written"] == 1
    assert run_sql(url, "SELECT alt FROM products") == [(CAPTION,)]


@pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
def test_a_user_without_the_right_to_update_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL")
    name = f"reader_{secrets.token_hex(4)}"
    theirs = sa.make_url(url).set(username=name, password="pw")
    if url.startswith("postgresql"):
        run_sql(url, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'")
        run_sql(url, f"GRANT SELECT ON products TO {name}")
    else:
        run_sql(url, f"CREATE USER {name} IDENTIFIED BY 'pw'")
        run_sql(url, f"GRANT SELECT ON products TO {name}")
    try:
        address = theirs.render_as_string(hide_password=False)
        assert_refused(command, flaky_model, "denied", address, *TABLE)
    finally:
        run_sql(url, f"DROP OWNED BY {name}" if url.startswith("postgresql") else "DO 0")
        run_sql(url, f"DROP {'ROLE' if url.startswith('postgresql') else 'USER'} {name}")


def test_a_read_only_session_and_file_are_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, postgresql: str
) -> None:
    fill(postgresql, COLUMNS, "1, IMAGE, NULL")
    name = sa.make_url(postgresql).database
    run_sql(postgresql, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert_refused(command, flaky_model, "read-only transaction", postgresql, *TABLE)


def test_row_level_security_that_hides_the_update_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, postgresql: str
) -> None:
    fill(postgresql, COLUMNS, "1, IMAGE, NULL", "2, IMAGE, NULL")
    name = f"shop_{secrets.token_hex(4)}"
    for statement in (
        f"CREATE ROLE {name} LOGIN",
        f"GRANT SELECT, UPDATE ON products TO {name}",
        "ALTER TABLE products ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY seen ON products FOR SELECT USING (true)",
        "CREATE POLICY mine ON products FOR UPDATE USING (id > 100)",
    ):
        run_sql(postgresql, statement)
    theirs = sa.make_url(postgresql).set(username=name).render_as_string(hide_password=False)
    try:
        assert_refused(command, flaky_model, "row-level security", theirs, *TABLE)
    finally:
        run_sql(postgresql, f"DROP OWNED BY {name}")
        run_sql(postgresql, f"DROP ROLE {name}")


def test_a_trigger_that_discards_every_text_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL", "2, IMAGE, NULL")
    if url.startswith("postgresql"):
        run_sql(url, "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN RETURN NULL; END $$")  # fmt: skip
        run_sql(url, "CREATE TRIGGER swallow BEFORE UPDATE ON products FOR EACH ROW "
                     "EXECUTE FUNCTION swallow()")  # fmt: skip
    elif url.startswith("mysql"):
        run_sql(url, "CREATE TRIGGER swallow BEFORE UPDATE ON products FOR EACH ROW "
                     "SET NEW.alt = OLD.alt")  # fmt: skip
    else:
        run_sql(url, "CREATE TRIGGER swallow AFTER UPDATE OF alt ON products "
                     "WHEN NEW.alt IS NOT NULL BEGIN "
                     "UPDATE products SET alt = NULL WHERE id = NEW.id; END")  # fmt: skip
    assert_refused(command, flaky_model, "discards the text", url, *TABLE)


def test_a_key_that_is_unique_in_the_query_alone_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    fill(url, "id int PRIMARY KEY, sku varchar(9), image_url varchar(300), alt varchar(300)",
         "1, 'a', IMAGE, NULL", "2, 'a', IMAGE, NULL", "3, 'b', IMAGE, NULL")  # fmt: skip
    query = "SELECT sku, min(image_url) AS image FROM products WHERE alt IS NULL GROUP BY sku"
    assert_refused(
        command, flaky_model, "'sku' is not a unique key of products: 'a' is there twice",
        url, *TABLE, "--query", query, "--column", "key=sku",
    )  # fmt: skip


def test_keys_of_a_query_that_find_no_row_are_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL")
    query = "SELECT id + 1000 AS id, image_url AS image FROM products"
    assert_refused(command, flaky_model, "1 of 1 keys find no row", url, *TABLE, "--query", query)


@pytest.mark.slow
def test_the_write_that_is_tried_leaves_nothing_behind(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, mysql: str
) -> None:
    """Also in a table without transactions, where nothing can be rolled back."""
    definition = f"{COLUMNS}, changed timestamp DEFAULT '2020-01-01' ON UPDATE current_timestamp"
    fill(mysql, definition, "1, IMAGE, NULL, '2020-01-01'")
    for engine in ("InnoDB", "MyISAM", "Aria"):
        run_sql(mysql, f"ALTER TABLE products ENGINE = {engine}")
        journal = ("--journal", f"{engine}.journal")
        flaky_model.behaviour.down = True
        assert command.run(mysql, *TABLE, *journal, "--patience", "0").returncode == 75
        flaky_model.behaviour.down = False
        assert run_sql(mysql, "SELECT alt, year(changed) FROM products") == [(None, 2020)]
    assert command.run_json(mysql, *TABLE, *journal)["written"] == 1


def test_a_trigger_that_refuses_every_row_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, sqlite_url: str
) -> None:
    fill(sqlite_url, COLUMNS, "1, IMAGE, NULL")
    run_sql(sqlite_url, "CREATE TRIGGER frozen BEFORE UPDATE ON products "
                        "BEGIN SELECT raise(ABORT, 'the catalogue is frozen'); END")  # fmt: skip
    assert_refused(command, flaky_model, "the catalogue is frozen", sqlite_url, *TABLE)


def test_a_query_that_computes_its_images_is_written_back(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL", "2, IMAGE, NULL")
    concat = "image_url || ''" if not url.startswith("mysql") else "concat(image_url, '')"
    for image in ("image_url", f"replace({concat}, '.jpg', '.jpg?big') AS image_url"):
        run_sql(url, "UPDATE products SET alt = NULL")
        query = f"SELECT id, {image} FROM products"
        journal = ("--journal", f"{len(image)}.journal")
        assert command.run_json(url, *TABLE, "--query", query, *journal)["written"] == 2


@pytest.mark.slow
def test_a_right_that_is_withdrawn_ends_the_run_before_more_is_paid(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, postgresql: str
) -> None:
    """What was paid is in the journal, and is written when the right is back."""
    rows = 150
    fill(postgresql, COLUMNS, *(f"{number}, IMAGE, NULL" for number in range(1, rows + 1)))
    name = f"shop_{secrets.token_hex(4)}"
    run_sql(postgresql, f"CREATE ROLE {name} LOGIN")
    run_sql(postgresql, f"GRANT SELECT, UPDATE ON products TO {name}")
    theirs = sa.make_url(postgresql).set(username=name).render_as_string(hide_password=False)
    flaky_model.behaviour.response_s = 0.2
    try:
        process = command.start(theirs, *TABLE, "--concurrency", "1")
        wait_until(lambda: flaky_model.log.calls >= 2, process)
        run_sql(postgresql, f"REVOKE UPDATE ON products FROM {name}")
        assert process.wait(90) == 74
        paid = flaky_model.log.calls
        assert paid < rows
        run_sql(postgresql, f"GRANT UPDATE ON products TO {name}")
        flaky_model.behaviour.response_s = 0.0
        assert command.run_json(theirs, *TABLE)["written"] == rows
        assert flaky_model.log.calls == rows
    finally:
        run_sql(postgresql, f"DROP OWNED BY {name}")
        run_sql(postgresql, f"DROP ROLE {name}")


def test_a_key_of_several_columns_is_refused_with_what_to_do(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    definition = "post int, lang varchar(5), image_url text, alt text, number int"
    fill(
        url, f"{definition}, PRIMARY KEY (post, lang)", "1, 'en', IMAGE, NULL, 1",
        "1, 'de', IMAGE, NULL, 2",
    )  # fmt: skip
    refused = command.run(url, *TABLE)
    assert refused.returncode == 2
    assert "several columns (post, lang)" in refused.stderr
    assert "--column key=NAME" in refused.stderr
    assert flaky_model.log.calls == 0
    assert command.run(url, *TABLE, "--column", "key=post").returncode == 2
    assert command.run_json(url, *TABLE, "--column", "key=number")["written"] == 2


def test_a_part_of_a_key_is_not_guessed_though_it_is_unique_today(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    """A translation may be added in the meantime, and would get the text too."""
    definition = "id int, lang varchar(5), image_url text, alt text, PRIMARY KEY (id, lang)"
    fill(url, definition, "1, 'en', IMAGE, NULL", "2, 'en', IMAGE, NULL")
    refused = command.run(url, *TABLE)
    assert refused.returncode == 2
    assert "several columns (id, lang)" in refused.stderr
    assert flaky_model.log.calls == 0
    assert command.run_json(url, *TABLE, "--column", "key=id")["written"] == 2


def test_a_text_that_would_go_to_two_rows_is_held(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    """Where a key that was named has become another row's as well during the run."""
    definition = "id int, lang varchar(5), image_url text, alt text, PRIMARY KEY (id, lang)"
    fill(url, definition, *(f"{n}, 'en', IMAGE, NULL" for n in range(1, 7)))
    flaky_model.behaviour.response_s = 0.3
    process = command.start(url, *TABLE, "--column", "key=id", "--concurrency", "1")
    wait_until(lambda: flaky_model.log.calls >= 1, process)
    run_sql(url, f"INSERT INTO products VALUES (6, 'de', '{flaky_model.image_url(6)}', NULL)")
    assert process.wait(90) == 0
    texts = dict(run_sql(url, "SELECT id * 10 + length(lang) - 2, alt FROM products WHERE id < 6"))
    assert all(texts.values())
    assert run_sql(url, "SELECT alt FROM products WHERE id = 6") == [(None,), (None,)]


@pytest.mark.parametrize("is_checked", [False, True])
def test_a_view_of_mysql_that_refuses_the_text_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer, mysql: str, is_checked: bool
) -> None:
    """Its tables have transactions, so that a text can be tried."""
    run_sql(mysql, f"CREATE TABLE products ({COLUMNS})")
    run_sql(mysql, f"INSERT INTO products VALUES (1, '{flaky_model.image_url(1)}', NULL)")
    blank = " WHERE alt IS NULL WITH CHECK OPTION" if is_checked else ""
    run_sql(mysql, f"CREATE VIEW shown AS SELECT id, image_url, alt FROM products{blank}")
    if not is_checked:
        run_sql(
            mysql,
            "CREATE TRIGGER refuse BEFORE UPDATE ON products FOR EACH ROW"
            " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no texts of models'",
        )
    completed = command.run(mysql, "--table", "shown")
    assert completed.returncode == 2, completed.stderr
    assert flaky_model.log.calls == 0


def test_no_text_is_tried_in_a_view_of_another_schema_without_transactions(
    command: BackfillCommand, flaky_model: FlakyModelServer, mysql: str
) -> None:
    """A table of the same name here has them. What was tried could not be rolled back there."""
    other = f"{sa.make_url(mysql).database}_other"
    run_sql(mysql, f"CREATE TABLE products ({COLUMNS})")
    run_sql(mysql, f"CREATE DATABASE {other}")
    try:
        run_sql(mysql, f"CREATE TABLE {other}.products ({COLUMNS}) ENGINE = MyISAM")
        image = flaky_model.image_url("missing")
        run_sql(mysql, f"INSERT INTO {other}.products VALUES (1, '{image}', NULL)")
        run_sql(mysql, f"CREATE VIEW shown AS SELECT id, image_url, alt FROM {other}.products")
        command.run(mysql, "--table", "shown")
        assert run_sql(mysql, f"SELECT alt FROM {other}.products") == [(None,)]
    finally:
        run_sql(mysql, f"DROP DATABASE {other}")
