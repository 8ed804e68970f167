"""Words: every concept has a noun in every language, and adjectives agree with it."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.captioning.embedded.concept_kinds import WORN_KINDS, generals_of, load_concept_kinds
from app.captioning.embedded.phrasebook import load_phrasebooks
from app.captioning.embedded.words import Words, _parse, _WordFile, load_words
from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

PHRASEBOOKS = load_phrasebooks()
CONCEPTS = load_concept_kinds()
FILES = resources.files("app.captioning.embedded") / "words"


def phrase(locale: str, concept: str, *colours: str) -> str:
    words = PHRASEBOOKS[locale].words
    return words.phrase(words.nouns[concept], colours, PHRASEBOOKS[locale].conjunction)


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_every_concept_has_a_noun_and_no_noun_is_without_a_concept(locale: str) -> None:
    words = PHRASEBOOKS[locale].words
    assert set(words.nouns) | words.unnamed == set(CONCEPTS)


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_everything_that_people_wear_can_be_worn(locale: str) -> None:
    worn = {concept for concept, row in CONCEPTS.items() if row.kind in WORN_KINDS}
    assert worn <= set(PHRASEBOOKS[locale].words.worn)
    places = {concept for concept, row in CONCEPTS.items() if row.kind == "place"}
    settings = set(PHRASEBOOKS[locale].words.settings)
    assert settings <= places
    assert settings == set(PHRASEBOOKS["en"].words.settings)


@pytest.mark.parametrize(
    ("locale", "concept", "colours", "expected"),
    [
        ("en", "backpack", ("blue",), "a blue backpack"),
        ("en", "backpack", ("orange",), "an orange backpack"),
        ("en", "umbrella", (), "an umbrella"),
        ("en", "umbrella", ("blue",), "a blue umbrella"),
        ("en", "umbrella", ("off-white",), "an off-white umbrella"),
        ("en", "trousers", ("olive",), "olive green trousers"),
        ("en", "bread", (), "bread"),
        ("en", "toy", ("orange",), "an orange toy"),
        ("de", "toy", ("blue",), "ein blaues Spielzeug"),
        ("fr", "toy", ("white",), "un jouet blanc"),
        ("es", "toy", ("white",), "un juguete blanco"),
        ("hr", "toy", ("blue",), "plava igračka"),
        ("en", "sofa", ("blue", "white"), "a blue and white sofa"),
        ("de", "backpack", ("blue",), "ein blauer Rucksack"),
        ("de", "bag", ("blue",), "eine blaue Tasche"),
        ("de", "dress", ("blue",), "ein blaues Kleid"),
        ("de", "jeans", ("blue",), "blaue Jeans"),
        ("de", "bread", (), "Brot"),
        ("de", "sunglasses", ("black",), "eine schwarze Sonnenbrille"),
        ("fr", "backpack", ("white",), "un sac à dos blanc"),
        ("fr", "bottle", ("white",), "une bouteille blanche"),
        ("fr", "gloves", ("white",), "des gants blancs"),
        ("fr", "sunglasses", ("black",), "des lunettes de soleil noires"),
        ("fr", "bottle", ("navy",), "une bouteille bleu marine"),
        ("fr", "bread", (), "du pain"),
        ("fr", "food", (), "de la nourriture"),
        ("es", "backpack", ("white",), "una mochila blanca"),
        ("es", "jeans", ("blue",), "unos vaqueros azules"),
        ("es", "sunglasses", ("black",), "unas gafas de sol negras"),
        ("es", "harp", ("red",), "un arpa roja"),
        ("es", "backpack", ("navy",), "una mochila azul marino"),
        ("hr", "backpack", ("blue",), "plavi ruksak"),
        ("hr", "bag", ("blue",), "plava torba"),
        ("hr", "suit", ("blue",), "plavo odijelo"),
        ("hr", "sunglasses", ("blue",), "plave sunčane naočale"),
        ("hr", "shopping_trolley", ("blue",), "plava kolica za kupnju"),
        ("hr", "suit", ("brown",), "smeđe odijelo"),
        ("hr", "bag", ("beige",), "bež torba"),
    ],
)
def test_articles_and_adjectives_agree(
    locale: str, concept: str, colours: tuple[str, ...], expected: str
) -> None:
    assert phrase(locale, concept, *colours) == expected


def test_no_english_article_stands_before_the_wrong_sound() -> None:
    """Also where a colour comes between the article and its noun."""
    for concept in CONCEPTS:
        for colours in ((), ("orange",), ("blue",)):
            first, _, rest = phrase("en", concept, *colours).partition(" ")
            if first in ("a", "an"):
                assert (first == "an") == (rest[0] in "aeiou"), phrase("en", concept, *colours)


def test_no_french_article_lacks_its_elision() -> None:
    for concept in PHRASEBOOKS["fr"].words.nouns:
        assert (
            not phrase("fr", concept)
            .lower()
            .startswith(
                tuple(f"{article} {vowel}" for article in ("de la", "du") for vowel in "aeiouéèêhy")
            )
        )


def test_a_concept_is_one_of_its_general_ones() -> None:
    assert generals_of("jeans") == ("trousers", "garment")
    assert generals_of("garment") == ()


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_no_concept_is_a_generic_word(locale: str) -> None:
    """ "Montre" is a watch, and "most" a bridge in Croatian. Cleaning leaves each name alone."""
    book = PHRASEBOOKS[locale]
    for concept, noun in book.words.nouns.items():
        name = book.words.phrase(noun, ("blue",), book.conjunction)
        background = book.position["unspecified"].format(background=book.background["white"])
        text = f"{name[0].upper()}{name[1:]} {background}."
        verdict = validate_text(text, style=load_styles()["concise"], locale=locale)
        assert verdict.caption == text
        assert (verdict.violations, verdict.warnings) == ((), ()), (concept, text)


def read(locale: str) -> dict[str, object]:
    return tomllib.loads(Path(str(FILES / f"{locale}.toml")).read_text(encoding="utf-8"))


def parse(data: dict[str, object]) -> Words:
    return _parse(_WordFile.model_validate(data))


def test_the_loader_refuses_what_is_missing_unknown_or_misspelt() -> None:
    assert parse(read("de")) == load_words("de")
    german = read("de")
    assert isinstance(german["adjectives"], dict)
    for changed in (
        {"nouns": {"backpack": "x Rucksack"}},
        {"nouns": {"backpack": "Rucksack"}},
        {"nouns": {"backpack": "m  Rucksack"}},
        {"settings": {"beech": "an einem Strand"}},
        {"worn": {"hut": "wm Hut"}},
        {"adjectives": {**german["adjectives"], "bleu": "blau"}},
        {"adjectives": {k: v for k, v in german["adjectives"].items() if k != "navy"}},
        {"adjectives": {**german["adjectives"], "navy": {"m": "marineblauer"}}},
        {"colours": {}},
        {"people": {"one": "eine Person"}},
    ):
        with pytest.raises((ValueError, ValidationError)):
            parse({**german, **changed})
