"""docs/backfill.md says everything that can be set, and nothing that cannot."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
from altwright.backfill.types import AltSource
from altwright.cli import backfill
from altwright.cli.exit_codes import ExitCode

PAGE = (Path(__file__).parents[2] / "docs/backfill.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^altwright backfill [^\n]+", PAGE, re.MULTILINE)
ELSEWHERE = {
    "--hold-column", "--hold-pattern", "--hold-locale", "--queue", "--broker", "--queue-name",
    "--run", "--window", "--again-after", "--timeout", "--base-url", "--max-tokens", "--table",
}  # fmt: skip
"""Told on other pages, in `--help`, or plain from the examples."""


def options(command: object) -> set[str]:
    """Every option of a command."""
    source = inspect.getsource(inspect.getmodule(command) or backfill)
    return set(re.findall(r'"(--[a-z-]+)"', source))


def test_every_option_is_documented() -> None:
    known = options(backfill.run)
    assert {each for each in known if each not in PAGE} <= ELSEWHERE


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_is_shown_exists(command: str) -> None:
    words = shlex.split(command, comments=True)
    known = options(backfill.run)
    for word in words:
        if word.startswith("--"):
            assert word in known, word


def test_every_exit_code_and_outcome_is_in_its_table() -> None:
    for code in ExitCode:
        if code not in (ExitCode.SOFTWARE, ExitCode.BROKEN_PIPE):
            assert re.search(rf"^\| (\d+, )?{code.value}\b", PAGE, re.MULTILINE), code
    for source in AltSource:
        assert f"`{source.value}`" in PAGE
