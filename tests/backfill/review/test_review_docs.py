"""docs/review.md and docs/migration.md list every option, and their example runs."""

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import typer
from altwright.backfill.review.decisions import DECISION_KINDS
from altwright.backfill.rules.hold_rules import HOLD_SETS
from altwright.cli.main import app
from altwright.verify.axe import RULES
from typer.main import get_command

DOCS = Path(__file__).parents[3] / "docs"
REVIEW = (DOCS / "review.md").read_text(encoding="utf-8")
MIGRATION = (DOCS / "migration.md").read_text(encoding="utf-8")
PAGE = files("altwright.backfill.review")
EVERYWHERE = {"--help", "--json", "--base-url", "--timeout"}


def options(command: str) -> set[str]:
    """Every long option of a command."""
    top = get_command(app)
    found = top.commands[command]  # type: ignore[attr-defined]
    return {each for option in found.params for each in option.opts if each.startswith("--")}


@pytest.mark.parametrize(
    ("command", "page", "left_out"),
    [
        ("review", REVIEW, set()),
        ("apply", REVIEW, {"--database"}),
        ("verify", REVIEW, {"--tabs", "--chromium"}),
        ("worker", MIGRATION, {"--pool", "--per-second", "--database"}),
    ],
)
def test_every_option_is_documented(command: str, page: str, left_out: set[str]) -> None:
    """Except options that `--help` explains, or that the page names by their variable."""
    known = options(command) - EVERYWHERE
    assert {each for each in known if each not in page} == left_out


def test_every_keyboard_shortcut_is_documented_and_in_the_pages_help() -> None:
    script = PAGE.joinpath("review.js").read_text(encoding="utf-8")
    keys = re.findall(r'^  "?([a-z/])"?: \(', script, re.MULTILINE)
    assert len(keys) == 11
    html = PAGE.joinpath("review.html").read_text(encoding="utf-8")
    table = REVIEW[REVIEW.index("| key | does |") : REVIEW.index("Every key has a button")]
    for key in keys:
        assert f"`{key}`" in table
        assert f"<kbd>{key}</kbd>" in html


def test_rules_hold_sets_and_decisions_are_documented() -> None:
    for name in (*RULES, *HOLD_SETS):
        assert f"`{name}`" in REVIEW or f"`--hold {name}`" in REVIEW, name
    texts = {
        "approve": "approved",
        "edit": "edited",
        "decorative": "decorative",
        "blank": "left blank",
    }
    assert set(texts) == set(DECISION_KINDS)
    for text in texts.values():
        assert text in REVIEW[REVIEW.index("## Apply") :]


def test_the_documented_upload_hook_runs_without_sqlalchemy_and_httpx() -> None:
    found = re.search(r"```python\n(.*?)```", MIGRATION, re.DOTALL)
    assert found is not None
    blocked = "import sys\nsys.modules['sqlalchemy'] = sys.modules['httpx'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + found[1]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0


def test_every_documented_command_exists() -> None:
    shown = re.findall(r"^altwright (\w+)", REVIEW + MIGRATION, re.MULTILINE)
    assert isinstance(app, typer.Typer)
    assert set(shown) <= set(get_command(app).commands)  # type: ignore[attr-defined]
