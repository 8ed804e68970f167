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
        f"Option 1: <alt>{DOG}</think><|im_end|> Option 2: A hound runs beside the sea.",
        f"<alt>选项A：---\n{DOG}\n---\n</think>选项B：A hound runs beside the sea.</alt>",
        f"<caption>\n**Dog on a beach**\n\n<|user|>\nLook.<|end|>\n<|assistant|>\n{DOG}</caption>",
        f'- "<figure>\n<p>{DOG}</p>\n</figure>"\n\n"A hound." Shall I shorten it?',
        f'- "<p>{DOG}</p>"\n\n"A hound plays near the water." Shall I shorten it?',
        f"**Option 1:** <think>\n</think>\n{DOG}\n</think>\n\n**Option 2:** A hound.",
        f"Sure! Title: Dog\n\n{DOG} (or: A hound runs beside the sea.) — 37 characters",
        f'\\textbf{{caption": "{DOG}"}}, {{"caption": "A hound."}}]}} [0.12, 0.34, 0.56, 0.78]',
        f"Option A: <|begin_of_solution|>✔ ### {DOG} ###<|end_of_solution|>\nOption B: A hound.",
        f"1) **Dog on a beach**\n\n@caption{{*{DOG}*}} 2) A hound runs beside the ",
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
        ("en", f'{DOG}", "tags": ["dog\n\nDetailed: A hound plays near the water.'),
        ("en", f"### Concise\nLength: 74. OK. {DOG}\n### SEO\nA hound plays near the water."),
        ("en", f"- **Dog on a beach**\n\n{DOG} | A hound runs beside the"),
        ("en", f"Action: Answer\nAction Input: {DOG}\n-\n\nTranslation: A dog."),
        ("de", "&quot;Ein Hund läuft am Strand. (1)&quot; Möchtest du eine längere Version?"),
        ("en", f'Reply: **»{DOG}«*"}}'),
        ("en", f"In brief: «{DOG}\n\n*(45/125)*» Looks good."),
        ("en", f"※ **Dog on a beach**\n\n, Here are some captions:\n\n* {DOG}\n* A hound."),
        ("en", 'Concise: <img alt="A sign says "OPEN" in white letters." />\nDetailed: A hound.'),
        ("en", f'{DOG}<end>", "sc 2.'),
        ("en", f"[START] {DOG}\n</think> [STOP"),
        ("en", f'response lang="en"><text>caption: "{DOG}"</text></response>'),
        ("en", f"- caption: {DOG}\n  score<|object_ref_end|> Is this what you needed?"),
        ("en", f"<output>### Response:\n{DOG}\n### End</output> 2) A hound runs."),
        (
            "en",
            f'alt: **Dog on a beach**\n\n{{"concise": "{DOG}", "detailed": "A hound plays near ',
        ),
        ("en", f'<p>{DOG}", "tags": ["dog</p>\n || A hound plays near the water.'),
        ("en", f'"{{"option_1": "{DOG}<｜end""\n\n"A hound plays near the water."'),
        ("en", f"%%% alt: {DOG}\ntags:\n  - dog\n  - beach %%%"),
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
