"""The entry of one style in the response to GET /v1/styles."""

from app.types import Style
from app.validation.rules import RULES, Rule

_MAX_BANNED_SHOWN = 50


def describe_style(style: Style) -> dict[str, object]:
    """Its name, purpose, limits (characters, sentences) and the rules that its captions keep."""
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
                "name": rule.code,
                "severity": rule.severity,
                "says": _describe_rule(rule, style),
                "source": rule.source,
            }
            for rule in RULES
            if _applies_to(rule.code, style)
        ],
    }


def _describe_rule(rule: Rule, style: Style) -> str:
    """The rule's description; that of `banned_word` lists the first words."""
    if rule.code != "banned_word":
        return rule.description
    shown = ", ".join(f'"{word}"' for word in style.banned[:_MAX_BANNED_SHOWN])
    more = len(style.banned) - _MAX_BANNED_SHOWN
    return f"It uses none of these words: {shown}{f' and {more} more' if more > 0 else ''}."


def _applies_to(code: str, style: Style) -> bool:
    if code == "repeated_words":
        return style.max_word_repeats is not None
    if code == "banned_word":
        return bool(style.banned)
    if code == "long_for_screen_readers":
        return style.warn_over_chars is not None
    return True
