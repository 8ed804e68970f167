"""What is written: columns of the user's own stay, and what a table stores is looked at."""

import threading
import time

import pytest

from testing.catalogue import BackfillCommand
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

COLUMNS = "id int PRIMARY KEY, image_url varchar(300), name varchar(99), alt varchar(300)"


def test_audit_columns_that_cannot_be_null_get_empty_texts(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    flaky_model.behaviour.uncertain_every = 2
    audit = ", ".join(
        f"{name} varchar(300) NOT NULL DEFAULT ''"
        for name in ("alt_source", "alt_locale", "alt_model", "reasons", "search_text", "seo",
                     "alt_reviewed_at")
    )  # fmt: skip
    blanks = ", ''" * 7
    fill(url, f"{COLUMNS}, {audit}", *(f"{n}, IMAGE, 'row-{n}', ''{blanks}" for n in (1, 2)))
    named = [f"{name}={name}" for name in ("alt_locale", "alt_model", "reasons", "search_text")]
    named = [part for each in named for part in ("--column", each)]
    summary = command.run_json(url, *TABLE, "--styles", "concise,seo", *named)
    assert (summary["outcomes"]["ai"], summary["outcomes"]["uncertain"]) == (1, 1)
    found = run_sql(
        url, "SELECT alt, alt_source, reasons, alt_reviewed_at FROM products ORDER BY id"
    )
    assert found == [
        (CAPTION, "ai", "", ""),
        ("", "uncertain", "caption_uncertain; seo en: caption_uncertain", ""),
    ]


@pytest.mark.parametrize("word", ["person", "Editor", "imported", " HUMAN "])
def test_a_blank_row_with_a_word_that_no_run_writes_is_a_persons(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str, word: str
) -> None:
    fill(url, f"{COLUMNS}, alt_source varchar(30), alt_reviewed_at varchar(40)",
         f"1, IMAGE, 'row-1', '', '{word}', NULL", "2, IMAGE, 'row-2', '', 'ai', '2026-01-01'",
         "3, IMAGE, 'row-3', '', 'failed', ''")  # fmt: skip
    command.run_json(url, *TABLE)
    assert [*flaky_model.log.captioned] == [3]
    found = run_sql(url, "SELECT alt, alt_source FROM products ORDER BY id")
    assert found == [("", word), ("", "ai"), (CAPTION, "ai")]


def test_a_text_stays_with_its_image(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    """The image is replaced between the request and the write: the text is of the old one."""
    fill(url, COLUMNS, "1, IMAGE, 'row-1', NULL", "2, IMAGE, 'row-2', NULL")
    flaky_model.behaviour.response_s = 1.0

    def replace() -> None:
        while flaky_model.log.calls < 2:
            time.sleep(0.01)
        run_sql(url, "UPDATE products SET image_url = '/new' WHERE id = 2")

    editor = threading.Thread(target=replace)
    editor.start()
    summary = command.run_json(url, *TABLE)
    editor.join()
    assert (summary["written"], summary["kept"]) == (1, 1)
    assert run_sql(url, "SELECT alt FROM products ORDER BY id") == [(CAPTION,), (None,)]


def test_a_trigger_that_writes_a_text_differently_is_no_editor(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    """What the table has made of the text is what a decision is about."""
    fill(url, f"{COLUMNS}, alt_source varchar(30)", "1, IMAGE, 'row-1', NULL, NULL")
    if url.startswith("postgresql"):
        run_sql(url, "CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN NEW.alt = lower(rtrim(NEW.alt, '.')); RETURN NEW; "
                     "END $$")  # fmt: skip
        run_sql(url, "CREATE TRIGGER tidy BEFORE UPDATE ON products FOR EACH ROW "
                     "EXECUTE FUNCTION tidy()")  # fmt: skip
    elif url.startswith("mysql"):
        run_sql(url, "CREATE TRIGGER tidy BEFORE UPDATE ON products FOR EACH ROW "
                     "SET NEW.alt = lower(trim(TRAILING '.' FROM NEW.alt))")  # fmt: skip
    else:
        run_sql(url, "CREATE TRIGGER tidy AFTER UPDATE OF alt ON products BEGIN "
                     "UPDATE products SET alt = lower(rtrim(NEW.alt, '.')) "
                     "WHERE id = NEW.id; END")  # fmt: skip
    summary = command.run_json(url, *TABLE)
    assert (summary["written"], summary["kept"], summary["outcomes"]["ai"]) == (1, 0, 1)
    tidy = CAPTION.lower().rstrip(".")
    assert run_sql(url, "SELECT alt FROM products") == [(tidy,)]


def test_rows_whose_key_changes_during_the_run_are_told_and_filled_by_the_next(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    """Nothing is counted as written that is not."""
    fill(url, f"{COLUMNS}, alt_source varchar(30)", "1, IMAGE, 'row-1', NULL, NULL")
    flaky_model.behaviour.response_s = 1.0

    def renumber() -> None:
        end_s = time.monotonic() + 60
        while not flaky_model.log.calls and time.monotonic() < end_s:
            time.sleep(0.01)
        run_sql(url, "UPDATE products SET id = 101")

    editor = threading.Thread(target=renumber)
    editor.start()
    summary = command.run_json(url, *TABLE)
    editor.join()
    assert (summary["written"], summary["gone"], summary["outcomes"]["ai"]) == (0, 1, 0)
    again = command.run_json(url, *TABLE)
    assert (again["written"], again["calls"], again["outcomes"]["ai"]) == (1, 0, 1)
    assert run_sql(url, "SELECT id, alt FROM products") == [(101, CAPTION)]


def test_a_trigger_that_refuses_one_row_costs_that_row(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    fill(url, f"{COLUMNS}, alt_source varchar(30)",
         "1, IMAGE, 'row-1', NULL, NULL", "2, IMAGE, 'row-2', NULL, NULL")  # fmt: skip
    if url.startswith("postgresql"):
        run_sql(url, "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN IF NEW.id = 2 THEN RAISE EXCEPTION 'archived'; END IF; "
                     "RETURN NEW; END $$")  # fmt: skip
        run_sql(url, "CREATE TRIGGER guard BEFORE UPDATE ON products FOR EACH ROW "
                     "EXECUTE FUNCTION guard()")  # fmt: skip
    elif url.startswith("mysql"):
        run_sql(url, "CREATE TRIGGER guard BEFORE UPDATE ON products FOR EACH ROW "
                     "IF NEW.id = 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'archived'; "
                     "END IF")  # fmt: skip
    else:
        run_sql(url, "CREATE TRIGGER guard BEFORE UPDATE ON products WHEN NEW.id = 2 "
                     "BEGIN SELECT raise(ABORT, 'archived'); END")  # fmt: skip
    summary = command.run_json(url, *TABLE)
    assert (summary["outcomes"]["ai"], summary["held"]) == (1, 1)
    again = command.run(url, *TABLE)
    assert "0 calls in" in again.stdout + again.stderr
    assert "1 is for a person (1 held): altwright review" in again.stdout + again.stderr
    assert run_sql(url, "SELECT alt FROM products ORDER BY id") == [(CAPTION,), (None,)]


def test_a_text_that_mysql_would_cut_goes_to_review(
    command: BackfillCommand, fill: Fill, mysql: str
) -> None:
    """Also where the server is told not to be strict: `max_chars` does not know TINYTEXT."""
    definition = (
        "id int PRIMARY KEY, image_url text, name text, alt varchar(300), seo varbinary(30)"
    )
    fill(mysql, definition, "1, IMAGE, 'row-1', NULL, NULL")
    mode = run_sql(mysql, "SELECT @@global.sql_mode")[0][0]
    run_sql(mysql, "SET GLOBAL sql_mode = ''")
    try:
        summary = command.run_json(mysql, *TABLE, "--styles", "concise,seo")
    finally:
        run_sql(mysql, f"SET GLOBAL sql_mode = '{mode}'")
    assert summary["held"] == 1
    assert run_sql(mysql, "SELECT alt, seo FROM products") == [(None, None)]


def test_letters_that_a_column_lacks_are_refused_before_anything_is_paid(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, mysql: str
) -> None:
    definition = "id int PRIMARY KEY, image_url text, alt varchar(300) CHARACTER SET latin1"
    fill(mysql, definition, "1, IMAGE, NULL")
    completed = command.run(mysql, *TABLE, "--locales", "ru")
    assert completed.returncode == 2
    assert "does not take the texts: Incorrect string value" in completed.stderr
    assert flaky_model.log.calls == 0


def test_an_alt_text_that_is_stored_as_bytes_is_a_text(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, sqlite_url: str
) -> None:
    fill(sqlite_url, "id int PRIMARY KEY, image_url, alt BLOB", "1, IMAGE, x'4d7567'")
    assert command.run_json(sqlite_url, *TABLE)["calls"] == 0
    made = command.run_json(sqlite_url, *TABLE, "--to", "out.csv")
    assert (made["calls"], made["described"]) == (0, 1)
    assert flaky_model.log.calls == 0


@pytest.mark.parametrize("kind", ["DATE", "INTEGER", "BLOB", "BOOLEAN", ""])
def test_sqlite_takes_texts_whatever_type_a_column_claims(
    command: BackfillCommand, fill: Fill, sqlite_url: str, kind: str
) -> None:
    fill(sqlite_url, f"id int PRIMARY KEY, image_url, alt {kind}, alt_reviewed_at DATE",
         "1, IMAGE, NULL, NULL")  # fmt: skip
    assert command.run_json(sqlite_url, *TABLE)["written"] == 1
    assert run_sql(sqlite_url, "SELECT CAST(alt AS TEXT) FROM products") == [(CAPTION,)]


@pytest.mark.parametrize("policy", ["REPLACE", "IGNORE", "ROLLBACK", "FAIL"])
def test_no_row_of_sqlite_gives_way_to_a_text(
    command: BackfillCommand, flaky_model: FlakyModelServer, sqlite_url: str, policy: str
) -> None:
    """A table may say that a row with an equal text is to be deleted."""
    definition = f"id int PRIMARY KEY, image_url, alt text UNIQUE ON CONFLICT {policy}, note"
    run_sql(sqlite_url, f"CREATE TABLE products ({definition})")
    image = flaky_model.image_url(1)
    for number in (1, 2):
        insert = f"INSERT INTO products VALUES ({number}, :image, NULL, 'note {number}')"
        run_sql(sqlite_url, insert, image=image)
    summary = command.run_json(sqlite_url, *TABLE)
    assert (summary["outcomes"]["ai"], summary["held"]) == (1, 1)
    found = run_sql(sqlite_url, "SELECT id, alt, note FROM products ORDER BY id")
    assert found == [(1, CAPTION, "note 1"), (2, None, "note 2")]


def test_mysql_keeps_a_text_in_a_column_of_bytes(
    command: BackfillCommand, fill: Fill, mysql: str
) -> None:
    fill(
        mysql, "id int PRIMARY KEY, image_url text, alt blob, reasons blob", "1, IMAGE, NULL, NULL"
    )
    assert command.run_json(mysql, *TABLE)["written"] == 1
    assert run_sql(mysql, "SELECT alt FROM products") == [(CAPTION.encode(),)]
