"""The rules of a caption: small, named, each with where it comes from. GET /v1/styles lists them.

A hard rule rejects a draft; a soft one passes and is named in `warnings`. Every check is a pure
function of what was said and of the style, and returns the sentence that tells a captioner (or a
reviewer) what to mend, or None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.types import Style
from app.validation import (
    form_rules,
    language_identifier,
    length_rules,
    naming_rules,
    repetition_rules,
)
from app.validation.language_identifier import strip_quotations
from app.validation.languages import Language

Severity = Literal["hard", "soft"]


@dataclass(frozen=True, slots=True)
class RuleInput:
    """A cleaned draft and what it is judged against."""

    caption: str
    """What would leave the API."""
    whole: str
    """The same before it was cut to length: what a model went on to say counts against it."""
    unquoted: str
    leftover: str
    style: Style
    locale: str
    languages: tuple[Language, ...]
    context: str
    is_truncated: bool
    is_searched: bool = False
    """A title or name that someone searched for; it has a language of its own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `check` returns the reason why a draft breaks it, or None."""

    name: str
    severity: Severity
    says: str
    """One sentence for people: what a caption must (or should) be."""
    source: str
    check: Callable[[RuleInput], str | None]


def _empty(said: RuleInput) -> str | None:
    return None if any(map(str.isalnum, said.caption)) else "It is empty."


def _too_short(said: RuleInput) -> str | None:
    return length_rules.too_short(said.caption, said.style, is_truncated=said.is_truncated)


def _too_long(said: RuleInput) -> str | None:
    return length_rules.too_long(said.caption, said.style)


def _sentences(said: RuleInput) -> str | None:
    return length_rules.wrong_sentences(said.caption, said.style, is_truncated=said.is_truncated)


def _wrapping_left(said: RuleInput) -> str | None:
    if said.leftover == "outline":
        return "It is an outline or a list; write plain sentences."
    return form_rules.wrapping_left(said.caption, said.unquoted, said.languages)


def _unfinished(said: RuleInput) -> str | None:
    return None if said.is_truncated else form_rules.unfinished(said.caption, said.locale)


def _redundant_opener(said: RuleInput) -> str | None:
    return form_rules.redundant_opener(said.caption, said.unquoted, said.languages)


def _placeholder(said: RuleInput) -> str | None:
    return form_rules.placeholder(said.caption)


def _wrong_language(said: RuleInput) -> str | None:
    if said.is_searched or not language_identifier.is_wrong_language(said.caption, said.locale):
        return None
    own = said.languages[0]
    name = own.name if own.code != "en" or said.locale.startswith("en") else "that language"
    return f"It is not written in the language asked for: write {name} ({said.locale}) only."


def _attribution(said: RuleInput) -> str | None:
    return naming_rules.attribution(said.caption, said.context)


def _url_or_markup(said: RuleInput) -> str | None:
    return form_rules.url_or_markup(said.caption, said.unquoted)


def _loop(said: RuleInput) -> str | None:
    return repetition_rules.loop(said.whole)


def _about_itself(said: RuleInput) -> str | None:
    if said.leftover == "reasoning":
        return "It is a train of thought, not a caption; answer with the caption alone."
    whole = strip_quotations(said.whole)
    return form_rules.about_itself(said.unquoted, whole, said.style, said.languages)


def _gibberish(said: RuleInput) -> str | None:
    return form_rules.gibberish(said.caption, said.unquoted, said.locale)


def _emoji(said: RuleInput) -> str | None:
    return "It has an emoji in it; use words only." if form_rules.has_emoji(said.caption) else None


def _banned_word(said: RuleInput) -> str | None:
    word = naming_rules.banned_word(said.caption, said.style.banned)
    return None if word is None else f'It uses "{word}", which must not appear.'


def _repeated_words(said: RuleInput) -> str | None:
    return repetition_rules.repeated_words(said.caption, said.style, said.languages)


def _comma_list(said: RuleInput) -> str | None:
    return length_rules.comma_list(said.unquoted, said.style)


def _long_for_screen_readers(said: RuleInput) -> str | None:
    limit = said.style.warn_over_chars
    if limit is None or len(said.caption) <= limit:
        return None
    return f"It is {len(said.caption)} characters long; screen readers pause after {limit}."


def _short(said: RuleInput) -> str | None:
    return length_rules.short(said.caption)


def _unverified_name(said: RuleInput) -> str | None:
    name = naming_rules.unverified_name(said.caption, said.context, said.languages)
    return None if name is None else f'"{name}" looks like a name that the context does not give.'


def _no_words(said: RuleInput) -> str | None:
    return form_rules.no_words(said.caption)


_W3C = "W3C WAI images tutorial"
_WCAG = "WCAG 2.2, 1.1.1 and failure F30"

RULES: tuple[Rule, ...] = (
    Rule("empty", "hard", "It says something.", _WCAG, _empty),
    Rule(
        "about_itself",
        "hard",
        "It speaks of the picture, never of the model, its task or its reader's request.",
        "answers of models",
        _about_itself,
    ),
    Rule(
        "loop",
        "hard",
        "It does not say the same phrase again and again.",
        "answers of models",
        _loop,
    ),
    Rule(
        "gibberish", "hard", "It is made of words of one language.", "answers of models", _gibberish
    ),
    Rule(
        "wrapping_left",
        "hard",
        "It is the caption alone: no preamble, label, heading, list or token.",
        "answers of models",
        _wrapping_left,
    ),
    Rule(
        "unfinished",
        "hard",
        "It does not end in the middle of a sentence.",
        "answers of models",
        _unfinished,
    ),
    Rule("placeholder", "hard", "It is not a placeholder or a file name.", _WCAG, _placeholder),
    Rule(
        "redundant_opener",
        "hard",
        'It does not begin with "image of", "this photo" or the like.',
        f"{_W3C}; GOV.UK; double-great/alt-text",
        _redundant_opener,
    ),
    Rule(
        "wrong_language",
        "hard",
        "It is in the language of the locale.",
        "the request",
        _wrong_language,
    ),
    Rule(
        "url_or_markup",
        "hard",
        "It holds no URL, e-mail address, markup or code.",
        "answers of models",
        _url_or_markup,
    ),
    Rule(
        "attribution",
        "hard",
        "It holds no credit line, and no picture agency that the context does not name.",
        "answers of models",
        _attribution,
    ),
    Rule("emoji", "hard", "It holds no emoji.", "double-great/alt-text", _emoji),
    Rule(
        "banned_word",
        "hard",
        "It uses none of the style's banned words.",
        "the style",
        _banned_word,
    ),
    Rule("too_long", "hard", "It is not longer than the style's cap.", "the style", _too_long),
    Rule(
        "too_short",
        "hard",
        "It is not shorter than the style's floor, unless it is a sign's text or was truncated.",
        "the style; GitHub's alt text scanner",
        _too_short,
    ),
    Rule(
        "sentence_count",
        "hard",
        "It has as many sentences as the style allows.",
        "the style",
        _sentences,
    ),
    Rule(
        "comma_list",
        "hard",
        "It is prose, not a list of terms between commas.",
        "search engines on keyword stuffing",
        _comma_list,
    ),
    Rule(
        "repeated_words",
        "hard",
        "It uses a content word no more often than the style allows.",
        "search engines on keyword stuffing",
        _repeated_words,
    ),
    Rule(
        "long_for_screen_readers",
        "soft",
        "It is short enough to be heard in one go.",
        "double-great/alt-text",
        _long_for_screen_readers,
    ),
    Rule("short", "soft", "It has 20 characters or more.", "GitHub's alt text scanner", _short),
    Rule(
        "unverified_name",
        "soft",
        "Its proper names come from the context.",
        "NHS and GOV.UK on describing people",
        _unverified_name,
    ),
    Rule("no_words", "soft", "It is made of words that can be read out.", _WCAG, _no_words),
)
"""In the order in which they are told."""
