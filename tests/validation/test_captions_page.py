"""docs/captions.md says what the code does: its tables are made of the code's own values."""

import re
from pathlib import Path

from app.captioning.styles.loader import StyleRegistry
from app.errors import leaves
from app.pipeline import CaptionRejected
from app.validation.languages import load_languages
from app.validation.rules import RULES

PAGE = (Path(__file__).parents[2] / "docs/captions.md").read_text(encoding="utf-8")


def between(mark: str) -> list[str]:
    """The lines between `<!-- mark -->` and `<!-- end -->`."""
    found = re.search(rf"<!-- {mark} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found is not None, f"docs/captions.md has no part {mark!r}"
    return found.group(1).strip().splitlines()


def test_every_rule_stands_in_the_page_as_it_is() -> None:
    """Name, severity, sentence and source, in the order in which they are told."""
    rows = [f"| `{rule.name}` | {rule.severity} | {rule.says} | {rule.source} |" for rule in RULES]
    assert between("rules")[2:] == rows, "\n".join(rows)


def test_every_register_stands_in_the_page_as_it_is() -> None:
    """Limits are those of the styles' files."""
    rows = []
    for style in StyleRegistry.load().values():
        repeats = f"{style.max_word_repeats} times" if style.max_word_repeats else "any"
        rows.append(
            f"| `{style.name}` | {style.purpose} | {style.min_chars} to {style.max_chars:,} "
            f"| {style.aim_chars} | {style.min_sentences} to {style.max_sentences} | {repeats} |"
        )
    assert between("registers")[2:] == rows, "\n".join(rows)


def test_every_outcome_of_a_caption_is_explained() -> None:
    """What a caller does with it."""
    codes = {leaf.code for leaf in leaves() if leaf.code.startswith(("caption_", "model_"))}
    assert CaptionRejected.code in codes
    told = "\n".join(between("outcomes"))
    assert {code for code in codes if f"`{code}`" not in told} == set()


def test_every_language_with_a_file_is_listed() -> None:
    """Their openers, labels and refusals are known."""
    listed = set(re.findall(r"`([a-z]{2})`", "\n".join(between("languages"))))
    assert listed == set(load_languages().by_code)
