"""Marks of chat templates, grounding, escapes and code: the sentence comes out, or nothing does."""

import json
import random

import pytest

from app.captioning.styles.loader import load_styles
from app.types import Draft
from app.validation.reasoning_tokens import MAX_DRAFT_CHARS
from app.validation.verdict import Verdict, validate_draft, validate_text
from testing.attack_drafts import TOLD_FROM_PROSE_BY_AN_ARTICLE, attack_drafts
from testing.draft_fuzzer import (
    MARKS,
    PROSE_MARKS,
    draw_draft,
    find_leak,
    is_alternative_of,
    is_sentence_of,
)
from testing.long_drafts import CAPTION, PATTERNS, SIGNS, judging_took_s, megabyte_of

STYLE = load_styles()["concise"]
DISC = "A red disc lies centred on a plain white table."
ASK = "Describe the picture in one sentence."


def verdict_on(draft: str, locale: str = "en") -> Verdict:
    return validate_text(draft, style=STYLE, locale=locale, is_final=True)


@pytest.mark.parametrize(
    "draft",
    [
        f"{DISC}<|im_assistant|>assistant<|im_middle|>",
        f"<|im_user|>user<|im_middle|>{ASK}<|im_end|><|im_assistant|>assistant<|im_middle|>{DISC}",
        f"user {ASK} assistant {DISC}",
        f"user\n{ASK}\nassistant\n{DISC}",
        f"system\nYou write alt text.\nuser\n{ASK}\nassistant\n{DISC}\nuser\n",
        f"{DISC} assistant",
        f"{DISC}assistant",
        f"{DISC}\nassistant\nA red disc.",
        f"USER: {ASK} ASSISTANT: {DISC}",
        f"### Human: {ASK} ### Assistant: {DISC}",
        f"<|user|>{ASK}<|assistant|>{DISC}<|user|>",
        f"{DISC}<|im_end",
        f"{DISC} im_end|>",
        f"<start_of_turn>user\n{ASK}<end_of_turn>\n<start_of_turn>model\n{DISC}<end_of_turn>",
        f"addCriterion\n{DISC}",
        f"addCriterion {DISC}",
        f"{DISC}addCriterion",
        f"{DISC}\nUseraddCriterion",
        f"[img-0] {DISC}",
        f"<image 1>\n{DISC}",
        "<ref>A red disc</ref><box>(100,200),(300,400)</box> lies centred on a plain white table.",
        f"{DISC} [[100, 200, 300, 400]]",
        f"<loc0100><loc0200><loc0300><loc0400> {DISC}",
        f"<|object_ref_start|>{DISC}<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>",
        f"{DISC} 2.",
        f"{DISC}\n2.",
        f"1. {DISC}\n2.",
        f"{DISC} -",
        f"{DISC}\\n",
        f"\\n\\n{DISC}\\n\\n",
        f'"“{DISC}”"',
        f'""{DISC}""',
        f'\\"{DISC}\\"',
        f"| Caption |\n|---|\n| {DISC} |",
        f"```{DISC}```",
        f"{{'caption': '{DISC}'}}",
        f'"caption": "{DISC}",',
        f'Here is the JSON:\n{{"alt_text": "{DISC}", "tags": ["disc"]}}\nDone.',
        json.dumps(json.dumps({"caption": DISC})),
        f'"{DISC}',
        f"{DISC})",
        f"```json\n« ```\n{DISC}\n``` »",
        f'caption = "{{model\n{DISC}}}"',
        f"<|header_start|>assistant<|header_end|>\n\n{DISC}<|eot|>",
        f"alt_text: >-\n  {DISC}",
        f'print("{DISC}")',
        f"\\caption{{{DISC}}}",
        f"<{DISC}>",
        f"“{DISC}“",
        f'"""{DISC}"""',
        f"\\*{DISC}\\*",
        f"{DISC} [125/160]",
        f"{DISC} — 47 characters",
        f"{DISC}\ndata: [DONE]",
        f"%0A{DISC}",
        f"a) {DISC}",
        f"{DISC}\n```\nTags: disc, table",
        f'{{"caption": "{DISC}",\n"caption": "A cat."}}',
        f"<ul><li>{DISC}</li><li>A cat sits on a mat.</li></ul>",
        f"<answer><reasoning>short</reasoning>{DISC}</answer>",
        f"<think>short<answer>{DISC}</answer></think>",
        f"analysisIt is simple.assistantfinal{DISC}",
        f"%22{DISC}%22",
        f"‚{DISC}‘",
        f"⁇ {DISC}",
        f"Benutzer: Beschreibe dieses Bild.\nAssistent: {DISC}",
        f"Utilisateur : Décris cette image. Assistant : {DISC}",
    ],
)
def test_a_good_sentence_comes_out_of_marks(draft: str) -> None:
    verdict = verdict_on(draft)
    assert (verdict.caption, verdict.violations) == (DISC, ())


