"""docs/captions.md matches the code: its tables contain the values of the code."""

import re
from pathlib import Path

from app.captioning.styles.loader import load_styles
from app.drafting import CaptionRejected
from app.errors import public_error_classes
from app.validation.languages import load_languages
from app.validation.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs/captions.md").read_text(encoding="utf-8")


def section(name: str) -> list[str]:
    """The lines between `<!-- name -->` and `<!-- end -->`."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None, f"docs/captions.md has no section {name!r}"
    return found.group(1).strip().splitlines()


def test_every_rule_is_in_the_table() -> None:
    """Code, severity, description and source, in the order in which violations are reported."""
    rows = [
        f"| `{rule.code}` | {rule.severity} | {rule.description} | {rule.source} |"
        for rule in RULES
    ]
    assert section("rules")[2:] == rows, "\n".join(rows)


def test_every_style_is_in_the_table() -> None:
    """With the limits of its TOML file."""
    rows = []
    for style in load_styles().values():
        repeats = f"{style.max_word_repeats} times" if style.max_word_repeats else "any"
        rows.append(
            f"| `{style.name}` | {style.purpose} | {style.min_chars} to {style.max_chars:,} "
            f"| {style.aim_chars} | {style.min_sentences} to {style.max_sentences} | {repeats} |"
        )
    assert section("styles")[2:] == rows, "\n".join(rows)


def test_every_outcome_of_a_caption_is_explained() -> None:
    """Each error code is in the table of what a caller does with it."""
    codes = {
        leaf.code for leaf in public_error_classes() if leaf.code.startswith(("caption_", "model_"))
    }
    assert CaptionRejected.code in codes
    table = "\n".join(section("outcomes"))
    assert {code for code in codes if f"`{code}`" not in table} == set()


def test_every_language_with_a_file_is_listed() -> None:
    """By its code."""
    listed = set(re.findall(r"`([a-z]{2})`", "\n".join(section("languages"))))
    assert listed == set(load_languages().by_code)
