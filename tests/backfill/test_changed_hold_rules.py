"""Hold rules that change between two runs: answers are decided again, and nothing is paid twice."""

from testing.catalogue import BackfillCommand, blank_row, read_csv, write_csv
from testing.products_table import create_products, run_sql
from testing.servers.flaky_model_server import FlakyModelServer

CSV = ("in.csv", "--to", "out.csv")
HOLD = ("--hold-pattern", "row-2")


def sources(command: BackfillCommand) -> list[str]:
    """What the new file says of each row."""
    return [row["alt_source"] for row in read_csv(command.folder / "out.csv")]


def test_a_file_follows_the_rules_of_the_last_run_without_a_call(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(n, flaky_model.image_url(n)) for n in (1, 2, 3)]
    write_csv(command.folder / "in.csv", rows)
    for options, second in (((), "ai"), (HOLD, "uncertain"), ((), "ai")):
        command.run_json(*CSV, *options)
        assert sources(command) == ["ai", second, "ai"]
    assert flaky_model.log.captioned.total() == 3


def test_a_table_keeps_what_it_has_and_gets_what_rules_no_longer_hold(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    url = f"sqlite:///{command.folder}/shop.db"
    create_products(url, flaky_model, 2)
    arguments = (url, "--table", "products")
    command.run(*arguments, *HOLD)
    assert run_sql(url, "SELECT alt_source FROM products") == [("ai",), ("uncertain",)]
    command.run(*arguments)
    assert run_sql(url, "SELECT alt_source FROM products") == [("ai",), ("ai",)]
    completed = command.run(*arguments, "--hold-pattern", "row-1")
    assert "1 texts that the table has already would be held by these rules" in completed.stderr
    assert run_sql(url, "SELECT alt_source FROM products") == [("ai",), ("ai",)]
    assert flaky_model.log.captioned.total() == 2
