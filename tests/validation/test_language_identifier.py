"""Wrong languages are caught; short, quoted and kindred ones are let through."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.captioning.styles.loader import StyleRegistry
from app.validation.language_identifier import is_wrong_language, warm_up
from app.validation.language_tags import parse_locale
from app.validation.languages import load_languages
from app.validation.verdict import validate_draft

CONCISE = StyleRegistry.load()["concise"]

POLISH = "Czarny kot śpi na czerwonej kanapie obok dwóch pilotów do telewizora."
_PROMISED = "en de fr es it pt nl pl cs hr sl sr bs hu sv da nb fi tr uk ru ja ko zh ar"
CROATIAN = "Crni pas trči po pješčanoj plaži pored mora dok sunce polako zalazi."


@pytest.mark.parametrize(
    ("tag", "canonical"),
    [
        ("EN", "en"),
        ("pt-br", "pt-BR"),
        ("SR-latn-rs", "sr-Latn-RS"),
        ("de-CH-1996", "de-CH-1996"),
        ("es-419", "es-419"),
        ("zh-cmn-hans-cn", "zh-cmn-Hans-CN"),
        ("en-US-u-ca-gregory-x-ours", "en-US-u-ca-gregory-x-ours"),
        ("x-whatever", "x-whatever"),
        ("i-klingon", "tlh"),
        ("sgn-BE-FR", "sfb"),
        ("und", "und"),
        ("haw", "haw"),
    ],
)
def test_every_bcp_47_tag_is_accepted(tag: str, canonical: str) -> None:
    """In any case, and given back in its canonical one."""
    assert parse_locale(tag) == canonical


@pytest.mark.parametrize(
    "tag",
    ["", "e", "en_US", "english", "xx", "en-", "-en", "en--US", "en-US-US-US-x", "de-1996-1996",
     "en-a-bb-a-cc", "дe", "en US", "en\n", "e" * 500],
)  # fmt: skip
def test_what_is_no_tag_is_refused_by_name(tag: str) -> None:
    """The message names the tag and shows a right one."""
    with pytest.raises(ValueError, match="like en or pt-BR") as caught:
        parse_locale(tag)
    assert tag[:10] in str(caught.value).encode().decode("unicode_escape") or not tag.isascii()


def test_a_caption_in_another_language_is_caught() -> None:
    """And right in its own."""
    assert is_wrong_language(POLISH, "en")
    assert not is_wrong_language(POLISH, "pl")


@pytest.mark.parametrize("locale", ["hr", "bs", "sr-Latn", "sr", "sh"])
def test_languages_that_read_alike_count_as_one(locale: str) -> None:
    """A reader of one reads the other."""
    assert not is_wrong_language(CROATIAN, locale)


@pytest.mark.parametrize("locale", ["tlh", "x-ours", "und", "gsw"])
def test_a_language_that_nobody_knows_is_never_rejected(locale: str) -> None:
    """There is nothing to judge it by."""
    assert not is_wrong_language(POLISH, locale)


def test_short_texts_are_not_rejected_on_language_alone() -> None:
    """Under 45 characters identification is a guess."""
    assert not is_wrong_language("Crème brûlée à la carte", "en")


def test_the_script_decides_for_short_texts_too() -> None:
    """Eleven Japanese characters are surely not English."""
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
def test_text_on_a_package_does_not_flip_the_judgement(caption: str) -> None:
    """Quoted words are the picture's, not the caption's."""
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
def test_names_in_latin_letters_leave_a_language_what_it_is(locale: str, text: str) -> None:
    """Shops and manuals are full of them."""
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
def test_a_few_own_letters_do_not_make_a_language(locale: str, text: str) -> None:
    """A sign in an English sentence, and Japanese grammar in Chinese."""
    assert is_wrong_language(text, locale)


def test_words_that_someone_searched_for_have_a_language_of_their_own() -> None:
    """What an image search writes before them goes, the title stays."""
    title = "Danmarks første lydoptagelser og hvad der blev af dem i tiden derefter"
    assert validate_draft(f"Image result for {title}", style=CONCISE, locale="en").caption == title
    assert validate_draft(f"Image result for {title}", style=CONCISE, locale="en").is_valid
    assert not validate_draft(title, style=CONCISE, locale="en").is_valid


def test_loading_is_safe_from_several_threads() -> None:
    """All of them may be the first."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: warm_up(), range(8)))


def test_there_is_a_file_for_every_promised_language() -> None:
    """With openers, labels and refusals each."""
    promised = _PROMISED.split()
    languages = load_languages().by_code
    assert set(promised) <= set(languages)
    for code in promised:
        assert languages[code].labels
        assert languages[code].refusal.pattern != "(?!)"


def test_real_sentences_are_judged_right(corpora: Path) -> None:
    """99 % of right ones pass and 98 % of wrong ones are caught, for each language."""
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
