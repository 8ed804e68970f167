"""A run over files never takes its rows from a database that the environment names."""

import sqlite3
from pathlib import Path

import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.run_config import RunConfig

from testing.catalogue import blank_row, read_csv, write_csv
from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import run_with_known_results, write_decisions

IMAGE = "https://a.example/{}.jpg"


def make_shop(path: Path) -> str:
    """A database with a table of other products under the same keys."""
    with sqlite3.connect(path) as shop:
        shop.execute("CREATE TABLE products (id TEXT PRIMARY KEY, image_url TEXT, alt TEXT)")
        shop.execute("INSERT INTO products VALUES ('1', 'https://b.example/secret.jpg', 'Theirs')")
    shop.close()
    return f"sqlite:///{path}"


def test_a_database_url_in_the_environment_does_not_change_a_run_over_files(
    run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [blank_row(number, IMAGE.format(number)) for number in range(1, 6)]
    source = write_csv(tmp_path / "in.csv", rows)
    config = RunConfig(str(source), target_file=str(tmp_path / "out.csv"))
    journal = tmp_path / "out.csv.journal"
    run_with_known_results(journal, open_connectors(config))
    decisions = write_decisions(journal, r1=("edit", "A mug."))
    monkeypatch.setenv("ALTWRIGHT_DATABASE_URL", make_shop(tmp_path / "shop.db"))
    code, _, err = run_command("apply", decisions, "--journal", journal)
    assert code == 0, err
    found = read_csv(tmp_path / "out.csv")
    assert [row["image_url"] for row in found] == [row["image_url"] for row in rows]
    assert found[0]["alt"] == "A mug."


def test_another_database_of_a_run_into_a_file_is_refused(
    run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_shop(tmp_path / "shop.db")
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("UPDATE products SET alt = NULL")
    shop.close()
    config = RunConfig(url, table="products", target_file=str(tmp_path / "out.csv"))
    journal = tmp_path / "out.csv.journal"
    run_with_known_results(journal, open_connectors(config))
    before = (tmp_path / "out.csv").read_bytes()
    decisions = write_decisions(journal, r1=("edit", "A mug."))
    monkeypatch.setenv("ALTWRIGHT_DATABASE_URL", make_shop(tmp_path / "other.db"))
    code, _, err = run_command("apply", decisions, "--journal", journal)
    assert (code, "is the journal of another source" in err) == (2, True), err
    assert (tmp_path / "out.csv").read_bytes() == before
