"""Each rule rejects what it is for, and lets honest captions through."""

import dataclasses

import pytest

from app.captioning.styles.loader import StyleRegistry
from app.captioning.validate.rules import RULES
from app.captioning.validate.verdict import judge

STYLES = StyleRegistry.load()
CONCISE, SEO, DETAILED = STYLES["concise"], STYLES["seo"], STYLES["detailed"]


def codes(
    draft: str, style: str = "concise", locale: str = "en", context: str | None = None
) -> list[str]:
    verdict = judge(draft, style=STYLES[style], locale=locale, context=context)
    assert verdict.outcome == "caption"
    return [broken.code for broken in verdict.hard]


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        ("", "empty"),
        ("...", "empty"),
        ("Dog.", "too_short"),
        ("A dog" + " and a very long walk" * 2 + " with " + "x, y " * 40, "too_long"),
        ("image", "placeholder"),
        ("IMG_20240131_0042.jpg", "placeholder"),
        ("../../Desktop/Screen%20Shot%202015.png", "placeholder"),
        ("Untitled", "placeholder"),
        ("Slika prikazuje", "redundant_opener"),
        ("A wedding photo of two women.", "redundant_opener"),
        ("A dog in this image is brown.", "redundant_opener"),
        ("DECORATIVE: a plain gradient.", "wrapping_left"),
        ("A dog on a beach. Keywords: dog, beach.", "wrapping_left"),
        ("A dog on a beach. © 2024 Jane Doe", "attribution"),
        ("A dog on a beach, photo by Jane Doe.", "attribution"),
        ("A dog on a beach, Shutterstock.", "attribution"),
        ("A dog on a beach, see https://example.com/a.", "url_or_markup"),
        ("A dog on a beach, write to me@example.com.", "url_or_markup"),
        ("A dog on a beach { color: red; }", "url_or_markup"),
        ("A dog on a dog on a dog on a dog on a beach.", "loop"),
        ("T;T;T;T;T;T;T;T;T;T;T;T;", "loop"),
        ("A dog, and as an AI I like dogs.", "about_itself"),
        ("I think a dog runs on the beach.", "about_itself"),
        ("Output only the description text after the label.", "about_itself"),
        ("A dog on a beach 🐕 in summer.", "emoji"),
        ("Ein brauner Hund läuft an einem Sandstrand entlang und bellt.", "wrong_language"),
        ("CY qualify ленplace ডগ 图 shirely", "gibberish"),
    ],
)
def test_hard_rules_reject(draft: str, code: str) -> None:
    """With the code that callers and reviewers read."""
    locale = "hr" if draft.startswith("Slika") else "en"
    assert code in codes(draft, locale=locale)


@pytest.mark.parametrize(
    "draft",
    [
        "A child holding a photograph.",
        "Painting of a harbour at dusk, with three boats.",
        "Illustration of a heart with its chambers labelled.",
        "STOP",
        '"Exit"',
        "A sign that reads “Do not enter”.",
        "Two homepage screenshots of the prototype, side by side.",
        "Bar chart of visits by month: January 10, February 12, March 31.",
        "Steps of a weld: (a) a new cut is made, (b) the material evaporates.",
        'Person holding a tablet saying "This book is no longer available!".',
        "Queen Elizabeth I in a white dress with pearls.",
        'A box of tea labelled "Herbata czarna ekspresowa z cytryną i miodem" on a shelf.',
        "A T-shirt at €12.50 on a wooden hanger.",
        "Keyboard with the → key highlighted.",
        "Dr. Smith’s office at No. 5 St. James Street.",
    ],
)
def test_honest_captions_pass(draft: str) -> None:
    """What people write for pictures like these."""
    assert codes(draft) == []


def test_a_credit_that_the_context_gives_is_no_invention() -> None:
    """The context is where names come from."""
    draft = "A dog beside the Shutterstock stand."
    assert "attribution" in codes(draft)
    assert codes(draft, context="Trade fair: the Shutterstock stand") == []


def test_banned_words_match_as_whole_words_in_any_case() -> None:
    """`ass` is not in `glass`."""
    style = dataclasses.replace(CONCISE, banned=("ass", "best price"))
    assert judge("A glass of water on a table.", style=style, locale="en").is_valid
    verdict = judge("Water at the BEST  price in town.", style=style, locale="en")
    assert [broken.code for broken in verdict.hard] == ["banned_word"]


def test_seo_holds_its_own_limits() -> None:
    """No list between commas, no word three times, 50 characters."""
    stuffed = "Red running shoes for running women who love running in red shoes on roads."
    assert "repeated_words" in codes(stuffed, "seo")
    assert "comma_list" in codes(
        "Shoes, red shoes, running gear, sport, trail, women, and roads", "seo"
    )
    assert "too_short" in codes("Red running shoes.", "seo")
    good = "Red running shoes with white soles stand on a wooden bench in a bright hallway."
    assert codes(good, "seo") == []


def test_detailed_wants_a_paragraph() -> None:
    """Two sentences and 120 characters are the least."""
    assert set(codes("A dog runs.", "detailed")) == {"too_short", "sentence_count"}


def test_soft_rules_only_warn() -> None:
    """Their codes go into `warnings`."""
    long = (
        "A brown dog runs along a sandy beach "
        + "past small waves and wet stones " * 3
        + "at dusk."
    )
    assert judge(long, style=CONCISE, locale="en").soft == ("long_for_screen_readers",)
    assert judge("A brown dog.", style=CONCISE, locale="en").soft == ("short",)
    named = "A brown dog called Bello runs on a beach."
    assert judge(named, style=CONCISE, locale="en").soft == ("unverified_name",)
    assert judge(named, style=CONCISE, locale="en", context="Bello, 3").soft == ()


def test_every_rule_is_documented() -> None:
    """A name, a sentence and a source each, and no name twice."""
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.says.endswith(".") and rule.source for rule in RULES)


def test_instructions_said_back_are_no_caption() -> None:
    """A small model repeats its prompt."""
    draft = "Say what the picture shows and what it is there for, the most important thing first."
    assert "about_itself" in codes(draft)