@pytest.mark.parametrize(
    "draft",
    [
        f"<|im_user|>user<|im_middle|>{ASK}",
        "| Element | Colour |\n|---|---|\n| Disc | red |\n| Table | white |",
        "Element | Colour | Place",
        "A red disc lies centred on a plain \\textbf{white} table.",
        'You referred to "[img-0]", so a picture is attached, but nothing is visible to me.',
        "The attachment did not come through on my end, so there is nothing to describe.",
        "A red disc at im_col image_pad on a table.",
        'print("Hello, World!")',
        f"You are a caption writer. {DISC}",
        f"{DISC} Keep it under 125 characters.",
        '<img alt="A door under a sign that reads "OPEN" in white letters.">',
        "Style | Caption",
    ],
)
def test_what_no_sentence_can_be_taken_from_is_not_a_caption(draft: str) -> None:
    verdict = verdict_on(draft)
    assert verdict.outcome == "refused" or verdict.violations


@pytest.mark.parametrize(
    "caption",
    [
        "A user interface with a model of a human heart.",
        "An assistant referee raises a flag.",
        "A sign that reads “GO” and “STOP”.",
        '"GO" and "STOP" on two signs.',
        "A screen with a 24-inch diagonal, 60 cm wide.",
        "A plot of the points (1, 2), (3, 4) on a line.",
        "An openSUSE logo beside a deviantArt page on an iPhone.",
        "The queen opens pier no. 2.",
        "Chapter 3 begins on page 12.",
        "A mug, seen from above (and below).",
        "Map of the U.S. system.",
        "A “Tesla” model, seen from above.",
        'A "smart" system in a kitchen.',
        "A grey U.S. flag",
        "The head office of Fiat S.p.A. Torino",
        "A map of Washington, D.C. USA",
        "The score of piano sonata op. 27.",
        "The corner house in Hauptstr. 5.",
        "A sign that reads “We say ‘stop’”",
        "easyJet, seen on the tail of an orange plane.",
        "human DNA, drawn as a double helix.",
        "model T Fords in a row.",
        "Assistant (left) and surgeon at a table.",
        "CHICAGO, Ill. - A tower in the fog.",
        "A display reads “SYSTEM: OFF” in red.",
        "A chart shows x>5 for every y<3",
        "The band after show no. #5",
        "“1. FC Köln” on a red and white scarf",
        "text in white on a black page",
        "The dog`s bowl on a mat.",
        "Results of Smith et al. (2019, 2020)",
        "A map of where all visitors are from",
        "A sign reads “User: admin” above an old terminal.",
        'A login form with "User: admin" typed into the first field.',
        "A black T-shirt with “<3” printed on the chest.",
        "Assistant Street sign on a brick wall in the rain.",
        "A menu on a chalkboard: coffee €3.50, tea €2.80, cake €4.",
        "A chessboard after 1. e4 e5 2. Nf3 Nc6, with Black to move.",
        "A code screenshot with the line “return x + y” highlighted.",
        "A mug with the text “Hi!” on it.",
        "(a) A red cell under a microscope, (b) the same cell in blue.",
    ],
)
def test_what_people_write_is_left_as_it_is(caption: str) -> None:
    """Marks and words of wrapping occur in prose, too."""
    verdict = verdict_on(caption)
    assert (verdict.caption, verdict.violations) == (caption, ())


