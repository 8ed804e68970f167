"""Captions that name what was recognised: registers, people, skin, and what they leave out."""

import random
import re
from dataclasses import replace

import pytest

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.concept_kinds import load_concept_kinds
from app.captioning.embedded.phrasebook import load_phrasebooks
from app.captioning.embedded.realise import realise
from app.captioning.styles.loader import load_styles
from app.types import Draft
from app.validation.verdict import validate_draft
from app.vision.analyse import analyse
from app.vision.colour_names import COLOUR_NAMES, ColourShare
from app.vision.features import Features, RegionColours
from tests.captioning.embedded.seen import paint, see
from tests.captioning.embedded.test_quotations import block
from tests.vision import drawn

PHRASEBOOKS = load_phrasebooks()
STYLES = load_styles()


@pytest.fixture(scope="module")
def drawn_features() -> dict[str, Features]:
    return {name: analyse(drawn.jpeg(draw())) for name, draw in drawn.DESCRIBABLE.items()}


@pytest.fixture(scope="module")
def cutout(drawn_features: dict[str, Features]) -> Features:
    """One blue thing with a soft shadow, in the centre of a white background."""
    return drawn_features["product"]


@pytest.fixture(scope="module")
def scene(drawn_features: dict[str, Features]) -> Features:
    return drawn_features["scene"]


def caption(features: Features, style: str = "concise", locale: str = "en", **fields) -> str:
    request = DraftRequest(STYLES[style], locale, fields.pop("max_tokens", 256), **fields)
    return realise(features, request, PHRASEBOOKS[locale]).text


CONCISE = {
    "en": "A blue backpack on a plain white background.",
    "de": "Ein blauer Rucksack vor einem einfarbig weißen Hintergrund.",
    "fr": "Un sac à dos bleu sur un fond blanc uni.",
    "es": "Una mochila azul sobre un fondo blanco liso.",
    "hr": "Plavi ruksak na jednobojnoj bijeloj pozadini.",
}


@pytest.mark.parametrize("locale", CONCISE)
def test_alt_text_says_what_it_is_then_its_colour_and_its_background(
    cutout: Features, locale: str
) -> None:
    assert caption(see(cutout, "backpack"), locale=locale) == CONCISE[locale]


def test_shades_of_one_colour_are_one_colour(cutout: Features) -> None:
    """As shops name a lit hoodie, and a white shoe with its shadow."""
    hoodie = see(paint(cutout, grey=0.6, light_grey=0.4), "sweatshirt")
    assert caption(hoodie) == "A grey sweatshirt on a plain white background."
    shoe = see(paint(cutout, white=0.53, light_grey=0.4, blue=0.07), "sneaker")
    assert caption(shoe) == "White sneakers on a plain white background."


def test_text_on_a_thing_does_not_replace_the_thing(cutout: Features) -> None:
    mug = see(paint(cutout, red=0.95), "mug").with_text((block("HARBOUR"),))
    assert caption(mug) == "A red mug with the text “HARBOUR” on a plain white background."


def test_the_three_registers_differ(cutout: Features) -> None:
    text = (block("350 ml", 0.04, 0.1), block("HARBOUR", 0.1, 0.5))
    bag = see(paint(cutout, navy=0.55, white=0.3, red=0.12), "backpack").with_text(text)
    assert caption(bag) == (
        "A navy and white backpack with the words “350 ml” and “HARBOUR” on a plain white "
        "background."
    )
    assert caption(bag, "seo", keywords=("travel bag",)) == (
        "Backpack (bag) with the words “350 ml” and “HARBOUR”, in navy, white and red, on a plain "
        "white background."
    )
    assert caption(bag, "detailed") == (
        "A navy and white backpack in the centre of a plain white background. The text reads "
        "“350 ml” and “HARBOUR”. The main colour is navy, with smaller areas in white and red. A "
        "soft shadow lies on the white background."
    )


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_no_register_repeats_another_one(cutout: Features, scene: Features, locale: str) -> None:
    for features in (see(cutout, "backpack"), see(cutout, "sneaker"), see(scene, "dog", "car")):
        texts = {caption(features, style, locale) for style in STYLES}
        assert len(texts) == len(STYLES), texts


