"""A table of products for tests of a backfill, in any database."""

from collections import Counter

import sqlalchemy as sa

from testing.servers.flaky_model_server import FlakyModelServer

_AUDIT_COLUMNS = {"alt_source": 32, "alt_locale": 35, "alt_model": 255, "reasons": 2000}


def create_products(url: str, flaky_model: FlakyModelServer, count: int) -> None:
    """Create a table of mugs without alt texts, with audit columns."""
    engine = sa.create_engine(url)
    table = sa.Table(
        "products", sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("image_url", sa.String(500)), sa.Column("name", sa.String(100)),
        sa.Column("alt", sa.String(300)),
        *(sa.Column(name, sa.String(length)) for name, length in _AUDIT_COLUMNS.items()),
    )  # fmt: skip
    table.create(engine)
    rows = [
        {"id": n, "image_url": flaky_model.image_url(n), "name": f"Mug, row-{n}"}
        for n in range(1, count + 1)
    ]
    with engine.begin() as connection:
        if rows:
            connection.execute(table.insert(), rows)
    engine.dispose()


def run_sql(url: str, sql: str, **values: object) -> list[tuple[object, ...]]:
    """Run a statement in a transaction of its own; returns the rows of a query."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            found = connection.execute(sa.text(sql), values)
            return [tuple(row) for row in found] if found.returns_rows else []
    finally:
        engine.dispose()


def count_alt_sources(url: str) -> Counter[str]:
    """How many rows of the table have which alt_source."""
    return Counter(str(source) for (source,) in run_sql(url, "SELECT alt_source FROM products"))
