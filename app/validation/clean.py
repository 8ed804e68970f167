"""Cleaning: from what a model sent to the caption inside it. Nothing is judged here.

A good caption in bad wrapping is unwrapped; a bad one is never dressed up. What could not be
unwrapped is said in `Cleaned`, and the rules reject it.
"""

import re
from dataclasses import dataclass
from typing import Literal

from app.validation import unicode_normalisation, markup, reasoning_tokens, redundant_openers, sections, sentences
from app.validation.languages import Language, load_languages

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«", "'": "'", "‘": "’", "「": "」",
           "『": "』", "”": "”", "`": "`", "(": ")", "[": "]", "*": "*", "_": "_",
           "‹": "›"}  # fmt: skip
_MAX_ROUNDS = 5
_HASHTAGS = re.compile(r"(?:\s+#[^\W\d]\w{0,60}){1,30}\s*$")
_COUNT = re.compile(
    r"\s?[(\[](?:approx(?:imately|\.)?|about|length|word count|character count|total)?[\s:~]*"
    r"\d{1,4}\s?(?:characters?|chars?|words?|tokens?|zeichen|wörter|caract[eèé]res|caracteres|"
    r"caratteri|znak\w{0,3}|tekens|tecken|tegn|merkkiä|字|文字|자)[^()\[\]]{0,40}[)\]]\s*$",
    re.IGNORECASE,
)  # fmt: skip
# What Microsoft Office appends to the alt texts that it writes.
_OFFICE = re.compile(
    r"[\s.,]{0,6}(?:AI-generated content may be incorrect|Description (?:automatically )?generated"
    r"(?: with \w+(?: \w+)? confidence)?|Automatically generated"
    r"|Automatisk genereret beskrivelse|Automatisk generert beskrivelse"
    r"|Automatiskt genererad beskrivning|Automatisch generierte Beschreibung"
    r"|Automatisch gegenereerde beschrijving|Description générée automatiquement"
    r"(?: avec un niveau de confiance \w+)?|Descripción generada automáticamente"
    r"(?: con confianza \w+)?|Descrizione generata automaticamente|Descrição gerada automaticamente"
    r"|Opis wygenerowany automatycznie|Popis byl vytvořen automaticky|Kuvaus luotu automaattisesti"
    r"|Автоматически созданное описание|自動的に生成された説明|描述已自动生成)\.?\s*$",
    re.IGNORECASE,
)
_PREAMBLE_IN_LINE = re.compile(r"[^:：\n]{2,220}[:：]\s+(?=\S)")
# "A T-shirt with the text 'Alt text: none'": the colon is a sign's.
_IN_QUOTES = re.compile(r"\s[\"'“„«‘‚][^\s\"'”“»’][^\"'”“»’]*$")
# "a brewery and distillery ." of tokenisers that join words with spaces.
_LOOSE_STOP = re.compile(r"(?<=\w)\s(?=[.,](?:\s|$))")
# Full-width marks take no space after them.
_AFTER_INTERJECTION = re.compile(r"\s?(?:[!.,:—–-]+\s+|[：！。，、]+\s*)")
_ECHO = re.compile(
    r"\s*(?:in (?:one|a single|two) sentences?|to do this)[.:]\s*(?=[A-Z])", re.IGNORECASE
)


# What search engines write before the words that someone searched for, in the page's language.
_SEARCHED = re.compile(
    r"(?:image results? for|billedresultat for|bilderesultat for|bildresultat för|bildergebnis für"
    r"|afbeeldingsresultaat voor|résultat de recherche d['’]images pour|risultati? immagini per"
    r"|resultado de imagen (?:para|de)|resultado de imagem para|wynik obrazu dla"
    r"|výsledek obrázku pro|slikovni rezultat za|картинки по запросу) ",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The caption inside a draft, one paragraph, and what about the draft cannot be mended."""

    text: str
    leftover: Literal["", "reasoning", "outline"] = ""
    is_searched: bool = False
    """Words that someone searched for: a title or name, which has a language of its own."""


def clean(draft: str, locale: str, *, is_long: bool = False) -> Cleaned:
    """The caption inside `draft`, in NFC, on one line, without wrapping and redundant openers.

    `is_long` says that the style wants a description, should a catalogue offer both.
    """
    languages = load_languages().of(locale)
    answer = unicode_normalisation.normalise_text(reasoning_tokens.strip_reasoning(draft))
    if reasoning_tokens.is_unmarked_reasoning(answer):
        return Cleaned(" ".join(answer.split()), leftover="reasoning")
    answer = markup.unwrap_json_and_html(answer)
    searched = _SEARCHED.match(answer)
    if searched is not None:
        answer = answer[searched.end() :]
    prose = sections.caption_prose(markup.parse_lines(answer), languages, is_long=is_long)
    text = _unwrap(unicode_normalisation.normalise_text(" ".join(prose.text.split())), languages)
    shorter = redundant_openers.strip_openers(text, languages)
    if shorter != text:  # "This is the alt text: ..." has a label behind the opener
        shorter = _without_label(shorter, languages)
    text = _LOOSE_STOP.sub("", shorter)
    leftover: Literal["", "outline"] = "outline" if prose.is_outline else ""
    return Cleaned(text, leftover, is_searched=searched is not None)


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
    return _without_remarks(text.strip(" `*|\\"), languages)


def _without_remarks(text: str, languages: tuple[Language, ...]) -> str:
    """Without "Let me know if you need anything else!" and hashtags behind the caption."""
    text = _HASHTAGS.sub("", text)
    parts = sentences.split_sentences(text)
    kept = len(parts)
    while kept > 1 and any(one.remark.match(parts[kept - 1]) for one in languages):
        kept -= 1
    return text if kept == len(parts) else sentences.join_sentences(parts[:kept])


def _without_label(text: str, languages: tuple[Language, ...]) -> str:
    found = sections.label_of(markup.MarkupLine("text", text), languages)
    return found[1] if found is not None and found[1] else text


def _without_preamble(text: str, languages: tuple[Language, ...]) -> str:
    text = _ECHO.sub("", text, count=1) if _ECHO.match(text) else text
    head = _PREAMBLE_IN_LINE.match(text)
    if (
        head is not None
        and not _IN_QUOTES.search(head.group())
        and sections.announces_inline(head.group(), languages)
    ):
        return text[head.end() :]
    for one in languages:
        match = one.interjection.match(text)
        # "Sure! A dog ..." but not "Sure-footed goats" or "Certainly the oldest ...".
        if match is not None:
            mark = _AFTER_INTERJECTION.match(text[match.end() :] + " ")
            if mark is not None and len(text) > match.end() + mark.end():
                return redundant_openers.capitalise(text[match.end() + mark.end() :])
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
