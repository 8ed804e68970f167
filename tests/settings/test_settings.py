"""Settings come from the environment or a .env file, and a wrong one is described in one line."""

import json
from pathlib import Path

import pytest

from app.settings.settings import InvalidSettings, Settings, unknown_variables


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no .env file of the machine is read."""
    monkeypatch.chdir(tmp_path)
    for name in ("ALTWRIGHT_URL", "ALTWRIGHT_API_KEY", "ALTWRIGHT_TEST_REQUIRE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def set_variables(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"ALTWRIGHT_{name}", value)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"RATE_LIMIT": "often"},
            (
                "ALTWRIGHT_RATE_LIMIT=often: 'often' is not a rate limit; "
                "write for instance 60/minute or 10/second;5000/day"
            ),
        ),
        *(
            (
                {"API_KEYS": json.dumps(["good-key", key])},
                (
                    "ALTWRIGHT_API_KEYS=(not shown): key 2 can never match, because a header "
                    "cannot carry it: a key is printable ASCII without spaces; make one with "
                    "`python -m app keys create`"
                ),
            )
            for key in ("schlüssel", "ключ", "two words", "a\tb", "a\x00b", "key\n", "\U0001f511")
        ),
        (
            {"RATE_LIMIT_STORE": "mysql://u:hunter2@h"},
            "ALTWRIGHT_RATE_LIMIT_STORE=(not shown): must be memory:// or redis://host:port/db",
        ),
        (
            {"KEYS_FILE": "nothing.json"},
            (
                "ALTWRIGHT_KEYS_FILE=nothing.json: cannot be used: nothing.json: cannot be read "
                "(No such file or directory); create it with `python -m app keys create`"
            ),
        ),
        (
            {"FETCH__ALLOWED_PORTS": "[80"},
            "ALTWRIGHT_FETCH__ALLOWED_PORTS=[80: must be a JSON list, for instance [80, 443]",
        ),
        (
            {"HOST": "0.0.0.0"},
            (
                "ALTWRIGHT_HOST=0.0.0.0 can be reached by others and no key is configured: set "
                "ALTWRIGHT_API_KEYS or ALTWRIGHT_KEYS_FILE, or ALTWRIGHT_ALLOW_ANONYMOUS=true"
            ),
        ),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_correction(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], line: str
) -> None:
    set_variables(monkeypatch, **settings)
    with pytest.raises(InvalidSettings) as raised:
        Settings.read()
    assert str(raised.value) == line


def test_a_fallback_takes_from_the_first_model_what_it_does_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_variables(
        monkeypatch,
        MODEL="first",
        MODEL_BASE_URL="http://127.0.0.1:1/v1",
        MODEL_TIMEOUT_S="7",
        FALLBACKS='[{"model": "second", "base_url": "http://127.0.0.1:2/v1", "temperature": 1}]',
    )
    first, second = Settings.read().configured_models()
    assert (first.model, first.timeout_s, first.temperature) == ("first", 7, 0.2)
    assert (second.model, second.timeout_s, second.temperature) == ("second", 7, 1)


def test_an_unknown_variable_is_reported_with_the_most_similar_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("ALTWRIGHT_FETCH__TIMEOUT=5\n", encoding="utf-8")
    set_variables(monkeypatch, RATELIMIT="5/minute", URL="http://127.0.0.1:8000", PORT="0")
    assert [(variable.name, variable.suggestion) for variable in unknown_variables()] == [
        ("ALTWRIGHT_FETCH__TIMEOUT", "ALTWRIGHT_FETCH__TIMEOUT_S"),
        ("ALTWRIGHT_RATELIMIT", "ALTWRIGHT_RATE_LIMIT"),
    ]


def test_the_keys_file_need_not_exist_for_the_command_that_creates_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Settings.keys_file_path() is None
    (tmp_path / ".env").write_text("ALTWRIGHT_KEYS_FILE=new.json\n", encoding="utf-8")
    assert Settings.keys_file_path() == Path("new.json")
