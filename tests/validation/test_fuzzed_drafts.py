"""Of drafts that a fuzzer once got something else out of, the sentence comes out, or nothing."""

import json
from pathlib import Path

import pytest

import testing.corpora
from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text
from testing.draft_fuzzer import FuzzedDraft, find_leak

STYLE = load_styles()["concise"]
DOG = "A brown dog runs along a sandy beach."
_LINES = Path(testing.corpora.__file__).with_name("fuzzed_drafts.jsonl").read_text(encoding="utf-8")
DRAFTS = [
    FuzzedDraft(row["draft"], row["sentence"], row["locale"], ())
    for row in map(json.loads, _LINES.splitlines())
]


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_sentence_comes_out_or_nothing(draft: FuzzedDraft) -> None:
    assert find_leak(draft, STYLE) is None


@pytest.mark.parametrize(
    "draft",
    [
        f"**Concise:** {DOG}\n</think>\n**SEO:** A hound plays near the water.",
        f"<caption>{DOG}</caption>\n\nSEO: A hound plays near the water.",
        f"{DOG} [1][2]\n\nDetailed: A hound plays near the water.",
        f"Long: {DOG} Short: A hound.",
        f'caption": "{DOG}"}}, {{"caption": "A hound."}}]',
        f"| 1 | {DOG} |\n| 2 | A hound plays near the water. |",
        f"**Dog on a beach**\n\nASSISTANT\n---\n{DOG}",
        f"- **Dog on a beach**\n\n{DOG}",
        f"{DOG} [^1]\n\n[^1]: The picture.",
        f"# {DOG}\n\nBest regards,\nYour assistant",
        f'<caption text="{DOG}"/>',
        f"Figure 12: {DOG}\n\nNote: It is short.",
    ],
)
def test_the_first_caption_comes_out(draft: str) -> None:
    verdict = validate_text(draft, style=STYLE, locale="en", is_final=True)
    assert (verdict.caption, verdict.violations) == (DOG, ())


@pytest.mark.parametrize(
    ("locale", "draft"),
    [
        ("uk", "Коричневая собака бежит по пляжу."),
        ("uk", "Кот спит на диване."),
        ("hr", "cat Siva mačka spava na novinama."),
        ("ja", "cat 灰色の猫が新聞の上で眠っている。"),
        ("en", "A van with www.example.com painted on its side."),
        ("en", "A van with “www.example.com” painted on its side."),
        ("en", "A van with “www.example.com/sale” painted on its side."),
        ("ja", "もちろんです！"),
        ("fr", "Cette description est courte."),
    ],
)
def test_what_is_no_caption_is_rejected(locale: str, draft: str) -> None:
    assert validate_text(draft, style=STYLE, locale=locale, is_final=True).violations


@pytest.mark.parametrize(
    ("locale", "caption"),
    [
        ("uk", "Собака з палкою та кит у морському парку"),
        ("uk", "Чорна кава на столику."),
        ("hr", "car Dušan jaše konja na slici."),
        ("en", "The @altwright logo on a mug."),
        ("de", "Balkendiagramm der Verkäufe nach Jahr."),
    ],
)
def test_what_looks_alike_passes(locale: str, caption: str) -> None:
    verdict = validate_text(caption, style=STYLE, locale=locale, is_final=True)
    assert (verdict.caption, verdict.violations) == (caption, ())
