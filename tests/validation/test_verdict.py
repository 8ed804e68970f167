"""Verdicts: outcomes, cutting to length, and properties of every valid caption."""

import json
import re
from pathlib import Path

import pytest

from app.captioning.styles.loader import load_styles
from app.types import Draft
from app.validation.verdict import Verdict, validate_draft, validate_text

STYLES = load_styles()
CONCISE = STYLES["concise"]
CUT_OFF = "A brown dog runs along a sandy beach. Two children follow it with a red ball"


def verdict_under_ceiling(
    text: str, style: str, max_tokens: int, **draft_fields: int | bool | None
) -> Verdict:
    draft = Draft(text, "model", **draft_fields)
    return validate_draft(draft, style=STYLES[style], locale="en", max_tokens=max_tokens)


@pytest.mark.parametrize(
    "draft",
    ["DECORATIVE", "decorative.", '"DECORATIVE"', "**DECORATIVE**", "Alt text: DECORATIVE",
     '{"alt_text": "DECORATIVE"}', "<think>plain</think>DECORATIVE", "```\nDECORATIVE\n```"],
)  # fmt: skip
def test_decorative_is_recognised_in_any_wrapping(draft: str) -> None:
    """The caption is empty, and the verdict is valid."""
    verdict = validate_text(draft, style=CONCISE, locale="de")
    assert (verdict.outcome, verdict.caption, verdict.violations) == ("decorative", "", ())
    assert verdict.is_valid


def test_a_sentinel_answer_counts_only_as_the_whole_draft() -> None:
    """A caption may begin with the word "decorative"."""
    assert validate_text("UNCERTAIN", style=CONCISE, locale="en").outcome == "uncertain"
    assert (
        validate_text("UNCERTAIN: too blurred", style=CONCISE, locale="en").outcome == "uncertain"
    )
    assert validate_text("Decorative vase with dried flowers.", style=CONCISE, locale="en").is_valid


@pytest.mark.parametrize(
    "draft",
    [
        "I'm sorry, but I can't help with that.",
        "I'm not able to identify the person in the image.",
        "The response was filtered due to the prompt triggering our content management policy.",
        "Unfortunately, as a text-based AI, I'm unable to view images. Please describe it to me.",
        "I apologize, but I cannot generate alt text. Please upload an image.",
        "Es tut mir leid, aber ich kann dieses Bild nicht beschreiben.",
        "Je suis désolé, mais je ne peux pas décrire cette image.",
        "Lo siento, no puedo ayudar con eso.",
        "Mi dispiace, non posso descrivere questa immagine.",
        "Desculpe, não posso ajudar com isso.",
        "Het spijt me, maar ik kan deze afbeelding niet beschrijven.",
        "Przepraszam, ale nie mogę opisać tego zdjęcia.",
        "Omlouvám se, ale tento obrázek nemohu popsat.",
        "Žao mi je, ali ne mogu opisati ovu sliku.",
        "Жао ми је, али не могу да опишем ову слику.",
        "Žal ne morem opisati te slike.",
        "Sajnálom, de nem tudom leírni ezt a képet.",
        "Tyvärr kan jag inte beskriva bilden.",
        "Beklager, men jeg kan ikke beskrive billedet.",
        "Valitettavasti en voi kuvailla tätä kuvaa.",
        "Üzgünüm, bu görseli açıklayamam.",
        "Извините, я не могу описать это изображение.",
        "Вибачте, я не можу описати це зображення.",
        "申し訳ありませんが、この画像を説明することはできません。",
        "죄송합니다. 이 이미지를 설명할 수 없습니다.",
        "抱歉，我无法描述这张图片。",
        "عذرًا، لا أستطيع وصف هذه الصورة.",
    ],
)
def test_a_refusal_is_recognised_in_any_language(draft: str) -> None:
    """The locale does not matter."""
    assert validate_text(draft, style=CONCISE, locale="en").outcome == "refused"


