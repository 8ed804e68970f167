"""Options that name an output never overwrite a file that this program has not written."""

import json
from pathlib import Path

import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.run_config import RunConfig
from altwright.errors import UsageError
from altwright.output_file import OutputFile, write_output
from altwright.verify.report import REPORT_MARKS, Report

from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import FilledTable, run_with_known_results, write_decisions


def test_a_catalogue_is_not_overwritten_with_a_review_page(
    run_command: RunCommand, filled: FilledTable, tmp_path: Path
) -> None:
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text("id,image\n1,mug.jpg\n")
    code, _, err = run_command("review", filled.journal_path, "--to", "catalogue.csv")
    assert code == 2
    assert "already exists and was not written by this command" in err
    assert catalogue.read_text() == "id,image\n1,mug.jpg\n"
    for _ in range(2):
        assert run_command("review", filled.journal_path, "--to", "page.html")[0] == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("content", ["{}", '{"version": 1, "mine": true}', "id,image\n"])
def test_a_file_of_somebody_else_is_not_overwritten_with_a_report(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "before.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="not written by this command"):
        write_output(path, b"{}", REPORT_MARKS)
    assert path.read_text() == content


@pytest.mark.parametrize("suffix", ["-lock", "-wal", "-shm", "-journal"])
def test_a_file_that_belongs_to_a_journal_is_not_overwritten_with_a_page(
    run_command: RunCommand, filled: FilledTable, tmp_path: Path, suffix: str
) -> None:
    """The lock is an empty file: with another one in its place two runs would share a journal."""
    path = tmp_path / f"{filled.journal_path.name}{suffix}"
    before = path.read_bytes() if path.exists() else None
    code, _, err = run_command("review", filled.journal_path, "--to", path)
    assert (code, f"belongs to {filled.journal_path}" in err) == (2, True), err
    assert (path.read_bytes() if path.exists() else None) == before
    with pytest.raises(UsageError, match="belongs to"):
        write_output(path, b"{}", REPORT_MARKS)


def test_a_saved_report_begins_with_its_marks(tmp_path: Path) -> None:
    text = json.dumps(Report("4.12.1", ()).to_json(), indent=1).encode()
    path = tmp_path / "before.json"
    for _ in range(2):
        write_output(path, text, REPORT_MARKS)
    assert path.read_bytes() == text


def test_a_file_that_cannot_be_replaced_stays_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def write_half() -> None:
        with OutputFile(path) as output:
            output.partial.write_text("half")
            raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]


def test_a_decision_whose_file_could_not_be_written_is_in_it_after_the_next_apply(
    run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text("id,image_url,alt\n1,https://a.example/1.jpg,\n")
    config = RunConfig(str(tmp_path / "in.csv"), target_file=str(tmp_path / "out.csv"))
    path = tmp_path / "out.csv.journal"
    run_with_known_results(path, open_connectors(config))
    decisions = write_decisions(path, r1=("edit", "My mug."))
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(OutputFile, "replace", full)
        assert run_command("apply", decisions)[0] == 74
    assert "My mug." not in (tmp_path / "out.csv").read_text()
    # The command has closed its output after the error; this one is about the file.
    assert run_command("apply", decisions)[0] == 0
    assert "My mug." in (tmp_path / "out.csv").read_text()