def test_a_keyword_that_is_not_true_is_not_used(cutout: Features) -> None:
    bag = see(cutout, "backpack")
    assert caption(bag, "seo", keywords=("kitten", "shoe")) == caption(bag, "seo")
    assert "(bag)" not in caption(bag, "seo")


def test_a_paragraph_adds_what_else_is_seen(scene: Features) -> None:
    assert "A car can be seen too." in caption(see(scene, "bus", "car"), "detailed")
    assert "A car and a dog can be seen too." in caption(
        see(scene, "bus", "car", "dog"), "detailed"
    )
    assert "car" not in caption(see(scene, "bus", "car"))
    assert "Außerdem sind Jeans zu sehen." in caption(see(scene, "bus", "jeans"), "detailed", "de")


@pytest.mark.parametrize(
    ("faces", "people"),
    [(1, "A person"), (2, "Two people"), (3, "Several people"), (9, "Several people")],
)
def test_a_face_is_a_person_and_nothing_more(scene: Features, faces: int, people: str) -> None:
    assert caption(see(scene, faces=faces)).startswith(f"{people} in a scene ")


@pytest.mark.parametrize(
    "name",
    [
        "Fashion doll Ida", "Knight action figure", "Child mannequin", "Schaufensterpuppe Nora",
        "Actionfigur Ritter", "Poupée Léa", "Figurine de chevalier", "Muñeca Lola", "Lutka Mia",
    ],
)  # fmt: skip
def test_what_is_called_a_doll_or_a_figure_is_no_person(cutout: Features, name: str) -> None:
    doll = see(paint(cutout, red=0.8), "dress", faces=1)
    assert "person" in caption(doll, context="Ida's red dress")
    assert "person" in caption(doll, context="Figure-hugging dress")
    assert "person" not in caption(doll, context=name)
    assert "dress" in caption(doll, context=name)


SOMEBODY = {
    "en": "One or more people ",
    "de": "Eine oder mehrere Personen ",
    "fr": "Une ou plusieurs personnes ",
    "es": "Una o varias personas ",
    "hr": "Jedna ili više osoba ",
}


@pytest.mark.parametrize("locale", SOMEBODY)
def test_a_number_of_people_that_is_not_known_is_not_said(scene: Features, locale: str) -> None:
    """Nor is what they wear: nobody can tell whose it is."""
    somebody = see(scene, "top", faces=1, are_all_faces=False)
    assert caption(somebody, locale=locale).startswith(SOMEBODY[locale])
    assert "in a top" not in caption(somebody)


PEOPLE = {
    "en": "A person in a purple top on a plain white background.",
    "de": "Eine Person in einem lilafarbenen Oberteil vor einem einfarbig weißen Hintergrund.",
    "fr": "Une personne portant un haut violet sur un fond blanc uni.",
    "es": "Una persona con una prenda superior morada sobre un fondo blanco liso.",
    "hr": "Osoba u ljubičastom gornjem dijelu odjeće na jednobojnoj bijeloj pozadini.",
}


@pytest.mark.parametrize("locale", PEOPLE)
def test_a_person_wears_a_garment_whose_colour_is_certain(cutout: Features, locale: str) -> None:
    person = see(paint(cutout, purple=0.5, light_brown=0.3, black=0.15), "top", faces=1)
    assert caption(person, locale=locale) == PEOPLE[locale]


def test_the_colour_of_a_garment_is_left_out_where_it_may_be_another_ones(cutout: Features) -> None:
    two = see(paint(cutout, white=0.4, blue=0.35, light_brown=0.2), "t_shirt", faces=1)
    assert caption(two) == "A person in a T-shirt on a plain white background."
    hair = see(paint(cutout, black=0.4, light_brown=0.3), "t_shirt", faces=1)
    assert caption(hair) == "A person in a T-shirt on a plain white background."
    assert "T-shirt" not in caption(see(cutout, "t_shirt", faces=2))


