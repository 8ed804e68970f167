"""Announcements, guesses and lists of terms are no captions."""

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

GUESSES = [
    ("de", "Vermutlich handelt es sich um einen Hund am Strand."),
    ("en", "It appears to be raining on a beach."),
    ("en", "This may be snow on a mountain in winter."),
    ("fr", "Il s'agit probablement d'un chien sur une plage."),
    ("fr", "Il semble y avoir un chien sur une plage."),
    ("es", "Probablemente se trata de un perro en la playa."),
    ("es", "Parece ser un perro que corre por la playa."),
    ("it", "Si tratta probabilmente di un cane sulla spiaggia."),
    ("pt", "Provavelmente trata-se de um cão na praia."),
    ("nl", "Vermoedelijk gaat het om een hond op het strand."),
    ("hr", "Vjerojatno se radi o psu na plaži."),
    ("pl", "Prawdopodobnie jest to pies na plaży."),
    ("cs", "Pravděpodobně jde o psa na pláži."),
    ("sv", "Det är förmodligen en hund på en strand."),
    ("ja", "おそらく犬が砂浜を走っている様子です。"),
    ("zh", "这可能是一只狗在海滩上奔跑。"),
    ("ru", "Вероятно, это собака на пляже."),
    ("tr", "Muhtemelen sahilde koşan bir köpek."),
    ("hu", "Valószínűleg egy kutya fut a strandon."),
]
LISTS_OF_TERMS = [
    "brown dog; sandy beach; blue sea",
    "brown dog / sandy beach / blue sea",
    "brown dog + sandy beach + blue sea",
    "brown dog, sandy beach, blue sea, summer",
]
ANNOUNCED = [
    ("en", "Great, here's a caption: A dog runs on a beach."),
    ("en", "Sure, here's my take: A dog runs on a beach."),
    ("en", "Sure, happy to help! A dog runs on a beach."),
    ("en", "Figure 2 Caption: A dog runs on a beach."),
    ("en", "Caption for the web: A dog runs on a beach."),
    ("hr", "Evo opisa: A dog runs on a beach."),
]


@pytest.mark.parametrize(("locale", "caption"), GUESSES)
def test_a_guess_at_the_beginning_is_rejected(locale: str, caption: str) -> None:
    """What follows does not stand alone, so that the captioner is asked again."""
    verdict = validate_text(caption, style=load_styles()["concise"], locale=locale)
    assert "redundant_opener" in {violation.code for violation in verdict.violations}


def test_a_guess_is_removed_where_the_rest_stands_alone() -> None:
    """An article follows it."""
    verdict = validate_text(
        "It appears to be a dog on a beach.", style=load_styles()["concise"], locale="en"
    )
    assert (verdict.caption, verdict.violations) == ("A dog on a beach.", ())


@pytest.mark.parametrize("caption", LISTS_OF_TERMS)
def test_a_list_of_nothing_but_terms_is_rejected(caption: str) -> None:
    """Whatever sign stands between them."""
    verdict = validate_text(caption, style=load_styles()["concise"], locale="en")
    assert "comma_list" in {violation.code for violation in verdict.violations}


@pytest.mark.parametrize(("locale", "draft"), ANNOUNCED)
def test_words_that_announce_a_caption_are_removed(locale: str, draft: str) -> None:
    """They speak of the caption, of the answer or to the user."""
    verdict = validate_text(draft, style=load_styles()["concise"], locale=locale)
    assert verdict.caption == "A dog runs on a beach."


def test_in_the_image_is_removed_before_a_verb_of_text() -> None:
    """The text is in the image in any case."""
    verdict = validate_text(
        "The sign in the image reads “Bakery”.", style=load_styles()["concise"], locale="en"
    )
    assert verdict.caption == "The sign reads “Bakery”."
