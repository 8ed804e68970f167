"""The rules of a caption, each with its source. GET /v1/styles lists them.

A hard rule rejects a draft; a soft rule lets it pass with a warning. Every check is a pure function
of its `RuleInput` and returns the reason why the rule is violated, or None. The reasons are
sentences for a captioner, which is asked again with them, and for a reviewer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from app.validation import (
    form_rules,
    generic_rules,
    language_rules,
    length_rules,
    naming_rules,
    repetition_rules,
    self_reference_rules,
)
from app.validation.rule_input import RuleInput

Severity = Literal["hard", "soft"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, with the check for it."""

    code: str
    severity: Severity
    description: str
    """One sentence for people: what a caption must (hard) or should (soft) be."""
    source: str
    check: Callable[[RuleInput], str | None]
    """The reason why the rule is violated, or None."""


_W3C = "W3C WAI images tutorial"
_WCAG = "WCAG 2.2, 1.1.1 and failure F30"

RULES: tuple[Rule, ...] = (
    Rule("empty", "hard", "It says something.", _WCAG, length_rules.empty),
    Rule(
        "about_itself",
        "hard",
        "It speaks of the picture, never of the model, its task or its reader's request.",
        "answers of models",
        self_reference_rules.about_itself,
    ),
    Rule(
        "loop",
        "hard",
        "It does not say the same phrase again and again.",
        "answers of models",
        repetition_rules.loop,
    ),
    Rule(
        "gibberish",
        "hard",
        "It is made of words of one language.",
        "answers of models",
        language_rules.gibberish,
    ),
    Rule(
        "wrapping_left",
        "hard",
        "It is the caption alone: no preamble, label, heading, list or token.",
        "answers of models",
        form_rules.wrapping_left,
    ),
    Rule(
        "unfinished",
        "hard",
        "It does not end in the middle of a sentence.",
        "answers of models",
        form_rules.unfinished,
    ),
    Rule(
        "placeholder",
        "hard",
        "It is not a placeholder or a file name.",
        _WCAG,
        form_rules.placeholder,
    ),
    Rule(
        "redundant_opener",
        "hard",
        'It does not begin with "image of", "this photo" or the like.',
        f"{_W3C}; GOV.UK; double-great/alt-text",
        form_rules.redundant_opener,
    ),
    Rule(
        "wrong_language",
        "hard",
        "It is in the language of the locale.",
        "the request",
        language_rules.wrong_language,
    ),
    Rule(
        "url_or_markup",
        "hard",
        "It holds no URL, e-mail address, markup or code.",
        "answers of models",
        form_rules.url_or_markup,
    ),
    Rule(
        "attribution",
        "hard",
        "It holds no credit line, and no picture agency that the context does not name.",
        "answers of models",
        naming_rules.attribution,
    ),
    Rule("emoji", "hard", "It holds no emoji.", "double-great/alt-text", form_rules.emoji),
    Rule(
        "banned_word",
        "hard",
        "It uses none of the style's banned words.",
        "the style",
        naming_rules.banned_word,
    ),
    Rule(
        "too_long",
        "hard",
        "It is not longer than the style's cap.",
        "the style",
        length_rules.too_long,
    ),
    Rule(
        "too_short",
        "hard",
        "It is not shorter than the style's floor, unless it is a sign's text or was truncated.",
        "the style; GitHub's alt text scanner",
        length_rules.too_short,
    ),
    Rule(
        "sentence_count",
        "hard",
        "It has as many sentences as the style allows.",
        "the style",
        length_rules.sentence_count,
    ),
    Rule(
        "comma_list",
        "hard",
        "It is prose, not a list of terms between commas.",
        "search engines on keyword stuffing",
        length_rules.comma_list,
    ),
    Rule(
        "repeated_words",
        "hard",
        "It uses a content word no more often than the style allows.",
        "search engines on keyword stuffing",
        repetition_rules.repeated_words,
    ),
    Rule(
        "repeats_visible_text",
        "hard",
        "It says more than the text that stands beside the image.",
        f"{_W3C}; axe",
        repetition_rules.repeats_visible_text,
    ),
    Rule(
        "long_for_screen_readers",
        "soft",
        "It is short enough to be heard in one go.",
        "double-great/alt-text",
        length_rules.long_for_screen_readers,
    ),
    Rule(
        "short",
        "soft",
        "It has 20 characters or more.",
        "GitHub's alt text scanner",
        length_rules.short,
    ),
    Rule(
        "unverified_name",
        "soft",
        "Its proper names come from the context.",
        "NHS and GOV.UK on describing people",
        naming_rules.unverified_name,
    ),
    Rule(
        "no_words",
        "soft",
        "It is made of words that can be read out.",
        _WCAG,
        language_rules.no_words,
    ),
    Rule(
        "generic",
        "soft",
        "It tells this picture from others, not only by colours and kinds.",
        _WCAG,
        generic_rules.generic,
    ),
)
"""In the order in which violations are reported."""
