"""What a run and an estimate count is so: lines with one key, calls, and what a limit leaves."""

from testing.catalogue import BackfillCommand, blank_row, read_csv, write_csv
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer

CSV = ("in.csv", "--to", "out.csv")


def test_of_rows_with_one_key_each_with_another_image_is_reported(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(1, flaky_model.image_url(n)) for n in (1, 2, 1, 3)]
    write_csv(command.folder / "in.csv", rows)
    completed = command.run(*CSV)
    assert completed.returncode == 1
    for line in (3, 5):
        told = f"line {line} has the key '1' of line 2, and another picture or context"
        assert told in completed.stderr
    found = read_csv(command.folder / "out.csv")
    assert [row["alt_source"] for row in found] == ["ai", "failed", "ai", "failed"]
    assert "line 2 has this key" in found[1]["reasons"]
    summary = command.run_json(*CSV, exit_code=1)
    assert (summary["rows"], summary["broken"], summary["repeated"]) == (4, 2, 1)
    assert summary["outcomes"]["ai"] == flaky_model.log.calls == 1


def test_lines_with_one_key_and_picture_share_a_call_and_are_counted(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(number, flaky_model.image_url(number)) for number in (1, 2, 1, 1)]
    write_csv(command.folder / "in.csv", rows)
    estimate = command.run_json(*CSV, "--estimate")
    assert (estimate["blank"], estimate["repeated"], estimate["done"]) == (2, 2, 0)
    summary = command.run_json(*CSV)
    assert (summary["rows"], summary["repeated"], summary["outcomes"]["ai"]) == (4, 2, 2)
    assert [row["alt"] for row in read_csv(command.folder / "out.csv")] == [CAPTION] * 4
    assert flaky_model.log.calls == 2


def test_no_call_is_announced_for_a_row_without_a_url(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    images = ("mug.jpg", "", "ftp://a.example/mug.jpg", flaky_model.image_url(4))
    write_csv(command.folder / "in.csv", [blank_row(n, each) for n, each in enumerate(images, 1)])
    estimate = command.run_json(*CSV, "--estimate")
    assert (estimate["calls"], estimate["input_tokens"]) == (1, 1500)
    completed = command.run(*CSV)
    assert completed.returncode == 1
    assert "1 call to make" in completed.stderr
    assert "1 call in" in completed.stdout


def test_rows_that_a_limit_leaves_are_told(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(number, flaky_model.image_url(number)) for number in (1, 2, 3)]
    write_csv(command.folder / "in.csv", rows)
    completed = command.run(*CSV, "--limit", "1")
    assert completed.returncode == 0
    assert "2 are left for the next run" in completed.stdout
    assert "left" not in command.run(*CSV).stdout


def test_texts_whose_tokens_are_not_told_have_an_unknown_cost_and_not_none(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """Refused ones, and those of a server that does not count."""
    rows = [blank_row(number, flaky_model.image_url(number)) for number in (1, 2, 3, 4)]
    write_csv(command.folder / "in.csv", rows)
    prices = ("--price-in", "10", "--price-out", "10")
    flaky_model.behaviour.refused_every = 4
    completed = command.run(*CSV, *prices, "--limit", "1")
    assert "0.01 by your prices\n" in completed.stdout
    completed = command.run(*CSV, *prices)
    assert "0.02 by your prices without 1 text whose tokens are not known" in completed.stdout
    flaky_model.behaviour.has_usage = False
    summary = command.run_json("in.csv", "--to", "untold.csv", *prices)
    assert (summary["money"], summary["input_tokens"]) == (None, 0)
    assert summary["texts_without_tokens"] == 4
