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
