"""Captions with odd but legitimate content pass as they are: signs, brands, prices, screens."""

import json
from pathlib import Path

import pytest

import testing.corpora
from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

_LINES = Path(testing.corpora.__file__).with_name("odd_captions.jsonl").read_text(encoding="utf-8")
CAPTIONS = [(row["locale"], row["text"]) for row in map(json.loads, _LINES.splitlines())]


@pytest.mark.parametrize(("locale", "caption"), CAPTIONS)
def test_an_odd_caption_passes_unchanged(locale: str, caption: str) -> None:
    """A rule that finds wrapping in it is too wide."""
    verdict = validate_text(caption, style=load_styles()["concise"], locale=locale)
    assert (verdict.caption, verdict.violations) == (caption, ())
