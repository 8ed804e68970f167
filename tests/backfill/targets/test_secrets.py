"""No password and no other cell of a row reaches a terminal, a journal or the review page."""

import sqlalchemy as sa

from testing.catalogue import BackfillCommand
from testing.products_table import run_sql
from tests.backfill.targets.conftest import TABLE, Fill


def test_a_password_in_the_urls_parameters_is_neither_shown_nor_stored(
    command: BackfillCommand, fill: Fill, postgresql: str
) -> None:
    fill(postgresql, "id int PRIMARY KEY, image_url text, alt text", "1, IMAGE, NULL")
    url = sa.make_url(postgresql).update_query_dict({"password": "hunter2"})
    completed = command.run(url.render_as_string(hide_password=False), *TABLE, "--json")
    assert completed.returncode == 0
    assert "hunter2" not in completed.stdout + completed.stderr
    journal = command.folder / "altwright-products.journal"
    stored = b"".join(each.read_bytes() for each in command.folder.glob(f"{journal.name}*"))
    assert b"products" in stored
    assert b"hunter2" not in stored


def test_a_password_with_a_slash_is_not_quoted_in_the_error(command: BackfillCommand) -> None:
    completed = command.run("postgresql://shop:hunter2/x@127.0.0.1:5432/shop", *TABLE)
    assert completed.returncode == 2
    assert "hunter2" not in completed.stderr


def test_the_reason_of_a_refusal_has_no_other_cell(
    command: BackfillCommand, fill: Fill, postgresql: str
) -> None:
    """PostgreSQL's DETAIL shows the whole row."""
    definition = (
        "id int PRIMARY KEY, image_url text, alt text, salary int, alt_source text, reasons text,"
        " CHECK (id = 1 OR alt = '')"
    )
    fill(
        postgresql,
        definition,
        "1, IMAGE, NULL, 4711, NULL, NULL",
        "2, IMAGE, NULL, 4712, NULL, NULL",
    )
    assert command.run_json(postgresql, *TABLE, "--column", "reasons=reasons")["held"] == 1
    [(reasons,)] = run_sql(postgresql, "SELECT reasons FROM products WHERE id = 2")
    assert "violates check constraint" in str(reasons)
    assert "4712" not in str(reasons)
    journal = b"".join(each.read_bytes() for each in command.folder.glob("*.journal*"))
    assert b"Failing row" not in journal
