"""A run takes the columns that it has recorded, or says in one line that they are gone."""

from pathlib import Path

import pytest
from altwright import UsageError

from testing.catalogue import BackfillCommand, blank_row, read_csv, write_csv
from testing.products_table import run_sql
from testing.servers.flaky_model_server import FlakyModelServer
from tests.backfill.file_runs import FileRun
from tests.backfill.test_row_identity import URL, apply, read, write


@pytest.fixture
def run(tmp_path: Path) -> FileRun:
    """A run over in.csv, with one text that a person has edited."""
    made = FileRun(tmp_path / "in.csv", tmp_path / "out.csv")
    write(made.source, "sku,photo,alt,title", f"A1,{URL}mug.jpg,,Mug", f"B2,{URL}cup.jpg,,Cup")
    made.run()
    apply(made, made.decisions(mug=("edit", "My mug.")))
    return made


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("product,photo,alt,title", "its key column is 'sku', which is gone"),
        ("sku,photo,image_alt,title", "its alt column is 'alt', which is gone"),
        ("sku,image_url,alt,title", "its image column is 'photo', which is gone"),
    ],
)
def test_a_column_that_got_another_name_is_told_before_anything_is_paid(
    run: FileRun, header: str, told: str
) -> None:
    before = run.target.read_bytes()
    write(run.source, header, f"A1,{URL}mug.jpg,,Mug", f"B2,{URL}cup.jpg,,Cup")
    with pytest.raises(UsageError, match=told):
        run.run()
    assert run.target.read_bytes() == before
    assert len(run.asked) == 2


def test_a_better_column_that_is_added_is_not_taken_in_place_of_the_recorded_one(
    run: FileRun,
) -> None:
    """Else all rows would show other pictures, and be paid for again."""
    more = f"{URL}small/"
    write(run.source, "sku,photo,alt,title,image_url", f"A1,{URL}mug.jpg,,Mug,{more}mug.jpg")
    with pytest.raises(UsageError, match="its image column is 'photo': say --column image=photo"):
        run.run()
    again = FileRun(run.source, run.target, column_roles=("image=photo",))
    again.run()
    assert again.asked == []
    assert [row["alt"] for row in read(run.target)] == ["My mug."]
    with pytest.raises(UsageError, match="its image column is 'photo'"):
        FileRun(run.source, run.target, column_roles=("image=image_url",)).run()


def test_the_new_name_of_a_column_that_is_gone_may_be_said(run: FileRun) -> None:
    write(run.source, "product,picture,alt,title", f"A1,{URL}mug.jpg,,Red")
    roles = ("key=product", "image=picture")
    again = FileRun(run.source, run.target, column_roles=roles)
    again.run()
    assert again.asked == []
    assert [row["alt"] for row in read(run.target)] == ["My mug."]
    assert apply(again, again.decisions(reviewer="Bo", mug=("edit", "Her mug."))).applied
    assert [row["alt"] for row in read(run.target)] == ["Her mug."]


def test_columns_in_another_order_and_in_other_letters_are_the_same(run: FileRun) -> None:
    write(run.source, "Title,ALT,Sku,Photo", f"Red,,A1,{URL}mug.jpg", f"Cup,,B2,{URL}cup.jpg")
    run.run()
    assert {row["Photo"]: row["ALT"] for row in read(run.target)} == {
        f"{URL}mug.jpg": "My mug.", f"{URL}cup.jpg": "Model: cup.jpg.",
    }  # fmt: skip
    assert len(run.asked) == 2


def test_a_decision_waits_while_the_column_of_a_file_is_gone(run: FileRun) -> None:
    before = run.target.read_bytes()
    decisions = run.decisions(cup=("edit", "My cup."))
    write(run.source, "sku,photo,image_alt,title", f"B2,{URL}cup.jpg,,Cup")
    with pytest.raises(UsageError, match="The run's alt column is 'alt', which is gone"):
        apply(run, decisions)
    assert run.target.read_bytes() == before
    write(run.source, "image_alt,sku,photo,alt,title", f",B2,{URL}cup.jpg,,Cup")
    assert apply(run, decisions).applied
    assert [(row["alt"], row["image_alt"]) for row in read(run.target)] == [("My cup.", "")]


def test_members_of_json_lines_may_be_missing_in_every_line(tmp_path: Path) -> None:
    """Programs leave members without a value out."""
    made = FileRun(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    mug = f'{{"id": 1, "image": "{URL}mug.jpg"'
    made.source.write_text(f'{mug}, "alt": "", "alt_source": "pending"}}\n')
    made.run()
    decisions = made.decisions(mug=("edit", "My mug."))
    made.source.write_text(f"{mug}}}\n")
    assert apply(made, decisions).applied
    made.run()
    assert '"alt": "My mug."' in made.target.read_text()
    assert len(made.asked) == 1
    made.source.write_text(f'{mug}, "alt": ""}}\n')
    made.run()
    assert '"alt": "My mug."' in made.target.read_text()
    made.source.write_text(f'{mug}, "image_alt": ""}}\n')
    with pytest.raises(UsageError, match="its alt column is 'alt', which is gone"):
        made.run()


def test_a_run_over_a_file_is_refused_with_one_line(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    source = command.folder / "in.csv"
    rows = [blank_row(n, flaky_model.image_url(n)) for n in (1, 2)]
    write_csv(source, rows)
    command.run_json("in.csv", "--to", "out.csv")
    write_csv(source, [{**row, "src": row["image_url"]} for row in rows[:1]])
    assert command.run_json("in.csv", "--to", "out.csv")["calls"] == 0
    source.write_text(source.read_text().replace("image_url", "link"))
    refused = command.run("in.csv", "--to", "out.csv")
    assert refused.returncode == 2
    assert "its image column is 'image_url', which is gone" in refused.stderr.splitlines()[-1]
    assert len(read_csv(command.folder / "out.csv")) == 1


def test_a_table_whose_column_was_renamed_is_refused_with_one_line(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    run_sql(url, "CREATE TABLE media (id INTEGER PRIMARY KEY, image_url TEXT, alt TEXT)")
    run_sql(url, f"INSERT INTO media VALUES (1, '{flaky_model.image_url(1)}', NULL)")
    command.run_json(url, "--table", "media")
    run_sql(url, "ALTER TABLE media RENAME COLUMN alt TO alt_text")
    run_sql(url, f"INSERT INTO media VALUES (2, '{flaky_model.image_url(2)}', NULL)")
    refused = command.run(url, "--table", "media")
    assert refused.returncode == 2
    assert "its alt column is 'alt', which is gone" in refused.stderr.splitlines()[-1]
    assert flaky_model.log.calls == 1
    written = command.run_json(url, "--table", "media", "--column", "alt=alt_text")
    assert written["written"] == 2
