"""Databases of each kind, and tables whose images the model server has."""

from collections.abc import Callable
from pathlib import Path

import pytest

from testing.products_table import run_sql
from testing.servers.flaky_model_server import FlakyModelServer

TABLE = ("--table", "products")
Fill = Callable[..., None]


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An empty SQLite database."""
    return f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture
def fill(flaky_model: FlakyModelServer) -> Fill:
    """Create a table and put a row with an image of its own in it for each tuple of SQL values."""

    def fill(url: str, definition: str, *rows: str, table: str = "products") -> None:
        run_sql(url, f"CREATE TABLE {table} ({definition})")
        for number, values in enumerate(rows, 1):
            image = f"'{flaky_model.image_url(number)}'"
            run_sql(url, f"INSERT INTO {table} VALUES ({values.replace('IMAGE', image)})")

    return fill
