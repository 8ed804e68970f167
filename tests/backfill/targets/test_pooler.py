"""Through a pooler no statement of one run reaches the table of another."""

import pytest

from testing.catalogue import BackfillCommand
from testing.products_table import run_sql
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer

ROWS = 120


@pytest.mark.slow
def test_two_runs_through_a_pool_of_two_sessions_write_their_own_tables(
    command: BackfillCommand, flaky_model: FlakyModelServer, postgresql: str, pgbouncer: str
) -> None:
    """Each row's text must be in its own row: `name` has the row's number in both tables."""
    for table, kind in (("mugs", "int"), ("cups", "text")):
        run_sql(postgresql, f"CREATE TABLE {table} (id {kind} PRIMARY KEY, image_url text,"
                            " name text, alt text, alt_source text, search_text text)")  # fmt: skip
        images = flaky_model.image_url(table).removesuffix(".jpg")
        run_sql(
            postgresql,
            f"INSERT INTO {table} SELECT n, '{images}' || n || '.jpg', '{table} row-' || n"
            f" FROM generate_series(1, {ROWS}) n",
        )
    column = ("--column", "search_text=search_text")
    processes = [command.start(pgbouncer, "--table", table, *column) for table in ("mugs", "cups")]
    assert [process.wait(240) for process in processes] == [0, 0]
    for table in ("mugs", "cups"):
        found = run_sql(postgresql, f"SELECT id, alt, search_text FROM {table}")
        assert len(found) == ROWS
        for key, alt, search_text in found:
            assert (alt, search_text) == (CAPTION, f"{CAPTION} | {table}{key}.jpg")
    # Nothing that belongs to a session is left in the pool.
    assert run_sql(pgbouncer, "SELECT count(*) FROM pg_prepared_statements") == [(0,)]