def test_a_garment_in_the_centre_before_white_has_a_colour_though_the_edge_cuts_it(
    scene: Features,
) -> None:
    shares = (ColourShare("purple", 0.46), ColourShare("white", 0.44), ColourShare("brown", 0.1))
    regions = RegionColours(top="purple", bottom=None, left="white", right="white", centre="purple")
    shown = replace(scene, colours=shares, regions=regions)
    assert caption(see(shown, "top")).startswith("A purple top in ")
    assert caption(see(shown, "top", faces=1)).startswith("A person in a purple top in ")
    assert "a green" not in caption(see(scene, "top", faces=1))
    for changed in (
        replace(shown, regions=replace(regions, left="purple", right="purple")),
        replace(shown, regions=replace(regions, left="green", right="green")),
        replace(shown, colours=(*shares[:2], ColourShare("blue", 0.3))),
    ):
        assert caption(see(changed, "top")).startswith("A top in ")


SKIN = r"\b(beige|brown|pink)\b"


@pytest.mark.parametrize("style", STYLES)
def test_skin_is_never_a_colour_of_anything(cutout: Features, scene: Features, style: str) -> None:
    """Where a face is seen, or something that is worn, by whomever."""
    shares = {"light_brown": 0.5, "beige": 0.2, "pink": 0.2}
    for features in (
        see(paint(cutout, **shares), faces=1),
        see(paint(cutout, **shares), "dress", faces=1),
        see(paint(cutout, **shares), "swimwear"),
        see(paint(cutout, light_brown=0.6, white=0.3), "watch"),
        see(scene, faces=1),
        see(replace(scene, bands=("light brown", "brown")), faces=1),
    ):
        assert not re.search(SKIN, caption(features, style)), caption(features, style)


def test_a_coat_that_nobody_wears_may_be_brown(cutout: Features) -> None:
    assert caption(see(paint(cutout, brown=0.9), "coat")).startswith("A brown coat ")


def test_a_setting_takes_the_place_of_the_colours_of_a_scene(scene: Features) -> None:
    assert caption(see(scene, "dog", "beach")) == "A dog on a beach."
    assert caption(see(scene, "beach", faces=4)) == "Several people on a beach."
    assert caption(see(scene, "beach")).startswith("A beach in ")
    assert "lake can be seen too" in caption(see(scene, "dog", "beach", "lake"), "detailed")


def test_a_drawing_is_a_drawing_and_a_page_stays_a_page(
    drawn_features: dict[str, Features],
) -> None:
    dog = caption(see(drawn_features["line drawing"], "dog"))
    assert dog == "A dog, drawn in thin black lines on a plain white background."
    assert caption(see(drawn_features["flag"], "car")).startswith("A car as a flat graphic ")
    for name in ("page", "chart", "icon"):
        features = drawn_features[name]
        assert caption(see(features, "laptop")) == caption(features), name


def test_a_thing_after_a_name_keeps_its_article_small_and_german_nouns_their_capital(
    cutout: Features,
) -> None:
    mug = see(cutout, "mug")
    assert caption(mug, context="Harbour mug").startswith("Harbour mug: a blue mug on ")
    german = caption(see(paint(cutout, blue=0.5, red=0.3), "mug"), "seo", "de", context="Hafen")
    assert german.startswith("Hafen: Becher in Blau und Rot")


FORBIDDEN = re.compile(
    r"\b(photo\w*|ground|item|man|woman|men|women|boy|girl|skin|young|old|smil\w*|happy|covers)\b"
    r"|\b(Grund|Mann|Frau|Haut|fotograf\w*)\b|\b(homme|femme|peau|photograph\w*)\b"
    r"|\b(hombre|mujer|piel|fotogr\w*)\b|\b(muškarac|žena|koža|podlo\w+|snim\w+)\b"
)


