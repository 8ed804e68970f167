"""Tables with odd names and types of columns are filled as others are."""

import pytest

from testing.catalogue import BackfillCommand
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

COLUMNS = "id int PRIMARY KEY, image_url varchar(300), alt varchar(300)"


def test_a_table_with_a_point_in_its_name_is_found(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    quote = "`" if url.startswith("mysql") else '"'
    name = f"{quote}old.products{quote}"
    fill(url, COLUMNS, "1, IMAGE, NULL", table=name)
    assert command.run_json(url, "--table", "old.products")["written"] == 1
    assert run_sql(url, f"SELECT alt FROM {name}") == [(CAPTION,)]


def test_a_schema_that_is_not_there_is_told_in_one_line(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL")
    completed = command.run(url, "--table", "elsewhere.products")
    assert completed.returncode == 2
    assert len(completed.stderr.strip().splitlines()) == 1


def test_a_column_that_is_too_short_for_most_texts_is_told(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS.replace("alt varchar(300)", "alt varchar(30)"), "1, IMAGE, NULL")
    told = command.run(url, *TABLE, "--estimate").stderr
    assert "products takes 30 characters of alt: longer texts are paid for and wait" in told
    run_sql(url, "DROP TABLE products")
    fill(url, COLUMNS, "1, IMAGE, NULL")
    assert "characters" not in command.run(url, *TABLE, "--estimate").stderr


def test_a_domain_is_read_as_the_type_below_it(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, postgresql: str
) -> None:
    for domain in (
        "CREATE TYPE origin AS ENUM ('admin', 'person')", "CREATE DOMAIN origins AS origin",
        "CREATE DOMAIN short AS varchar(30)", "CREATE DOMAIN shorter AS short CHECK (value <> '')",
    ):  # fmt: skip
        run_sql(postgresql, domain)
    fill(postgresql, f"{COLUMNS.replace('alt varchar(300)', 'alt shorter')}, alt_source origins",
         "1, IMAGE, NULL, NULL")  # fmt: skip
    completed = command.run(postgresql, *TABLE)
    assert completed.returncode == 2
    assert "takes admin, person and not 'ai'" in completed.stderr
    run_sql(postgresql, "ALTER TABLE products DROP COLUMN alt_source")
    summary = command.run_json(postgresql, *TABLE)
    assert summary["outcomes"]["uncertain"] == 1
    assert run_sql(postgresql, "SELECT alt FROM products") == [(None,)]
    assert flaky_model.log.calls == 1


@pytest.mark.parametrize("url", ["postgresql", "mysql"], indirect=True)
def test_a_row_that_leaves_a_view_by_its_text_is_written(
    command: BackfillCommand, fill: Fill, url: str
) -> None:
    fill(url, COLUMNS, "1, IMAGE, NULL", "2, IMAGE, 'Mine.'")
    run_sql(url, "CREATE VIEW todo AS SELECT * FROM products WHERE alt IS NULL")
    summary = command.run_json(url, "--table", "todo", "--column", "key=id")
    assert (summary["written"], summary["calls"]) == (1, 1)
    found = run_sql(url, "SELECT alt FROM products ORDER BY id")
    assert found == [(CAPTION,), ("Mine.",)]
    again = command.run_json(url, "--table", "todo", "--column", "key=id")
    assert again["calls"] == 0
