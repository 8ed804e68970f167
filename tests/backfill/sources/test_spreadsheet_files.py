"""Files as spreadsheet programs and data frames save them."""

import codecs
import csv
import io
from pathlib import Path

import pytest

from tests.backfill.file_runs import FileRun
from tests.backfill.test_row_identity import URL, apply, read, texts, write

ENCODINGS = {"utf-8": b"", "utf-16-le": codecs.BOM_UTF16_LE, "cp1252": b""}


@pytest.fixture
def run(tmp_path: Path) -> FileRun:
    """A run over in.csv."""
    return FileRun(tmp_path / "in.csv", tmp_path / "out.csv")


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8-sig"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_the_line_that_tells_a_spreadsheet_the_separator_stays(
    run: FileRun, first: str, encoding: str, end: str
) -> None:
    lines = ["id;image;alt", f"1;{URL}mug.jpg;", f"2;{URL}a,b.jpg;Größe"]
    data = end.join([first, *lines, ""]).encode(encoding)
    run.source.write_bytes(ENCODINGS.get(encoding, b"") + data)
    run.run()
    found = run.target.read_bytes().removeprefix(ENCODINGS.get(encoding, b"")).decode(encoding)
    told, header, *records = found.split(end)
    assert told == first
    assert header.startswith("id;image;alt;alt_source")
    rows = list(csv.DictReader(io.StringIO("\n".join([header, *records])), delimiter=";"))
    assert [row["alt"] for row in rows] == ["Model: mug.jpg.", "Größe"]
    again = run.target.read_bytes()
    run.run()
    assert run.target.read_bytes() == again
    assert len(run.asked) == 1


def test_a_separator_that_is_told_counts_more_than_one_that_is_guessed(run: FileRun) -> None:
    """Two columns and a title full of commas: each separator makes columns of the header."""
    run.source.write_text(f"sep=|\nimage|a,b,c\n{URL}mug.jpg|1,2\n")
    run.run()
    assert run.target.read_text().splitlines()[2].startswith(f"{URL}mug.jpg|1,2|Model: mug.jpg.")


@pytest.mark.parametrize(
    ("before", "after"), [("007", "7"), ("7", "7.0"), ("120000", "1.2E+05"), ("1.50", "1.5")]
)
def test_a_decision_follows_a_key_that_a_program_wrote_in_another_way(
    run: FileRun, before: str, after: str
) -> None:
    header = "sku,image,title,alt"
    write(run.source, header, f"{before},{URL}mug.jpg,Mug,", f"0042,{URL}cup.jpg,Cup,")
    run.run()
    apply(run, run.decisions(mug=("edit", "My mug."), cup=("blank", "")))
    write(run.source, header, f"{after},{URL}mug.jpg,Mug,", f"42,{URL}cup.jpg,Cup,")
    run.run()
    assert texts(run.target) == {"mug.jpg": "My mug.", "cup.jpg": ""}
    assert len(run.asked) == 2
    write(run.source, header, f"{before},{URL}mug.jpg,Red,", f"0042,{URL}cup.jpg,Blue,")
    run.run()
    assert texts(run.target) == {"mug.jpg": "My mug.", "cup.jpg": ""}
    assert len(run.asked) == 2


def test_a_decision_about_a_number_does_not_follow_to_another_picture(run: FileRun) -> None:
    write(run.source, "sku,image,alt", f"007,{URL}mug.jpg,", f"7,{URL}jug.jpg,")
    run.run()
    apply(run, run.decisions(mug=("edit", "My mug."), jug=("edit", "My jug.")))
    write(run.source, "sku,image,alt", f"7,{URL}mug.jpg,", f"7.0,{URL}cup.jpg,")
    run.run()
    rows = {row["image"]: (row["alt"], row["alt_source"]) for row in read(run.target)}
    assert rows[f"{URL}cup.jpg"] == ("Model: cup.jpg.", "ai")
    assert rows[f"{URL}mug.jpg"] in (("My mug.", "human-edited-ai"), ("", "uncertain"))
