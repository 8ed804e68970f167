"""Decisions of a reviewer are applied to the table or the file; no other text is changed."""

import json
import shutil
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from altwright.backfill.connectors import open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.run_config import RunConfig

from testing.servers.browser import Browser
from tests.backfill.review.conftest import RunCommand
from tests.backfill.review.filled_table import (
    DRAFT,
    SEO,
    FilledTable,
    run_with_known_results,
    write_decisions,
)

INCOMPLETE_EDIT = {"key": "1", "outcome": "ai", "shown": "a", "decision": "edit", "text": "b",
                   "edits": [["seo", "en"]]}  # fmt: skip


def test_every_kind_of_decision_is_written_with_its_audit_fields(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(
        filled.journal_path,
        r1=("approve", "A white mug."),
        r2=("edit", "A mug with a chipped rim."),
        r3=("edit", "A mug behind frosted glass."),
        r4=("edit", "A plain divider with a mug at its end."),
        r5=("blank", ""),
    )
    code, out, err = run_command("apply", file)
    assert (code, err) == (0, "")
    assert out == "5 applied (1 approved, 3 edited, 1 left blank)\n"
    by_ana = {"alt_reviewed_at": "2026-11-25T10:00:00Z", "reasons": "reviewed by Ana"}
    one = filled.row(1)
    assert one == one | by_ana | {"alt": "A white mug.", "alt_source": "ai"}
    assert (one["alt_model"], one["seo"]) == ("m1", SEO.text)
    two = filled.row(2)
    assert two == two | by_ana | {"alt_source": "human-edited-ai", "seo": SEO.text}
    assert two["search_text"] == "A mug with a chipped rim. | 2.jpg"
    # Without a model's text to edit, the text is a person's alone.
    assert (filled.row(3)["alt_source"], filled.row(4)["alt_source"]) == ("human", "human")
    five = filled.row(5)
    assert (five["alt"], five["alt_source"], five["seo"]) == (None, "rejected", None)


def test_a_decorative_decision_is_written_as_an_empty_alt_text(
    run_command: RunCommand, filled: FilledTable
) -> None:
    code, out, _ = run_command(
        "apply", write_decisions(filled.journal_path, r1=("decorative", ""), r2=("decorative", ""))
    )
    assert (code, out) == (0, "2 applied (2 decorative)\n")
    for key in (1, 2):
        assert (filled.row(key)["alt"], filled.row(key)["alt_source"]) == ("", "decorative")


def test_edits_of_further_texts_are_written_unless_an_editor_filled_them(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(
        filled.journal_path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("edit", "A jug.")
    )
    data = json.loads(file.read_text())
    for each in data["decisions"]:
        each["edits"] = [["seo", "en", f"Search text of row {each['key']}."]]
    file.write_text(json.dumps(data))
    filled.edit(5, seo="An editor's own.")
    for _ in range(2):  # what was not written is told by every command
        code, out, err = run_command("apply", file)
        assert code == 1
        assert err == ("altwright: row 5: somebody has filled or changed seo: theirs is kept\n")
        assert "1 only in part" in out
        assert [filled.row(n)["seo"] for n in (1, 2, 5)] == [
            "Search text of row 1.",  # the model's stood there
            "Search text of row 2.",  # it was blank, for the alt text was rejected
            "An editor's own.",
        ]
    again = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    data = json.loads(again.read_text())
    data["decisions"][0]["edits"] = [["seo", "en", "A second thought."]]
    again.write_text(json.dumps(data))
    assert run_command("apply", again)[1].startswith("1 applied (1 edited)")
    assert filled.row(1)["seo"] == "A second thought."
    assert (filled.row(1)["alt"], filled.row(1)["alt_source"]) == ("A mug.", "human-edited-ai")


def test_applying_the_same_file_again_changes_nothing(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."), r2=("blank", ""))
    run_command("apply", file)
    before = [filled.row(key) for key in range(1, 6)]
    code, out, err = run_command("apply", file)
    assert (code, out, err) == (0, "0 applied, 2 applied before\n", "")
    assert [filled.row(key) for key in range(1, 6)] == before


@pytest.mark.parametrize(
    "theirs",
    [
        {"alt": "An editor's text."},
        {"alt": "An editor's text.", "alt_source": "human"},
        {"alt_source": "human"},  # approved elsewhere, word for word
        {"alt": "", "alt_source": "decorative"},
        {"alt": ""},  # emptied
    ],
)
def test_a_row_that_someone_changed_in_the_table_stays_and_is_reported(
    run_command: RunCommand, filled: FilledTable, theirs: dict[str, str]
) -> None:
    file = write_decisions(
        filled.journal_path, r1=("edit", "A mug."), r5=("approve", "A blue mug.")
    )
    filled.edit(1, **theirs)
    before = filled.row(1)
    for _ in range(2):  # every further run reports it again
        code, _, err = run_command("apply", file)
        assert code == 1
        assert "row 1: someone changed it in the table: their text is kept" in err
        assert filled.row(1) == before
    assert filled.row(5)["alt_source"] == "ai"
    assert filled.row(5)["alt_reviewed_at"] == "2026-11-25T10:00:00Z"


@pytest.mark.parametrize(
    "theirs",
    [
        "A white mug. Photo: Carla.",
        "A WHITE MUG.",
        "New: A white mug.",
        "A white mug",
        "A white mug. ",
    ],
)
@pytest.mark.parametrize("decision", [("approve", "A white mug."), ("blank", "")])
def test_what_an_editor_makes_of_the_text_of_the_model_stays(
    run_command: RunCommand, filled: FilledTable, theirs: str, decision: tuple[str, str]
) -> None:
    """However little it is, and however often the decisions are applied."""
    file = write_decisions(filled.journal_path, r1=decision)
    filled.edit(1, alt=theirs)
    before = filled.row(1)
    for _ in range(3):
        code, _, err = run_command("apply", file)
        assert code == 1
        assert "row 1: someone changed it in the table: their text is kept" in err
        assert filled.row(1) == before


@pytest.mark.parametrize(
    "theirs",
    [
        {"image_url": "https://a.example/another.jpg"},
        {"alt_reviewed_at": "2026-11-25T09:00:00Z", "reasons": "reviewed by Ben"},
    ],
)
def test_an_approval_that_is_not_written_is_not_told_as_applied(
    run_command: RunCommand, filled: FilledTable, theirs: dict[str, str]
) -> None:
    """The row shows another picture, or somebody else has approved it."""
    file = write_decisions(filled.journal_path, r1=("approve", "A white mug."))
    filled.edit(1, **theirs)
    before = filled.row(1)
    for _ in range(2):
        code, out, err = run_command("apply", file)
        assert code == 1
        assert "row 1: " in err
        assert "1 applied" not in out
        assert filled.row(1) == before


def test_a_blank_row_that_someone_filled_stays_even_with_the_text_of_the_draft(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r2=("edit", "A mug."))
    filled.edit(2, alt=DRAFT, alt_source="")
    assert run_command("apply", file)[0] == 1
    assert filled.row(2)["alt"] == DRAFT


def test_the_second_of_two_reviewers_is_refused_until_they_use_a_new_page(
    run_command: RunCommand, filled: FilledTable
) -> None:
    anas = write_decisions(filled.journal_path, "Ana", r1=("approve", "A white mug."))
    bens = write_decisions(filled.journal_path, "Ben", r1=("edit", "A cup."))
    assert run_command("apply", anas)[0] == 0
    code, _, err = run_command("apply", bens)
    assert code == 1
    assert "row 1: Ana decided about it after the page was made" in err
    assert filled.row(1)["alt"] == "A white mug."
    assert (
        run_command("apply", write_decisions(filled.journal_path, "Ben", r1=("edit", "A cup.")))[0]
        == 0
    )
    assert (filled.row(1)["alt"], filled.row(1)["reasons"]) == ("A cup.", "reviewed by Ben")


def test_an_older_file_of_the_same_reviewer_does_not_replace_a_newer_decision(
    run_command: RunCommand, filled: FilledTable
) -> None:
    older = write_decisions(filled.journal_path, r1=("edit", "A first thought."))
    data = json.loads(older.read_text())
    data["decisions"][0] |= {"text": "A second thought.", "at": "2026-11-25T11:00:00Z"}
    newer = older.with_name("newer.json")
    newer.write_text(json.dumps(data))
    assert run_command("apply", newer)[0] == 0
    code, _, err = run_command("apply", older)
    assert (code, filled.row(1)["alt"]) == (1, "A second thought.")
    assert "Ana decided about it again at 2026-11-25T11:00:00Z" in err


def test_a_reviewer_may_revise_their_own_decisions_on_the_same_page(
    run_command: RunCommand, filled: FilledTable
) -> None:
    first = write_decisions(
        filled.journal_path, r1=("approve", "A white mug."), r5=("decorative", "")
    )
    second = write_decisions(filled.journal_path, r1=("blank", ""), r5=("edit", "A blue cup."))
    third = write_decisions(filled.journal_path, r1=("edit", "A white cup."))
    for file in (first, second):
        assert run_command("apply", file)[0] == 0
    assert (filled.row(1)["alt"], filled.row(1)["alt_source"]) == (None, "rejected")
    assert (filled.row(5)["alt"], filled.row(5)["alt_source"]) == ("A blue cup.", "human-edited-ai")
    assert run_command("apply", third)[0] == 0
    assert filled.row(1)["alt"] == "A white cup."


def test_a_kill_between_journal_and_table_is_resumed(
    run_command: RunCommand, filled: FilledTable
) -> None:
    """The journal has the decisions, and the table has none of them."""
    file = write_decisions(
        filled.journal_path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("blank", "")
    )
    table_before = shutil.copy(filled.folder / "shop.db", filled.folder / "before.db")
    run_command("apply", file)
    wanted = [filled.row(key) for key in range(1, 6)]
    filled.engine.dispose()
    shutil.copy(table_before, filled.folder / "shop.db")
    with Journal.open(filled.journal_path) as journal:
        decided = [found[1] for key in "125" if (found := journal.find_outcome(key))]
        journal.replace_outcomes(decided)  # as if it was killed before the first batch
    code, out, _ = run_command("apply", file)
    assert (code, out) == (0, "0 applied, 3 applied before\n")
    assert [filled.row(key) for key in range(1, 6)] == wanted


def test_a_dry_run_reports_and_changes_nothing(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."), r2=("blank", ""))
    before = [filled.row(key) for key in range(1, 6)]
    code, out, _ = run_command("apply", file, "--dry-run", "--json")
    assert code == 0
    assert json.loads(out)["applied"] == {"approve": 0, "edit": 1, "decorative": 0, "blank": 1}
    assert [filled.row(key) for key in range(1, 6)] == before


def test_a_file_is_written_again_unless_someone_changed_it(
    run_command: RunCommand, tmp_path: Path
) -> None:
    rows = "".join(f"{n},https://a.example/{n}.jpg,\n" for n in range(1, 6))
    (tmp_path / "in.csv").write_text(f"id,image_url,alt\n{rows}")
    path = tmp_path / "out.csv.journal"
    run_with_known_results(
        path,
        open_connectors(RunConfig(str(tmp_path / "in.csv"), target_file=str(tmp_path / "out.csv"))),
    )
    file = write_decisions(path, r1=("edit", "A mug."), r2=("edit", "A cup."), r5=("blank", ""))
    assert run_command("apply", file) == (0, "3 applied (2 edited, 1 left blank)\n", "")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert "1,https://a.example/1.jpg,A mug.,human-edited-ai,en,m1,2026-11-25T10:00:00Z" in lines[1]
    assert lines[5].startswith("5,https://a.example/5.jpg,,rejected,")
    (tmp_path / "out.csv").write_text("an editor was here")
    again = write_decisions(path, r1=("edit", "Another mug."))
    code, _, err = run_command("apply", again)
    assert code == 2
    assert "was changed since it was written" in err
    assert (tmp_path / "out.csv").read_text() == "an editor was here"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("not json", "not JSON"),
        ("[]", "not a decisions file"),
        ('{"version": 2, "decisions": []}', "another version"),
        ('{"version": 1, "journal": "x", "decisions": [7]}', "is broken: 7"),
        (
            '{"version": 1, "journal": "x", "decisions": [{"key": "1", "decision": "delete"}]}',
            "is broken",
        ),
        (json.dumps({"version": 1, "decisions": [INCOMPLETE_EDIT]}), "is broken"),
        ('{"version": 1, "journal": "x", "decisions": []}', "is not in this folder"),
    ],
)
def test_an_invalid_decisions_file_is_refused_with_one_line(
    run_command: RunCommand, filled: FilledTable, change: str, sentence: str
) -> None:
    (filled.folder / "broken.json").write_text(change)
    code, _, err = run_command("apply", "broken.json")
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_decisions_about_another_run_or_table_are_refused(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    other = filled.folder / "other.journal"
    with Journal.open(
        other, open_connectors(RunConfig(filled.config.source, table="products")).identity
    ):
        pass
    code, _, err = run_command("apply", file, "--journal", other)
    assert code == 2
    assert "another run" in err
    url = f"sqlite:///{filled.folder}/elsewhere.db"
    made = sa.create_engine(url)
    filled.table.create(made)
    made.dispose()
    code, _, err = run_command("apply", file, "--database", url)
    assert code == 2
    assert "another target" in err


def test_a_decision_about_an_unknown_row_is_reported(
    run_command: RunCommand, filled: FilledTable
) -> None:
    file = write_decisions(filled.journal_path, r1=("edit", "A mug."))
    data = json.loads(file.read_text())
    data["decisions"].append({**data["decisions"][0], "key": "77\x1b[31m"})
    file.write_text(json.dumps(data))
    code, _, err = run_command("apply", file)
    assert code == 1
    assert "the journal has no such row" in err
    assert "\x1b" not in err
    assert filled.row(1)["alt"] == "A mug."


def test_the_page_shows_the_results_of_the_run(
    run_command: RunCommand, filled: FilledTable
) -> None:
    code, out, _ = run_command("review", filled.journal_path)
    assert (code, out) == (0, "review.html: 5 pictures\n")
    html = (filled.folder / "review.html").read_text()
    for text in ("A white mug.", DRAFT, SEO.text, "caption_uncertain", "https://a.example/4.jpg"):
        assert text in html
    code, out, _ = run_command(
        "review", filled.journal_path, "--outcome", "rejected", "--no-web-pictures",
        "--to", "some.html",
    )  # fmt: skip
    assert out == "some.html: 1 picture\n"
    assert '"thumb": ""' in (filled.folder / "some.html").read_text()
    assert run_command("review", "none.journal")[0] == 2
    assert run_command("review", filled.journal_path, "--outcome", "nice")[0] == 2
    assert run_command("review", filled.journal_path, "--to", "no/such/folder.html")[0] == 2


def test_decisions_made_in_a_browser_are_applied_to_the_table(
    run_command: RunCommand, filled: FilledTable, browser: Browser
) -> None:
    """Open the page, decide with the keyboard, save, then apply."""
    run_command("review", filled.journal_path)
    tab = browser.page()
    tab.downloads(filled.folder)
    tab.open((filled.folder / "review.html").as_uri())
    tab.run("document.getElementById('reviewer').focus()")
    tab.type("Ana")
    tab.press("Tab")
    for key in ("j", "e"):  # the first is the rejected draft of row 2
        tab.press(key)
    tab.run("document.activeElement.select()")
    tab.type("A mug with a chipped rim.")
    tab.press("Enter", ctrl=True)
    for key in ("r", "a", "j", "d", "s"):  # 3 blank, 1 approved, 4 passed over, 5 decorative
        tab.press(key)
    until = time.monotonic() + 8
    while not (found := list(filled.folder.glob("decisions-*.json"))):
        assert time.monotonic() < until
        time.sleep(0.05)
    code, out, err = run_command("apply", found[0])
    assert (code, err) == (0, "")
    assert out == "4 applied (1 approved, 1 edited, 1 decorative, 1 left blank)\n"
    assert [(filled.row(n)["alt"], filled.row(n)["alt_source"]) for n in range(1, 6)] == [
        ("A white mug.", "ai"),
        ("A mug with a chipped rim.", "human-edited-ai"),
        (None, "rejected"),
        ("", "decorative"),
        ("", "decorative"),
    ]
    assert filled.row(4)["alt_reviewed_at"] is None
    assert filled.row(5)["reasons"] == "reviewed by Ana"
