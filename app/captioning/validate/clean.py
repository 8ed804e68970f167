"""Cleaning: from what a model sent to the caption inside it. Nothing is judged here.

A good caption in bad wrapping is unwrapped; a bad one is never dressed up. What could not be
unwrapped is said in `Cleaned`, and the rules reject it.
"""

import re
from dataclasses import dataclass
from typing import Literal

from app.captioning.validate import characters, markup, openers, sections, traces
from app.captioning.validate.languages import Language, load_languages

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«", "'": "'", "‘": "’", "「": "」",
           "『": "』", "”": "”", "`": "`", "(": ")", "[": "]", "*": "*", "_": "_",
           "‹": "›"}  # fmt: skip
_MAX_ROUNDS = 5
_COUNT = re.compile(
    r"\s?[(\[](?:approx(?:imately|\.)?|about|length|word count|character count|total)?[\s:~]*"
    r"\d{1,4}\s?(?:characters?|chars?|words?|tokens?|zeichen|wörter|caract[eèé]res|caracteres|"
    r"caratteri|znak\w{0,3}|tekens|tecken|tegn|merkkiä|字|文字|자)[^()\[\]]{0,40}[)\]]\s*$",
    re.IGNORECASE,
)  # fmt: skip
# What Microsoft Office appends to the alt texts that it writes.
_OFFICE = re.compile(
    r"[\s.,]{0,6}(?:AI-generated content may be incorrect|Description (?:automatically )?generated"
    r"(?: with \w+(?: \w+)? confidence)?|Automatically generated)\.?\s*$",
    re.IGNORECASE,
)
_PREAMBLE_IN_LINE = re.compile(r"[^:：\n]{2,220}[:：]\s+(?=\S)")
_ECHO = re.compile(
    r"\s*(?:in (?:one|a single|two) sentences?|to do this)[.:]\s*(?=[A-Z])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The caption inside a draft, one paragraph, and what about the draft cannot be mended."""

    text: str
    leftover: Literal["", "reasoning", "outline"] = ""


def clean(draft: str, locale: str, *, is_long: bool = False) -> Cleaned:
    """The caption inside `draft`, in NFC, on one line, without wrapping and redundant openers.

    `is_long` says that the style wants a description, should a catalogue offer both.
    """
    languages = load_languages().of(locale)
    answer = characters.normalise(traces.strip_traces(draft))
    if traces.thinks_aloud(answer):
        return Cleaned(" ".join(answer.split()), leftover="reasoning")
    answer = markup.unwrap_data(answer)
    prose = sections.caption_prose(markup.to_lines(answer), languages, is_long=is_long)
    text = _unwrap(characters.normalise(" ".join(prose.text.split())), languages)
    text = openers.without_openers(text, languages)
    return Cleaned(text, leftover="outline" if prose.is_outline else "")


def _unwrap(text: str, languages: tuple[Language, ...]) -> str:
    """Preambles, labels, quotes and counts off one line, in whatever order they were put on."""
    for _ in range(_MAX_ROUNDS):
        before = text
        text = _OFFICE.sub("", _COUNT.sub("", text)).strip()
        text = _without_quotes(text)
        text = _without_preamble(text, languages)
        text = _without_label(text, languages)
        text = re.sub(r"^(?:[-*•●▪#>]+|\d{1,2}[.)])\s+", "", text)
        if text == before:
            break
    return text.strip(" `*|\\")


def _without_label(text: str, languages: tuple[Language, ...]) -> str:
    found = sections.label_of(markup.Line("text", text), languages)
    return found[1] if found is not None and found[1] else text


def _without_preamble(text: str, languages: tuple[Language, ...]) -> str:
    text = _ECHO.sub("", text, count=1) if _ECHO.match(text) else text
    head = _PREAMBLE_IN_LINE.match(text)
    if head is not None and sections.is_preamble(head.group().strip(), languages):
        return text[head.end() :]
    for one in languages:
        match = one.interjection.match(text)
        # "Sure! A dog ..." but not "Sure-footed goats" or "Certainly the oldest ...".
        if match is not None:
            mark = re.match(r"\s?[!.,:：！。，—–-]+\s+", text[match.end() :] + " ")
            if mark is not None and len(text) > match.end() + mark.end():
                return openers.capitalised(text[match.end() + mark.end() :])
    return text


def _without_quotes(text: str) -> str:
    """Without quotes around the whole; quotes around its first and its last word stay."""
    while len(text) > 2:
        closing = _QUOTES.get(text[0])
        end = text.rstrip(".,") if text[-1] in ".," and text[-2:-1] in (closing or "-") else text
        if closing is None or end[-1] not in closing or len(end) < 3:
            return text
        inner = end[1:-1]
        if text[0] in inner or end[-1] in inner:
            return text
        # A whole answer in one pair of quotes may be a sign's text: very short, or in capitals.
        if text[0] not in "`*_([" and (len(inner) < 8 or (inner.isupper() and len(inner) < 40)):
            return text
        text = inner.strip()
    return text
