"""A decision about a row that a query read stays with its picture, wherever the picture stands."""

from pathlib import Path

import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.run_config import RunConfig

from testing.products_table import run_sql
from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import run_with_known_results, write_decisions

JOIN = "SELECT p.id, m.url AS image FROM products p JOIN media m ON m.product = p.id"


@pytest.mark.parametrize(
    ("query", "swapped", "code"),
    [
        (JOIN, True, 1),
        (JOIN, False, 0),
        (f"{JOIN} WHERE p.alt IS NULL", False, 0),
        ("SELECT id, image_url FROM products", True, 1),
        ("SELECT id, image_url FROM products", False, 0),
        ("SELECT id, upper(image_url) AS image_url FROM products", True, 1),
        ("SELECT id, upper(image_url) AS image_url FROM products", False, 0),
    ],
)
def test_a_decision_is_applied_unless_the_picture_was_replaced(
    run_command: RunCommand, tmp_path: Path, query: str, swapped: bool, code: int
) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    for statement in (
        "CREATE TABLE products (id integer PRIMARY KEY, image_url text, alt text)",
        "CREATE TABLE media (product integer, url text)",
        "INSERT INTO products VALUES (1, 'https://a.example/1.jpg', NULL)",
        "INSERT INTO media VALUES (1, 'https://a.example/1.jpg')",
    ):
        run_sql(url, statement)
    journal = tmp_path / "products.journal"
    config = RunConfig(url, table="products", query=query, styles=("concise", "seo"))
    run_with_known_results(journal, open_connectors(config))
    assert run_sql(url, "SELECT alt FROM products") == [("A white mug.",)]
    file = write_decisions(journal, r1=("edit", "My mug."))
    if swapped:
        run_sql(url, "UPDATE products SET image_url = 'https://a.example/2.jpg'")
        run_sql(url, "UPDATE media SET url = 'https://a.example/2.jpg'")
    found, _, told = run_command("apply", file)
    assert found == code, told
    alt = "A white mug." if swapped else "My mug."
    assert run_sql(url, "SELECT alt FROM products") == [(alt,)]
