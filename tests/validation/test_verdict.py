"""Verdicts: outcomes, cutting, and what is true of every caption that comes out."""

import json
import re
from pathlib import Path

import pytest

from app.captioning.styles.loader import StyleRegistry
from app.validation.verdict import validate_draft

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
    verdict = validate_draft(draft, style=CONCISE, locale="de")
    assert (verdict.outcome, verdict.caption, verdict.hard) == ("decorative", "", ())
    assert verdict.is_valid


def test_a_way_out_counts_only_as_the_whole_answer() -> None:
    """A decorative vase is a vase."""
    assert validate_draft("UNCERTAIN", style=CONCISE, locale="en").outcome == "uncertain"
    assert (
        validate_draft("UNCERTAIN: too blurred", style=CONCISE, locale="en").outcome == "uncertain"
    )
    assert validate_draft(
        "Decorative vase with dried flowers.", style=CONCISE, locale="en"
    ).is_valid


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
def test_a_refusal_is_known_in_any_language(draft: str) -> None:
    """Whatever the locale was."""
    assert validate_draft(draft, style=CONCISE, locale="en").outcome == "refused"


def test_a_refusal_with_a_description_is_asked_again() -> None:
    """It is not nothing but a refusal."""
    draft = "I can't say who he is, but the image shows a man in a blue suit."
    verdict = validate_draft(draft, style=CONCISE, locale="en")
    assert verdict.outcome == "caption"
    assert [broken.code for broken in verdict.hard] == ["about_itself"]


def test_a_cut_draft_ends_at_its_last_sentence() -> None:
    """And says that it is truncated."""
    verdict = validate_draft(TWO, style=CONCISE, locale="en", max_tokens=32, cut=True)
    assert verdict.caption == "A brown dog runs along a sandy beach."
    assert verdict.truncated
    assert verdict.is_valid


def test_a_cut_draft_without_a_sentence_ends_at_a_word_that_can_end_it() -> None:
    """No "with a", and no half word."""
    draft = "A brown dog runs along a sandy beach with a re"
    verdict = validate_draft(draft, style=CONCISE, locale="en", max_tokens=32, cut=True)
    assert verdict.caption == "A brown dog runs along a sandy beach"


def test_headroom_does_not_lengthen_the_caption() -> None:
    """Four characters count as one token."""
    draft = " ".join([f"Sentence {n} tells of one more thing in the room." for n in range(6)])
    verdict = validate_draft(
        draft, style=STYLES["detailed"], locale="en", max_tokens=32, had_headroom=True
    )
    assert len(verdict.caption) <= 128
    assert verdict.caption.endswith("room.")
    assert verdict.truncated


@pytest.mark.parametrize(
    ("max_tokens", "output_tokens", "is_cut"),
    [(64, 60, False), (64, 80, True), (64, None, True), (32, 20, True)],
)
def test_the_ceiling_is_held_where_the_models_server_did_not(
    max_tokens: int, output_tokens: int | None, is_cut: bool
) -> None:
    """Over 256 characters: 60 tokens are believed; 80, none and 20 are not."""
    draft = " ".join([f"Part {n} tells of one more thing in this wide room." for n in range(6)])
    assert 64 * 4 < len(draft) <= 64 * 8
    verdict = validate_draft(
        draft,
        style=STYLES["detailed"],
        locale="en",
        max_tokens=max_tokens,
        output_tokens=output_tokens,
    )
    assert verdict.truncated == is_cut
    assert len(verdict.caption) <= max_tokens * (4 if is_cut else 8)


def test_a_truncated_caption_need_not_reach_its_register() -> None:
    """A `detailed` caption at 32 tokens is simply short."""
    verdict = validate_draft(TWO, style=STYLES["detailed"], locale="en", max_tokens=32, cut=True)
    assert verdict.is_valid


def test_a_long_draft_is_cut_where_a_full_caption_is_left() -> None:
    """Otherwise it is asked for again."""
    first = "A brown dog runs along a sandy beach."
    verdict = validate_draft(first + " It is" + " very" * 40 + " wet.", style=CONCISE, locale="en")
    assert (verdict.caption, verdict.truncated) == (first, False)
    scrap = "A brown dog. Behind it lies" + " a beach of fine sand and" * 8 + " stones."
    assert not validate_draft(scrap, style=CONCISE, locale="en").is_valid
    assert validate_draft(scrap, style=CONCISE, locale="en", final=True).caption == "A brown dog."


@pytest.mark.parametrize("draft", ["", " ", "\x00", "\ud800", "\n" * 50, "{}", "[]", "null", '""'])
def test_nothing_comes_out_of_nothing(draft: str) -> None:
    """And no draft makes the judge raise."""
    assert not validate_draft(draft, style=CONCISE, locale="en").is_valid


def test_every_caption_that_comes_out_obeys_the_rules(corpora: Path) -> None:
    """Judged once more here, by simpler checks that share nothing with the product."""
    lines = (corpora / "vlm_outputs.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for name in STYLES.names():
        style = STYLES[name]
        accepted = 0
        for row in rows:
            verdict = validate_draft(row["output"], style=style, locale="en")
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
    rejected = [
        text for text in short if not validate_draft(text, style=CONCISE, locale="en").is_valid
    ]
    assert len(rejected) <= 5, rejected


def test_the_last_ask_keeps_a_first_sentence_that_is_short() -> None:
    """Before it the model is asked again; afterwards a short caption is better than none."""
    draft = (
        "A brown dog runs. Behind it the sea is wide and grey and full of waves, with a ship far "
        "out that seems to "
        "stand still, and above all of it a few clouds drift from left to right in the wind."
    )
    first = validate_draft(draft, style=CONCISE, locale="en")
    assert [broken.code for broken in first.hard] == ["too_long"]
    last = validate_draft(draft, style=CONCISE, locale="en", final=True)
    assert (last.caption, last.soft) == ("A brown dog runs.", ("short",))
    assert last.is_valid


def test_a_good_caption_survives_a_remark_behind_it() -> None:
    """What was cut away counts only where it shows a train of thought."""
    good = "A large concert takes place in an indoor arena, and many phones are held up."
    remark = "I cannot tell who is on the stage. Please provide more of the context for that."
    filler = (
        "The light on the stage is blue and red and seems to change all of the time, from one "
        "song to the next. "
    )
    assert validate_draft(f"{good} {filler}{remark}", style=CONCISE, locale="en").caption == good
    thought = "Wait, the instructions say that I should mention the colour of the stage."
    assert not validate_draft(f"{good} {filler}{thought}", style=CONCISE, locale="en").is_valid


def test_a_sentence_that_ends_in_figure_ends() -> None:
    """Only a legend's own number does not, where the text begins with it."""
    verdict = validate_draft(
        "The light falls on the central figure. The wall is red. The floor is dark.",
        style=CONCISE,
        locale="en",
    )
    assert verdict.caption == "The light falls on the central figure. The wall is red."
