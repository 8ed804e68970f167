"""docs/backfill.md, "Which row is which": a text stays with its picture, and a person's stands."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.journal.journal import Journal
from altwright.backfill.review.apply_decisions import ApplyResult, apply_to_file
from altwright.backfill.review.decisions import DecisionsFile
from altwright.backfill.run.scan import scan_source
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import RunIdentity
from altwright.backfill.targets.file import FileTarget
from altwright.backfill.types import AltSource, Outcome, RequestResult, Row, TextResult

from tests.backfill.file_runs import FileRun

URL = "https://shop.example/"
Cells = dict[str, str]


def write(path: Path, header: str, *lines: str) -> None:
    """Write a CSV file."""
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")


def read(path: Path) -> list[Cells]:
    """Read it with another reader than the product's."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def texts(path: Path) -> dict[str, str]:
    """Picture to alt text."""
    return {row["image"].removeprefix(URL): row["alt"] for row in read(path)}


def apply(run: FileRun, decisions: DecisionsFile) -> ApplyResult:
    """As `altwright apply` does it."""
    with Journal.open(run.journal_path) as journal:
        connectors = open_connectors(RunConfig.from_identity(journal.identity))
        assert isinstance(connectors.target, FileTarget)
        scan_source(connectors, journal, None, lambda _: None)
        return apply_to_file(journal, decisions, connectors.target)


@pytest.fixture
def run(tmp_path: Path) -> FileRun:
    """A run over in.csv."""
    return FileRun(tmp_path / "in.csv", tmp_path / "out.csv")


def test_a_row_with_a_blank_key_is_known_by_its_picture(run: FileRun) -> None:
    write(run.source, "id,image,alt", f",{URL}mug.jpg,", f"  ,{URL}cup.jpg,", f"7,{URL}jug.jpg,")
    run.run()
    run.run()
    names = ("mug.jpg", "cup.jpg", "jug.jpg")
    assert texts(run.target) == {name: f"Model: {name}." for name in names}
    assert len(run.asked) == 3
    assert apply(run, run.decisions(mug=("edit", "A mug."))).applied
    assert texts(run.target)["mug.jpg"] == "A mug."


def test_an_inserted_line_moves_no_text_to_another_picture(run: FileRun) -> None:
    lines = [f"{URL}{name}.jpg,{name}," for name in ("mug", "cup", "jug")]
    write(run.source, "image,title,alt", *lines)
    run.run()
    assert apply(run, run.decisions(cup=("edit", "My cup."), jug=("blank", ""))).applied
    write(run.source, "image,title,alt", f"{URL}new.jpg,new,", lines[2], *lines[:2])
    run.run()
    assert texts(run.target) == {
        "new.jpg": "Model: new.jpg.", "jug.jpg": "", "mug.jpg": "Model: mug.jpg.",
        "cup.jpg": "My cup.",
    }  # fmt: skip
    assert len(run.asked) == 4


@pytest.mark.parametrize("key", ["7", ""])
def test_an_edited_text_stays_when_the_title_changes(run: FileRun, key: str) -> None:
    write(run.source, "id,image,title,alt", f"{key},{URL}mug.jpg,Mug,", f"8,{URL}cup.jpg,Cup,")
    run.run()
    apply(run, run.decisions(mug=("edit", "My mug."), cup=("blank", "")))
    write(run.source, "id,image,title,alt", f"{key},{URL}mug.jpg,Red,", f"8,{URL}cup.jpg,Blue,")
    run.run()
    assert texts(run.target) == {"mug.jpg": "My mug.", "cup.jpg": ""}
    assert len(run.asked) == 2, "what a person decided is not paid for again"


def test_another_picture_holds_the_decision_for_a_person_and_its_own_brings_it_back(
    run: FileRun,
) -> None:
    before, after = f"7,{URL}mug.jpg,", f"7,{URL}cup.jpg,"
    write(run.source, "id,image,alt", before)
    run.run()
    apply(run, run.decisions(mug=("edit", "My mug.")))
    write(run.source, "id,image,alt", after)
    run.run()
    [row] = read(run.target)
    assert (row["alt"], row["alt_source"]) == ("", "uncertain")
    assert row["reasons"].startswith("held: the row shows another picture")
    held = run.outcome_of(f"{URL}cup.jpg")
    assert (held.draft, held.is_held) == ("My mug.", True)
    assert len(run.asked) == 1, "a person is asked, not the model"
    write(run.source, "id,image,alt", before)
    run.run()
    assert texts(run.target) == {"mug.jpg": "My mug."}


