"""Backfill of a file: what the new file contains, and that a killed run loses nothing."""

import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from altwright.backfill.journal.journal import Journal

from testing.catalogue import BackfillCommand, blank_row, read_csv, wait_until, write_csv
from testing.images import data_url, photograph_like
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
    arguments = ("--styles", "concise,seo,detailed", "--locales", "en,de")
    assert command.run_json(*CSV, *arguments)["calls"] == 2
    requests = [request.json() for request in proxy.requests if request.body]
    assert [(each["styles"], each["locales"]) for each in requests] == [
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


@pytest.mark.slow
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
    paid_twice = flaky_model.log.captioned.total() - len(flaky_model.log.captioned)
    assert len(flaky_model.log.captioned) == 283
    assert paid_twice <= kills * 8, "more than what was in flight at the kills"


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
    completed = command.run(*CSV)
    assert (completed.returncode, flaky_model.log.calls) == (2, 0)
    assert "already exists" in completed.stderr
    out.unlink()
    command.run_json(*CSV)
    out.write_text(out.read_text().replace("White", "Black"))
    completed = command.run(*CSV)
    assert completed.returncode == 2
    assert "was changed since it was written" in completed.stderr
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
    completed = command.run(*CSV, "--estimate", "--column", "key=Variant SKU")
    assert completed.returncode == 0
    for line in ("image       Image Src", "key         Variant SKU", "context     Title"):
        assert line in completed.stderr


@pytest.mark.parametrize(
    ("header", "arguments", "message"),
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
    arguments: tuple[str, ...],
    message: str,
) -> None:
    cells = ",".join([flaky_model.image_url(1)] * len(header.split(",")))
    (command.folder / "in.csv").write_text(f"{header}\n{cells}\n")
    completed = command.run(*CSV, *arguments)
    assert completed.returncode == 2
    assert message in completed.stderr
    assert flaky_model.log.calls == 0


def test_progress_is_plain_lines_without_a_terminal(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])
    completed = command.run(*CSV)
    assert "\x1b" not in completed.stderr + completed.stdout
    assert "1 rows: 0 described, 1 blank; 1 call to make" in completed.stderr
    assert "1 ai" in completed.stdout


def test_the_journal_of_another_run_is_refused(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])
    command.run_json(*CSV)
    completed = command.run(*CSV, "--locales", "de")
    assert completed.returncode == 2
    assert "is the journal of another run (with other locales)" in completed.stderr
    assert Path(command.folder / "out.csv.journal").exists()


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


def test_a_row_without_an_image_is_no_duplicate_in_an_estimate(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, ""), blank_row(2, flaky_model.image_url(2))])
    completed = command.run(*CSV, "--estimate")
    assert completed.returncode == 0
    assert "0 repeat a URL with the same context, 0 the bytes of another file" in completed.stdout


def test_a_column_of_texts_in_another_spelling_is_filled(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(
        command.folder / "in.csv",
        [blank_row(1, flaky_model.image_url(1), **{"SEO": "", "Alt Model": ""})],
    )
    command.run_json(*CSV, "--styles", "concise,seo")
    [row] = read_csv(command.folder / "out.csv")
    assert (row["SEO"], row["Alt Model"]) == (SEO, "")
    assert not {"seo", "alt_model"} & {*row}


def test_an_empty_source_is_refused(command: BackfillCommand) -> None:
    completed = command.run("", "--to", "out.csv")
    assert completed.returncode == 2
    assert "SOURCE is empty" in completed.stderr