def make_random_features(rng: random.Random, base: Features) -> Features:
    concepts = rng.sample(list(load_concept_kinds()), rng.choice([0, 1, 1, 1, 2, 3]))
    if base.subject:
        names = rng.sample(COLOUR_NAMES, rng.choice([1, 2, 3]))
        shares = (rng.choice([0.95, 0.6, 0.5, 0.45]), 0.25, 0.12)
        base = paint(base, **dict(zip(names, shares, strict=False)))
    text = rng.choice([(), (), (block("Harbour Mug"),), (block("SALE"), block("Today", 0.05, 0.5))])
    features = see(base, *concepts, faces=rng.choice([0, 0, 1, 1, 2, 5]))
    return features.with_text(text) if text else features


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_every_caption_is_valid_and_within_its_limits(
    drawn_features: dict[str, Features], locale: str
) -> None:
    """For random sightings in every kind of image: cleaning changes nothing, no hard rule breaks,
    and no word is used that a caption has no right to."""
    rng = random.Random(4)
    for _ in range(60):
        name = rng.choice(list(drawn_features))
        features = make_random_features(rng, drawn_features[name])
        max_tokens, context = rng.choice([32, 64, 256]), rng.choice([None, "Harbour Mug"])
        for style in STYLES.values():
            request = DraftRequest(style, locale, max_tokens, context=context)
            wording = realise(features, request, PHRASEBOOKS[locale])
            draft = Draft(wording.text, "embedded", cut=wording.is_cut)
            verdict = validate_draft(draft, style=style, locale=locale, max_tokens=max_tokens)
            assert not verdict.violations, (name, wording.text, verdict.violations)
            assert verdict.caption == wording.text
            assert not FORBIDDEN.search(wording.text), wording.text
            assert not re.search(r"[{}]|  | [.,]|\.\.", wording.text), wording.text


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_what_names_nothing_is_generic_and_what_names_something_is_not(
    drawn_features: dict[str, Features], locale: str
) -> None:
    """In every style: a placeholder is known as one, and nothing else is."""
    for name, features in drawn_features.items():
        for style in STYLES.values():
            for seen, expected in (
                (features, True),
                (see(features, faces=1), True),
                (see(features, faces=1, are_all_faces=False), True),
                (
                    see(features, "backpack"),
                    name in ("page", "dark page", "chart", "icon", "faint text"),
                ),
            ):
                text = caption(seen, style.name, locale)
                verdict = validate_draft(Draft(text, ""), style=style, locale=locale)
                assert ("generic" in verdict.warnings) is expected, (name, text)


@pytest.mark.parametrize(
    ("concept", "locale"),
    [
        ("umbrella", "fr"),
        ("umbrella", "es"),
        ("umbrella", "hr"),
        ("cushion", "fr"),
        ("cushion", "es"),
    ],
)
def test_a_language_with_two_words_for_it_stays_silent(
    cutout: Features, concept: str, locale: str
) -> None:
    """A parasol is no "parapluie", and the recogniser cannot tell them apart."""
    assert caption(see(cutout, concept), locale=locale) == caption(cutout, locale=locale)
    assert concept in caption(see(cutout, concept)).casefold()


def test_where_a_word_lacks_the_more_general_one_is_used(cutout: Features) -> None:
    """A "chouette" is no "hibou", and both are birds."""
    assert caption(see(cutout, "owl"), locale="fr") == caption(see(cutout, "bird"), locale="fr")
    assert "owl" in caption(see(cutout, "owl"))


def test_a_person_is_not_said_to_wear_a_garment(scene: Features) -> None:
    """It tells nothing: everybody does."""
    assert caption(see(scene, "garment", faces=1)) == caption(see(scene, faces=1))


@pytest.mark.parametrize("concept", ["accessory", "jewellery", "necklace"])
def test_metal_has_the_colours_of_what_it_mirrors(cutout: Features, concept: str) -> None:
    ring = see(paint(cutout, light_grey=0.6, beige=0.3), concept)
    assert "grey" not in caption(ring, "detailed")


def test_a_panel_behind_an_animal_is_not_its_colour(cutout: Features) -> None:
    """No fur is green; a parrot may be."""
    dog = see(paint(cutout, light_green=0.64, light_grey=0.18, beige=0.1), "dog")
    assert caption(dog) == "A dog on a plain white background."
    assert "green" not in caption(dog, "seo") + caption(dog, "detailed")
    brown = see(paint(cutout, brown=0.74, beige=0.2), "dog")
    assert caption(brown) == "A brown dog on a plain white background."
    parrot = see(paint(cutout, light_green=0.9), "parrot")
    assert caption(parrot) == "A light green parrot on a plain white background."


