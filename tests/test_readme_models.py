"""A newcomer's way: the README's commands for models, typed against a fake of each provider."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.captioning.providers.registry import find_provider, load_providers
from app.cli.command_line import main
from testing.servers.provider_fakes import FAKES, ProviderServer

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
COMMAND = re.compile(r"^ALTWRIGHT_MODEL=.*?make serve$", re.MULTILINE | re.DOTALL)
OPENAI_URL = "https://api.openai.com/v1"
PROVIDERS = load_providers()


def commands() -> dict[str, dict[str, str]]:
    """The variables of each command, by the provider whose base URL it has."""
    found = {}
    for command in COMMAND.findall(README):
        variables = dict(re.findall(r"ALTWRIGHT_(\w+)=(\S+)", command))
        provider = find_provider(variables.get("MODEL_BASE_URL", OPENAI_URL), PROVIDERS)
        if provider is not None:
            found[next(name for name in PROVIDERS if PROVIDERS[name] is provider)] = variables
    return found


COMMANDS = commands()
WITH_A_KEY = [name for name in COMMANDS if "MODEL_API_KEY" in COMMANDS[name]]
Check = Callable[..., tuple[int, str]]


def fake_of(name: str) -> ProviderServer:
    """The provider's fake, with the README's model and key."""
    variables = COMMANDS[name]
    model = variables["MODEL"]
    fake = next(each for each in FAKES if each.provider == name)
    thinking = PROVIDERS[name].thinking_of(model)
    thinks = thinking is not None and thinking.by_default is True
    fake = replace(fake, model=model, thinks=thinks)
    return ProviderServer(fake, is_strict=True, key=variables.get("MODEL_API_KEY"))


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs `python -m app check` with a command's variables: exit code and output."""

    def run(name: str, server: ProviderServer, **changes: str) -> tuple[int, str]:
        for variable, value in {**COMMANDS[name], **changes}.items():
            monkeypatch.setenv(f"ALTWRIGHT_{variable}", value)
        # The fake has another URL than the provider, by which it would be known.
        own = (
            "ALTWRIGHT_MODEL_BASE_URL" if "MODEL_BASE_URL" in COMMANDS[name] else "OPENAI_BASE_URL"
        )
        monkeypatch.setenv(own, server.base_url)
        monkeypatch.setenv("ALTWRIGHT_MODEL_PROVIDER", name)
        code = main(["check"])
        return code, capsys.readouterr().out

    return run


def test_the_readme_has_the_providers_that_newcomers_ask_for() -> None:
    assert {"anthropic", "gemini", "groq", "ollama", "openai"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_the_readme_captions(name: str, check: Check) -> None:
    """The second line of `check` about a model says what its pictures take, where that is known."""
    with fake_of(name) as server:
        code, said = check(name, server)
    assert code == 0, said
    assert "captioned a drawn house" in said
    assert "FAIL" not in said
    assert f"its server is known as {PROVIDERS[name].name}'s" in said


@pytest.mark.parametrize("name", WITH_A_KEY)
def test_check_says_that_the_key_is_wrong(name: str, check: Check) -> None:
    """And names the setting. The key itself is in no line."""
    with fake_of(name) as server:
        code, said = check(name, server, MODEL_API_KEY="a-mistyped-key")
    assert code != 0
    assert "the key was refused: check ALTWRIGHT_MODEL_API_KEY" in said
    assert "a-mistyped-key" not in said


@pytest.mark.parametrize("name", COMMANDS)
def test_check_says_that_the_name_of_the_model_is_wrong(name: str, check: Check) -> None:
    """And which models there are."""
    with fake_of(name) as server:
        code, said = check(name, server, MODEL="a-mistyped-name")
    assert code != 0
    assert "no such path or model: check ALTWRIGHT_MODEL" in said
    assert f"the server does not list this model, but: {COMMANDS[name]['MODEL']}" in said