@pytest.mark.parametrize("max_tokens", [64, 256])
def test_a_text_without_a_sentence_end_under_a_ceiling_is_cut_at_a_word(max_tokens: int) -> None:
    draft = (
        "A red disc lies centred on a plain white table beside a blue cloth while behind it a "
        "window opens on a harbour with fishing boats and a lighthouse that stands on the last "
        "rock "
        "of a long grey pier where two anglers in yellow coats wait beside their bicycles and the"
    )
    verdict = validate_draft(
        Draft(draft, "m", cut=True, output_tokens=max_tokens),
        style=STYLE,
        locale="en",
        max_tokens=max_tokens,
    )
    assert (verdict.violations, verdict.truncated) == ((), True)
    assert 100 < len(verdict.caption) <= STYLE.max_chars
    assert draft.startswith(verdict.caption)
    assert not draft[len(verdict.caption)].isalnum()


HANS = "一个红色圆盘放在白色桌子中央，旁边是叠好的蓝色布料，窗外可以看见海边的灯塔与渔船。"
HANT = "一個紅色圓盤放在白色桌子中央，旁邊是疊好的藍色布料，窗外可以看見海邊的燈塔與漁船。"


@pytest.mark.parametrize(
    ("locale", "right", "wrong"),
    [
        *((locale, HANT, HANS) for locale in ("zh-Hant", "zh-TW", "zh-HK", "zh-MO", "yue-HK")),
        *((locale, HANS, HANT) for locale in ("zh-Hans", "zh-CN", "zh-SG", "cmn-Hans-CN")),
    ],
)
def test_simplified_and_traditional_chinese_are_told_apart(
    locale: str, right: str, wrong: str
) -> None:
    """Where the tag names a script, or a region that has one."""
    assert verdict_on(right, locale).violations == ()
    assert [each.code for each in verdict_on(wrong, locale).violations] == ["wrong_language"]
    assert verdict_on(HANS, "zh").violations == verdict_on(HANT, "zh").violations == ()


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("hi-Latn", "Ek laal disc safed mez par neele kapde ke paas rakhi hai aur khidki"),
        ("ja-Latn", "Akai enban ga shiroi tēburu no mannaka ni oite ari, mado kara umi ga mieru."),
        ("zh-Latn-pinyin", "Yí gè hóngsè yuánpán fàng zài báisè zhuōzi zhōngyāng, yǒu hǎi."),
        ("ru-Latn", "Krasnyy disk lezhit na belom stole ryadom so slozhennoy siney tkan'yu."),
        ("el-Latn", "Enas kokkinos diskos vrisketai sto kentro enos lefkou trapeziou konta."),
    ],
)  # fmt: skip
def test_romanised_locales_are_not_judged_by_a_script_that_they_do_not_use(
    locale: str, text: str
) -> None:
    assert verdict_on(text, locale).violations == ()
    own = "एक लाल डिस्क सफेद मेज पर नीले कपड़े के पास रखी है और खिड़की से समुद्र दिखता है"
    assert [each.code for each in verdict_on(own, "hi-Latn").violations] == ["wrong_language"]


