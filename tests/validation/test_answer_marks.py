"""Of whole answers of models the caption comes out, or nothing: no label, note or question."""

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.verdict import Verdict, validate_text
from testing import answer_marks, draft_fuzzer, language_marks
from testing.draft_fuzzer import FuzzedDraft, find_leak

STYLE = load_styles()["concise"]
MENU = "Menu on a chalkboard: soup €4.50, bread €2, coffee €3."
DOG = "A brown dog runs along a sandy beach."
SENTENCE_OF = dict(reversed(draft_fuzzer.SENTENCES))


def verdict_on(draft: str, locale: str = "en") -> Verdict:
    return validate_text(draft, style=STYLE, locale=locale, is_final=True)


@pytest.mark.parametrize("kind", answer_marks.MARKS)
@pytest.mark.parametrize(
    ("locale", "sentence"),
    [("en", MENU), *((locale, SENTENCE_OF[locale]) for locale in ("ja", "hi"))],
)
def test_of_each_answer_the_sentence_comes_out_or_nothing(
    kind: str, locale: str, sentence: str
) -> None:
    drafts = [
        FuzzedDraft("".join(wrap(sentence)), sentence, locale, (kind,))
        for wrap in answer_marks.MARKS[kind]
    ]
    leaks = {draft.text: leak for draft in drafts if (leak := find_leak(draft, STYLE))}
    assert leaks == {}


@pytest.mark.parametrize("locale", language_marks.LANGUAGE_MARKS)
def test_labels_and_remarks_of_each_language_are_no_part_of_a_caption(locale: str) -> None:
    sentence = SENTENCE_OF[locale]
    drafts = [
        FuzzedDraft("".join(wrap(sentence)), sentence, locale, (locale,))
        for wrap in language_marks.LANGUAGE_MARKS[locale]
    ]
    leaks = {draft.text: leak for draft in drafts if (leak := find_leak(draft, STYLE))}
    assert leaks == {}
    came_out = sum(verdict_on(draft.text, locale).is_valid for draft in drafts)
    assert came_out >= 0.8 * len(drafts)


@pytest.mark.parametrize(
    "draft",
    [
        f"[caption\t, {MENU}](https://example.com/a)",
        f"--- caption\na) {MENU}",
        f", Caption → {MENU}",
        f"```tool_code\nprint(caption('{MENU}'))\n```",
    ],
)
def test_a_captions_own_colon_ends_no_announcement(draft: str) -> None:
    """The words before it are kept, or the draft is rejected."""
    verdict = verdict_on(draft)
    assert verdict.violations or verdict.caption == MENU


@pytest.mark.parametrize(
    "draft",
    [
        f"Here is the caption (short version): {DOG}",
        f"Caption (under 125 characters): {DOG}",
        f"The alt text, as requested: {DOG}",
        f"image_1.jpg: {DOG}",
        f"English: {DOG}",
        f"EN: {DOG}",
        f"【Alt text】{DOG}",
        f"--- Caption ---\n{DOG}\n--- End ---",
        f"=== Caption ===\n{DOG}",
        f"◆ {DOG}",
        f"✓ {DOG}",
        f"[caption id='1']{DOG}[/caption]",
        f'<image alt="{DOG}"/>',
        f"<dc:description>{DOG}</dc:description>",
        f"<SUMMARY>I look.</SUMMARY><CONCLUSION>{DOG}</CONCLUSION>",
        f"{DOG}【1†source】",
        f"{DOG}:contentReference[oaicite:0]{{index=0}}",
        f"{DOG}\n\n---\n\nThis is short.",
        f"① {DOG} ② A hound sits.",
        f"{DOG} (Note: names are guesses.)",
        f"{DOG} Is this what you needed?",
    ],
)
def test_the_sentence_comes_out(draft: str) -> None:
    verdict = verdict_on(draft)
    assert (verdict.caption, verdict.violations) == (DOG, ())


@pytest.mark.parametrize(
    "draft",
    [
        "TOOL_CALLS",
        "12:03:15",
        "lang: en",
        f"{DOG} Is the tide coming in?",
        "Would you like a longer version?",
        f'Use this. {DOG}" "A hound sits.',
        f"You could use “{DOG}",
        f"The best caption is {DOG}",
    ],
)
def test_what_is_no_caption_is_rejected(draft: str) -> None:
    assert verdict_on(draft).violations


@pytest.mark.parametrize(
    "caption",
    [
        'A 24" screen stands beside a 27" one on a desk.',
        'A tag reads "AG-8933" on a jet ski.',
        "A ballot reads “Option 1: Yes” and “Option 2: No” in two columns.",
        "Why is the sky blue? A diagram of scattered light answers.",
        "Figure 2. Sizes of five methods: width, height and depth",
    ],
)
def test_what_looks_like_a_mark_stays(caption: str) -> None:
    verdict = verdict_on(caption)
    assert (verdict.caption, verdict.violations) == (caption, ())


def test_keywords_after_a_caption_are_removed() -> None:
    verdict = verdict_on("A dog on a beach. Keywords: dog, beach.")
    assert (verdict.caption, verdict.violations) == ("A dog on a beach.", ())