def test_a_decision_is_not_applied_to_another_picture_with_the_same_text(run: FileRun) -> None:
    write(run.source, "id,image,alt", f"1,{URL}mug.jpg,", f"2,{URL}cup.jpg,")
    run.run(lambda _: "A white vessel.")
    page = run.decisions(mug=("edit", "A mug with a blue handle."))
    lines = [f"{n},{URL}{name}.jpg," for n, name in enumerate(("new", "mug", "cup"), 1)]
    write(run.source, "id,image,alt", *lines)
    run.run(lambda _: "A white vessel.")
    result = apply(run, page)
    assert result.not_applied == {"1": "its picture has changed since the page was made"}
    assert set(texts(run.target).values()) == {"A white vessel."}


def test_a_decision_about_a_row_without_a_key_follows_its_picture(run: FileRun) -> None:
    write(run.source, "image,alt", f"{URL}mug.jpg,", f"{URL}cup.jpg,")
    run.run(lambda _: "A white vessel.")
    page = run.decisions(mug=("edit", "A mug with a blue handle."))
    write(run.source, "image,alt", f"{URL}new.jpg,", f"{URL}mug.jpg,", f"{URL}cup.jpg,")
    assert apply(run, page).applied
    assert texts(run.target)["mug.jpg"] == "A mug with a blue handle."
    assert texts(run.target)["new.jpg"] == ""


def test_rows_with_one_picture_keep_their_own_texts(run: FileRun) -> None:
    lines = [f"{URL}mug.jpg,Red,", f"{URL}mug.jpg,Blue,", f"{URL}mug.jpg,Blue,"]
    write(run.source, "image,title,alt", *lines)
    run.run(lambda row: f"Model: {row.context}.")
    with Journal.read(run.journal_path) as journal:
        keys = [row.key for row, _ in journal.iter_outcomes()]
    assert len(set(keys)) == 3
    page = run.decisions(mug=("edit", "x"))
    edits = {keys[0]: "A red mug.", keys[2]: "A second blue mug."}
    chosen = [d for d in page.decisions if d.key in edits]
    decided = tuple(replace(each, text=edits[each.key]) for each in chosen)
    page = DecisionsFile(page.run_id, page.reviewer, decided)
    assert len(apply(run, page).applied) == 2
    write(run.source, "image,title,alt", lines[1], f"{URL}mug.jpg,Green,", lines[2], lines[0])
    run.run(lambda row: f"Model: {row.context}.")
    assert [(row["title"], row["alt"]) for row in read(run.target)] == [
        ("Blue", "Model: Blue."), ("Green", "Model: Green."), ("Blue", "A second blue mug."),
        ("Red", "A red mug."),
    ]  # fmt: skip


def test_a_text_is_held_where_two_rows_of_one_picture_cannot_be_told_apart(run: FileRun) -> None:
    write(run.source, "image,title,alt", f"{URL}mug.jpg,Red,", f"{URL}mug.jpg,Blue,")
    run.run(lambda row: f"Model: {row.context}.")
    apply(run, run.decisions(mug=("edit", "One of both.")))
    write(run.source, "image,title,alt", f"{URL}mug.jpg,Azure,", f"{URL}mug.jpg,Crimson,")
    run.run()
    for row in read(run.target):
        assert (row["alt"], row["alt_source"]) == ("", "uncertain")
        assert "is this text this row's?" in row["reasons"]


def test_a_row_that_gets_a_key_keeps_its_edited_text(run: FileRun) -> None:
    write(run.source, "id,image,alt", f",{URL}mug.jpg,")
    run.run()
    apply(run, run.decisions(mug=("edit", "My mug.")))
    write(run.source, "id,image,alt", f"9,{URL}mug.jpg,")
    run.run()
    assert texts(run.target) == {"mug.jpg": "My mug."}
    assert len(run.asked) == 1