def test_what_a_screen_shows_is_not_its_colour(cutout: Features) -> None:
    """A black case is, and so is one colour of nearly everything."""
    flowers = see(paint(cutout, black=0.4, red=0.3, brown=0.2), "television")
    assert caption(flowers) == "A television on a plain white background."
    assert "red" not in caption(flowers, "seo").split() + caption(flowers, "detailed").split()
    case = see(paint(cutout, dark_grey=0.6, black=0.36), "electronic_device")
    assert caption(case) == "A dark grey electronic device on a plain white background."
    phone = see(paint(cutout, red=0.7, light_blue=0.3), "mobile_phone")
    assert caption(phone) == "A red mobile phone on a plain white background."


def test_a_dish_has_no_colour_and_a_fruit_has(cutout: Features) -> None:
    assert caption(see(paint(cutout, orange=0.9), "food")) == "Food on a plain white background."
    assert caption(see(paint(cutout, red=0.9), "apple")).startswith("A red apple")


@pytest.mark.parametrize(
    ("locale", "concept", "expected"),
    [
        ("en", "hat", "A person in a blue hat"),
        ("de", "hat", "Eine Person mit einer blauen Kopfbedeckung"),
        ("de", "dress", "Eine Person in einem blauen Kleid"),
        ("hr", "hat", "Osoba s plavim pokrivalom za glavu"),
        ("hr", "helmet", "Osoba s plavom kacigom"),
        ("hr", "dress", "Osoba u plavoj haljini"),
        ("hr", "top", "Osoba u plavom gornjem dijelu odjeće"),
    ],
)
def test_people_are_in_clothes_and_with_what_is_put_on(
    cutout: Features, locale: str, concept: str, expected: str
) -> None:
    """Where the language says so."""
    worn = see(paint(cutout, blue=0.9), concept, faces=1)
    assert caption(worn, locale=locale).startswith(expected)


def test_the_croatian_preposition_suits_the_next_letter(cutout: Features) -> None:
    grey = see(paint(cutout, green=0.9), "helmet", faces=1)
    assert caption(grey, locale="hr").startswith("Osoba sa zelenom kacigom")
    plain = see(paint(cutout, beige=0.9), "scarf", faces=1)
    assert caption(plain, locale="hr").startswith("Osoba sa šalom")


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_a_scene_in_black_and_white_is_said_to_be_one_once(scene: Features, locale: str) -> None:
    """And a wide subject to be wide."""
    grey = replace(see(scene, "shoe"), is_greyscale=True)
    coloured = replace(grey, is_greyscale=False)
    again = PHRASEBOOKS[locale].further_sentences["scene"][-1].format(greyscale="")
    assert again not in caption(grey, "detailed", locale)
    assert caption(grey, locale=locale) != caption(coloured, locale=locale)


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_an_outline_is_said_once(cutout: Features, locale: str) -> None:
    outlines = set(PHRASEBOOKS[locale].outline.values())
    unnamed = caption(cutout, "detailed", locale)
    assert not any(outline in unnamed for outline in outlines)


