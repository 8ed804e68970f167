"""The phrase files of the languages."""

from app.validation.languages import load_languages

SUPPORTED = [
    "en",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "cs",
    "hr",
    "sl",
    "sr",
    "bs",
    "hu",
    "sv",
    "da",
    "nb",
    "fi",
    "tr",
    "uk",
    "ru",
    "ja",
    "ko",
    "zh",
    "ar",
]


def test_every_supported_language_has_a_file() -> None:
    """With labels and refusals."""
    languages = load_languages().by_code
    assert set(SUPPORTED) <= set(languages)
    for code in SUPPORTED:
        assert languages[code].caption_labels
        assert languages[code].refusal.pattern != "(?!)"
