"""Parsing of BCP 47 language tags."""

import pytest

from app.validation.language_tags import parse_locale


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
    """In any case; the result is the canonical form."""
    assert parse_locale(tag) == canonical


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        ("de_DE", "de-DE"),
        ("de_DE.UTF-8", "de-DE"),
        ("pt_br@euro", "pt-BR"),
        ("zh_Hant_TW", "zh-Hant-TW"),
        ("en_US_POSIX", "en-US-posix"),
        ("en-", "en"),
        (" de-DE\n", "de-DE"),
    ],
)
def test_the_locale_of_an_operating_system_is_refused_with_the_tag_that_it_means(
    tag: str, meant: str
) -> None:
    with pytest.raises(ValueError, match=f"write {meant}[.]$"):
        parse_locale(tag)


@pytest.mark.parametrize(
    "tag",
    ["", "e", "english", "xx", "en--US", "xx_YY", "de_Deutschland_x", "en-US-US-US-x",
     "de-1996-1996", "en-a-bb-a-cc", "дe", "en US", "e" * 500],
)  # fmt: skip
def test_an_invalid_tag_is_refused(tag: str) -> None:
    """The message contains the tag and valid examples."""
    with pytest.raises(ValueError, match="like en or pt-BR") as caught:
        parse_locale(tag)
    assert tag[:10] in str(caught.value).encode().decode("unicode_escape") or not tag.isascii()
