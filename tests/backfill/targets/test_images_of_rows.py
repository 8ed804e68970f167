"""A text stays with its image, in whatever encoding or table the image is stored."""

import threading
import time

import pytest

from testing.catalogue import BackfillCommand
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.targets.conftest import TABLE, Fill

COLUMNS = "id int PRIMARY KEY, image_url varchar(300), name varchar(99), alt varchar(300)"


def run_while(
    command: BackfillCommand, flaky_model: FlakyModelServer, url: str, statement: str, *more: str
) -> list[object]:
    """The alt texts after a run, while which somebody executes a statement once all is asked."""
    flaky_model.behaviour.response_s = 1.0

    def act() -> None:
        while flaky_model.log.calls < 2:
            time.sleep(0.01)
        run_sql(url, statement)

    thread = threading.Thread(target=act)
    thread.start()
    command.run_json(url, *TABLE, *more)
    thread.join()
    return [alt for (alt,) in run_sql(url, "SELECT alt FROM products ORDER BY id")]


def test_an_image_that_is_not_utf_8_leaves_the_others_compared(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, sqlite_url: str
) -> None:
    fill(sqlite_url, COLUMNS, *(f"{n}, IMAGE, 'row-{n}', NULL" for n in (1, 2)))
    odd = "CAST(CAST(image_url AS BLOB) || x'3fff' AS TEXT)"
    run_sql(sqlite_url, f"UPDATE products SET image_url = {odd} WHERE id = 1")
    replace = f"UPDATE products SET image_url = '{flaky_model.image_url(9)}' WHERE id = 2"
    assert run_while(command, flaky_model, sqlite_url, replace) == [CAPTION, None]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT p.id, m.url AS image, p.name FROM products p JOIN media m ON m.product = p.id",
        "SELECT p.id, m.url AS image_url, p.name FROM products p JOIN media m ON m.product = p.id",
    ],
    ids=["other name", "name of another column"],
)
def test_an_image_in_another_table_is_compared_before_the_write(
    command: BackfillCommand, flaky_model: FlakyModelServer, fill: Fill, url: str, query: str
) -> None:
    fill(url, COLUMNS, *(f"{n}, 'no picture', 'row-{n}', NULL" for n in (1, 2, 3)))
    fill(url, "product int, url varchar(300)", *(f"{n}, IMAGE" for n in (1, 2, 3)), table="media")
    replace = f"UPDATE media SET url = '{flaky_model.image_url(9)}' WHERE product = 2"
    alts = run_while(command, flaky_model, url, replace, "--query", query)
    assert alts == [CAPTION, None, CAPTION]
    alts = run_while(command, flaky_model, url, "DELETE FROM media WHERE product = 9", "--query",
                     query)  # fmt: skip
    assert alts == [CAPTION] * 3
