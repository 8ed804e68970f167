"""Decisions that the target does not take: rows that are locked, too narrow, or changed."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from altwright.backfill.connectors import open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.run_config import RunConfig

from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import (
    DRAFT,
    FilledTable,
    run_with_known_results,
    write_decisions,
)

ALT_CHARS = 40
LONG = "A mug. " * 10


@pytest.fixture
def narrow(postgresql: str, tmp_path: Path) -> Iterator[FilledTable]:
    """A table whose column of alt texts takes forty characters."""
    made = FilledTable(postgresql, tmp_path)
    with made.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE products ALTER alt TYPE varchar({ALT_CHARS})"))
    yield made
    made.engine.dispose()


@pytest.fixture
def short_timeout(tmp_path: Path) -> Iterator[FilledTable]:
    """A table in SQLite, with a short timeout for locks."""
    made = FilledTable(f"sqlite:///{tmp_path}/shop.db?timeout=0.2", tmp_path)
    yield made
    made.engine.dispose()


def read_outcome(path: Path, key: str) -> tuple[str, str, tuple[str, ...]]:
    """Source, text and reasons of a row in the journal."""
    with Journal.read(path) as journal:
        found = journal.find_outcome(key)
    assert found is not None
    return found[1].alt_source.value, found[1].alt, found[1].reasons


def test_a_text_too_long_for_its_column_is_reported_and_a_shorter_one_is_applied(
    run_command: RunCommand, narrow: FilledTable
) -> None:
    database = ("--database", narrow.config.source)
    long = write_decisions(narrow.journal_path, r1=("edit", LONG), r5=("edit", "A jug."))
    for _ in range(2):
        code, out, err = run_command("apply", long, *database)
        assert code == 1
        assert "row 1: the table does not take it (value too long for type" in err
        assert "1 not applied" in out
        assert (narrow.row(1)["alt"], narrow.row(1)["alt_source"]) == ("A white mug.", "ai")
        assert narrow.row(5)["alt"] == "A jug."
        source, alt, reasons = read_outcome(narrow.journal_path, "1")
        assert (source, alt) == ("ai", "A white mug.")
        assert [each[:38] for each in reasons] == ["a decision was undone: the table does "]
    short = write_decisions(narrow.journal_path, r1=("edit", "A short mug."))
    assert run_command("apply", short, *database)[:2] == (0, "1 applied (1 edited)\n")
    assert (narrow.row(1)["alt"], narrow.row(1)["reasons"]) == ("A short mug.", "reviewed by Ana")


def test_a_decision_about_a_locked_row_waits_and_may_be_replaced(
    run_command: RunCommand, short_timeout: FilledTable
) -> None:
    """The first was never written, so the second replaces what the table had before both."""
    other = sqlite3.connect(short_timeout.folder / "shop.db", isolation_level=None)
    first = write_decisions(
        short_timeout.journal_path, r1=("edit", "A mug."), r3=("edit", "A cup.")
    )
    second = write_decisions(short_timeout.journal_path, r1=("edit", "A better mug."))
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        code, out, err = run_command("apply", first)
        assert code == 75
        assert out.startswith("0 applied")
        assert "row 1: database is locked" in err
    assert run_command("apply", second)[0] == 75
    other.execute("ROLLBACK")
    other.close()
    assert run_command("apply", second)[:2] == (0, "0 applied, 1 applied before\n")
    assert (short_timeout.row(1)["alt"], short_timeout.row(1)["alt_source"]) == (
        "A better mug.",
        "human-edited-ai",
    )
    assert short_timeout.row(3)["alt"] == "A cup."
    assert (
        run_command(
            "apply", write_decisions(short_timeout.journal_path, r1=("edit", "The best mug."))
        )[0]
        == 0
    )
    assert short_timeout.row(1)["alt"] == "The best mug."


def test_a_text_written_by_a_reviewer_alone_may_be_revised(
    run_command: RunCommand, filled: FilledTable
) -> None:
    assert (
        run_command(
            "apply", write_decisions(filled.journal_path, r3=("edit", "A mug behind glass."))
        )[0]
        == 0
    )
    assert filled.row(3)["alt_source"] == "human"
    assert (
        run_command(
            "apply",
            write_decisions(filled.journal_path, r3=("edit", "A mug behind frosted glass.")),
        )[0]
        == 0
    )
    assert filled.row(3)["alt"] == "A mug behind frosted glass."
    again = write_decisions(filled.journal_path, r3=("edit", "Third."))
    filled.edit(3, alt="")  # blank and a person's: blanked on purpose
    assert run_command("apply", again)[0] == 1
    assert filled.row(3)["alt"] == ""


def test_a_changed_row_is_reported_each_time_the_file_is_applied(
    run_command: RunCommand, short_timeout: FilledTable
) -> None:
    file = write_decisions(short_timeout.journal_path, r1=("edit", "A mug."))
    other = sqlite3.connect(short_timeout.folder / "shop.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert run_command("apply", file)[0] == 75
    other.execute("UPDATE products SET alt = 'An editor''s.' WHERE id = 1")
    other.execute("COMMIT")
    other.close()
    for _ in range(2):
        code, _, err = run_command("apply", file)
        assert code == 1
        assert "row 1: someone changed it in the table: their text is kept" in err
    assert short_timeout.row(1)["alt"] == "An editor's."


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "sqlite"])
@pytest.mark.parametrize(
    ("model", "editor"), [("Cafe", "Café"), ("A mug", "A Mug"), ("A mug", "A mug ")]
)
def test_an_editors_change_of_a_single_accent_or_case_stays(
    run_command: RunCommand,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
    model: str,
    editor: str,
) -> None:
    """Even if the column's collation takes both texts for the same."""
    url = f"sqlite:///{tmp_path}/shop.db" if kind == "sqlite" else request.getfixturevalue(kind)
    made = FilledTable(url, tmp_path)
    with made.engine.begin() as connection:
        if kind == "mysql":
            narrow = "VARCHAR(99) CHARACTER SET latin1 COLLATE latin1_general_ci"
            connection.execute(sa.text(f"ALTER TABLE products MODIFY alt {narrow}"))
        connection.execute(sa.text("UPDATE products SET alt = :alt WHERE id = 1"), {"alt": model})
    with Journal.open(made.journal_path) as journal:
        found = journal.find_outcome("1")
        assert found is not None
        journal.replace_outcomes([replace(found[1], alt=model)])
        journal.mark_written({"1": 1})
    same, other = (
        write_decisions(made.journal_path, r1=("edit", text)) for text in ("First", "Second")
    )
    made.edit(1, alt=editor)
    assert run_command("apply", same, "--database", url)[0] == 1
    assert made.row(1)["alt"] == editor
    made.edit(1, alt=model)
    assert run_command("apply", other, "--database", url)[0] == 0
    assert made.row(1)["alt"] == "Second"
    made.engine.dispose()


