"""The files of providers: each statement has its source, and an operator may add or replace one."""

import datetime as dt
from pathlib import Path

import pytest

from app.captioning.prices import Price
from app.captioning.providers.provider import Provider, Statement
from app.captioning.providers.registry import ProviderFileError, find_provider, load_providers

PROVIDERS = load_providers()
MINIMAL = '[api]\nsource = "https://example.com/api"\nread = 2026-11-30\n'


def statements(provider: Provider) -> list[Statement]:
    """Everything that the file says."""
    groups = (
        provider.refusals, provider.thinking, provider.image_tokens, provider.image_limits,
        provider.prices, provider.usage, provider.waits, provider.errors,
    )  # fmt: skip
    return [provider.api, *(statement for group in groups for statement in group)]


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_statement_has_a_page_and_a_day(name: str) -> None:
    for statement in statements(PROVIDERS[name]):
        assert statement.source.startswith("https://")
        assert dt.date(2024, 1, 1) < statement.read <= dt.datetime.now(dt.UTC).date()


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://API.OpenAI.com/v1/", "openai"),
        ("https://api.anthropic.com/v1", "anthropic"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://api.together.xyz/v1", "together"),
        ("https://shop.openai.azure.com/openai/v1", "azure"),
        ("http://127.0.0.1:11434/v1", "ollama"),
        ("http://127.0.0.1:8080/v1", "llama_cpp"),
        ("http://localhost:1234/v1", "lm_studio"),
        ("http://proxy:4000", "litellm"),
        ("https://api.openai.com.example.com/v1", None),
        ("https://example.com/api.openai.com", None),
        ("http://127.0.0.1:8001/v1", None),
        ("http://[::1/v1", None),
        ("not a URL", None),
    ],
)
def test_a_provider_is_known_by_its_base_url(base_url: str, name: str | None) -> None:
    """By the whole host, not by a part of it."""
    found = find_provider(base_url, PROVIDERS)
    assert found is (None if name is None else PROVIDERS[name])


def test_an_operator_adds_a_provider_and_replaces_one(tmp_path: Path) -> None:
    """A file of the same name replaces; the operator's own hosts come first."""
    (tmp_path / "house.toml").write_text(f'name = "House"\nhosts = ["*:11434"]\n{MINIMAL}')
    (tmp_path / "groq.toml").write_text(f'name = "Our Groq"\n{MINIMAL}')
    providers = load_providers(tmp_path)
    assert find_provider("http://127.0.0.1:11434/v1", providers) == providers["house"]
    assert providers["groq"].name == "Our Groq"
    assert find_provider("https://api.groq.com/openai/v1", providers) is None
    assert providers["openai"] == PROVIDERS["openai"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name = ", "x.toml: is not TOML: Invalid value"),
        ('name = "X"\n', "x.toml: api: Field required"),
        (f'name = "X"\nbase_urls = []\n{MINIMAL}', "x.toml: base_urls: Extra inputs"),
        (f'name = "X"\nhosts = "h"\n{MINIMAL}', "x.toml: hosts: Input should be a valid tuple"),
        (
            (f'name = "X"\n{MINIMAL}[[image_tokens]]\ncount = {{ rule = "guess" }}\n'
            'source = "https://example.com"\nread = 2026-11-30\n'),
            "x.toml: image_tokens.0.count: Input tag 'guess'",
        ),
        (
            (
                f'name = "X"\n{MINIMAL}[[prices]]\nmodel = "m"\n'
                'price = { input = "cheap", output = 1, currency = "USD" }\n'
                'source = "https://example.com"\nread = 2026-11-30\n'
            ),
            "x.toml: prices.0.price.input: must be a number from 0",
        ),
        (f'name = "X"\n{MINIMAL}'.replace("2026-11-30", '"today"'), "x.toml: api.read: "),
        (f'name = "X"\n{MINIMAL}'.replace("https", "file"), "x.toml: api.source: "),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    """With the file, the member, and what it must be."""
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ProviderFileError) as caught:
        load_providers(tmp_path)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProviderFileError, match=r"x\.toml: is not UTF-8"):
        load_providers(tmp_path)
    (tmp_path / "x.toml").unlink()
    (tmp_path / "y.toml").mkdir()
    with pytest.raises(ProviderFileError, match=r"y\.toml: cannot be read"):
        load_providers(tmp_path)


def test_thinking_is_off_where_the_parameters_say_so() -> None:
    anthropic, openai = PROVIDERS["anthropic"], PROVIDERS["openai"]
    assert anthropic.thinks("claude-haiku-5-5", {})
    assert not anthropic.thinks("claude-haiku-5-5", {"thinking": {"type": "disabled"}})
    assert anthropic.thinks("claude-haiku-5-5", {"thinking": {"type": "enabled"}})
    assert openai.thinks("gpt-6-luna", {"reasoning_effort": "low"})
    assert not openai.thinks("gpt-6-luna", {"reasoning_effort": "none"})
    assert not openai.thinks("gpt-6-luna", {"max_completion_tokens": 4000})
    assert not openai.thinks("gpt-4o", {})


def test_a_list_price_is_of_one_model_alone() -> None:
    """A price of a similar name would be false."""
    listed = PROVIDERS["openai"].price_of("gpt-6-luna")
    assert listed is not None
    assert listed.price == Price.model_validate({"input": 0.1, "output": 0.5, "currency": "USD"})
    assert PROVIDERS["openai"].price_of("gpt-6-luna-2026-09-22") is None
