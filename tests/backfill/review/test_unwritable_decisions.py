"""A decision holds only where the target has it: rows that are locked, too narrow, or changed."""

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

from tests.backfill.review.test_apply_decisions import DRAFT, Ask, Filled, ask, decide, fill, filled

__all__ = ["ask", "filled"]
NARROW = 40
LONG = "A mug. " * 10


@pytest.fixture
def narrow(postgresql: str, tmp_path: Path) -> Iterator[Filled]:
    """A table whose alt texts have room for forty characters, and whose states are few."""
    made = Filled(postgresql, tmp_path)
    with made.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE products ALTER alt TYPE varchar({NARROW})"))
    yield made
    made.engine.dispose()


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Filled]:
    """SQLite that does not wait long for whoever locks it."""
    made = Filled(f"sqlite:///{tmp_path}/shop.db?timeout=0.2", tmp_path)
    yield made
    made.engine.dispose()


def standing(path: Path, key: str) -> tuple[str, str, tuple[str, ...]]:
    """What the journal says of a row."""
    with Journal.read(path) as journal:
        found = journal.outcome(key)
    assert found is not None
    return found[1].alt_source.value, found[1].alt, found[1].reasons


def test_what_a_column_has_no_room_for_is_told_and_the_next_decision_counts(
    ask: Ask, narrow: Filled
) -> None:
    database = ("--database", narrow.spec.source)
    long = decide(narrow.path, r1=("edit", LONG), r5=("edit", "A jug."))
    for _ in range(2):
        code, out, complained = ask("apply", long, *database)
        assert code == 1
        assert "row 1: the table does not take it (value too long for type" in complained
        assert "1 not applied" in out
        assert (narrow.row(1)["alt"], narrow.row(1)["alt_source"]) == ("A white mug.", "ai")
        assert narrow.row(5)["alt"] == "A jug."
        source, alt, reasons = standing(narrow.path, "1")
        assert (source, alt) == ("ai", "A white mug.")
        assert [each[:38] for each in reasons] == ["a decision was undone: the table does "]
    short = decide(narrow.path, r1=("edit", "A short mug."))
    assert ask("apply", short, *database)[:2] == (0, "1 applied (1 edited)\n")
    assert (narrow.row(1)["alt"], narrow.row(1)["reasons"]) == ("A short mug.", "reviewed by Ana")


def test_a_decision_about_a_locked_row_waits_and_another_may_take_its_place(
    ask: Ask, hasty: Filled
) -> None:
    """The first never came into the table, so the second is about what stood there before both."""
    holder = sqlite3.connect(hasty.folder / "shop.db", isolation_level=None)
    first = decide(hasty.path, r1=("edit", "A mug."), r3=("edit", "A cup."))
    second = decide(hasty.path, r1=("edit", "A better mug."))
    holder.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        code, out, complained = ask("apply", first)
        assert code == 75
        assert out.startswith("0 applied")
        assert "row 1: database is locked" in complained
    assert ask("apply", second)[0] == 75
    holder.execute("ROLLBACK")
    holder.close()
    assert ask("apply", second)[:2] == (0, "0 applied, 1 applied before\n")
    assert (hasty.row(1)["alt"], hasty.row(1)["alt_source"]) == (
        "A better mug.",
        "human-edited-ai",
    )
    assert hasty.row(3)["alt"] == "A cup."
    assert ask("apply", decide(hasty.path, r1=("edit", "The best mug.")))[0] == 0
    assert hasty.row(1)["alt"] == "The best mug."


def test_who_wrote_a_text_alone_may_think_again(ask: Ask, filled: Filled) -> None:
    assert ask("apply", decide(filled.path, r3=("edit", "A mug behind glass.")))[0] == 0
    assert filled.row(3)["alt_source"] == "human"
    assert ask("apply", decide(filled.path, r3=("edit", "A mug behind frosted glass.")))[0] == 0
    assert filled.row(3)["alt"] == "A mug behind frosted glass."
    again = decide(filled.path, r3=("edit", "Third."))
    filled.edit(3, alt="")  # blank and a person's: on purpose
    assert ask("apply", again)[0] == 1
    assert filled.row(3)["alt"] == ""