def test_a_decorative_decision_clears_the_alt_text_in_every_locale(
    run_command: RunCommand, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("id,image_url,alt\n1,https://a.example/1.jpg,\n")
    config = RunConfig(
        str(tmp_path / "in.csv"), target_file=str(tmp_path / "out.csv"), styles=("concise", "seo"),
        locales=("en", "de"),
    )  # fmt: skip
    path = tmp_path / "out.csv.journal"
    run_with_known_results(path, open_connectors(config))
    assert run_command("apply", write_decisions(path, r1=("decorative", "")))[0] == 0
    [_, line] = (tmp_path / "out.csv").read_text().splitlines()
    assert line.startswith("1,https://a.example/1.jpg,,decorative,")


def test_an_edit_of_a_row_that_a_person_filled_in_the_source_is_not_applied(
    run_command: RunCommand, tmp_path: Path
) -> None:
    rows = [f"{n},https://a.example/{n}.jpg,,\n" for n in range(1, 6)]
    source = tmp_path / "in.csv"
    source.write_text("id,image_url,alt,seo\n" + "".join(rows))
    path = tmp_path / "out.csv.journal"
    connectors = open_connectors(
        RunConfig(str(source), target_file=str(tmp_path / "out.csv"), styles=("concise", "seo"))
    )
    run_with_known_results(path, connectors)
    rows[0] = "1,https://a.example/1.jpg,By hand,\n"
    rows[4] = "5,https://a.example/5.jpg,,By hand\n"
    source.write_text("id,image_url,alt,seo\n" + "".join(rows))
    file = write_decisions(
        path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("edit", "A jug.")
    )
    data = json.loads(file.read_text())
    data["decisions"][2]["edits"] = [["seo", "en", "An edit of what never stood there."]]
    file.write_text(json.dumps(data))
    for before in ("2 applied (2 edited)", "1 applied (1 edited), 1 applied before"):
        code, out, err = run_command("apply", file)
        assert code == 1
        assert "row 1: its row in the source" in err
        assert "row 5: somebody has filled or changed seo: theirs is kept" in err
        assert out == f"{before}, 1 only in part, 1 not applied\n"
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[1].startswith("1,https://a.example/1.jpg,By hand,")
    assert lines[2].startswith("2,https://a.example/2.jpg,A cup.,")
    assert lines[5].startswith("5,https://a.example/5.jpg,A jug.,By hand,human-edited-ai,")


def test_broken_journals_in_the_folder_are_skipped(
    run_command: RunCommand, filled: FilledTable
) -> None:
    (filled.folder / "a.journal").write_bytes(b"no database")
    (filled.folder / "b.journal").write_bytes(b"")
    file = write_decisions(filled.journal_path, r2=("edit", "A mug."))
    assert run_command("apply", file)[0] == 0
    assert filled.row(2)["alt"] == "A mug."
    filled.journal_path.rename(filled.folder / "elsewhere")
    code, _, err = run_command("apply", file)
    assert code == 2
    assert "(a.journal, b.journal cannot be read as one)" in err


def test_a_full_disk_while_decisions_are_written_ends_with_74(
    run_command: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text("id,image_url,alt\n2,https://a.example/2.jpg,\n")
    path = tmp_path / "out.csv.journal"
    run_with_known_results(
        path,
        open_connectors(RunConfig(str(tmp_path / "in.csv"), target_file=str(tmp_path / "out.csv"))),
    )
    file = write_decisions(path, r2=("edit", "A mug."))
    before = (tmp_path / "out.csv").read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("altwright.output_file.OutputFile.replace", full)
        code, _, err = run_command("apply", file)
    assert code == 74
    assert "No space left on device" in err
    assert (tmp_path / "out.csv").read_text() == before
    assert run_command("apply", file)[0] == 0
    assert "A mug." in (tmp_path / "out.csv").read_text()
    assert DRAFT not in (tmp_path / "out.csv").read_text()


def test_a_text_that_a_trigger_writes_differently_is_decided_about_as_the_table_has_it(
    run_command: RunCommand, postgresql: str, tmp_path: Path
) -> None:
    made = FilledTable(postgresql, tmp_path)
    for statement in (
        (
            "CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.alt = rtrim(NEW.alt, '.'); RETURN NEW; END $$"
        ),
        "CREATE TRIGGER tidy BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION tidy()",
    ):
        with made.engine.begin() as connection:
            connection.execute(sa.text(statement))
    database = ("--database", made.config.source)
    first = write_decisions(made.journal_path, r1=("edit", "A mug."), r5=("approve", "A blue mug."))
    assert run_command("apply", first, *database)[0] == 0
    assert [made.row(key)["alt"] for key in (1, 5)] == ["A mug", "A blue mug"]
    assert read_outcome(made.journal_path, "1")[1] == "A mug"
    second = write_decisions(made.journal_path, r1=("edit", "A white cup."))
    assert run_command("apply", second, *database)[0] == 0
    assert made.row(1)["alt"] == "A white cup"
    made.engine.dispose()
