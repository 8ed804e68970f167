"""The files of one command, and of two, never take each other's place."""

from pathlib import Path

import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.run_config import RunConfig
from altwright.backfill.targets.file import FileTarget
from altwright.errors import UsageError

from testing.catalogue import BackfillCommand, blank_row, read_csv, write_csv
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer


@pytest.fixture
def source(command: BackfillCommand, flaky_model: FlakyModelServer) -> Path:
    """A catalogue with one blank row."""
    return write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])


@pytest.mark.parametrize(
    "journal", ["out.csv", "out.csv.broken", ".out.csv.part", ".out.csv.old", "linked/out.csv"]
)
def test_a_journal_that_would_be_another_file_of_the_command_is_refused(
    command: BackfillCommand, source: Path, journal: str
) -> None:
    (command.folder / "linked").symlink_to(command.folder)
    before = sorted(each.name for each in command.folder.iterdir())
    refused = command.run(source.name, "--to", "out.csv", "--journal", journal)
    assert refused.returncode == 2
    assert f"{journal} cannot be the journal" in refused.stderr
    assert sorted(each.name for each in command.folder.iterdir()) == before


def test_a_target_that_exists_is_refused_without_a_journal_beside_it(
    command: BackfillCommand, source: Path
) -> None:
    (command.folder / "mine.csv").write_text("mine")
    refused = command.run(source.name, "--to", "mine.csv")
    assert (refused.returncode, "mine.csv already exists" in refused.stderr) == (2, True)
    assert sorted(each.name for each in command.folder.iterdir()) == ["in.csv", "mine.csv"]


def test_a_second_run_with_a_journal_of_its_own_over_one_new_file_is_refused(
    command: BackfillCommand, source: Path, flaky_model: FlakyModelServer
) -> None:
    """Both would pay for every row, write one file under one temporary name, and one in vain."""
    (command.folder / "linked").symlink_to(command.folder)
    config = RunConfig(str(source), target_file=str(command.folder / "linked" / "out.csv"))
    first = open_connectors(config).target
    assert isinstance(first, FileTarget)
    with first.claim():
        second = command.run(source.name, "--to", "out.csv", "--journal", "elsewhere.journal")
        assert second.returncode == 2
        assert "Another run works with out.csv" in second.stderr
    assert flaky_model.log.calls == 0
    assert command.run(source.name, "--to", "out.csv").returncode == 0
    assert [row["alt"] for row in read_csv(command.folder / "out.csv")] == [CAPTION]


def test_a_claim_of_a_file_ends_with_it(command: BackfillCommand, source: Path) -> None:
    config = RunConfig(str(source), target_file=str(command.folder / "out.csv"))
    target = open_connectors(config).target
    assert isinstance(target, FileTarget)
    for _ in range(2):
        with target.claim(), pytest.raises(UsageError, match="Another run works with"):
            target.claim().__enter__()