def test_an_animal_on_a_pack_is_not_named(cutout: Features, scene: Features) -> None:
    """On a plain background what has text on it or fills its box, as a cushion, is no animal."""
    text = (block("CANINE", 0.2, 0.1),)
    dog = see(cutout, "dog")
    assert "dog" in caption(dog)
    assert "dog" not in caption(dog.with_text(text), "detailed")
    assert "dog" not in caption(see(cutout, "dog", fills_box=True), "detailed")
    assert "dog" in caption(see(scene, "dog").with_text(text))


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_three_shades_of_one_word_are_too_many_for_a_search_engine(
    cutout: Features, locale: str
) -> None:
    """The word may stand twice in such a text; then the colours are left out."""
    assert cutout.subject is not None
    subject = replace(cutout.subject, outline="unspecified", has_shadow=False)
    greys = paint(replace(cutout, subject=subject), dark_grey=0.4, light_grey=0.3, grey=0.3)
    text = caption(greys, "seo", locale)
    draft = Draft(text, "embedded", cut=len(text) < STYLES["seo"].min_chars)
    assert not validate_draft(draft, style=STYLES["seo"], locale=locale).violations


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("de", "Eine Person in blauer Badebekleidung"),
        ("fr", "Une personne portant un maillot de bain bleu"),
        ("es", "Una persona con un traje de baño azul"),
        ("hr", "Osoba u plavom kupaćem kostimu"),
    ],
)
def test_an_adjective_without_an_article_has_the_ending_of_the_case(
    cutout: Features, locale: str, expected: str
) -> None:
    worn = see(paint(cutout, blue=0.9), "swimwear", faces=1)
    assert caption(worn, locale=locale).startswith(expected)


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_two_concepts_with_one_word_are_named_once(scene: Features, locale: str) -> None:
    """A watch and a clock are both "eine Uhr", a mug and a cup both "una taza"."""
    words = PHRASEBOOKS[locale].words
    for pair in (("watch", "clock"), ("mug", "cup")):
        text = caption(see(scene, *pair), "detailed", locale)
        for concept in pair:
            word = words.nouns[concept].word
            assert len(re.findall(rf"\b{word}\b", text, re.IGNORECASE)) == 1, text


def test_a_german_sentence_suits_one_text_and_several(scene: Features) -> None:
    texts = (block("SALE", 0.1, 0.2), block("Today", 0.05, 0.5))
    bus = see(scene, "bus", "dog").with_text(texts)
    assert "Man liest „SALE“ und „Today“." in caption(bus, "detailed", "de")


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_a_search_engine_gets_no_sentence_about_sides_and_shadows(
    cutout: Features, scene: Features, locale: str
) -> None:
    """Where the caption is long enough without one."""
    book = PHRASEBOOKS[locale]
    shares = (ColourShare("blue", 0.4), ColourShare("white", 0.2), ColourShare("brown", 0.2))
    regions = RegionColours(top="blue", bottom="white", left=None, right=None, centre="brown")
    parted = replace(see(scene, "musical_instrument", "bus"), colours=shares, regions=regions)
    tones = {"top": book.tone["blue"], "bottom": book.tone["white"]}
    sides = book.further_sentences["scene"][0].format(**tones)
    assert sides in caption(parted, "detailed", locale)
    assert sides not in caption(parted, "seo", locale)
    bag = see(paint(cutout, blue=0.5, white=0.3), "wine_bottle")
    mostly = book.further_sentences["thing"][0].split("{")[0]
    assert mostly in caption(bag, "detailed", locale)
    assert mostly not in caption(bag, "seo", locale)


@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_a_background_is_said_to_be_plain_once(
    drawn_features: dict[str, Features], locale: str
) -> None:
    """One line of text on a plain background, which has it on all sides."""
    filler = PHRASEBOOKS[locale].further_sentences["filler"]
    edges = next(t for t in filler if re.search(r"{(plain_edges|background)}", t)).split("{")[0]
    shown = [f for f in drawn_features.values() if f.category == "shapes"]
    assert shown
    for features in shown:
        assert edges not in caption(features.with_text((block("HARBOUR"),)), "detailed", locale)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("locale", PHRASEBOOKS)
def test_an_orange_is_not_said_to_be_orange(cutout: Features, locale: str, style: str) -> None:
    words = PHRASEBOOKS[locale].words
    text = caption(see(paint(cutout, orange=0.7, green=0.3), "orange"), style, locale).casefold()
    assert len(re.findall(words.nouns["orange"].word.casefold(), text)) == 1, text
    apple = caption(see(paint(cutout, orange=0.9), "apple"), locale=locale)
    assert words.adjectives[words.nouns["apple"].form]["orange"] in apple.casefold()


@pytest.mark.parametrize("concept", ["diver", "baseball_game"])
@pytest.mark.parametrize("style", STYLES)
def test_people_and_events_have_no_colour(cutout: Features, style: str, concept: str) -> None:
    """That of a diver is the suit's, and a game has none."""
    assert "black" not in caption(see(paint(cutout, black=0.9), concept), style)
