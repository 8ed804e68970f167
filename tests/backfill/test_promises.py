"""docs/backfill-promises.md names a test for each promise of docs/backfill.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_PROMISES = {
    "Backfill: from blank to audited",
    "Three public catalogues",
    "What was measured",
}
"""Sections that sum up, or say what was seen once."""
EXPLANATIONS = (
    "The division into pages, Bloom filters",
    "A row group is in memory at once",
    "What is not this tool's is not touched:",
    "Two runs with journals of their own would pay",
    "It cannot be told:",
    "Rules of yours that keep rows for a person",
    "Most such texts come from the embedded captioner",
    "Every night at two",
)
"""Sentences that promise nothing themselves."""


def _sections(page: str) -> dict[str, str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    parts = re.split(r"^#{1,3} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _statements(section: str) -> list[str]:
    """Sentences of paragraphs and list items, and rows of tables with their cells joined."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n|\n(?=- )", section):
        if block.strip().startswith("|"):
            rows = [re.split(r"(?<!\\)\|", row) for row in block.strip().splitlines()]
            found += [", ".join(filter(None, map(str.strip, row))) for row in rows[2:]]
        else:
            text = " ".join(block.removeprefix("- ").split())
            found += filter(None, re.split(r"(?<=[.:]) +(?=[A-Z`])", text))
    return found


def _promises() -> list[tuple[str, str, list[str]]]:
    """Section, promise and names of its tests."""
    return [
        (title, promise, re.findall(r"`(\w+)`", names))
        for title, section in _sections("backfill-promises.md").items()
        for promise, names in re.findall(r"^\| (.+) \| (`.+`) \|$", section, re.MULTILINE)
    ]


PROMISES = _promises()


@pytest.mark.parametrize(
    "title", [each for each in _sections("backfill.md") if each not in WITHOUT_PROMISES]
)
def test_every_statement_is_a_promise_or_an_explanation(title: str) -> None:
    words = [promise for section, promise, _ in PROMISES if section == title]
    section = _sections("backfill.md")[title]
    for statement in _statements(section):
        listed = [each for each in (*words, *EXPLANATIONS) if each in statement]
        assert listed, f"docs/backfill-promises.md lacks: {statement}"


def test_every_promise_is_on_the_page() -> None:
    sections = _sections("backfill.md")
    for title, promise, _ in PROMISES:
        statements = _statements(sections[title])
        assert any(promise in each for each in statements), f"{title}: {promise}"


def test_every_named_test_exists() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    text = "\n".join(each.read_text(encoding="utf-8") for each in files)
    existing = set(re.findall(r"^(?:async )?def test_(\w+)", text, re.MULTILINE))
    named = {name for _, _, names in PROMISES for name in names}
    assert named
    assert named - existing == set()
