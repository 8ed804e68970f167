"""Columns of a table that change between a run and its decisions."""

from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import FilledTable, write_decisions


def test_a_renamed_column_of_a_table_is_not_replaced_by_another_one_in_apply(
    filled: FilledTable, run_command: RunCommand
) -> None:
    decisions = write_decisions(filled.journal_path, r2=("edit", "My mug."))
    with filled.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE products RENAME COLUMN alt TO alt_by_people")
        connection.exec_driver_sql("ALTER TABLE products ADD COLUMN image_alt TEXT")
    code, _, err = run_command("apply", decisions, "--journal", filled.journal_path)
    assert code == 2
    assert "The run's alt column is 'alt', which is gone" in err
    with filled.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE products RENAME COLUMN alt_by_people TO alt")
    code, _, err = run_command("apply", decisions, "--journal", filled.journal_path)
    with filled.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT alt, image_alt FROM products WHERE id = 2").one()
    assert (code, tuple(found)) == (0, ("My mug.", None)), err
