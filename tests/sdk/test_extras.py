"""Recommended install commands work in a clone: the package is not published yet."""

import re
import tomllib
from pathlib import Path

import pytest
from altwright.extras import install_command

TOP = Path(__file__).parents[2]
PROJECT = tomllib.loads((TOP / "sdk/pyproject.toml").read_text(encoding="utf-8"))["project"]
TEXTS = [
    *(TOP / "sdk/altwright").rglob("*.py"),
    *(TOP / "docs").rglob("*.md"),
    *(TOP / name for name in ("README.md", "CHANGELOG.md", "sdk/README.md")),
]


def test_the_install_command_names_the_extras() -> None:
    assert install_command("cli", "verify") == "pip install './sdk[cli,verify]'"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(TOP)))
def test_no_text_recommends_a_package_that_is_not_published(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"pip install ['\"]?altwright|altwright\[", text)


def test_every_recommended_extra_exists() -> None:
    found: set[str] = set()
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        for extras in re.findall(r"pip install '\./sdk\[([a-z,]+)\]'", text):
            found |= set(extras.split(","))
        for arguments in re.findall(r"install_command\(([^)]*)\)", text):
            found |= set(re.findall(r"['\"](\w+)['\"]", arguments))
    assert {"backfill", "cli", "images", "verify"} <= found
    assert found <= set(PROJECT["optional-dependencies"])
