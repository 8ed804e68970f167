"""Half a sentence is rejected in every language, although no token ceiling ended it."""

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.sentences import split_sentences
from app.validation.verdict import validate_text

STYLE = load_styles()["concise"]


def _codes(text: str, locale: str) -> list[str]:
    return [one.code for one in validate_text(text, style=STYLE, locale=locale).violations]


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "The bridge over the river, seen from"),
        ("en", "A man in a hat, holding"),
        ("en", "A dog runs on the beach. It has"),
        ("en", "A woman who is"),
        ("de", "Ein Hund läuft hinter einem"),
        ("de", "Ein Tisch mit Tellern, Tassen und"),
        ("fr", "Une table avec des assiettes, des tasses et"),
        ("es", "Un perro corre tras un"),
        ("it", "Un cane corre dietro a una"),
        ("pt", "Uma mesa com pratos, xícaras e"),
        ("nl", "Een tafel met borden, kopjes en"),
        ("hr", "Čovjek sa šeširom koji"),
        ("pl", "Dwoje dzieci siedzi na"),
        ("cs", "Muž v klobouku, který"),
        ("sl", "Miza s krožniki in"),
        ("sr", "Два детета седе на"),
        ("ru", "Стол с тарелками, чашками и"),
        ("uk", "Двоє дітей сидять на"),
        ("sv", "Ett bord med tallrikar, koppar och"),
        ("da", "Et bord med tallerkener, kopper og"),
        ("nb", "Et bord med tallerkener, kopper og"),
        ("fi", "Pöydällä on lautasia, kuppeja ja"),
        ("hu", "Egy férfi kalapban, aki"),
        ("tr", "Masada tabaklar, fincanlar ve"),
        ("ar", "طاولة عليها أطباق وأكواب على"),
        ("ja", "川に架かる橋の"),
        ("zh", "桌上摆着盘子、杯子和"),
    ],
)
def test_a_text_that_ends_in_a_joining_word_is_unfinished(locale: str, text: str) -> None:
    """Articles, prepositions and conjunctions want another word."""
    assert "unfinished" in _codes(text, locale)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "The street where she is from"),
        ("de", "Ein Mädchen sieht den Hund an"),
        ("nl", "Een man houdt een bord op"),
        ("sv", "En pojke tar jackan på"),
        ("fr", "Une femme devant et un homme derrière"),
        ("es", "Una carta dentro de un sobre"),
        ("pl", "Dziecko w lustrze uśmiecha się"),
        ("hr", "Na ploči stoji veliki crni QR kod"),
        ("cs", "Letadlo letí přes modré nebo"),
        ("tr", "Parkta bir kadın çocuğu ile"),
        ("ja", "海辺を走る犬のそばの古いもの"),
        ("it", "La lettera gialla maiuscola A"),
    ],
)
def test_particles_and_nouns_may_end_a_caption(locale: str, text: str) -> None:
    """Words that also end texts are no sign of half a sentence."""
    assert "unfinished" not in _codes(text, locale)


@pytest.mark.parametrize(
    "text",
    [
        "Balkendiagramm: Umsatz 1,2 Mio. € im Jahr 2023 und 1,5 Mio. € im Jahr 2024.",
        "Vertrag vom 1. Jan. 2024 auf dem Tisch.",
        "Plakat für den 1. Mai 2024 an einer Wand.",
        "A slide lists: 1. Plan, 2. Build, 3. Test.",
    ],
)
def test_an_abbreviation_or_a_list_number_ends_no_sentence(text: str) -> None:
    """Nothing is cut there."""
    assert split_sentences(text) == [text]
    locale = "en" if text.startswith("A ") else "de"
    assert validate_text(text, style=STYLE, locale=locale).caption == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("A car from 1999. Two men stand beside it.", 2),
        ("A clock with the hour 12. A cat sleeps.", 2),
        ("Flowers in May. 20 people watch.", 2),
        ("Heights of letters: 4, 3, 2. The rest is blank.", 2),
    ],
)
def test_a_number_may_still_end_a_sentence(text: str, count: int) -> None:
    """Only a list that began with 1 goes on."""
    assert len(split_sentences(text)) == count