def test_an_alt_text_that_only_the_last_json_line_has_is_kept(tmp_path: Path) -> None:
    run = FileRun(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    lines = [json.dumps({"id": n, "image": f"{URL}{n}.jpg"}) for n in range(102)]
    mine = '{"id": 102, "image": "https://shop.example/x.jpg", "alt": "I wrote this."}'
    run.source.write_text("\n".join([*lines, mine]))
    run.run()
    made = run.target.read_text().splitlines()
    assert made[102] == mine
    assert json.loads(made[0])["alt"] == "Model: 0.jpg."


def test_a_source_exported_anew_in_the_middle_with_other_columns_gets_no_title_as_alt(
    run: FileRun,
) -> None:
    write(run.source, "id,image,title,alt", f"1,{URL}mug.jpg,Mug,", f"2,{URL}cup.jpg,Cup,Mine.")
    connectors = open_connectors(RunConfig(str(run.source), target_file=str(run.target)))
    target = connectors.target
    assert isinstance(target, FileTarget)
    with Journal.open(run.journal_path, connectors.identity) as journal:
        scan_source(connectors, journal, None, lambda _: None)
        write(run.source, "alt,title,image,id", f",Mug,{URL}mug.jpg,1", f"Mine.,Cup,{URL}cup.jpg,2")
        with pytest.raises(Exception, match="was changed since it was read"):
            target.write(journal)
    assert not run.target.exists()
    run.run()
    assert texts(run.target) == {"mug.jpg": "Model: mug.jpg.", "cup.jpg": "Mine."}


def test_a_row_left_blank_in_a_table_is_not_asked_again_when_its_title_changes(
    tmp_path: Path,
) -> None:
    result = RequestResult((TextResult("concise", "en", "A mug."),))
    row = Row("7", f"{URL}mug.jpg", "Mug")
    with Journal.open(tmp_path / "j", RunIdentity("s", "t", {})) as journal:
        for context in ("Mug", "Cup"):
            journal.begin_scan()
            journal.add_rows([Row("7", row.image, context)])
            assert list(journal.end_scan(lambda r, _: Outcome(r.key, AltSource.AI, result))) == []
            assert journal.counts.pending_requests() == (context == "Mug")
            if context == "Mug":
                journal.record_results(
                    [(row.request_key, result)], lambda r, _: Outcome(r.key, AltSource.AI, result)
                )
                blank = Outcome("7", AltSource.REJECTED, result, alt_reviewed_at="2026-11-25")
                journal.replace_outcomes([blank])
        found = journal.find_outcome("7")
    assert found is not None
    assert (found[0].context, found[1].alt_source) == ("Cup", AltSource.REJECTED)
    assert found[1].result == result


def change_lines(rows: list[list[str]], chance: random.Random) -> None:
    """Insert, delete, retitle or shuffle lines."""
    for _ in range(chance.randrange(4)):
        place, kind = chance.randrange(len(rows)), chance.randrange(4)
        if kind == 0:
            rows.insert(place, [f"p{chance.randrange(30)}", f"title {chance.randrange(99)}"])
        elif kind == 1 and len(rows) > 1:
            del rows[place]
        elif kind == 2:
            rows[place] = [rows[place][0], f"title {chance.randrange(99)}"]
        else:
            chance.shuffle(rows)


@pytest.mark.parametrize("seed", range(20))
def test_every_text_stands_where_its_picture_is_whatever_becomes_of_the_lines(
    run: FileRun, seed: int
) -> None:
    """Lines are inserted, deleted, moved and retitled, and people edit: nothing is misplaced."""
    chance = random.Random(seed)
    rows = [[f"p{n % 9}", f"title {n}"] for n in range(14)]
    edited: dict[str, str] = {}
    for _ in range(6):
        change_lines(rows, chance)
        write(run.source, "image,title,alt", *(f"{URL}{p}.jpg,{t}," for p, t in rows))
        run.run()
        for row in read(run.target):
            name = row["image"].removeprefix(URL)
            allowed = (f"Model: {name}.", edited.get(name), "")
            assert row["alt"] in allowed
            assert row["alt"] or row["alt_source"] == "uncertain"
        single = [p for p, _ in rows if sum(q == p for q, _ in rows) == 1]
        for name in (f"{p}.jpg" for p in single if f"{p}.jpg" in edited):
            assert texts(run.target)[name] in (edited[name], ""), "a person's text was replaced"
        if single:
            name = chance.choice(single)
            if apply(run, run.decisions(**{name: ("edit", f"Person: {name}.jpg.")})).applied:
                edited[f"{name}.jpg"] = f"Person: {name}.jpg."


def test_a_journal_that_named_rows_by_their_lines_keeps_their_decisions(run: FileRun) -> None:
    """As older versions did."""
    write(run.source, "image,alt", f"{URL}mug.jpg,", f"{URL}cup.jpg,")
    result = RequestResult((TextResult("concise", "en", "Model."),))
    connectors = open_connectors(RunConfig(str(run.source), target_file=str(run.target)))
    with Journal.open(run.journal_path, connectors.identity) as journal:
        journal.begin_scan()
        journal.add_rows([Row("2", f"{URL}mug.jpg"), Row("3", f"{URL}cup.jpg")])
        list(journal.end_scan(None))
        for key in ("2", "3"):
            made = Outcome(key, AltSource.HUMAN, result, alt=f"Line {key}.", alt_reviewed_at="2026")
            journal.replace_outcomes([made])
    write(run.source, "image,alt", f"{URL}new.jpg,", f"{URL}mug.jpg,", f"{URL}cup.jpg,")
    run.run()
    assert texts(run.target) == {
        "new.jpg": "Model: new.jpg.", "mug.jpg": "Line 2.", "cup.jpg": "Line 3.",
    }  # fmt: skip
    assert run.asked == [f"{URL}new.jpg"]


@pytest.mark.parametrize("order", ["chain", "swap"])
def test_a_decision_follows_a_file_whose_new_name_was_another_files(
    tmp_path: Path, order: str
) -> None:
    """As where a picture is put first, and all others are numbered anew."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, colour in enumerate(("red", "green", "blue"), 1):
        (folder / f"{number}.jpg").write_bytes(colour.encode())
    run = FileRun(folder, tmp_path / "out.csv")
    run.run()
    decisions = {"1": ("edit", "The red one."), "2": ("edit", "The green one.")}
    apply(run, run.decisions(**decisions))
    names = {"chain": ("new", "red", "green", "blue"), "swap": ("green", "red", "blue")}[order]
    for number, colour in enumerate(names, 1):
        (folder / f"{number}.jpg").write_bytes(colour.encode())
    for _ in range(2):
        run.run()
        found = {row["file"]: (row["alt"], row["alt_source"]) for row in read(run.target)}
        by_colour = dict(zip(names, (found[f"{n}.jpg"] for n in range(1, 9) if f"{n}.jpg" in found),
                             strict=True))  # fmt: skip
        assert by_colour["red"] == ("The red one.", "human-edited-ai")
        assert by_colour["green"] == ("The green one.", "human-edited-ai")
        assert by_colour["blue"][1] == "ai"
        texts = [alt for alt, _ in by_colour.values()]
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("copied", [False, True])
def test_a_decision_follows_a_file_of_a_folder_that_is_moved_or_renamed(
    tmp_path: Path, copied: bool
) -> None:
    folder = tmp_path / "pictures"
    (folder / "new").mkdir(parents=True)
    for name in ("mug", "cup", "jug"):
        (folder / f"{name}.jpg").write_bytes(name.encode())
    run = FileRun(folder, tmp_path / "out.csv")
    run.run()
    apply(run, run.decisions(mug=("edit", "Ana's mug."), cup=("decorative", "")))
    (folder / "mug.jpg").rename(folder / "new" / "red.jpg")
    (folder / "cup.jpg").rename(folder / "jug2.jpg")
    if copied:
        (folder / "again.jpg").write_bytes(b"mug")
    for _ in range(2):
        run.run()
        found = {row["file"]: (row["alt"], row["alt_source"]) for row in read(run.target)}
        again = ("Ana's mug.", "human-edited-ai") if copied else None
        assert found.pop("again.jpg", None) == again
        assert found == {
            "new/red.jpg": ("Ana's mug.", "human-edited-ai"),
            "jug2.jpg": ("", "decorative"),
            "jug.jpg": ("Model: jug.jpg.", "ai"),
        }
    (folder / "new" / "red.jpg").rename(folder / "mug.jpg")
    run.run()
    assert {row["file"]: row["alt"] for row in read(run.target)}["mug.jpg"] == "Ana's mug."
    assert len(run.asked) == 3, "nothing is paid for again"
