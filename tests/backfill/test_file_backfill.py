"""Backfill of a file: what the new file contains, and that a killed run loses nothing."""

import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from altwright.backfill.journal.journal import Journal

from testing.catalogue import BackfillCommand, blank_row, read_csv, wait_until, write_csv
from testing.images import data_url, jpeg, photograph_like
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy
from testing.servers.flaky_model_server import CAPTION, SEO, FlakyModelServer

CSV = ("in.csv", "--to", "out.csv")


def test_blank_rows_are_filled_and_every_column_is_kept(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [
        blank_row(1, flaky_model.image_url(1), price="9.50"),
        {**blank_row(2, flaky_model.image_url(2), price="007"), "alt": "A person wrote this."},
        {**blank_row(3, flaky_model.image_url(3), price=""), "alt": "   "},
    ]
    write_csv(command.folder / "in.csv", rows)
    summary = command.run_json(*CSV, "--styles", "concise,seo")
    first, second, third = read_csv(command.folder / "out.csv")
    assert second == {**rows[1], **{name: "" for name in first if name not in rows[1]}}
    for found, row in ((first, rows[0]), (third, rows[2])):
        assert found["alt"] == CAPTION
        assert found["seo"] == SEO
        assert found["alt_source"] == "ai"
        assert (found["alt_locale"], found["alt_model"]) == ("en", "flaky-1")
        assert found["search_text"] == f"{CAPTION} | {row['id']}.jpg"
        assert (found["price"], found["name"]) == (row["price"], row["name"])
    assert (summary["described"], summary["outcomes"]["ai"]) == (1, 2)
    assert summary["calls"] == 2


def test_styles_and_languages_of_a_picture_are_one_call(
    altwright: Altwright, make_fault_proxy: Callable[[str], FaultProxy], tmp_path: Path
) -> None:
    proxy = make_fault_proxy(altwright.url)
    command = BackfillCommand(proxy.url, tmp_path)
    image = data_url(photograph_like((320, 200)))
    write_csv(tmp_path / "in.csv", [blank_row(n, image) for n in (1, 2)])
    words = ("--styles", "concise,seo,detailed", "--locales", "en,de")
    assert command.run_json(*CSV, *words)["calls"] == 2
    asked = [seen.json() for seen in proxy.requests if seen.body]
    assert [(each["styles"], each["locales"]) for each in asked] == [
        (["concise", "seo", "detailed"], ["en", "de"])
    ] * 2
    for row in read_csv(tmp_path / "out.csv"):
        assert (row["alt_source"], row["alt_locale"]) == ("ai", "en")
        for field in ("alt", "seo", "detailed"):
            assert " a scene " in row[field]
            assert " eine Szene " in row[f"{field}_de"]


def test_rows_with_the_same_request_share_one_call(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [{**blank_row(1, flaky_model.image_url("same")), "id": str(n)} for n in range(1, 21)]
    write_csv(command.folder / "in.csv", rows)
    summary = command.run_json(*CSV)
    assert flaky_model.log.calls == 1
    assert summary["outcomes"]["ai"] == 20
    assert {row["alt"] for row in read_csv(command.folder / "out.csv")} == {CAPTION}


def test_rejected_and_uncertain_rows_go_to_review_and_are_not_requested_again(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    flaky_model.behaviour.refused_every, flaky_model.behaviour.uncertain_every = 5, 7
    write_csv(
        command.folder / "in.csv", (blank_row(n, flaky_model.image_url(n)) for n in range(1, 15))
    )
    summary = command.run_json(*CSV)
    assert summary["outcomes"]["rejected"] == 2
    assert summary["outcomes"]["uncertain"] == 2
    rows = {row["id"]: row for row in read_csv(command.folder / "out.csv")}
    assert (rows["5"]["alt"], rows["5"]["alt_source"]) == ("", "rejected")
    assert (rows["7"]["alt"], rows["7"]["reasons"]) == ("", "caption_uncertain")
    calls = flaky_model.log.calls
    assert command.run_json(*CSV)["calls"] == 0
    # Nor if the result of the first run is the source of the next one.
    command.run_json("out.csv", "--to", "again.csv")
    assert flaky_model.log.calls == calls


def test_rows_that_a_hold_rule_matches_are_not_written(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [
        blank_row(n, flaky_model.image_url(n), kind="medical" if n == 2 else "") for n in (1, 2, 3)
    ]
    write_csv(command.folder / "in.csv", rows)
    summary = command.run_json(*CSV, "--hold-column", "kind=medical")
    assert (summary["outcomes"]["uncertain"], summary["held"]) == (1, 1)
    held = read_csv(command.folder / "out.csv")[1]
    assert (held["alt"], held["alt_source"]) == ("", "uncertain")
    assert held["reasons"].startswith("held: ")


def test_a_failed_row_is_tried_again_by_the_next_run(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [
        blank_row(1, flaky_model.image_url("missing-1")),
        blank_row(2, flaky_model.image_url(2)),
        blank_row(3, "mug.jpg"),
    ]
    write_csv(command.folder / "in.csv", rows)
    summary = command.run_json(*CSV, exit_code=1)
    assert summary["outcomes"]["failed"] == 2
    found = read_csv(command.folder / "out.csv")
    assert [row["reasons"] for row in found] == ["image_not_found", "", "not_a_url"]
    rows[0]["image_url"] = flaky_model.image_url(1)
    write_csv(command.folder / "in.csv", rows)
    assert command.run_json(*CSV, exit_code=1)["outcomes"]["failed"] == 1
    assert read_csv(command.folder / "out.csv")[0]["alt"] == CAPTION
    assert flaky_model.log.captioned.total() == 2


def test_an_estimate_calls_nothing_and_leaves_nothing(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(n % 30, flaky_model.image_url(n % 30)) | {"id": str(n)} for n in range(40)]
    rows[0]["alt"] = "Described."
    write_csv(command.folder / "in.csv", rows)
    found = command.run_json(
        *CSV, "--estimate", "--price-in", "1", "--price-out", "2", "--rate", "24/min"
    )
    assert (found["rows"], found["described"], found["blank"]) == (40, 1, 39)
    assert (found["calls"], found["repeated_urls"]) == (30, 9)
    assert found["seconds"] == pytest.approx(30 * 60 / 24)
    assert found["money"] == pytest.approx(30 * (1_500 + 2 * 40) / 1e6, abs=0.01)
    assert flaky_model.log.calls == 0
    assert sorted(path.name for path in command.folder.iterdir()) == ["in.csv"]


def test_a_limited_run_is_continued_by_the_next_one(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(
        command.folder / "in.csv", (blank_row(n, flaky_model.image_url(n)) for n in range(1, 31))
    )
    assert command.run_json(*CSV, "--limit", "10")["outcomes"]["pending"] == 20
    assert Counter(row["alt_source"] for row in read_csv(command.folder / "out.csv")) == {
        "ai": 10, "pending": 20,
    }  # fmt: skip
    assert command.run_json(*CSV)["calls"] == 20
    assert flaky_model.log.captioned.total() == 30


def test_calls_do_not_begin_faster_than_the_rate(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(
        command.folder / "in.csv", (blank_row(n, flaky_model.image_url(n)) for n in range(1, 13))
    )
    assert command.run_json(*CSV, "--rate", "300/min")["seconds"] >= 11 / 5


def test_runs_killed_at_random_lose_nothing_and_pay_only_for_calls_in_flight_twice(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    behaviour = flaky_model.behaviour
    behaviour.rate_limit_probability, behaviour.reset_probability, behaviour.response_s = (
        0.05,
        0.03,
        0.05,
    )
    behaviour.slow_probability, behaviour.slow_response_s = 0.02, 0.8
    behaviour.refused_every, behaviour.uncertain_every = 31, 37
    write_csv(
        command.folder / "in.csv", (blank_row(n, flaky_model.image_url(n)) for n in range(1, 301))
    )
    chance = random.Random(11)
    kills = 5
    for _ in range(kills):
        calls = flaky_model.log.calls
        process = command.start(*CSV)
        wait_until(lambda calls=calls: flaky_model.log.calls >= calls + 15, process)
        time.sleep(chance.random() * 0.4)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (command.folder / "out.csv").exists()
    command.run_json(*CSV)
    rows = read_csv(command.folder / "out.csv")
    assert [row["id"] for row in rows] == [str(n) for n in range(1, 301)]
    assert Counter(row["alt_source"] for row in rows) == {
        "ai": 283, "rejected": 9, "uncertain": 8,
    }  # fmt: skip
    twice = flaky_model.log.captioned.total() - len(flaky_model.log.captioned)
    assert len(flaky_model.log.captioned) == 283
    assert twice <= kills * 8, "more than what was in flight at the kills"


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
    done = command.run("in.jsonl", "--to", "out.jsonl")
    assert done.returncode == 1
    assert "broken: line 2 is not valid JSON" in done.stderr
    assert "broken: line 4 is not a JSON object" in done.stderr
    first, second = map(json.loads, (command.folder / "out.jsonl").read_text().splitlines())
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


def test_the_image_base_is_put_before_relative_images(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    base = flaky_model.image_url("x").rpartition("/")[0]
    write_csv(
        command.folder / "in.csv",
        [blank_row(1, "/one.jpg"), blank_row(2, flaky_model.image_url(2))],
    )
    assert command.run_json(*CSV, "--base", base)["outcomes"]["ai"] == 2


def test_a_target_file_of_someone_else_is_never_overwritten(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])
    out = command.folder / "out.csv"
    out.write_text("mine\n")
    done = command.run(*CSV)
    assert (done.returncode, flaky_model.log.calls) == (2, 0)
    assert "is there already" in done.stderr
    out.unlink()
    command.run_json(*CSV)
    out.write_text(out.read_text().replace("White", "Black"))
    done = command.run(*CSV)
    assert done.returncode == 2
    assert "was changed since it was written" in done.stderr
    assert "Black" in out.read_text()


def test_after_a_kill_before_the_rename_the_target_is_still_recognised(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])
    command.run_json(*CSV)
    with Journal.open(command.folder / "out.csv.journal") as journal:
        # As it is when the journal has the new fingerprint, and the old file is still there.
        journal.set_target_fingerprints("1:1", *journal.target_fingerprints)
    assert command.run_json(*CSV)["calls"] == 0


def test_columns_are_shown_before_anything_runs(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    (command.folder / "in.csv").write_text(
        f"Variant SKU;Image Src;Title\nx;{flaky_model.image_url(1)};row-1\n"
    )
    done = command.run(*CSV, "--estimate", "--column", "key=Variant SKU")
    assert done.returncode == 0
    for line in ("image       Image Src", "key         Variant SKU", "context     Title"):
        assert line in done.stderr


@pytest.mark.parametrize(
    ("header", "words", "sentence"),
    [
        ("id,name", (), "No column looks like an image's URL"),
        (
            "id,image",
            ("--column", "alt=legend"),
            "There is no column 'legend'. There are: id, image.",
        ),
        ("id,image,id", (), "more than one column 'id'"),
        ("id,image", ("--rate", "fast"), "--rate is a number and a unit"),
        ("id,image", ("--hold-column", "kind=x"), "'kind' is not a column"),
        ("id,image", ("--styles", "poetic"), "The server has no style 'poetic'"),
    ],
)
def test_a_wrong_command_is_refused_with_what_exists(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    header: str,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    cells = ",".join([flaky_model.image_url(1)] * len(header.split(",")))
    (command.folder / "in.csv").write_text(f"{header}\n{cells}\n")
    done = command.run(*CSV, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert flaky_model.log.calls == 0


def test_progress_is_plain_lines_without_a_terminal(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])
    done = command.run(*CSV)
    assert "\x1b" not in done.stderr + done.stdout
    assert "1 rows: 0 described, 1 blank; 1 call to make" in done.stderr
    assert "1 ai" in done.stdout


def test_the_journal_of_another_run_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])
    command.run_json(*CSV)
    done = command.run(*CSV, "--locales", "de")
    assert done.returncode == 2
    assert "is the journal of another run (with other locales)" in done.stderr
    assert Path(command.folder / "out.csv.journal").exists()


def test_a_row_without_an_image_fails_alone(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, ""), blank_row(2, flaky_model.image_url(2))])
    command.run(*CSV)
    first, second = read_csv(command.folder / "out.csv")
    assert (first["alt"], first["alt_source"]) == ("", "failed")
    assert (second["alt"], second["alt_source"]) == (CAPTION, "ai")


def test_further_texts_that_the_source_has_are_kept(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """They may be a person's text; only the alt text is blank."""
    write_csv(
        command.folder / "in.csv",
        [{**blank_row(1, flaky_model.image_url(1)), "seo": "A person's words."}],
    )
    command.run_json(*CSV, "--styles", "concise,seo")
    (row,) = read_csv(command.folder / "out.csv")
    assert (row["alt"], row["seo"]) == (CAPTION, "A person's words.")


def test_each_row_of_a_database_gets_its_own_outcome_in_a_file(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """The records of a table have no line number by which they could be told apart."""
    database = sqlite3.connect(command.folder / "shop.db")
    database.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, image TEXT, alt TEXT)")
    rows = [(1, "no URL", None), (2, "http://a.example/2.jpg", "A person wrote this.")]
    database.executemany(
        "INSERT INTO m VALUES (?, ?, ?)", [*rows, (3, flaky_model.image_url(3), None)]
    )
    database.commit()
    database.close()
    command.run("sqlite:///shop.db", "--table", "m", "--to", "out.csv")
    found = [(row["alt"], row["alt_source"]) for row in read_csv(command.folder / "out.csv")]
    assert found == [("", "failed"), ("A person wrote this.", ""), (CAPTION, "ai")]


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
    ("written", "named", "sentence"),
    [
        ("utf-16-le", "utf-16", "name another --encoding; utf-16-le and utf-16-be"),
        ("utf-8", "rot13", "There is no encoding 'rot13'"),
        ("utf-8", "nothing", "There is no encoding 'nothing'"),
    ],
)
def test_a_wrong_encoding_is_refused_with_one_line(
    command: BackfillCommand, written: str, named: str, sentence: str
) -> None:
    (command.folder / "in.csv").write_bytes("id,image_url\n1,x\n".encode(written))
    done = command.run(*CSV, "--encoding", named)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_file_cut_inside_a_character_adds_no_empty_line_to_the_broken_ones(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    whole = f"id,image_url\n1,{flaky_model.image_url(1)}\n2,{flaky_model.image_url(2)}".encode(
        "utf-16"
    )
    (command.folder / "in.csv").write_bytes(whole[:-1])
    done = command.run(*CSV)
    assert done.returncode == 1
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
    done = command.run("in.jsonl", "--to", "out.jsonl")
    assert done.returncode == 1
    assert "line 2 has half a character" in done.stderr
    assert (command.folder / "out.jsonl.broken").read_text() == lines[1] + "\n"
    [made] = (command.folder / "out.jsonl").read_text().splitlines()
    assert json.loads(made)["alt"] == CAPTION


def test_of_rows_with_one_key_the_one_with_another_image_is_reported(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(1, flaky_model.image_url(n)) for n in (1, 2, 1)]
    write_csv(command.folder / "in.csv", rows)
    done = command.run(*CSV)
    assert done.returncode == 1
    assert "line 3 has the key '1' of line 2, and another picture" in done.stderr
    assert [row["alt_source"] for row in read_csv(command.folder / "out.csv")] == [
        "ai", "pending", "ai",
    ]  # fmt: skip


def test_files_of_a_folder_keep_spaces_in_their_names_and_pipes_are_reported(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    folder = command.folder / "pictures"
    folder.mkdir()
    (folder / " mug .jpg").write_bytes(photograph_like((64, 64)))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "gone.jpg").symlink_to("nowhere")
    done = command.run("pictures", "--to", "out.csv")
    assert done.returncode == 1
    for name in ("pipe.jpg", "gone.jpg"):
        assert f"broken: {name} is not a file" in done.stderr
    [row] = read_csv(command.folder / "out.csv")
    assert (row["file"], row["alt_source"]) == (" mug .jpg", "ai")
    write_csv(command.folder / "in.csv", [blank_row(1, "pipe.jpg")])
    summary = command.run_json(*CSV[:2], "listed.csv", "--base", str(folder), exit_code=1)
    assert summary["outcomes"]["failed"] == 1


def test_duplicate_column_names_of_a_parquet_file_are_refused(command: BackfillCommand) -> None:
    table = pa.table([pa.array(["x"]), pa.array(["y"])], names=["image_url", "image_url"])
    pyarrow.parquet.write_table(table, command.folder / "in.parquet")
    done = command.run("in.parquet", "--to", "out.parquet")
    assert done.returncode == 2
    assert "more than one column 'image_url'" in done.stderr


def test_a_row_without_an_image_is_no_duplicate_in_an_estimate(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, ""), blank_row(2, flaky_model.image_url(2))])
    done = command.run(*CSV, "--estimate")
    assert done.returncode == 0
    assert "0 repeat a URL with the same context, 0 the bytes of another file" in done.stdout


def test_an_audit_column_of_the_source_in_another_spelling_is_filled(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(
        command.folder / "in.csv",
        [blank_row(1, flaky_model.image_url(1), **{"SEO": "", "Alt Model": ""})],
    )
    command.run_json(*CSV, "--styles", "concise,seo")
    [row] = read_csv(command.folder / "out.csv")
    assert (row["SEO"], row["Alt Model"]) == (SEO, "flaky-1")
    assert not {"seo", "alt_model"} & {*row}


def test_an_empty_source_is_refused(command: BackfillCommand) -> None:
    done = command.run("", "--to", "out.csv")
    assert done.returncode == 2
    assert "SOURCE is empty" in done.stderr
