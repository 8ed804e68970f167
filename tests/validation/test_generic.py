"""The rule `generic`: a text that could stand for most other pictures."""

import json
from pathlib import Path

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

STYLE = load_styles()["concise"]


def is_generic(text: str, locale: str = "en") -> bool:
    return "generic" in validate_text(text, style=STYLE, locale=locale).warnings


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "A photo of a thing in blue"),
        ("en", "Product photo"),
        ("en", "An object on a plain white background."),
        ("en", "A subject in teal, off-white and light grey on a plain white background."),
        ("en", "Red and blue"),
        ("en", "Abstract composition with bright colours."),
        ("en", "A person on a white background."),
        ("en", "The image is a photograph."),
        ("de", "Ein Motiv in Rot und Weiß vor einem einfarbig weißen Hintergrund."),
        ("de", "Produktbild auf weißem Hintergrund"),
        ("fr", "Un objet bleu sur un fond blanc uni."),
        ("fr", "Une composition d'aplats en bleu et rouge."),
        ("es", "Un objeto rojo sobre un fondo blanco."),
        ("hr", "Predmet u plavoj boji na bijeloj pozadini."),
    ],
)
def test_colours_sides_and_kinds_of_picture_tell_nothing(locale: str, text: str) -> None:
    assert is_generic(text, locale)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "A blue backpack on a plain white background."),
        ("en", "Two people on a red tandem."),
        ("en", "An orange on a table."),
        ("en", "An orange and an olive."),
        ("en", "Lavender in gold"),
        ("en", "The words “RED” and “BLUE” on a white background."),
        ("en", "BLACK"),
        ("en", "Bar chart: sales fell."),
        ("en", "A white gallery."),
        ("en", "Harbour mug: a subject in teal on a plain white background."),
        ("en", "A person in a purple top on a plain white background."),
        ("de", "Eine Person in einem lilafarbenen Oberteil."),
        ("de", "Eine Orange."),
        ("fr", "Une rose rouge."),
        ("es", "Una naranja."),
        ("hr", "Plavi ruksak na bijeloj pozadini."),
        ("ja", "青い物"),
        ("en", ""),
    ],
)
def test_one_word_about_this_picture_is_enough(locale: str, text: str) -> None:
    assert not is_generic(text, locale)


def test_alt_texts_that_people_wrote_are_not_generic(corpora: Path) -> None:
    lines = (corpora / "human_alt.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["alt"] for line in lines]
    assert len(texts) > 20
    assert [text for text in texts if is_generic(text)] == []


def test_a_quotation_of_generic_words_still_tells_something() -> None:
    """It is what can be read in the picture."""
    assert not is_generic("A page of text with the words “photo” and “object”.")
