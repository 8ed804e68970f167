"""Settings come from the environment or a .env file, and a wrong one is described in one line."""

import json
from pathlib import Path

import pytest

from app.settings.invalid_settings import InvalidSettings
from app.settings.settings import Settings, unknown_variables


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
        (
            {"CORS_ORIGINS": '["https://a.example", "https://b.example/"]'},
            (
                'ALTWRIGHT_CORS_ORIGINS=["https://a.example", "https://b.example/"]: '
                "'https://b.example/' is not an origin as browsers send it; write https://b.example"
            ),
        ),
        (
            {"CORS_ORIGINS": "https://a.example"},
            (
                "ALTWRIGHT_CORS_ORIGINS=https://a.example: must be a JSON list, "
                'for instance ["https://www.example.com"]'
            ),
        ),
        (
            {"ROOT_PATH": "altwright/"},
            (
                "ALTWRIGHT_ROOT_PATH=altwright/: must begin with / and not end with one, of "
                "letters, digits and . _ ~ -, for instance /altwright"
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
            {"USAGE_STORE": "mysql://u:hunter2@h"},
            "ALTWRIGHT_USAGE_STORE=(not shown): must be memory:// or redis://host:port/db",
        ),
        (
            {"USAGE_SPOOL_DIR": "nothing", "USAGE_STORE": "redis://h"},
            (
                "ALTWRIGHT_USAGE_SPOOL_DIR=nothing: is not a folder that can be written to; create "
                "it, or unset the variable"
            ),
        ),
        (
            {"USAGE_SPOOL_DIR": "."},
            (
                "ALTWRIGHT_USAGE_SPOOL_DIR is set, but usage is counted in memory: set "
                "ALTWRIGHT_USAGE_STORE to a redis:// URL too"
            ),
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


def test_usage_is_counted_where_rate_limits_are_unless_another_store_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings.read().usage_store_url() == "memory://"
    set_variables(monkeypatch, RATE_LIMIT_STORE="redis://a/0")
    assert Settings.read().usage_store_url() == "redis://a/0"
    set_variables(monkeypatch, USAGE_STORE="memory://")
    assert Settings.read().usage_store_url() == "memory://"


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


PRICE = '{"input": 0.15, "output": 0.6, "currency": "USD"}'


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"MODEL_PARAMS": '{"temperature": '},
            (
                'ALTWRIGHT_MODEL_PARAMS={"temperature": : must be a JSON object, for instance '
                '{"reasoning_effort": "none"}'
            ),
        ),
        (
            {"MODEL_PARAMS": '{"messages": []}'},
            (
                'ALTWRIGHT_MODEL_PARAMS={"messages": []}: messages cannot be set here: the prompt '
                "and the image are Altwright's"
            ),
        ),
        (
            {"MODEL_PARAMS": '{"api_key": "hunter2"}'},
            (
                "ALTWRIGHT_MODEL_PARAMS=(not shown): api_key cannot be set here: set "
                "ALTWRIGHT_MODEL_API_KEY (or api_key in ALTWRIGHT_FALLBACKS)"
            ),
        ),
        (
            {"MODEL_PARAMS": '{"top_p": 1, "top_p": 0}'},
            (
                'ALTWRIGHT_MODEL_PARAMS={"top_p": 1, "top_p": 0}: must be a JSON object, for '
                'instance {"reasoning_effort": "none"}'
            ),
        ),
        (
            {"MODEL_HEADERS": '{"Authorization": "hunter2"}'},
            (
                "ALTWRIGHT_MODEL_HEADERS=(not shown): authorization cannot be set here: set "
                "ALTWRIGHT_MODEL_API_KEY (or api_key in ALTWRIGHT_FALLBACKS)"
            ),
        ),
        (
            {"MODEL_HEADERS": '{"X-A": "hunter2\\nX-B: 1"}'},
            (
                "ALTWRIGHT_MODEL_HEADERS=(not shown): the value of x-a has a line break or another "
                "character that a header cannot carry: write printable ASCII"
            ),
        ),
        (
            {"MODEL_HEADERS": '{"X-A": 7}'},
            "ALTWRIGHT_MODEL_HEADERS=(not shown): X-A: Input should be a valid string",
        ),
        (
            {"MODEL_PRICE": '{"input": "cheap", "output": 1, "currency": "USD"}'},
            (
                'ALTWRIGHT_MODEL_PRICE={"input": "cheap", "output": 1, "currency": "USD"}: input: '
                "must be a number from 0 to 1000000, for a million tokens"
            ),
        ),
        (
            {"MODEL_PRICE": "0.15"},
            (
                "ALTWRIGHT_MODEL_PRICE=0.15: must be a JSON object, for instance "
                '{"input": 0.15, "output": 0.60, "currency": "USD"}'
            ),
        ),
        (
            {"FALLBACKS": '[{"model": "n", "base_url": "http://h/v1", "params": {"model": "x"}}]'},
            (
                "ALTWRIGHT_FALLBACKS=(not shown): 0.params: model cannot be set here: set "
                "ALTWRIGHT_MODEL (or model in ALTWRIGHT_FALLBACKS)"
            ),
        ),
        (
            {"FALLBACKS": '[{"model": "n", "base_url": "http://h/v1", "headers": {"X": "é"}}]'},
            (
                "ALTWRIGHT_FALLBACKS=(not shown): 0.headers: the value of x has a line break or "
                "another character that a header cannot carry: write printable ASCII"
            ),
        ),
        (
            {"MODEL_LONGEST_EDGE_PX": "1568"},
            (
                "ALTWRIGHT_MODEL_LONGEST_EDGE_PX is more than ALTWRIGHT_IMAGE__LONGEST_EDGE_PX="
                "1200, to which every picture is scaled down first: raise that one too"
            ),
        ),
        (
            {
                "MODEL_PRICE": PRICE,
                "FALLBACKS": json.dumps(
                    [{"model": "n", "base_url": "http://h/v1",
                      "price": {"input": 1, "output": 1, "currency": "EUR"}}]
                ),
            },
            (
                "ALTWRIGHT_FALLBACKS: the prices of the models are in different currencies, which "
                "cannot be added up: write them in one"
            ),
        ),
    ],
)  # fmt: skip
def test_wrong_parameters_headers_and_prices_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], line: str
) -> None:
    """With one line, without a secret."""
    set_variables(monkeypatch, MODEL="m", MODEL_BASE_URL="http://h/v1", **settings)
    with pytest.raises(InvalidSettings) as raised:
        Settings.read()
    assert str(raised.value) == line


