"""A caption must say more than the text that stands beside the image."""

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.verdict import validate_text

STYLE = load_styles()["concise"]


def repeats(caption: str, visible_text: str, locale: str = "en") -> bool:
    verdict = validate_text(caption, style=STYLE, locale=locale, visible_text=visible_text)
    codes = {violation.code for violation in verdict.violations}
    assert codes <= {"repeats_visible_text"}
    return bool(codes)


@pytest.mark.parametrize(
    ("caption", "visible_text", "locale"),
    [
        ("The mayor opens the new bridge.", "The mayor opens the new bridge", "en"),
        ("The mayor opens the new bridge.", "THE MAYOR OPENS THE NEW BRIDGE!", "en"),
        ("The new bridge.", "The mayor opens the new bridge over the Thames.", "en"),
        ("Mayor opening: the new bridges", "The new bridge: mayor at the opening", "en"),
        ("Link to the annual report", "Annual report", "en"),
        ("Logo of Mighty Mugs", "Mighty Mugs", "en"),
        ("Button: add to basket", "Add to basket", "en"),
        ("“Summer sale, 2 for 1”", "Summer sale: 2 for 1", "en"),
        ("Die neue Brücke über die Elbe.", "Die neue Brücke über die Elbe", "de"),
        ("Link zum Jahresbericht", "Jahresbericht", "de"),
        ("桥上的红色电车，背景是群山。", "桥上的红色电车，背景是群山", "zh"),
        ("Новый мост через реку.", "Новый мост через реку", "ru"),
    ],
)
def test_what_only_repeats_the_text_beside_the_image_is_rejected(
    caption: str, visible_text: str, locale: str
) -> None:
    """In another case or order, with another number, or behind words for a link or a logo."""
    assert repeats(caption, visible_text, locale)


@pytest.mark.parametrize(
    ("caption", "visible_text", "locale"),
    [
        ("The mayor cuts a red ribbon on the new bridge.", "The mayor opens the new bridge", "en"),
        ("The new bridge, seen from the river.", "The new bridge", "en"),
        ("Sale sign: 50 % off all mugs", "Sale: 30 % off all mugs", "en"),
        ("A brown dog runs along a sandy beach.", "", "en"),
        ("A brown dog runs along a sandy beach.", "...", "en"),
        ("Eine Straßenbahn fährt über die neue Brücke.", "Die neue Brücke über die Elbe", "de"),
        ("桥上的红色电车，背景是群山。", "桥上的电车", "zh"),
    ],
)
def test_what_adds_something_to_the_text_beside_the_image_is_accepted(
    caption: str, visible_text: str, locale: str
) -> None:
    """A single content word or number more is enough."""
    assert not repeats(caption, visible_text, locale)