def test_a_refusal_with_a_description_breaks_a_rule_instead() -> None:
    """The captioner is then asked again."""
    draft = "I can't say who he is, but the image shows a man in a blue suit."
    verdict = validate_text(draft, style=CONCISE, locale="en")
    assert verdict.outcome == "caption"
    assert [violation.code for violation in verdict.violations] == ["about_itself"]


def test_a_truncated_draft_is_cut_to_its_last_whole_sentence() -> None:
    """The verdict says that it is truncated."""
    verdict = verdict_under_ceiling(CUT_OFF, "concise", 32, cut=True)
    assert verdict.caption == "A brown dog runs along a sandy beach."
    assert verdict.truncated
    assert verdict.is_valid


def test_a_truncated_draft_without_a_whole_sentence_is_cut_to_words() -> None:
    """Without the incomplete last word and the dangling "with a"."""
    draft = "A brown dog runs along a sandy beach with a re"
    verdict = verdict_under_ceiling(draft, "concise", 32, cut=True)
    assert verdict.caption == "A brown dog runs along a sandy beach"


def test_headroom_for_reasoning_does_not_lengthen_the_caption() -> None:
    """Four characters count as one token."""
    draft = " ".join([f"Sentence {n} tells of one more thing in the room." for n in range(6)])
    verdict = verdict_under_ceiling(draft, "detailed", 32, had_headroom=True)
    assert len(verdict.caption) <= 128
    assert verdict.caption.endswith("room.")
    assert verdict.truncated


@pytest.mark.parametrize(
    ("max_tokens", "output_tokens", "is_cut"),
    [(64, 60, False), (64, 80, True), (64, None, True), (32, 20, True)],
)
def test_the_ceiling_is_enforced_where_the_model_server_did_not_keep_it(
    max_tokens: int, output_tokens: int | None, is_cut: bool
) -> None:
    """Over 256 characters a count of 60 tokens is plausible; 80, none and 20 are not."""
    draft = " ".join([f"Part {n} tells of one more thing in this wide room." for n in range(6)])
    assert 64 * 4 < len(draft) <= 64 * 8
    verdict = verdict_under_ceiling(draft, "detailed", max_tokens, output_tokens=output_tokens)
    assert verdict.truncated == is_cut
    assert len(verdict.caption) <= max_tokens * (4 if is_cut else 8)


def test_a_truncated_caption_may_be_shorter_than_its_styles_minimum() -> None:
    """A `detailed` caption at 32 tokens is short."""
    assert verdict_under_ceiling(CUT_OFF, "detailed", 32, cut=True).is_valid


def test_a_long_draft_is_cut_where_a_full_caption_is_left() -> None:
    """Otherwise the captioner is asked again, unless the draft is final."""
    first = "A brown dog runs along a sandy beach."
    verdict = validate_text(first + " It is" + " very" * 40 + " wet.", style=CONCISE, locale="en")
    assert (verdict.caption, verdict.truncated) == (first, False)
    short = "A brown dog. Behind it lies" + " a beach of fine sand and" * 8 + " stones."
    assert not validate_text(short, style=CONCISE, locale="en").is_valid
    assert validate_text(short, style=CONCISE, locale="en", is_final=True).caption == "A brown dog."


@pytest.mark.parametrize("draft", ["", " ", "\x00", "\ud800", "\n" * 50, "{}", "[]", "null", '""'])
def test_an_empty_draft_is_invalid(draft: str) -> None:
    """It raises no exception either."""
    assert not validate_text(draft, style=CONCISE, locale="en").is_valid


