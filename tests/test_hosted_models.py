"""The models of hosted providers that the README names are served today."""

import datetime as dt
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODELS = {
    model["name"]: model
    for model in tomllib.loads((ROOT / "docs/hosted-models.toml").read_text("utf-8"))["model"]
}
COMMAND = re.compile(r"^ALTWRIGHT_MODEL=.*?make serve$", re.MULTILINE | re.DOTALL)


def commands_with_a_key() -> list[dict[str, str]]:
    """The environment of each command in the README that calls a hosted model."""
    found = []
    for command in COMMAND.findall((ROOT / "README.md").read_text("utf-8")):
        variables = dict(re.findall(r"ALTWRIGHT_(\w+)=(\S+)", command))
        if "MODEL_API_KEY" in variables:
            found.append(variables)
    return found


def test_each_command_of_the_readme_names_a_model_whose_source_is_known() -> None:
    commands = commands_with_a_key()
    assert {command["MODEL"] for command in commands} == set(MODELS)
    for command in commands:
        assert command.get("MODEL_BASE_URL") == MODELS[command["MODEL"]].get("base_url")


def test_no_named_model_has_been_shut_down() -> None:
    """Fails on the day that a provider has named: name another model then."""
    today = dt.datetime.now(dt.UTC).date()
    assert not [name for name, model in MODELS.items() if model.get("ends", dt.date.max) <= today]


def test_each_statement_about_a_model_has_a_source_and_a_day() -> None:
    for model in MODELS.values():
        assert model["source"].startswith("https://")
        assert isinstance(model["read"], dt.date)
