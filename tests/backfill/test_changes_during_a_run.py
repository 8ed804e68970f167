"""What people do to the files while a run goes on, with the real command."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from altwright.backfill.connectors import Connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.run import local_run
from altwright.backfill.run.request_loop import RequestLoop
from PIL import Image

from testing.catalogue import BackfillCommand, read_csv
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer

CSV = ("in.csv", "--to", "out.csv")


@pytest.fixture
def before_writing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Lets a person act once, when everything is asked and nothing is written."""
    write = local_run._write
    acts: list[Callable[[], None]] = []

    def act_and_write(connectors: Connectors, journal: Journal) -> None:
        if acts:
            acts.pop()()
        write(connectors, journal)

    monkeypatch.setattr(local_run, "_write", act_and_write)
    return acts.append


def write_rows(path: Path, header: list[str], *rows: dict[str, str]) -> None:
    """Write a catalogue with its columns in this order."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("has_new_row", [False, True])
def test_a_source_exported_anew_with_other_columns_is_read_again(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    before_writing: Callable[[Callable[[], None]], None],
    has_new_row: bool,
) -> None:
    image = flaky_model.image_url
    rows = [
        {"id": "1", "image_url": image(1), "name": "Mug, row-1", "alt": ""},
        {"id": "2", "image_url": image(2), "name": "Cup, row-2", "alt": "I wrote this."},
    ]
    new = [{"id": "3", "image_url": image(3), "name": "row-3", "alt": ""}] if has_new_row else []
    source = command.folder / "in.csv"
    write_rows(source, ["id", "image_url", "name", "alt"], *rows)
    before_writing(
        lambda: write_rows(source, ["alt", "name", "image_url", "id"], *new, *reversed(rows))
    )
    completed = command.run(*CSV)
    assert completed.returncode == (75 if has_new_row else 0), completed.stderr
    found = {row["id"]: row for row in read_csv(command.folder / "out.csv")}
    assert (found["1"]["alt"], found["1"]["name"]) == (CAPTION, "Mug, row-1")
    assert (found["2"]["alt"], found["2"]["name"]) == ("I wrote this.", "Cup, row-2")
    assert command.run_json(*CSV)["calls"] == len(new)
    assert flaky_model.log.captioned.total() == 1 + len(new)


def test_a_target_that_somebody_edits_during_a_run_stays_and_ends_it_with_74(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    before_writing: Callable[[Callable[[], None]], None],
) -> None:
    rows = [{"id": "1", "image_url": flaky_model.image_url(1), "name": "row-1", "alt": ""}]
    write_rows(command.folder / "in.csv", ["id", "image_url", "name", "alt"], *rows)
    out = command.folder / "out.csv"
    before_writing(lambda: out.write_text("mine") and None)
    completed = command.run(*CSV)
    assert completed.returncode == 74
    assert "out.csv was changed while this command worked, and stays as it is" in completed.stderr
    assert out.read_text() == "mine"
    out.unlink()
    assert command.run_json(*CSV)["calls"] == 0
    assert [row["alt"] for row in read_csv(out)] == [CAPTION]


def test_a_source_whose_column_is_renamed_during_a_run_gets_no_text_in_another_one(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    before_writing: Callable[[Callable[[], None]], None],
) -> None:
    row = {"id": "1", "image_url": flaky_model.image_url(1), "name": "row-1", "alt": ""}
    header = ["id", "image_url", "name", "alt"]
    write_rows(command.folder / "in.csv", header, row)
    renamed = {**row, "image_alt": ""}
    del renamed["alt"]
    before_writing(lambda: write_rows(command.folder / "in.csv", [*renamed], renamed))
    completed = command.run(*CSV)
    assert completed.returncode == 75
    assert "its alt column is 'alt', which is gone" in completed.stderr
    assert not (command.folder / "out.csv").exists()
    write_rows(command.folder / "in.csv", header, row)
    assert command.run_json(*CSV)["calls"] == 0
    assert [each["alt"] for each in read_csv(command.folder / "out.csv")] == [CAPTION]


def test_a_local_picture_that_changes_during_a_run_is_not_described_in_place_of_another(
    command: BackfillCommand, flaky_model: FlakyModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two files have the same bytes and share a call; then one of them gets other bytes."""
    folder = command.folder / "photos"
    folder.mkdir()
    for name, colour in (("one.png", "red"), ("two.png", "red")):
        Image.new("RGB", (64, 64), colour).save(folder / name)
    check_server = RequestLoop._check_server

    async def change_and_check(loop: RequestLoop) -> None:
        Image.new("RGB", (64, 64), "blue").save(folder / "one.png")
        await check_server(loop)

    with monkeypatch.context() as patch:
        patch.setattr(RequestLoop, "_check_server", change_and_check)
        command.run_json("photos", "--to", "out.csv", exit_code=1)
    rows = read_csv(command.folder / "out.csv")
    assert [row["alt"] for row in rows] == ["", ""]
    assert flaky_model.log.calls == 0, "a text about these bytes would belong to no row"
    assert command.run_json("photos", "--to", "out.csv")["calls"] == 2
    assert [row["alt"] for row in read_csv(command.folder / "out.csv")] == [CAPTION, CAPTION]


def test_a_row_with_an_empty_key_costs_one_call_and_can_be_reviewed(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    (command.folder / "in.csv").write_text(
        f"id,image_url,name,alt\n,{flaky_model.image_url(1)},row-1,\n"
    )
    for calls in (1, 0):
        assert command.run_json(*CSV)["calls"] == calls
    assert [row["alt"] for row in read_csv(command.folder / "out.csv")] == [CAPTION]
    with Journal.read(command.folder / "out.csv.journal") as journal:
        [(row, _)] = journal.iter_outcomes()
    assert row.key.startswith("picture:1.jpg:")
