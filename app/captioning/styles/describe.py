"""What GET /v1/styles says of a style."""

from app.types import Style
from app.validation.rules import RULES, Rule

_BANNED_SHOWN = 50


def describe(style: Style) -> dict[str, object]:
    """Name, purpose, limits (characters, sentences) and the rules that its captions keep."""
    return {
        "name": style.name,
        "purpose": style.purpose,
        "limits": {
            "min_chars": style.min_chars,
            "aim_chars": style.aim_chars,
            "max_chars": style.max_chars,
            "warn_over_chars": style.warn_over_chars,
            "min_sentences": style.min_sentences,
            "max_sentences": style.max_sentences,
            "max_word_repeats": style.max_word_repeats,
        },
        "uses_keywords": style.uses_keywords,
        "rules": [
            {
                "name": rule.name,
                "severity": rule.severity,
                "says": _says(rule, style),
                "source": rule.source,
            }
            for rule in RULES
            if _applies(rule.name, style)
        ],
    }


def _says(rule: Rule, style: Style) -> str:
    """The rule's sentence; of banned words it names the first, so that callers know them."""
    if rule.name != "banned_word":
        return rule.says
    shown = ", ".join(f'"{word}"' for word in style.banned[:_BANNED_SHOWN])
    more = len(style.banned) - _BANNED_SHOWN
    return f"It uses none of these words: {shown}{f' and {more} more' if more > 0 else ''}."


def _applies(rule: str, style: Style) -> bool:
    if rule == "repeated_words":
        return style.max_word_repeats is not None
    if rule == "banned_word":
        return bool(style.banned)
    if rule == "long_for_screen_readers":
        return style.warn_over_chars is not None
    return True