def test_what_somebody_changed_is_told_by_a_later_run_of_the_same_file_too(
    ask: Ask, hasty: Filled
) -> None:
    file = decide(hasty.path, r1=("edit", "A mug."))
    holder = sqlite3.connect(hasty.folder / "shop.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert ask("apply", file)[0] == 75
    holder.execute("UPDATE products SET alt = 'An editor''s.' WHERE id = 1")
    holder.execute("COMMIT")
    holder.close()
    for _ in range(2):
        code, _, complained = ask("apply", file)
        assert code == 1
        assert "row 1: somebody changed it in the table meanwhile: theirs stays" in complained
    assert hasty.row(1)["alt"] == "An editor's."


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "sqlite"])
@pytest.mark.parametrize(
    ("model", "editor"), [("Cafe", "Café"), ("A mug", "A Mug"), ("A mug", "A mug ")]
)
def test_an_editor_who_changed_no_more_than_an_accent_keeps_it(
    ask: Ask, tmp_path: Path, request: pytest.FixtureRequest, kind: str, model: str, editor: str
) -> None:
    """Where the column itself would call both the same."""
    url = f"sqlite:///{tmp_path}/shop.db" if kind == "sqlite" else request.getfixturevalue(kind)
    made = Filled(url, tmp_path)
    with made.engine.begin() as connection:
        if kind == "mysql":
            narrow = "VARCHAR(99) CHARACTER SET latin1 COLLATE latin1_general_ci"
            connection.execute(sa.text(f"ALTER TABLE products MODIFY alt {narrow}"))
        connection.execute(sa.text("UPDATE products SET alt = :alt WHERE id = 1"), {"alt": model})
    with Journal.open(made.path) as journal:
        found = journal.outcome("1")
        assert found is not None
        journal.decide([replace(found[1], alt=model)])
        journal.mark({"1": 1})
    same, other = (decide(made.path, r1=("edit", text)) for text in ("First", "Second"))
    made.edit(1, alt=editor)
    assert ask("apply", same, "--database", url)[0] == 1
    assert made.row(1)["alt"] == editor
    made.edit(1, alt=model)
    assert ask("apply", other, "--database", url)[0] == 0
    assert made.row(1)["alt"] == "Second"
    made.engine.dispose()


def test_decorative_in_every_language(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,image_url,alt\n1,https://a.example/1.jpg,\n")
    spec = RunConfig(
        str(tmp_path / "in.csv"), to=str(tmp_path / "out.csv"), styles=("concise", "seo"),
        locales=("en", "de"),
    )  # fmt: skip
    path = tmp_path / "out.csv.journal"
    fill(path, open_connectors(spec))
    assert ask("apply", decide(path, r1=("decorative", "")))[0] == 0
    [_, line] = (tmp_path / "out.csv").read_text().splitlines()
    assert line.startswith("1,https://a.example/1.jpg,,decorative,")


def test_an_edit_of_a_row_that_a_person_filled_in_the_source_is_not_counted(
    ask: Ask, tmp_path: Path
) -> None:
    rows = [f"{n},https://a.example/{n}.jpg,,\n" for n in range(1, 6)]
    source = tmp_path / "in.csv"
    source.write_text("id,image_url,alt,seo\n" + "".join(rows))
    path = tmp_path / "out.csv.journal"
    places = open_connectors(
        RunConfig(str(source), to=str(tmp_path / "out.csv"), styles=("concise", "seo"))
    )
    fill(path, places)
    rows[0] = "1,https://a.example/1.jpg,By hand,\n"
    rows[4] = "5,https://a.example/5.jpg,,By hand\n"
    source.write_text("id,image_url,alt,seo\n" + "".join(rows))
    file = decide(path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("edit", "A jug."))
    data = json.loads(file.read_text())
    data["decisions"][2]["edits"] = [["seo", "en", "An edit of what never stood there."]]
    file.write_text(json.dumps(data))
    for before in ("2 applied (2 edited)", "0 applied, 2 applied before"):
        code, out, complained = ask("apply", file)
        assert code == 1
        assert "row 1: its row in the source" in complained
        assert out == f"{before}, 1 not applied\n"
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[1].startswith("1,https://a.example/1.jpg,By hand,")
    assert lines[2].startswith("2,https://a.example/2.jpg,A cup.,")
    assert lines[5].startswith("5,https://a.example/5.jpg,A jug.,By hand,human-edited-ai,")


def test_another_journal_in_the_folder_that_is_broken_is_passed_over(
    ask: Ask, filled: Filled
) -> None:
    (filled.folder / "a.journal").write_bytes(b"no database")
    (filled.folder / "b.journal").write_bytes(b"")
    file = decide(filled.path, r2=("edit", "A mug."))
    assert ask("apply", file)[0] == 0
    assert filled.row(2)["alt"] == "A mug."
    filled.path.rename(filled.folder / "elsewhere")
    code, _, complained = ask("apply", file)
    assert code == 2
    assert "(a.journal, b.journal cannot be read as one)" in complained


def test_a_full_disk_while_decisions_are_written_is_74(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.csv").write_text("id,image_url,alt\n2,https://a.example/2.jpg,\n")
    path = tmp_path / "out.csv.journal"
    fill(path, open_connectors(RunConfig(str(tmp_path / "in.csv"), to=str(tmp_path / "out.csv"))))
    file = decide(path, r2=("edit", "A mug."))
    before = (tmp_path / "out.csv").read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("altwright.backfill.targets.file._move", full)
        code, _, complained = ask("apply", file)
    assert code == 74
    assert "No space left on device" in complained
    assert (tmp_path / "out.csv").read_text() == before
    assert ask("apply", file)[0] == 0
    assert "A mug." in (tmp_path / "out.csv").read_text()
    assert DRAFT not in (tmp_path / "out.csv").read_text()
