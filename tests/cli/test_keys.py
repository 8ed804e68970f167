"""`python -m app keys`: quotas, and rotation with an overlap."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.api.keys import KeyStore
from app.cli import exit_codes
from app.cli.command_line import main
from app.settings.keys_file import read_keys_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """KEYS_FILE, which does not exist yet."""
    path = tmp_path / "keys.json"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALTWRIGHT_KEYS_FILE", str(path))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints on standard output."""
    assert main(["keys", *arguments]) == exit_codes.OK
    return capsys.readouterr().out.strip()


def test_a_quota_is_kept_in_the_file_and_shown(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    key = run(capsys, "create", "shop", "--quota", "10000/month")
    run(capsys, "create", "closed", "--quota", "0/month")
    assert run(capsys, "list").splitlines() == [
        "shop\tlimit RATE_LIMIT\tquota 10000/month\texpires never",
        "closed\tlimit RATE_LIMIT\tquota 0/month\texpires never",
    ]
    caller = KeyStore([], file).find_caller(key)
    assert caller is not None
    assert caller.quota == 10_000


@pytest.mark.parametrize("quota", ["10000", "lots/month", "10/day", "-1/month"])
def test_a_quota_that_is_none_is_one_line_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], file: Path, quota: str
) -> None:
    assert main(["keys", "create", "shop", f"--quota={quota}"]) == exit_codes.INVALID_USAGE
    error = capsys.readouterr().err
    assert "write for instance 10000/month" in error
    assert error.count("\n") == 1
    assert not file.exists()


def test_after_a_rotation_both_keys_are_valid_for_the_overlap_and_one_caller(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    old = run(capsys, "create", "shop", "--quota", "9/month", "--limit", "5/minute")
    other = run(capsys, "create", "other")
    new = run(capsys, "rotate", "shop", "--overlap", "24h")
    store = KeyStore([], file)
    assert new != old
    assert store.find_caller(new) == store.find_caller(old)
    assert store.find_caller(new) != store.find_caller(other)
    ending, lasting = (entry for entry in read_keys_file(file).keys if entry.name == "shop")
    assert lasting.expires is None
    assert ending.expires is not None
    left = ending.expires - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    run(capsys, "revoke", "shop")
    assert KeyStore([], file).find_caller(new) is None
    assert [entry.name for entry in read_keys_file(file).keys] == ["other"]


def test_an_overlap_of_0_ends_the_old_key_at_once_and_never_makes_one_live_longer(
    capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    old = run(capsys, "create", "shop", "--days", "1")
    second = run(capsys, "rotate", "shop", "--overlap", "30d")
    [first_entry, second_entry] = read_keys_file(file).keys
    assert first_entry.expires == second_entry.expires
    third = run(capsys, "rotate", "shop", "--overlap", "0s")
    store = KeyStore([], file)
    assert [store.find_caller(key) is not None for key in (old, second, third)] == [
        False, False, True,
    ]  # fmt: skip
    run(capsys, "rotate", "shop")
    assert len(read_keys_file(file).keys) == 2, "expired keys are removed"


@pytest.mark.parametrize("overlap", ["soon", "24", "-1h", "1w", ""])
def test_an_overlap_that_is_no_time_is_refused(file: Path, overlap: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["keys", "rotate", "shop", f"--overlap={overlap}"])
    assert raised.value.code == exit_codes.INVALID_USAGE


def test_only_a_valid_key_can_be_rotated(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    run(capsys, "create", "shop")
    assert main(["keys", "rotate", "shpo"]) == exit_codes.INVALID_USAGE
    assert "there is no valid key named 'shpo'; create one" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "gone" / "keys.json"
    assert main(["keys", "create", "shop", "--file", str(path)]) == exit_codes.INVALID_USAGE
    captured = capsys.readouterr()
    assert captured.err == f"altwright: {path}: cannot be written (No such file or directory)\n"
    assert captured.out == ""  # no key that works nowhere


def test_two_commands_at_once_lose_no_key(file: Path) -> None:
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "app", "keys", "create", f"shop-{number}", "--file", file],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(4)
    ]
    assert [command.wait(60) for command in commands] == [0] * 4
    assert {entry.name for entry in read_keys_file(file).keys} == {f"shop-{n}" for n in range(4)}
