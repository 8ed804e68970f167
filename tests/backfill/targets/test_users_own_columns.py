"""Columns that only have the name of an audit field are the user's own, whatever is in them."""

import pytest

from testing.catalogue import BackfillCommand
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

COLUMNS = "id int PRIMARY KEY, image_url varchar(300), name varchar(99), alt varchar(300)"
NAMES = ("alt_locale", "alt_model", "reasons", "search_text")


def test_columns_of_the_users_own_with_the_names_of_audit_fields_stay(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    flaky_model.behaviour.uncertain_every = 2
    definition = (
        f"{COLUMNS}, alt_source varchar(30), reasons varchar(300),"
        " search_text varchar(300), alt_model varchar(30), alt_locale varchar(30)"
    )
    fill(
        url, definition,
        "1, IMAGE, 'row-1', NULL, NULL, 'winter sale', 'mug cup', 'Alternative 7', NULL",
        "2, IMAGE, 'row-2', NULL, NULL, NULL, NULL, NULL, NULL",
        "3, IMAGE, 'row-3', NULL, NULL, NULL, '', NULL, NULL",
    )  # fmt: skip
    completed = command.run(url, *TABLE)
    assert completed.returncode == 0
    assert "reasons" in completed.stderr
    found = run_sql(url, "SELECT alt, alt_source, reasons, search_text, alt_model, alt_locale"
                         " FROM products ORDER BY id")  # fmt: skip
    assert found == [
        (CAPTION, "ai", "winter sale", "mug cup", "Alternative 7", None),
        (None, "uncertain", None, None, None, None),
        (CAPTION, "ai", None, "", None, None),
    ]


def test_columns_of_another_type_with_the_names_of_audit_fields_stay(
    command: BackfillCommand, flaky_model: FlakyModelServer, postgresql: str
) -> None:
    """As a generated column for full-text search, which PostgreSQL's manual calls so."""
    search = "search_text tsvector GENERATED ALWAYS AS (to_tsvector('english', name)) STORED"
    run_sql(
        postgresql, f"CREATE TABLE products ({COLUMNS}, reasons jsonb, alt_model int, {search})"
    )
    run_sql(
        postgresql,
        "INSERT INTO products (id, image_url, name) VALUES (1, :image, 'a cup')",
        image=flaky_model.image_url(1),
    )
    assert command.run(postgresql, *TABLE).returncode == 0
    found = run_sql(postgresql, "SELECT reasons, alt_model, search_text::text FROM products")
    assert found == [(None, None, "'cup':2")]


def test_columns_that_init_db_made_are_written_beside_the_users_own(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    flaky_model.behaviour.uncertain_every = 1
    fill(url, COLUMNS, "1, IMAGE, 'row-1', NULL")
    assert command.run("init-db", url, *TABLE).returncode == 0
    run_sql(url, "UPDATE products SET reasons = 'from an import'")
    command.run_json(url, *TABLE)
    assert run_sql(url, "SELECT reasons FROM products") == [("caption_uncertain",)]


def test_a_column_that_the_user_names_is_written(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    flaky_model.behaviour.uncertain_every = 1
    fill(url, f"{COLUMNS}, note varchar(300)", "1, IMAGE, 'row-1', NULL, 'old'")
    command.run_json(url, *TABLE, "--column", "reasons=note")
    assert run_sql(url, "SELECT note FROM products") == [("caption_uncertain",)]


@pytest.mark.parametrize("source", ["ai", "failed", "", "pending"])
def test_a_users_own_column_stays_in_whatever_state_its_rows_are(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str, source: str
) -> None:
    """As when the journal that knew it is gone: no row tells whose the column is."""
    flaky_model.behaviour.uncertain_every = 2
    texts = ", ".join(f"'my {name}'" for name in NAMES)
    fill(
        url,
        f"{COLUMNS}, alt_source varchar(30), {', '.join(f'{name} varchar(300)' for name in NAMES)}",
        *(f"{number}, IMAGE, 'row-{number}', NULL, '{source}', {texts}" for number in (1, 2)),
    )
    command.run_json(url, *TABLE)
    found = run_sql(url, f"SELECT alt, {', '.join(NAMES)} FROM products ORDER BY id")
    mine = tuple(f"my {name}" for name in NAMES)
    assert found == [(CAPTION, *mine), (None, *mine)]


def test_a_column_of_the_users_own_that_is_blank_today_stays_blank(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    fill(url, f"{COLUMNS}, reasons varchar(300)", "1, IMAGE, 'row-1', NULL, NULL")
    completed = command.run(url, *TABLE)
    assert completed.returncode == 0
    assert "--column reasons=reasons" in completed.stderr
    assert run_sql(url, "SELECT alt, reasons FROM products") == [(CAPTION, None)]


def test_the_mark_of_a_column_with_another_name_marks_no_other(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    flaky_model.behaviour.uncertain_every = 1
    fill(url, f"{COLUMNS}, reasons varchar(300)", "1, IMAGE, 'row-1', NULL, 'winter sale'")
    named = command.run("init-db", url, *TABLE, "--column", "reasons=why")
    assert "added why" in named.stdout
    command.run_json(url, *TABLE)
    assert run_sql(url, "SELECT reasons, why FROM products") == [("winter sale", None)]


def test_a_mark_is_found_by_whatever_spelling_of_the_tables_name(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, sqlite_url: str
) -> None:
    flaky_model.behaviour.uncertain_every = 1
    fill(sqlite_url, COLUMNS, "1, IMAGE, 'row-1', NULL")
    assert command.run("init-db", sqlite_url, *TABLE).returncode == 0
    command.run_json(sqlite_url, "--table", "PRODUCTS")
    assert run_sql(sqlite_url, "SELECT reasons FROM products") == [("caption_uncertain",)]


@pytest.mark.parametrize("name", ["seo", "alt_source", "alt_reviewed_at"])
def test_a_column_is_left_alone_where_its_field_is_given_none(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str, name: str
) -> None:
    fill(url, f"{COLUMNS}, {name} varchar(300)", "1, IMAGE, 'row-1', NULL, NULL")
    completed = command.run(url, *TABLE, "--styles", "concise,seo", "--column", f"{name}=")
    assert completed.returncode == 0, completed.stderr
    assert run_sql(url, f"SELECT alt, {name} FROM products") == [(CAPTION, None)]


def test_columns_whose_blank_cells_are_filled_are_told_before_the_run(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str
) -> None:
    styles = ("--styles", "concise,seo")
    fill(url, f"{COLUMNS}, seo varchar(300)", "1, IMAGE, 'row-1', NULL, NULL",
         "2, IMAGE, 'row-2', NULL, 'Mine.'")  # fmt: skip
    told = command.run(url, *TABLE, *styles, "--estimate").stderr
    assert "products has seo already: blank cells" in told
    assert "--column seo= leaves seo alone" in told
    told = command.run(url, *TABLE, *styles, "--estimate", "--column", "seo=seo").stderr
    assert "already" not in told
    command.run_json(url, *TABLE, *styles)
    found = run_sql(url, "SELECT seo FROM products ORDER BY id")
    assert found[0][0] not in (None, "")
    assert found[1][0] == "Mine."


def test_columns_of_init_db_need_no_telling(command: BackfillCommand, fill: Fill, url: str) -> None:
    fill(url, COLUMNS, "1, IMAGE, 'row-1', NULL")
    assert command.run("init-db", url, *TABLE, "--styles", "concise,seo").returncode == 0
    assert "already" not in command.run(url, *TABLE, "--styles", "concise,seo", "--estimate").stderr


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("reasons=image_url", "'image_url' is image, and reasons"),
        ("seo=alt", "'alt' is alt, and seo"),
    ],
)
def test_two_fields_do_not_share_a_column(
    command: BackfillCommand, fill: Fill, sqlite_url: str, column: str, message: str
) -> None:
    fill(sqlite_url, COLUMNS, "1, IMAGE, 'row-1', NULL")
    arguments = ("--styles", "concise,seo", "--column", column)
    for kind in ((), ("init-db",)):
        completed = command.run(*kind, sqlite_url, *TABLE, *arguments)
        assert completed.returncode == 2
        assert message in completed.stderr