@pytest.mark.parametrize(
    ("caption", "locale"),
    [
        ("Text „Eintritt frei“ auf einem gelben Schild.", "de"),
        ("Un homme dit « bonjour » devant une porte.", "fr"),
        ("На вывеске написано «Кафе» белыми буквами.", "ru"),
        ("看板に「入口」と書かれた木のドアが見えます。", "ja"),
        ("Natpis „Otvoreno” na staklenim vratima.", "hr"),
        ("Ein Schild mit der Aufschrift „Eintritt frei“", "de"),
        ("Eine Tafel mit der Aufschrift »Heute Ruhetag«", "de"),
        ("Natpis „Otvoreno“ na vratima, a ispod njega „Dobro došli“", "hr"),
        ("Cedule s nápisem „Otevřeno“", "cs"),
        ("Tabla z napisom »Odprto«", "sl"),
        ("En skylt med texten ”Stängt”", "sv"),
        ("Kyltti, jossa lukee ”Avoinna”", "fi"),
        ("Feuerwerk über dem Brandenburger Tor am 3. Oktober", "de"),
        ("Proslava na trgu 31. prosinca", "hr"),
    ],
)
def test_quotations_of_other_languages_are_left_as_they_are(caption: str, locale: str) -> None:
    verdict = verdict_on(caption, locale)
    assert (verdict.caption, verdict.violations) == (caption, ())


def test_of_fuzzed_drafts_the_sentence_comes_out_or_nothing() -> None:
    """A sample; many more: `python -m benchmarks.draft_fuzz`."""
    source = random.Random(21)
    drafts = [draw_draft(source, tuple(MARKS)) for _ in range(1_500)]
    leaks = {draft.text: leak for draft in drafts if (leak := find_leak(draft, STYLE))}
    assert leaks == {}
    # Of an echo of the instruction or a remark mostly nothing may come out.
    no_prose = [draft for draft in drafts if PROSE_MARKS.isdisjoint(draft.marks)]
    came_out = sum(
        is_sentence_of(each, verdict_on(each.text, each.locale).caption) for each in no_prose
    )
    assert came_out > 0.75 * len(no_prose) > 0.5 * len(drafts)


def test_of_fuzzed_answers_no_rest_of_a_mark_comes_out() -> None:
    """Of whole answers with several captions another one than the first may still come out."""
    source = random.Random(21)
    drafts = [draw_draft(source) for _ in range(1_500)]
    leaks = {draft.text: (draft, leak) for draft in drafts if (leak := find_leak(draft, STYLE))}
    rests = {text: leak for text, (draft, leak) in leaks.items()
             if not is_alternative_of(draft, leak)}  # fmt: skip
    assert rests == {}
    assert len(leaks) <= 2


def test_of_attack_drafts_the_sentence_comes_out_or_nothing() -> None:
    """Each template in one language; all: `python -m benchmarks.draft_fuzz`."""
    drafts = [draft for at, draft in enumerate(attack_drafts()) if at % 7 == 0]
    leaks = [leak for draft in drafts if (leak := find_leak(draft, STYLE))]
    assert [leak for leak in leaks if not leak.startswith(TOLD_FROM_PROSE_BY_AN_ARTICLE)] == []
    captions = [verdict_on(each.text, each.locale).caption for each in drafts]
    came_out = sum(map(is_sentence_of, drafts, captions))
    assert came_out > 0.55 * len(drafts)


@pytest.mark.measures
@pytest.mark.parametrize("text", [*SIGNS, *PATTERNS])
def test_a_megabyte_of_one_sign_or_pattern_is_judged_as_fast_as_60_captions(text: str) -> None:
    """In processor time. Milliseconds: `python -m benchmarks.long_drafts`."""
    caption_s = judging_took_s(CAPTION, STYLE)
    assert judging_took_s(megabyte_of(text), STYLE) < 60 * caption_s


@pytest.mark.measures
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_time_for_a_pattern_grows_with_its_length(pattern: str) -> None:
    """Four times the text takes four times as long, not sixteen. What is longer is cut before."""
    draft = megabyte_of(pattern)
    quarter_s = judging_took_s(draft[: MAX_DRAFT_CHARS // 4], STYLE)
    assert judging_took_s(draft[:MAX_DRAFT_CHARS], STYLE) < 8 * quarter_s
