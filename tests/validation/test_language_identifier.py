"""Captions in a wrong language are detected; short texts and similar languages are accepted."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.captioning.styles.loader import load_styles
from app.validation.language_identifier import is_wrong_language, warm_up
from app.validation.verdict import validate_text

CONCISE = load_styles()["concise"]

POLISH = "Czarny kot śpi na czerwonej kanapie obok dwóch pilotów do telewizora."
CROATIAN = "Crni pas trči po pješčanoj plaži pored mora dok sunce polako zalazi."


def test_a_caption_in_another_language_is_detected() -> None:
    """In its own locale it is right."""
    assert is_wrong_language(POLISH, "en")
    assert not is_wrong_language(POLISH, "pl")


@pytest.mark.parametrize("locale", ["hr", "bs", "sr-Latn", "sr", "sh"])
def test_similar_languages_count_as_one(locale: str) -> None:
    """Readers of one understand the others."""
    assert not is_wrong_language(CROATIAN, locale)


@pytest.mark.parametrize("locale", ["tlh", "x-ours", "und", "gsw"])
def test_a_locale_that_the_identifier_does_not_know_is_never_rejected(locale: str) -> None:
    """There is nothing to compare the text with."""
    assert not is_wrong_language(POLISH, locale)


def test_a_short_text_is_not_rejected_by_the_identifier() -> None:
    """Below 45 characters it is not reliable."""
    assert not is_wrong_language("Crème brûlée à la carte", "en")


def test_the_script_decides_for_short_texts_too() -> None:
    """Eleven Japanese characters are certainly not English."""
    assert is_wrong_language("赤い自転車が壁のそばにある", "en")
    assert is_wrong_language("A red bicycle stands beside the wall.", "ja")
    assert not is_wrong_language("赤い Honda CB750 が壁のそばにある", "ja")
    assert is_wrong_language("Црни пас трчи по плажи", "sr-Latn")


@pytest.mark.parametrize(
    "caption",
    [
        'Tea box labelled "Herbata czarna ekspresowa z cytryną i miodem lipowym"',
        "Poster for „Die unendliche Geschichte von Michael Ende im Kino“ on a wall",
    ],
)
def test_quoted_text_in_another_language_is_accepted(caption: str) -> None:
    """It is text in the picture, for instance on a package."""
    assert not is_wrong_language(caption, "en")


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("ja", "CrUX DashboardのCore Web Vitalsの概要"),
        ("ja", "Related Website Sets のデモ。"),
        ("ko", "Performance insights 패널에서의 LCP"),
        ("zh", "Lighthouse 报告在 Chrome 中打开。"),
        ("ru", "Проверка заголовка Cache-Control на вкладке Headers"),
        ("uk", "Кросівки Nike Air Max 270 чорного кольору на білому тлі"),
        ("ar", "هاتف Samsung Galaxy S24 Ultra أسود على خلفية بيضاء"),
    ],
)
def test_names_in_latin_letters_are_accepted_in_other_scripts(locale: str, text: str) -> None:
    """They are frequent in shops and manuals."""
    assert not is_wrong_language(text, locale)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("ja", "The sign of 麦当劳 hangs above the door of the restaurant in the street."),
        ("zh", "犬が砂浜を走っています。海はとても青いです。"),
        ("ja", "一只棕色的狗在沙滩上奔跑，嘴里叼着一个红色的球。"),
        ("ko", "一只棕色的狗在沙滩上奔跑，嘴里叼着一个红色的球。"),
        ("ko", "茶色い犬が砂浜を走っている。海はとても青い。"),
        ("ru", "Export of a recording with its analysis to the disk."),
    ],
)
def test_a_few_letters_of_the_right_script_do_not_suffice(locale: str, text: str) -> None:
    """A Chinese sign in an English sentence; Japanese text for a Chinese locale."""
    assert is_wrong_language(text, locale)


def test_a_search_query_may_be_in_any_language() -> None:
    """The words that an image search puts before it are removed, the title is kept."""
    title = "Danmarks første lydoptagelser og hvad der blev af dem i tiden derefter"
    assert validate_text(f"Image result for {title}", style=CONCISE, locale="en").caption == title
    assert validate_text(f"Image result for {title}", style=CONCISE, locale="en").is_valid
    assert not validate_text(title, style=CONCISE, locale="en").is_valid


def test_loading_is_safe_from_several_threads() -> None:
    """Several may load it at the same time."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: warm_up(), range(8)))


def test_real_sentences_are_identified(corpora: Path) -> None:
    """In each language 99 % of its sentences pass and 98 % of the others are rejected."""
    rows = [json.loads(line) for line in (corpora / "languages.jsonl").read_text().splitlines()]
    codes = sorted({row["lang"] for row in rows})
    for code in codes:
        own = [row["text"] for row in rows if row["lang"] == code]
        passed = sum(not is_wrong_language(text, code) for text in own)
        caught = sum(
            is_wrong_language(text, other) for text in own for other in codes if other != code
        )
        assert passed >= 0.99 * len(own), code
        assert caught >= 0.98 * len(own) * (len(codes) - 1), code
