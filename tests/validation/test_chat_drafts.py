"""Drafts in the manners of a chat: greetings, praise, hedges, offers, translations, outlines."""

import json
from pathlib import Path

import pytest

import testing.corpora
from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

_LINES = Path(testing.corpora.__file__).with_name("chat_drafts.jsonl").read_text(encoding="utf-8")
DRAFTS = [
    (row["locale"], row["draft"], row["caption"]) for row in map(json.loads, _LINES.splitlines())
]


@pytest.mark.parametrize(("locale", "draft", "caption"), DRAFTS)
def test_the_caption_alone_comes_out_or_nothing(locale: str, draft: str, caption: str) -> None:
    """An empty caption: the draft has none, or cannot be told from what is around it."""
    verdict = validate_text(draft, style=load_styles()["concise"], locale=locale, is_final=True)
    is_valid = verdict.outcome == "caption" and not verdict.violations
    assert (verdict.caption if is_valid else "") == caption


def test_one_sentence_in_another_language_is_found() -> None:
    """However short both are: "Pas trči po plaži. A dog runs on the beach."."""
    draft = "Pas trči po plaži. A dog runs on the beach."
    verdict = validate_text(draft, style=load_styles()["concise"], locale="hr", is_final=True)
    assert [violation.code for violation in verdict.violations] == ["wrong_language"]


@pytest.mark.parametrize(
    ("locale", "caption"),
    [
        ("en", "Hello, Dolly! is written on a poster."),
        ("en", "Hi-fi system with two large speakers."),
        ("de", "Mercedes-Stern. Ein rotes Auto steht vor einer Halle."),
        ("hr", "Bok i rebra broda u suhom doku."),
    ],
)
def test_what_begins_like_a_greeting_stays(locale: str, caption: str) -> None:
    verdict = validate_text(caption, style=load_styles()["concise"], locale=locale, is_final=True)
    assert (verdict.caption, verdict.violations) == (caption, ())
