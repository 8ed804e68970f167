"""What a caption claims, in five languages, and what it does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.verification.claim_words import LANGUAGES, load_claim_words
from app.verification.claims import ColourClaim
from app.verification.extraction import MAX_CLAIMS, find_claims


def texts(caption: str, locale: str = "en") -> list[str]:
    return [claim.text for claim in find_claims(caption, locale).texts]


def colours(caption: str, locale: str = "en") -> dict[str, str]:
    return {claim.colour: claim.place for claim in find_claims(caption, locale).colours}


def subjects(caption: str, locale: str = "en") -> list[str]:
    return [name for claim in find_claims(caption, locale).subjects for name in claim.concepts]


@pytest.mark.parametrize(
    ("locale", "caption", "expected"),
    [
        ("en", 'A sign that reads "SAVE 40%" on a door', ["SAVE 40%"]),
        ("en", "A label that reads STOP HERE on a box", ["STOP HERE"]),
        ("en", "A shirt with the number 23 and 40% off", ["23", "40%"]),
        ("en", "A jar for €2.50", ["€2.50"]),
        ("en", "A bus with the number 42A", ["42A"]),
        ("en", "A meter with the number 1,250.5", ["1,250.5"]),
        ("en", "A plate with the number 555 1234.", ["555 1234"]),
        ("en", "A cake, about 30% of it eaten, 20% of it on a plate", []),
        ("de", "Ein Hemd aus 100 % Baumwolle, etwa 20 % heller", []),
        ("de", "Ein Schild mit der Aufschrift „Hallo“, Nr. 12", ["Hallo", "12"]),
        ("fr", "Un panneau avec l'inscription « BONJOUR »", ["BONJOUR"]),
        ("es", "Un cartel con la palabra ABIERTO", ["ABIERTO"]),
        ("hr", "Ploča s natpisom OTVORENO", ["OTVORENO"]),
        ("pl", "Znak z napisem „UWAGA” i 20 %", ["UWAGA", "20 %"]),
        ("ar", 'لافتة مكتوب عليها "خروج" باللون الأحمر', ["خروج"]),
    ],
)
def test_quoted_and_labelled_text_and_numbers_are_claims(
    locale: str, caption: str, expected: list[str]
) -> None:
    """Quotations and amounts in any language, labels in the known ones."""
    assert texts(caption, locale) == expected


@pytest.mark.parametrize(
    ("locale", "caption"),
    [
        ("en", "A desert without any green"),
        ("en", "A poster, not green"),
        ("de", "Ein Platz ohne grüne Bäume"),
        ("fr", "Une rue sans arbres verts"),
        ("es", "Una calle sin verde"),
        ("hr", "Ulica bez zelenih stabala"),
    ],
)
def test_a_colour_that_is_said_to_be_missing_is_no_claim(locale: str, caption: str) -> None:
    """Nothing is denied for what is not claimed."""
    assert "green" not in colours(caption, locale)


@pytest.mark.parametrize(
    ("locale", "caption", "form"),
    [
        ("en", 'A harbour in the "blue hour" before sunrise', "phrase"),
        ("de", "Ein Hafen zur „blauen stunde“", "phrase"),
        ("pl", "Port o „niebieskiej godzinie”", "phrase"),
        ("en", 'A chair in "Victorian" style', "phrase"),
        ("en", 'It looks like a "Keep Left" sign', "phrase"),
        ("en", 'A saying by "Oscar Wilde"', "phrase"),
        ("en", 'A man says "Cheese"', "phrase"),
        ("en", 'A poster, "Keep Left", on a wall', "quoted"),
        ("en", 'A door with a sign that says "please knock"', "quoted"),
        ("de", "Ein Schild mit der Aufschrift „bitte klopfen“", "quoted"),
        ("en", 'A door with "Please knock" on it', "quoted"),
        ("en", 'A bus with "route 12" on it', "quoted"),
    ],
)
def test_a_quotation_in_small_letters_that_nothing_announces_is_a_phrase(
    locale: str, caption: str, form: str
) -> None:
    """Most are a way of speaking."""
    assert [claim.form for claim in find_claims(caption, locale).texts] == [form]


@pytest.mark.parametrize(
    "caption",
    [
        'A poster called "Starry Night"',
        'A 12" screen and a 14" screen',
        "Two dogs and 3 cats",
        "A clock that reads 10:10",
        "A house from 1990",
    ],
)
def test_names_measures_and_counts_claim_no_text(caption: str) -> None:
    """A quotation may be a name, and a number a count or a time."""
    assert texts(caption) == []


def test_the_place_of_a_claim_is_that_in_the_caption() -> None:
    """So that a page can mark it."""
    caption = 'A Red bag beside a sign: "OPEN"'
    claims = find_claims(caption.replace("Red", "red"), "en")
    (colour,), (text,) = claims.colours, claims.texts
    assert caption[colour.start : colour.end].lower() == "red"
    assert caption[text.start : text.end] == '"OPEN"'


@pytest.mark.parametrize(
    ("locale", "caption", "expected"),
    [
        ("en", "A red bag on a white background", {"red": "subject", "white": "background"}),
        ("en", "Black and white shoes on a table", {"black": "subject", "white": "subject"}),
        ("en", "A dog with a blue ball", {"blue": "elsewhere"}),
        ("en", "A yellow gloved diver under water", {"yellow": "elsewhere"}),
        ("en", "A reddish brown dog in water", {"brown": "subject"}),
        (
            "en",
            "A red, white and blue flag",
            {"red": "subject", "white": "elsewhere", "blue": "elsewhere"},
        ),
        ("fr", "Un chien brun rouge sur fond blanc", {"brown": "subject", "white": "background"}),
        ("de", "Rote Tasse vor weißem Hintergrund", {"red": "subject", "white": "background"}),
        ("fr", "Sac rouge sur fond blanc", {"red": "subject", "white": "background"}),
        ("es", "Bolso rojo sobre fondo blanco", {"red": "subject", "white": "background"}),
        ("hr", "Crvena torba na bijeloj pozadini", {"red": "subject", "white": "background"}),
    ],
)
def test_a_colour_belongs_to_the_subject_the_background_or_anything(
    locale: str, caption: str, expected: dict[str, str]
) -> None:
    """Only what the caption begins with is its subject."""
    assert colours(caption, locale) == expected


@pytest.mark.parametrize(
    ("locale", "caption"),
    [
        ("en", "A glass of red wine beside a golden retriever"),
        ("en", "A black woman with red hair and blue eyes"),
        ("en", "People outside the White House and a Blue Note club"),
        ("fr", "Une rose et une orange, des cheveux noirs"),
        ("es", "Una rosa y una naranja con pelo negro"),
        ("de", "Eine Frau mit schwarzen Haaren und schwarzer Tee, eine Orange"),
        ("hr", "Crno vino i žena"),
        ("en", "A banner about green energy, red-eye flights and black Friday"),
        ("en", "Blue cheeses and white wines beside brown sugar"),
        ("en", "A blue whale, a golden eagle and a red squirrel"),
        ("en", "A yellow lab, a blue heeler, a red fox and a red cow"),
        ("en", "A ring of white gold, a silver lining, a golden age"),
        ("de", "Ein Plakat für grünen Strom in der blauen Stunde"),
        ("de", "Rote Zwiebeln, weißer Tee und ein schwarzes Loch"),
        ("fr", "De l'énergie verte, des vins blancs et un fromage bleu"),
        ("fr", "Un poisson rouge à l'heure dorée"),
        ("es", "Un cartel de energía verde, queso azul y vinos blancos"),
        ("es", "Un anillo de oro blanco, números rojos"),
        ("hr", "Plakat za zelenu energiju i plavi sir"),
        ("hr", "Bijela čokolada i crno tržište"),
    ],
)
def test_colour_words_that_name_no_pixels_are_no_claims(locale: str, caption: str) -> None:
    """Fixed phrases, people, names, fruit and flowers."""
    assert colours(caption, locale) == {}


@pytest.mark.parametrize(
    ("locale", "caption", "expected"),
    [
        ("en", "Two cats on a sofa", ["cat"]),
        ("en", "A red fox sits beside a tree", ["fox"]),
        ("en", "A washing machine in a kitchen", ["washing_machine"]),
        ("en", "A hot dog on a plate", ["hot_dog"]),
        ("en", "A golden retriever on a lawn", ["dog"]),
        ("en", "A yellow Labrador on a lawn", ["dog"]),
        ("es", "Una ballena azul en el mar", ["whale"]),
        ("de", "Zwei Hunde auf einem Sofa", ["dog"]),
        ("fr", "Un sac à dos rouge", ["backpack"]),
        ("es", "Dos gatas sobre una cama", ["cat"]),
        ("hr", "Mačke na kauču", ["cat"]),
        ("hr", "Šalica na stolu", ["mug", "cup"]),
    ],
)
def test_the_thing_that_a_caption_begins_with_is_a_claim(
    locale: str, caption: str, expected: list[str]
) -> None:
    """In singular and plural."""
    assert subjects(caption, locale) == expected


@pytest.mark.parametrize(
    "caption",
    [
        "A dog collar on a table",
        "A woman with a dog",
        "A plush dog on a bed",
        "A statue of a horse",
        "Something new, and a cat on it",
        "A cat-shaped lamp",
        "Dog's bowl",
    ],
)
def test_likenesses_parts_and_things_beside_are_no_subjects(caption: str) -> None:
    """A compound, a likeness, and what stands after a preposition."""
    assert subjects(caption) == []


def test_another_language_claims_text_alone() -> None:
    """No word list, no colours and no things."""
    claims = find_claims('Czerwony pies "ABC"', "pl")
    assert (len(claims.texts), claims.colours, claims.subjects) == (1, (), ())


@pytest.mark.parametrize(
    "caption",
    ['"a1" ' * 1_000, "red " * 1_250, "40% " * 1_250, '"' * 5_000, "reads A " * 700, "„" * 5_000],
)
def test_a_long_caption_has_few_claims(caption: str) -> None:
    """Whatever it repeats."""
    claims = find_claims(caption, "en")
    assert max(len(claims.texts), len(claims.colours), len(claims.subjects)) <= MAX_CLAIMS


@given(st.text(max_size=300), st.sampled_from([*LANGUAGES, "ar", "zh-Hant"]))
@settings(max_examples=200, deadline=None)
def test_every_claim_lies_within_its_caption(caption: str, locale: str) -> None:
    """For any text at all, also from right to left."""
    claims = find_claims(caption, locale)
    for claim in (*claims.texts, *claims.colours, *claims.subjects):
        assert 0 <= claim.start < claim.end <= len(caption)
        if isinstance(claim, ColourClaim):
            assert caption[claim.start : claim.end].split() == claim.text.split()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_knows_the_same_things(language: str) -> None:
    """A concept without words could neither be claimed nor be mentioned."""
    words, english = load_claim_words(language), load_claim_words("en")
    assert words is not None
    assert english is not None
    assert set(words.colours.values()) == set(english.colours.values())
    assert {c for names in words.nouns.values() for c in names} == {
        c for names in english.nouns.values() for c in names
    }
