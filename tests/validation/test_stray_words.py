"""Words of roles and formats before the first sentence, and what follows the last one."""

import pytest

from app.validation.languages import load_languages
from app.validation.stray_words import (
    ends_with_stray_words,
    has_only_stray_words,
    starts_with_stray_word,
)


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("json A brown dog runs.", "en"),
        ("model Un perro marrón corre.", "es"),
        ("model Brązowy pies biegnie.", "pl"),
        ("text Ein brauner Hund läuft.", "de"),
        ("text > كلب بني يركض على شاطئ رملي", "ar"),
        ("json ‘一只棕色的狗在沙滩上奔跑。", "zh"),
        ("caption Menu on a chalkboard", "en"),
        ("Caption Коричневая собака бежит", "ru"),
        ("Assistant 「A red door", "en"),
        ("assistant s>A man's hat", "en"),
        ("addCriterion a) A brown dog", "en"),
        ("caption ASSISTANT: A brown dog", "en"),
        ("text (Two mugs stand on a table.)", "en"),
        ("1 Une porte rouge", "fr"),
    ],
)
def test_a_role_or_a_format_before_the_first_sentence_is_found(text: str, locale: str) -> None:
    assert starts_with_stray_word(text, load_languages().for_locale(locale))


@pytest.mark.parametrize(
    "text",
    [
        "model Kate Moss on a runway",
        "model Naomi in a red dress",
        "model T Fords in a row.",
        "human DNA, drawn as a double helix.",
        "Model railway with a red engine.",
        "Text on a wall reads “Love”.",
        "System diagram with three boxes.",
        "User (left) and doctor at a desk.",
        "Assistant Street sign on a wall.",
        "Caption contest poster in a window.",
        "HTML code on a screen.",
        "2 Tesla cars at a charger.",
        "1 mug and 2 spoons",
        "text in white on a black page",
        "easyJet, seen on the tail of a plane.",
        "text output of a model on a screen",
    ],
)
def test_captions_that_begin_with_such_a_word_are_left_alone(text: str) -> None:
    assert not starts_with_stray_word(text, load_languages().for_locale("en"))


@pytest.mark.parametrize(
    "text",
    [
        "A dog runs on a beach. b 2.",
        "A dog runs on a beach.assistant b)",
        "A dog runs on a beach. - 2.assistant",
        "A dog runs on a beach. UseraddCriterion",
        "A dog runs on a beach. (37 b)",
        "A dog runs on a beach. 1/3",
        "A dog runs on a beach. [1]",
        "„Собака бежит по пляжу.“ assistant 2.",
        "'犬が砂浜を走っています。' 2",
        "犬が砂浜を走っています。addCriterion assistant",
        "कुत्ता रेत पर दौड़ रहा है। 2.",
        "『Köpek kumsalda koşuyor.』2.",
        "A dog runs on a beach. assistant Keep it short.",
    ],
)
def test_what_is_left_after_the_last_sentence_is_found(text: str) -> None:
    assert ends_with_stray_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "A mug with the text “Hi!” on it.",
        "A poster reads “Stop. Look. Listen.” in red.",
        "Feuerwerk am 3. Oktober",
        "Proslava na trgu 31. prosinca",
        "Piano sonata op. 27.",
        "The corner house in Hauptstr. 5.",
        "A price incl. tax",
        "A view of old Rome. (1987)",
        "A logo of Node.js on a screen.",
        "A logo of Booking.com on a tower",
        "He can do it. So can we.",
        "Two cards lie on a table. It is 5 p.m.",
        "A jar of honey. $12",
        "Wait... there is a cat",
        "A sign reads “No. 5”.",
    ],
)
def test_a_sentence_or_a_phrase_may_follow_a_full_stop(text: str) -> None:
    assert not ends_with_stray_words(text)


@pytest.mark.parametrize("text", ["Style Caption", "id,caption", "assistant system", "END"])
def test_names_of_fields_alone_are_no_caption(text: str) -> None:
    assert has_only_stray_words(text)
    assert not has_only_stray_words(f"{text} poster")
