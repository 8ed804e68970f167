"""Verdicts: outcomes, cutting, and what is true of every caption that comes out."""

import json
import re
from pathlib import Path

import pytest

from app.captioning.styles.loader import StyleRegistry
from app.captioning.validate.verdict import judge

STYLES = StyleRegistry.load()
CONCISE = STYLES["concise"]
TWO = "A brown dog runs along a sandy beach. Two children follow it with a red ball"


@pytest.mark.parametrize(
    "draft",
    ["DECORATIVE", "decorative.", '"DECORATIVE"', "**DECORATIVE**", "Alt text: DECORATIVE",
     '{"alt_text": "DECORATIVE"}', "<think>plain</think>DECORATIVE", "```\nDECORATIVE\n```"],
)  # fmt: skip
def test_decorative_is_a_success_in_any_wrapping(draft: str) -> None:
    """The caption is empty and nothing is broken."""
    verdict = judge(draft, style=CONCISE, locale="de")
    assert (verdict.outcome, verdict.caption, verdict.hard) == ("decorative", "", ())
    assert verdict.is_valid


def test_a_way_out_counts_only_as_the_whole_answer() -> None:
    """A decorative vase is a vase."""
    assert judge("UNCERTAIN", style=CONCISE, locale="en").outcome == "uncertain"
    assert judge("Decorative vase with dried flowers.", style=CONCISE, locale="en").is_valid


@pytest.mark.parametrize(
    "draft",
    [
        "I'm sorry, but I can't help with that.",
        "I'm not able to identify the person in the image.",
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
def test_a_refusal_is_known_in_any_language(draft: str) -> None:
    """Whatever the locale was."""
    assert judge(draft, style=CONCISE, locale="en").outcome == "refused"


def test_a_refusal_with_a_description_is_asked_again() -> None:
    """It is not nothing but a refusal."""
    draft = "I can't say who he is, but the image shows a man in a blue suit."
    verdict = judge(draft, style=CONCISE, locale="en")
    assert verdict.outcome == "caption"
    assert [broken.code for broken in verdict.hard] == ["about_itself"]


def test_a_cut_draft_ends_at_its_last_sentence() -> None:
    """And says that it is truncated."""
    verdict = judge(TWO, style=CONCISE, locale="en", max_tokens=32, cut=True)
    assert verdict.caption == "A brown dog runs along a sandy beach."
    assert verdict.truncated
    assert verdict.is_valid


def test_a_cut_draft_without_a_sentence_ends_at_a_word_that_can_end_it() -> None:
    """No "with a", and no half word."""
    draft = "A brown dog runs along a sandy beach with a re"
    verdict = judge(draft, style=CONCISE, locale="en", max_tokens=32, cut=True)
    assert verdict.caption == "A brown dog runs along a sandy beach"


def test_headroom_does_not_lengthen_the_caption() -> None:
    """Four characters count as one token."""
    draft = " ".join([f"Sentence {n} tells of one more thing in the room." for n in range(6)])
    verdict = judge(draft, style=STYLES["detailed"], locale="en", max_tokens=32, had_headroom=True)
    assert len(verdict.caption) <= 128
    assert verdict.caption.endswith("room.")
    assert verdict.truncated
    free = judge(draft, style=STYLES["detailed"], locale="en", max_tokens=32)
    assert not free.truncated
    overran = judge(draft, style=STYLES["detailed"], locale="en", max_tokens=32, output_tokens=80)
    assert overran.truncated


def test_a_truncated_caption_need_not_reach_its_register() -> None:
    """A `detailed` caption at 32 tokens is simply short."""
    verdict = judge(TWO, style=STYLES["detailed"], locale="en", max_tokens=32, cut=True)
    assert verdict.is_valid


def test_a_long_draft_is_cut_where_a_full_caption_is_left() -> None:
    """Otherwise it is asked for again."""
    first = "A brown dog runs along a sandy beach."
    verdict = judge(first + " It is" + " very" * 40 + " wet.", style=CONCISE, locale="en")
    assert (verdict.caption, verdict.truncated) == (first, False)
    scrap = "A brown dog. Behind it lies" + " a beach of fine sand and" * 8 + " stones."
    assert not judge(scrap, style=CONCISE, locale="en").is_valid
    assert judge(scrap, style=CONCISE, locale="en", final=True).caption == "A brown dog."


@pytest.mark.parametrize("draft", ["", " ", "\x00", "\ud800", "\n" * 50, "{}", "[]", "null", '""'])
def test_nothing_comes_out_of_nothing(draft: str) -> None:
    """And no draft makes the judge raise."""
    assert not judge(draft, style=CONCISE, locale="en").is_valid


def test_every_caption_that_comes_out_obeys_the_rules(corpora: Path) -> None:
    """Judged once more here, by simpler checks that share nothing with the product."""
    lines = (corpora / "vlm_outputs.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for name in STYLES.names():
        style = STYLES[name]
        accepted = 0
        for row in rows:
            verdict = judge(row["output"], style=style, locale="en")
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
        # Of these answers, written to other prompts, about half fit each register at once.
        assert accepted > 0.4 * len(rows), name


def test_texts_that_people_wrote_pass(corpora: Path) -> None:
    """Of 164 within the length 159 pass: two addresses, a credit and two Danish titles do not.

    That is 96.95 %, counted over everything, addresses too; a drop below it is a regression.
    """
    texts = [
        json.loads(line)["alt"] for line in (corpora / "human_alt.jsonl").read_text().splitlines()
    ]
    short = [text for text in texts if len(text) <= CONCISE.max_chars]
    rejected = [text for text in short if not judge(text, style=CONCISE, locale="en").is_valid]
    assert len(rejected) <= 5, rejected
