"""Backfill of JSON lines, Parquet and folders, and of CSV files in other encodings."""

import json
import os

import pyarrow as pa
import pyarrow.parquet
import pytest

from testing.catalogue import BackfillCommand, blank_row, read_csv, write_csv
from testing.images import jpeg, photograph_like
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer

CSV = ("in.csv", "--to", "out.csv")


def test_json_lines_keep_their_other_values(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    objects = [
        {
            "sku": 7,
            "src": flaky_model.image_url(1),
            "title": "Mug, row-1",
            "sizes": [1, {"a": None}],
        },
        {"sku": 8, "src": flaky_model.image_url(2), "title": "row-2", "alt": "Described."},
    ]
    lines = [json.dumps(each) for each in objects]
    text = "\n".join([lines[0], '{"sku": 9,', "", "[1]", lines[1]])
    (command.folder / "in.jsonl").write_text(text + "\n")
    completed = command.run("in.jsonl", "--to", "out.jsonl")
    assert completed.returncode == 1
    assert "broken: line 2 is not valid JSON" in completed.stderr
    assert "broken: line 4 is not a JSON object" in completed.stderr
    made = (command.folder / "out.jsonl").read_text().splitlines()
    assert made[1:4] == ['{"sku": 9,', "", "[1]"], "broken lines stay where they are"
    first, second = json.loads(made[0]), json.loads(made[4])
    assert {**first, **objects[0]} == first
    assert (first["alt"], first["alt_source"]) == (CAPTION, "ai")
    assert second == objects[1]
    beside = (command.folder / "out.jsonl.broken").read_text().splitlines()
    assert beside == ['{"sku": 9,', "[1]"]


def test_parquet_keeps_its_types(command: BackfillCommand, flaky_model: FlakyModelServer) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int32()),
            "image_url": [flaky_model.image_url(n) for n in (1, 2, 3)],
            "name": ["row-1", "row-2", "row-3"],
            "alt_text": [None, "Described.", ""],
            "tags": [["a", "b"], None, []],
            "raw": pa.array([b"\0", None, b"\1"], pa.binary()),
            "at": pa.array([1, 2, None], pa.timestamp("ns")),
        }
    )
    pa.parquet.write_table(table, command.folder / "in.parquet")
    command.run_json("in.parquet", "--to", "out.parquet")
    found = pa.parquet.read_table(command.folder / "out.parquet")
    for name in ("id", "image_url", "name", "tags", "raw", "at"):
        assert found.column(name).equals(table.column(name)), name
    assert found.column("alt_text").to_pylist() == [CAPTION, "Described.", CAPTION]
    assert found.column("alt_source").to_pylist() == ["ai", None, "ai"]
    assert found.column("search_text").to_pylist()[0] == f"{CAPTION} | a, b | 1.jpg"


def test_a_folder_of_pictures_becomes_a_file(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    for name in ("b.jpg", "sub/c.jpeg"):
        path = command.folder / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg((40, 30)))
    (command.folder / "pictures/a.png").write_bytes(b"no picture")
    (command.folder / "pictures/notes.txt").write_text("no picture either")
    summary = command.run_json("pictures", "--to", "out.csv", exit_code=1)
    rows = {row["file"]: row for row in read_csv(command.folder / "out.csv")}
    assert list(rows) == ["a.png", "b.jpg", "sub/c.jpeg"]
    assert rows["b.jpg"]["alt"] == rows["sub/c.jpeg"]["alt"] == CAPTION
    assert rows["a.png"]["alt_source"] == "failed"
    # Two files with the same bytes are one picture.
    assert flaky_model.log.captioned.total() == 1
    assert summary["outcomes"]["ai"] == 2


