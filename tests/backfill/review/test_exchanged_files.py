"""A file that somebody saves while this program replaces it is never lost."""

from collections.abc import Callable
from pathlib import Path

import altwright.output_file
import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.run_config import RunConfig
from altwright.output_file import ChangedMeanwhile, OutputFile

from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import run_with_known_results, write_decisions


def _replace(path: Path, may_go: Callable[[Path], bool]) -> None:
    with OutputFile(path) as output:
        output.partial.write_text("new")
        output.replace(None, may_go)


def _is_old(path: Path) -> bool:
    return path.read_text() == "old"


def test_a_file_that_may_go_is_replaced_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    _replace(path, _is_old)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"out.csv": "new"}


def test_a_new_file_appears(tmp_path: Path) -> None:
    _replace(tmp_path / "out.csv", _is_old)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"out.csv": "new"}


def test_what_somebody_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(ChangedMeanwhile):
        _replace(path, _is_old)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"out.csv": "mine"}


def test_of_two_texts_that_somebody_saved_both_stay(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("first")

    def save_again(_: Path) -> bool:
        path.write_text("second")
        return False

    with pytest.raises(ChangedMeanwhile):
        _replace(path, save_again)
    assert sorted(each.read_text() for each in tmp_path.iterdir()) == ["first", "second"]


@pytest.mark.parametrize("is_supported", [True, False])
def test_a_file_that_appears_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_supported: bool
) -> None:
    path = tmp_path / "out.csv"
    link = altwright.output_file._link

    def save_first(source: Path, target: Path) -> bool:
        path.write_text("mine")
        return link(source, target)

    monkeypatch.setattr(altwright.output_file, "_link", save_first)
    if not is_supported:
        monkeypatch.setattr(altwright.output_file, "_exchange", lambda *_: False)
    with pytest.raises(ChangedMeanwhile):
        _replace(path, _is_old)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"out.csv": "mine"}


def test_a_text_saved_between_the_comparison_and_the_rename_stays(
    run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text("id,image_url,alt\n2,https://a.example/2.jpg,\n")
    out, journal = tmp_path / "out.csv", tmp_path / "out.csv.journal"
    config = RunConfig(str(tmp_path / "in.csv"), target_file=str(out))
    run_with_known_results(journal, open_connectors(config))
    file = write_decisions(journal, r2=("edit", "A mug."))
    replace = OutputFile.replace

    def save_first(output: OutputFile, *args: object) -> None:
        if output.path == out:
            out.write_text("mine")
        replace(output, *args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(OutputFile, "replace", save_first)
        code, _, err = run_command("apply", file)
    assert code == 74
    assert "was changed while this command worked, and stays as it is" in err
    assert out.read_text() == "mine"
    out.unlink()
    assert run_command("apply", file)[0] == 0
    assert "A mug." in out.read_text()


@pytest.mark.parametrize("is_own", [True, False])
def test_what_a_killed_command_took_out_is_kept_unless_it_is_its_own(
    run_command: RunCommand, tmp_path: Path, is_own: bool
) -> None:
    (tmp_path / "in.csv").write_text("id,image_url,alt\n2,https://a.example/2.jpg,\n")
    out, journal = tmp_path / "out.csv", tmp_path / "out.csv.journal"
    config = RunConfig(str(tmp_path / "in.csv"), target_file=str(out))
    run_with_known_results(journal, open_connectors(config))
    file = write_decisions(journal, r2=("edit", "A mug."))
    displaced = OutputFile(out).displaced
    displaced.write_bytes(out.read_bytes() if is_own else b"mine")
    code, _, err = run_command("apply", file)
    if is_own:
        assert code == 0
        assert not displaced.exists()
        return
    assert code == 2
    assert f"{displaced} is what somebody saved as out.csv" in err
    assert displaced.read_text() == "mine"
    displaced.unlink()
    assert run_command("apply", file)[0] == 0