def test_parameters_without_a_model_have_no_effect_and_stop_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_variables(monkeypatch, MODEL_PARAMS='{"reasoning_effort": "none"}')
    with pytest.raises(InvalidSettings, match="ALTWRIGHT_MODEL is not: set it too"):
        Settings.read()


def test_a_fallback_has_its_own_parameters_headers_and_price(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of the first model may be wrong for another provider."""
    price = json.loads(PRICE)
    fallback = {"model": "n", "base_url": "http://h/v1", "params": {"top_k": 1}, "price": price}
    set_variables(
        monkeypatch,
        MODEL="m",
        MODEL_BASE_URL="http://h/v1",
        MODEL_PARAMS='{"reasoning_effort": "none"}',
        MODEL_HEADERS='{"X-Team": "shop"}',
        FALLBACKS=json.dumps([fallback, {"model": "o", "base_url": "http://h/v1"}]),
    )
    first, second, third = Settings.read().configured_models()
    assert (first.params, first.header_values()) == (
        {"reasoning_effort": "none"},
        {"X-Team": "shop"},
    )
    assert first.price is None
    assert (second.params, second.header_values()) == ({"top_k": 1}, {})
    assert second.price is not None
    assert str(second.price.input) == "0.15"
    assert (third.params, third.header_values(), third.price) == ({}, {}, None)
    assert "shop" not in repr(Settings.read())


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({}, None),
        ({"HOST": "::1"}, None),
        ({"HOST": "0.0.0.0", "ALLOW_ANONYMOUS": "true"}, "60/minute"),
        ({"API_KEYS": '["a-long-secret"]'}, "60/minute"),
        ({"RATE_LIMIT": "5/minute"}, "5/minute"),
        ({"API_KEYS": '["a-long-secret"]', "RATE_LIMIT": "5/minute;9/day"}, "5/minute;9/day"),
        ({"API_KEYS": '["a-long-secret"]', "RATE_LIMIT": "none"}, None),
    ],
)
def test_there_is_a_rate_limit_unless_only_this_machine_can_call(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], limit: str | None
) -> None:
    set_variables(monkeypatch, **settings)
    assert Settings.read().default_rate_limit() == limit
