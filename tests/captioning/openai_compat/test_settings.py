"""Settings of a model: what is valid, and which key is sent."""

import pytest
from pydantic import ValidationError

from app.captioning.openai_compat.settings import ModelSettings

KEY = "sk-test-0123456789abcdef"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": "x"}, "unknown field 'modle'; the fields are model, base_url, api_key"),
        ({"model": "m", "base_url": "localhost:11434"}, "scheme"),
        ({"model": "m", "base_url": "http://h/v1/chat/completions"}, "remove /chat/completions"),
        ({"model": "m", "api_key": "sk-a b"}, "printable ASCII"),
        ({"model": "m", "timeout_s": 0}, "greater than 0"),
        ({"model": ""}, "at least 1"),
        ({"base_url": "http://h/v1"}, "required"),
    ],
)
def test_an_invalid_setting_is_refused_without_showing_the_key(
    values: dict[str, object], message: str
) -> None:
    """The message says what to write instead."""
    with pytest.raises(ValidationError, match=message) as caught:
        ModelSettings.model_validate(values)
    assert "sk-a" not in str(caught.value)


def test_an_empty_variable_is_unset() -> None:
    """`MODEL_API_KEY=` in an .env file means no key."""
    settings = ModelSettings.model_validate({"model": "m", "base_url": "", "api_key": " "})
    assert (settings.base_url, settings.api_key) == (None, None)
    assert KEY not in repr(ModelSettings.model_validate({"model": "m", "api_key": KEY}))


def test_openai_itself_is_not_called_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPENAI_API_KEY is used for it; a server with a URL of its own may need no key."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = ModelSettings(model="m")
    with pytest.raises(ValueError, match="ALTWRIGHT_MODEL_API_KEY"):
        settings.resolve_api_key()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    assert settings.resolve_api_key() == "sk-from-the-environment"
    assert ModelSettings(model="m", base_url="http://h/v1").resolve_api_key() is None


def test_what_decides_the_text_is_in_the_identity_and_no_secret_is() -> None:
    """A key that is rotated leaves the cached captions."""
    base = {"model": "m", "base_url": "http://u:one@H:1/v1", "params": {"a": {"b": 1, "c": 2}}}

    def identity(**changes: object) -> str:
        return ModelSettings.model_validate({**base, **changes}).identity

    equal = [
        identity(base_url="http://u:two@h:1/v1/"),
        identity(api_key=KEY),
        identity(headers={"x-api-key": KEY}),
        identity(params={"a": {"c": 2, "b": 1}}),
        identity(timeout_s=3),
    ]
    assert {*equal} == {identity()}
    others = [
        identity(base_url="http://h:2/v1"),
        identity(base_url="https://h:1/v1"),
        identity(base_url="http://h:1/v2"),
        identity(params={"a": {"b": 1}}),
        identity(temperature=0),
        identity(temperature=None),
        identity(longest_edge_px=800),
        identity(detail="high"),
    ]
    assert len({identity(), *others}) == len(others) + 1
