"""Groups of languages that count as one language for validation, because they read alike."""

from app.validation.language_tags import language_of

_GROUPS = (
    frozenset({"hr", "bs", "sr", "sh", "me", "cnr", "hbs"}),
    frozenset({"cs", "sk"}),
    frozenset({"da", "nb", "no", "nn"}),
    frozenset({"id", "ms", "in", "jv"}),
    frozenset({"zh", "cmn", "yue", "wuu", "nan", "hak"}),
    frozenset({"ar", "arz", "ary", "apc"}),
    frozenset({"hi", "mr", "ne"}),
    frozenset({"bg", "mk"}),
    frozenset({"gl", "pt"}),
    frozenset({"fil", "tl"}),
    frozenset({"he", "iw"}),
    frozenset({"az", "tr"}),
)


def similar_languages(locale: str) -> frozenset[str]:
    """The codes of all languages that pass for the locale's language, itself included."""
    code = language_of(locale)
    return next((group for group in _GROUPS if code in group), frozenset({code}))