def test_a_line_in_another_encoding_is_copied_beside_with_its_bytes(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    good = f"1,{flaky_model.image_url(1)},Käse\n".encode()
    bad = f"2,{flaky_model.image_url(2)},".encode() + "Käse\n".encode("cp1252")
    (command.folder / "in.csv").write_bytes(b"id,image_url,name\n" + good + bad)
    summary = command.run_json(*CSV, exit_code=1)
    assert (summary["broken"], summary["outcomes"]["ai"]) == (1, 1)
    assert (command.folder / "out.csv.broken").read_bytes() == bad
    again = command.run("in.csv", "--to", "ascii.csv", "--encoding", "ascii")
    assert again.returncode == 1
    assert (command.folder / "ascii.csv.broken").read_bytes() == good + bad


@pytest.mark.parametrize(
    ("written", "named", "message"),
    [
        ("utf-16-le", "utf-16", "name another --encoding; utf-16-le and utf-16-be"),
        ("utf-8", "rot13", "There is no encoding 'rot13'"),
        ("utf-8", "nothing", "There is no encoding 'nothing'"),
    ],
)
def test_a_wrong_encoding_is_refused_with_one_line(
    command: BackfillCommand, written: str, named: str, message: str
) -> None:
    (command.folder / "in.csv").write_bytes("id,image_url\n1,x\n".encode(written))
    completed = command.run(*CSV, "--encoding", named)
    assert completed.returncode == 2
    assert message in completed.stderr


def test_a_file_cut_inside_a_character_adds_no_empty_line_to_the_broken_ones(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    whole = f"id,image_url\n1,{flaky_model.image_url(1)}\n2,{flaky_model.image_url(2)}".encode(
        "utf-16"
    )
    (command.folder / "in.csv").write_bytes(whole[:-1])
    completed = command.run(*CSV)
    assert completed.returncode == 1
    beside = command.folder / "out.csv.broken"
    assert not beside.exists() or b"\n\n" not in b"\n" + beside.read_bytes()


def test_a_lone_surrogate_in_json_is_a_broken_line(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    lines = [
        json.dumps({"id": "1", "image_url": flaky_model.image_url(1), "name": "whole \U0001f600"}),
        json.dumps({"id": "2", "image_url": flaky_model.image_url(2), "name": "half \ud83d"}),
    ]
    (command.folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    completed = command.run("in.jsonl", "--to", "out.jsonl")
    assert completed.returncode == 1
    assert "line 2 has half a character" in completed.stderr
    assert (command.folder / "out.jsonl.broken").read_text() == lines[1] + "\n"
    made, broken = (command.folder / "out.jsonl").read_text().splitlines()
    assert json.loads(made)["alt"] == CAPTION
    assert broken == lines[1]


def test_files_of_a_folder_keep_spaces_in_their_names_and_pipes_are_reported(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    folder = command.folder / "pictures"
    folder.mkdir()
    (folder / " mug .jpg").write_bytes(photograph_like((64, 64)))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "gone.jpg").symlink_to("nowhere")
    completed = command.run("pictures", "--to", "out.csv")
    assert completed.returncode == 1
    for name in ("pipe.jpg", "gone.jpg"):
        assert f"broken: {name} is not a file" in completed.stderr
    [row] = read_csv(command.folder / "out.csv")
    assert (row["file"], row["alt_source"]) == (" mug .jpg", "ai")
    write_csv(command.folder / "in.csv", [blank_row(1, "pipe.jpg")])
    summary = command.run_json(*CSV[:2], "listed.csv", "--base", str(folder), exit_code=1)
    assert summary["outcomes"]["failed"] == 1


def test_duplicate_column_names_of_a_parquet_file_are_refused(command: BackfillCommand) -> None:
    table = pa.table([pa.array(["x"]), pa.array(["y"])], names=["image_url", "image_url"])
    pyarrow.parquet.write_table(table, command.folder / "in.parquet")
    completed = command.run("in.parquet", "--to", "out.parquet")
    assert completed.returncode == 2
    assert "more than one column 'image_url'" in completed.stderr