@pytest.mark.slow
def test_every_valid_caption_of_real_drafts_obeys_the_rules(corpora: Path) -> None:
    """Checked again here by simpler patterns that share nothing with the product."""
    lines = (corpora / "vlm_outputs.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for name in tuple(STYLES):
        style = STYLES[name]
        accepted = 0
        for row in rows:
            verdict = validate_text(row["output"], style=style, locale="en")
            if not verdict.is_valid or verdict.outcome != "caption":
                continue
            accepted += 1
            text = verdict.caption
            assert text == " ".join(text.split()), text
            assert len(text) <= style.max_chars, text
            assert len(text) >= style.min_chars or text.isupper(), text
            assert not re.search(
                r"https?://|www\.|</?\w+>|<\||```|\*\*|©|\bgetty\b|shutterstock|adobe stock"
                r"|as an ai\b|the user wants|\bthis (?:image|photo|picture)\b",
                text,
                re.IGNORECASE,
            ), text
            assert not re.match(
                r"(?:(?:an?|the|this) )?(?:image|photo|picture|graphic|screenshot|photograph) of\b"
                r"|(?:title|description|caption|alt text|keywords)\s?:|here(?:'s| is)|sure\b|[-*#]",
                text,
                re.IGNORECASE,
            ), text
        # These drafts answer other prompts; about half of them fit a style at once.
        assert accepted > 0.4 * len(rows), name


def test_alt_texts_written_by_people_pass(corpora: Path) -> None:
    """Of 164 within the length 159 pass: two URLs, a credit line and two Danish titles do not.

    That is 96.95 % of all, URLs included; fewer would be a regression.
    """
    texts = [
        json.loads(line)["alt"] for line in (corpora / "human_alt.jsonl").read_text().splitlines()
    ]
    short = [text for text in texts if len(text) <= CONCISE.max_chars]
    rejected = [
        text for text in short if not validate_text(text, style=CONCISE, locale="en").is_valid
    ]
    assert len(rejected) <= 5, rejected


def test_a_final_draft_is_cut_to_a_short_first_sentence() -> None:
    """A first draft is rejected instead, so that the captioner is asked again."""
    draft = (
        "A brown dog runs. Behind it the sea is wide and grey and full of waves, with a ship far "
        "out that seems to "
        "stand still, and above all of it a few clouds drift from left to right in the wind."
    )
    first = validate_text(draft, style=CONCISE, locale="en")
    assert [broken.code for broken in first.violations] == ["too_long"]
    last = validate_text(draft, style=CONCISE, locale="en", is_final=True)
    assert (last.caption, last.warnings) == ("A brown dog runs.", ("short",))
    assert last.is_valid


def test_a_good_caption_survives_a_remark_after_it() -> None:
    """Text that was cut off is held against the caption only where it is reasoning."""
    good = "A large concert takes place in an indoor arena, and many phones are held up."
    remark = "I cannot tell who is on the stage. Please provide more of the context for that."
    filler = (
        "The light on the stage is blue and red and seems to change all of the time, from one "
        "song to the next. "
    )
    assert validate_text(f"{good} {filler}{remark}", style=CONCISE, locale="en").caption == good
    thought = "Wait, the instructions say that I should mention the colour of the stage."
    assert not validate_text(f"{good} {filler}{thought}", style=CONCISE, locale="en").is_valid


def test_a_sentence_may_end_in_the_word_figure() -> None:
    """Only a figure number at the start of the text is no sentence end."""
    verdict = validate_text(
        "The light falls on the central figure. The wall is red. The floor is dark.",
        style=CONCISE,
        locale="en",
    )
    assert verdict.caption == "The light falls on the central figure. The wall is red."


def test_a_text_that_is_too_long_is_judged_by_its_first_1_000_characters() -> None:
    """Its length is that of the whole text, and where it is cut it has no broken end."""
    words = " and ".join(f"a brown dog of street {number} on a beach" for number in range(90))
    text = f"A beach with {words}, see https://dogs.example/"
    verdict = validate_text(text, style=CONCISE, locale="en")
    reasons = {broken.code: broken.reason for broken in verdict.violations}
    assert (verdict.caption, verdict.truncated) == (text, False)
    assert f"{len(text)} characters" in reasons["too_long"]
    assert reasons.keys().isdisjoint({"url_or_markup", "unfinished", "empty"})
    assert {broken.code for broken in validate_text("a" * 5_000, style=CONCISE, locale="en")
            .violations} == {"loop", "too_long"}  # fmt: skip
