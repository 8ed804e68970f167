"""`python -m app`: commands, exit codes, and errors in one line."""

from pathlib import Path

import pytest

from app.cli import exit_codes
from app.cli.command_line import main
from app.settings.keys_file import hash_key, read_keys_file


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALTWRIGHT_KEYS_FILE", raising=False)


def test_a_created_key_is_printed_once_listed_and_revoked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    create = ["keys", "create", "shop", "--file", str(file), "--limit", "2/minute"]
    assert main(create) == exit_codes.OK
    key = capsys.readouterr().out.strip()
    [entry] = read_keys_file(file).keys
    assert (entry.name, entry.sha256, entry.limit) == ("shop", hash_key(key), "2/minute")

    assert main(["keys", "list", "--file", str(file)]) == exit_codes.OK
    assert capsys.readouterr().out == "shop\tlimit 2/minute\tquota none\texpires never\n"

    assert main(["keys", "revoke", "shop", "--file", str(file)]) == exit_codes.OK
    assert read_keys_file(file).keys == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create", "shop"], "name the keys file: --file keys.json, or ALTWRIGHT_KEYS_FILE"),
        (["create", "shop", "--file", "k", "--limit", "often"], "'often' is not a rate limit"),
        (["list", "--file", "nothing.json"], "nothing.json: cannot be read"),
        (["revoke", "shop", "--file", "nothing.json"], "nothing.json: cannot be read"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["keys", *arguments]) == exit_codes.INVALID_USAGE
    error = capsys.readouterr().err
    assert error.startswith("altwright: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_key_cannot_expire_before_tomorrow() -> None:
    with pytest.raises(SystemExit) as raised:
        main(["keys", "create", "shop", "--file", "k", "--days", "0"])
    assert raised.value.code == exit_codes.INVALID_USAGE


def test_the_openapi_document_is_written_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi", "--check"]) == exit_codes.FAILED
    assert "run `make openapi`" in capsys.readouterr().err
    assert main(["openapi", "--write"]) == exit_codes.OK
    assert main(["openapi", "--check"]) == exit_codes.OK
    assert main(["openapi"]) == exit_codes.OK
    assert capsys.readouterr().out == Path("openapi/openapi.json").read_text(encoding="utf-8")
