"""docs/backfill.md has every option, command, exit code and state."""

import re
import shlex
from pathlib import Path

import pytest
from altwright.backfill.types import AltSource
from altwright.cli.backfill import app
from altwright.cli.exit_codes import ExitCode
from typer.main import get_command

PAGE = (Path(__file__).parents[2] / "docs/backfill.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^altwright backfill [^\n]+", PAGE, re.MULTILINE)
ELSEWHERE = {
    "--hold-column", "--hold-pattern", "--hold-locale", "--queue", "--broker", "--queue-name",
    "--run", "--window", "--again-after", "--timeout", "--base-url", "--max-tokens", "--table",
}  # fmt: skip
"""Options that other pages, `--help` or the examples explain."""


def options() -> set[str]:
    """Every long option of `backfill` and `backfill init-db`."""
    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    parameters = [parameter for command in commands for parameter in command.params]
    return {name for each in parameters for name in each.opts if name.startswith("--")}


def test_every_option_is_documented() -> None:
    known = options()
    assert {each for each in known if each not in PAGE} <= ELSEWHERE


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_documented_command_exists(command: str) -> None:
    arguments = shlex.split(command, comments=True)
    known = options()
    for argument in arguments:
        if argument.startswith("--"):
            assert argument in known, argument


def test_every_exit_code_and_outcome_is_in_its_table() -> None:
    for code in ExitCode:
        if code not in (ExitCode.SOFTWARE, ExitCode.BROKEN_PIPE):
            assert re.search(rf"^\| (\d+, )?{code.value}\b", PAGE, re.MULTILINE), code
    for source in AltSource:
        assert f"`{source.value}`" in PAGE
