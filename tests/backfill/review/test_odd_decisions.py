"""Decisions files that somebody changed, and targets that change or fail while they are applied."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from altwright.backfill.connectors import open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.run_config import RunConfig

from testing.catalogue import COMMAND
from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import (
    FilledTable,
    run_with_known_results,
    write_decisions,
)


@pytest.fixture
def filled_file(tmp_path: Path) -> Path:
    """The journal of a run over a CSV file, which has written out.csv."""
    rows = "".join(f"{n},https://a.example/{n}.jpg,\n" for n in range(1, 6))
    (tmp_path / "in.csv").write_text(f"id,image_url,alt\n{rows}")
    path = tmp_path / "out.csv.journal"
    config = RunConfig(str(tmp_path / "in.csv"), target_file=str(tmp_path / "out.csv"))
    run_with_known_results(path, open_connectors(config))
    return path


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Change a decisions file as somebody does with an editor."""
    data = json.loads(file.read_text())
    edit(data)
    file.write_text(json.dumps(data))
    return file


def test_a_file_with_a_byte_order_mark_and_unknown_fields_is_applied(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    change(file, lambda data: data["decisions"][0].update(note="mine", reviewed_at=""))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert run_command("apply", file)[0] == 0
    assert filled.row(1)["alt"] == "A mug."


def test_half_a_file_is_refused_and_changes_nothing(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."), r2=("edit", "A cup."))
    file.write_text(file.read_text()[:-60])
    code, _, err = run_command("apply", file)
    assert (code, err.count("\n")) == (2, 1)
    assert filled.row(1)["alt"] == "A white mug."


def test_an_approval_whose_text_was_changed_by_hand_is_an_edit(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("approve", "A white mug."))
    change(file, lambda data: data["decisions"][0].update(text="A mug, by hand."))
    assert run_command("apply", file)[0] == 0
    assert (filled.row(1)["alt"], filled.row(1)["alt_source"]) == (
        "A mug, by hand.", "human-edited-ai",
    )  # fmt: skip


def test_texts_that_were_only_typed_are_told(run_command: RunCommand, filled: FilledTable) -> None:
    file = write_decisions(filled.journal_path, r1=("approve", "A white mug."))
    change(file, lambda data: data.update(typed=[{"key": "2", "text": "half", "others": []}]))
    code, _, err = run_command("apply", file)
    assert code == 0
    assert "1 texts were typed on the page and not approved: they are not applied" in err


def test_a_second_reviewer_is_told_of_an_approval_that_changed_no_word(
    run_command: RunCommand, filled: FilledTable
) -> None:
    pages = {"r1": ("approve", "A white mug."), "r4": ("decorative", "")}
    anas = write_decisions(filled.journal_path, "Ana", **pages)
    bens = write_decisions(
        filled.journal_path, "Ben", r1=("edit", "A cup."), r4=("edit", "A line.")
    )
    change(bens, lambda data: [each.update(reviewed_at="") for each in data["decisions"]])
    assert run_command("apply", anas)[0] == 0
    code, _, err = run_command("apply", bens)
    assert code == 1
    for key in (1, 4):
        assert f"row {key}: Ana decided about it after the page was made" in err
    assert (filled.row(1)["alt"], filled.row(4)["alt_source"]) == ("A white mug.", "decorative")


def test_a_decision_of_another_reviewer_in_the_file_keeps_their_name(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, "Ana", r1=("edit", "A mug."), r5=("edit", "A jug."))
    change(file, lambda data: data["decisions"][1].update(reviewer="Ben"))
    assert run_command("apply", file)[0] == 0
    assert filled.row(1)["reasons"] == "reviewed by Ana"
    assert filled.row(5)["reasons"] == "reviewed by Ben"


def test_a_row_that_was_approved_in_the_table_meanwhile_is_told(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    filled.edit(1, alt_reviewed_at="2026-11-28T09:00:00Z")
    code, _, err = run_command("apply", file)
    assert code == 1
    assert "row 1: someone changed it in the table: their text is kept" in err
    assert filled.row(1)["alt"] == "A white mug."


def test_a_row_that_was_deleted_is_told_each_time(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."), r5=("edit", "A jug."))
    with filled.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM products WHERE id = 1"))
    for _ in range(2):
        code, _, err = run_command("apply", file)
        assert code == 1
        assert "row 1: " in err
    assert filled.row(5)["alt"] == "A jug."


def test_a_failed_write_of_a_file_is_not_called_applied_until_the_file_has_it(
    run_command: RunCommand, filled_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_decisions(filled_file, r1=("edit", "A mug."))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("altwright.backfill.targets.file.FileTarget._put_in_place", full)
        assert run_command("apply", file)[0] == 74
    assert "A mug." not in (tmp_path / "out.csv").read_text()

    def apply_apart(*options: str) -> str:
        return subprocess.run(
            [COMMAND, "apply", str(file), *options], cwd=tmp_path, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip

    assert apply_apart("--dry-run") == "1 would be applied (1 edited)\n"
    assert apply_apart() == "1 applied (1 edited)\n"
    assert "A mug." in (tmp_path / "out.csv").read_text()
    assert apply_apart() == "0 applied, 1 applied before\n"


def test_a_decision_whose_row_left_the_source_is_told_each_time(
    run_command: RunCommand, filled_file: Path, tmp_path: Path
) -> None:
    file = write_decisions(filled_file, r1=("edit", "A mug."))
    assert run_command("apply", file)[0] == 0
    lines = (tmp_path / "in.csv").read_text().splitlines(keepends=True)
    (tmp_path / "in.csv").write_text("".join(lines[:1] + lines[2:]))
    codes = {run_command("apply", file)[0] for _ in range(2)}
    assert 0 not in codes


def test_apply_that_is_killed_at_any_moment_is_completed_by_the_next(
    filled: FilledTable, run_command: RunCommand
) -> None:
    decisions = {"r1": ("edit", "A mug."), "r2": ("edit", "A cup."), "r5": ("blank", "")}
    file = write_decisions(filled.journal_path, **decisions)
    started_s = time.monotonic()
    subprocess.run([COMMAND, "apply", str(file), "--dry-run"], cwd=filled.folder, check=True,
                   capture_output=True)  # fmt: skip
    whole_s = time.monotonic() - started_s
    for share in (0.5, 0.7, 0.9, 1.0, 1.1, 1.3):
        process = subprocess.Popen(
            [COMMAND, "apply", str(file)], cwd=filled.folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(whole_s * share)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    code, _, err = run_command("apply", file)
    assert (code, err) == (0, "")
    assert [filled.row(n)["alt"] for n in (1, 2, 5)] == ["A mug.", "A cup.", None]


def test_apply_while_a_run_works_is_refused_and_changes_nothing(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    with Journal.open(filled.journal_path):
        code, _, err = run_command("apply", file)
    assert code == 2
    assert "Another run works with products.journal at the moment" in err
    assert run_command("apply", file)[0] == 0


def test_a_journal_of_the_previous_version_is_reviewed_and_applied(
    run_command: RunCommand, filled: FilledTable
) -> None:
    """Approvals were `human-edited-ai`, and outcomes repeated the `seo` text."""
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    engine = sa.create_engine(f"sqlite:///{filled.journal_path}")
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE rows SET outcome = json_set(outcome, '$.seo', 'White ceramic mug.')")
        )
    engine.dispose()
    assert run_command("review", filled.journal_path)[0] == 0
    assert run_command("apply", file)[0] == 0
    assert filled.row(1)["alt"] == "A mug."


def test_a_page_is_not_written_over_another_file(
    run_command: RunCommand, filled_file: Path, tmp_path: Path
) -> None:
    before = (tmp_path / "in.csv").read_text()
    code, _, err = run_command("review", filled_file, "--to", "in.csv")
    assert code == 2
    assert "in.csv already exists and was not written by this command" in err
    assert (tmp_path / "in.csv").read_text() == before
    for _ in range(2):  # over a review page it is
        assert run_command("review", filled_file, "--to", "page.html")[0] == 0
    shutil.copy(tmp_path / "page.html", tmp_path / "old.html")
    assert run_command("review", filled_file, "--to", "old.html")[0] == 0
