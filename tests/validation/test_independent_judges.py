"""All real drafts, judged by checks that share no code with validation."""

import json
import shutil
from pathlib import Path

import pytest

from app.captioning.styles.loader import load_styles
from app.types import Draft, Style
from app.validation.verdict import validate_draft
from testing.oracle import caption_rules, npm_alt_text, plain_caption

STYLES = load_styles()
MAX_TOKENS = {False: 256, True: 64}


def caption_of(draft: str, style: Style, *, is_cut: bool) -> tuple[str, bool] | None:
    """The caption and whether it is truncated, as after a second, equal draft."""
    for is_final in (False, True):
        verdict = validate_draft(
            Draft(draft, "m", cut=is_cut),
            style=style,
            locale="en",
            max_tokens=MAX_TOKENS[is_cut],
            is_final=is_final,
        )
        if verdict.outcome != "caption":
            return None
        if not verdict.violations:
            return verdict.caption, verdict.truncated
    return None


@pytest.mark.slow
@pytest.mark.parametrize("is_cut", [False, True])
def test_no_judge_finds_a_broken_rule_in_a_caption_of_a_real_draft(
    corpora: Path, is_cut: bool
) -> None:
    """Three judges; that of npm where Node and the package are installed."""
    lines = (corpora / "vlm_outputs.jsonl").read_text(encoding="utf-8").splitlines()
    given = [
        (*found, name)
        for line in lines
        for name, style in STYLES.items()
        if (found := caption_of(json.loads(line)["output"], style, is_cut=is_cut))
    ]
    assert len(given) > 0.3 * len(lines) * len(STYLES)
    captions = set(given)  # some drafts are one caption in several wrappings
    faults = {}
    for caption, is_truncated, style in captions:
        arguments = (caption, style, "en")
        found = [
            *caption_rules.find_violations(*arguments, is_truncated=is_truncated),
            *plain_caption.find_faults(*arguments, is_truncated=is_truncated),
        ]
        if found:
            faults[caption] = found
    node = shutil.which("node")
    if node is not None and npm_alt_text.is_installed():
        texts = sorted({caption for caption, *_ in captions})
        judged = zip(texts, npm_alt_text.find_violations(node, texts), strict=True)
        faults |= {text: found for text, found in judged if found}
    assert faults == {}
