"""Cleaning: extracts the caption from a draft. The rules, not this module, decide if it is valid.

Preambles, labels, markup, quotation marks and closing remarks around a caption are removed. A
draft that is no caption is not repaired: `Cleaned.defect` says so, and a rule rejects it.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from app.validation.alternatives import take_first_alternative
from app.validation.artefacts import strip_artefacts, strip_ends, unescape, unwrap_code
from app.validation.caption_paragraph import extract_caption_paragraph
from app.validation.labels import match_label
from app.validation.languages import Language, load_languages
from app.validation.markup import BULLET_SIGNS, MarkupLine, parse_lines, unwrap_json_and_html
from app.validation.outer_marks import strip_loose_ends, strip_outer_marks
from app.validation.preambles import is_inline_preamble
from app.validation.reasoning_tokens import is_unmarked_reasoning, strip_reasoning
from app.validation.redundant_openers import capitalise, strip_openers
from app.validation.sentences import join_sentences, split_sentences
from app.validation.unicode_normalisation import normalise_text

_MAX_WRAPPERS = 5
_MAX_LAYERS = 4
_NESTED_MAX_CHARS = 2_000
"""A longer text is no caption in several layers of wrapping, and each layer would be searched."""
_MAX_HASHTAGS = 30
_NOTE_MAX_CHARS, _HASHTAG_MAX_CHARS = 200, 80
"""Notes and a hashtag after a caption are looked for in so much of its end."""
_LAST_HASHTAG = re.compile(r"\s{1,9}#[^\W\d]\w{0,60}\s{0,9}$")
_LENGTH_NOTE = re.compile(
    r"\s?[(\[（](?:approx(?:imately|\.)?|about|length|word count|character count|total)?[\s:~]*"
    r"\d{1,4}\s?(?:characters?|chars?|words?|tokens?|zeichen|wörter|caract[eèé]res|caracteres|"
    r"caratteri|znak\w{0,3}|tekens|tecken|tegn|merkkiä|karakter\w{0,3}|символ\w{0,3}|знак\w{0,3}"
    r"|حرف\w{0,3}|字符?|文字|글?자)[^()\[\]（）]{0,40}[)\]）]\s*$",
    re.IGNORECASE,
)  # fmt: skip
# "[125/160]", "— 37 characters", "[1][2]" after a sentence.
_COUNT_NOTE = re.compile(
    r"(?<=[.!?。！？।\"”“’»)）」』\]])\s?(?:\[?\d{1,4}\s?/\s?\d{1,4}\]?|(?:\[\d{1,2}\]\s?){1,4}"
    r"|[-–—|]\s\d{1,4} (?:characters|chars|words|tokens)"
    r"|(?:That|This|It)(?:['’]s| is| has| makes| comes to) (?:\w{1,12} ){0,2}"
    r"\d{1,4} (?:characters|chars|words|tokens)[^.]{0,40}\.?)\s*$"
)
# The end of a quotation or bracket, and another full stop: "A dog runs.].".
_SECOND_STOP = re.compile(r"(?<=[.。])([\"'”’»)\]]{1,2})[.,;]$")
# An item of a list without a second one.
_LIST_ITEM = re.compile(
    rf"(?:[-*#>→+{BULLET_SIGNS}]+\ufe0f?"
    r"|\[[ xX]\]|\(?(?P<number>\d{1,2})[.)]|\[\d{1,2}\]|\(?(?P<letter>[aA])\)"
    r"|step (?P<step>1):)\s+(?=\S)",
    re.IGNORECASE,
)
_SECOND_ITEM = re.compile(r"(?<!\w)(?:\(?[2-9][.)]|\(?[bB]\)|step 2)\s", re.IGNORECASE)
# "[ID: A dog runs. End ID]", as people mark image descriptions in social networks.
_DESCRIPTION_START = re.compile(
    r"[\[(]?\s?(?:(?:image|photo|picture|video) )?(?:ID|image description|description)\s?[:：]\s",
    re.IGNORECASE,
)
_DESCRIPTION_END = re.compile(
    r"(?<=\S)\s?[\[(]?(?:/|end (?:of )?)(?:(?:image|photo|picture|video) )?"
    r"(?:ID|image description|description|alt(?: text)?|caption)\s?[^\w\s]{0,4}$",
    re.IGNORECASE,
)
# "### Reasoning It is simple. ### Answer A dog runs.": each on its own line.
_SECTION_WORD = (
    r"(?:final |the )?(?:reasoning|analysis|thoughts?|thinking|explanation|observations?|answer"
    r"|response|output|caption|alt[ -]?text|description)"
)
_INLINE_HEADING = re.compile(
    rf"(?:^|(?<=\n)|[ \t])#{{1,6}}[ \t]?({_SECTION_WORD})[ \t]?#{{0,6}}[ \t]?[:：]?[ \t]"
    r"(?=(?-i:[^\sa-z]))",
    re.IGNORECASE,
)
_LABELLED_REASONING = re.compile(
    r"^[\W_]{0,4}(?:reasoning|analysis|thoughts?|thinking|explanation|observations?)"
    r"[*_]{0,2}\s?[:：]",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_AFTER_REASONING = re.compile(
    r"(?<=[.!?。])[ \t]{0,4}(?=[*_]{0,2}(?:final )?(?:answer|response|output|caption|alt[ -]?text)"
    r"[*_]{0,2}[:：])",
    re.IGNORECASE,
)
# Microsoft Office appends this to the alt texts that it generates.
_OFFICE_NOTE = re.compile(
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
# The name of the picture's file before its caption.
_FILE_LABEL = re.compile(
    r"\W{0,2}[\w-]{1,60}\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif|heic)\W{0,2}"
    r"(?:[:：=]|\s[-–—|])\s+(?=\S)",
    re.IGNORECASE,
)
_BRACKETED_LABEL = re.compile(r"[【\[(]([^【】()\[\]]{2,30})[】\])]\s{0,2}(?=\w|[\"“„«])")
_AFTER_REMARK_MAX_CHARS = 100
_BEFORE_REMARK = re.compile(r"(?:[^\w¿¡]|[\d_]|(?:[b-h]|END)\b){0,10}")
# A quotation hides its last full stop from the search for sentences.
_BEHIND_QUOTATION = re.compile(r"(?<=[.!?。])(?:[^\w\s]{0,3}\s?[^\w\s]{1,3}|\s[a-h])\s{1,4}")
_ESCAPED_MARKUP = re.compile(r"<[a-zA-Z/!?]|&#?\w{1,32};")
_UP_TO_COLON = re.compile(r"[^:：\n]{2,220}[:：]\s+(?=\S)")
_FORMAT_BEFORE_CAPITAL = re.compile(
    r"(?<!\w)(?:caption|alt|text|description|answer|addCriterion|model|assistant) "
    r"(?:[^\w\s]{1,3}(?:\d[^\w\s])?\s?)?[A-Z]"
)
# What follows is no caption.
_LABEL_OF_NO_TEXT = re.compile(
    r"\W{0,3}(?:tags?|keywords?|hashtags?|labels?|categor(?:y|ies)|confidence|score|camera"
    r"|subjects?|setting|action|location|mood|colou?rs|context"
    r"|reasoning|analysis|thoughts?|thinking|explanation|rationale|notes?|disclaimer|sources?"
    r"|translation|length|character count|word count)\b",
    re.IGNORECASE,
)
_SIGN_OF_CODE = re.compile(r"[{}<>|@=`#]|/\*|\*/|--|[a-z],[a-z\d]|\w\.\w|(?<!\w)'\s")
# "A T-shirt with the text 'Alt text: none'": the colon belongs to quoted text.
_OPEN_QUOTATION = re.compile(r"\s[\"'“„«‘‚][^\s\"'”“»’][^\"'”“»’]*$")
# "a brewery and distillery .": some tokenisers put a space before the full stop.
_SPACE_BEFORE_STOP = re.compile(r"(?<=\w)\s(?=[.,](?:\s|$))")
# No space follows a full-width mark.
_AFTER_INTERJECTION = re.compile(r"\s?(?:[!.,:—–-]+\s+|[：！。，、]+\s*)")
# A sentence of its own: "Hello, Dolly!" is a title.
_AFTER_GREETING = re.compile(r"\s?[!.…]{1,3}\s(?=[^\W\d_a-z])")
_COMMAS = tuple(",，、")
# A slogan or a title behind a comma: "Yes, we are open! A sign hangs in a window."
_SLOGAN = re.compile(
    r"(?!(?i:an?|the|here|this|i|just|one|give|let|hold|happy|glad|right)\b)[^.!?:…。！？：]{1,30}"
    r"(?:[!！]\s?(?=\w)|\s?[:：]\s(?=[a-zß-ÿ]))"
)
_EMOTICON = re.compile(r"\s(?:[:;]['’]?-?[)(DPp]|<3|\^_?\^)\s{0,3}$")
_CITATION_AT_END = re.compile(r"\s?\[\d{1,2}\](?=\.$)")
_PROMPT_ECHO = re.compile(
    r"\s*(?:in (?:one|a single|two) sentences?|to do this)[.:]\s*(?=[A-Z])", re.IGNORECASE
)
# Search engines put this before a search query, in the language of the page.
_SEARCH_RESULT = re.compile(
    r"(?:image results? for|billedresultat for|bilderesultat for|bildresultat för|bildergebnis für"
    r"|afbeeldingsresultaat voor|résultat de recherche d['’]images pour|risultati? immagini per"
    r"|resultado de imagen (?:para|de)|resultado de imagem para|wynik obrazu dla"
    r"|výsledek obrázku pro|slikovni rezultat za|картинки по запросу) ",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The caption found in a draft: one paragraph on one line, in NFC."""

    text: str
    defect: Literal["", "reasoning", "outline"] = ""
    """The draft is reasoning or an outline instead of a caption; a rule rejects it."""
    is_search_query: bool = False
    """The text is a search query, often a title: its language need not be that of the locale."""


def clean(draft: str, locale: str, *, prefers_description: bool = False) -> Cleaned:
    """The caption in a draft, without wrapping and redundant openers.

    `prefers_description`: where a structured draft has both a caption and a description, the
    description is taken.
    """
    languages = load_languages().for_locale(locale)
    cleaned = Cleaned(draft)
    # What one layer of wrapping contained may be wrapped as well.
    for _ in range(_MAX_LAYERS):
        before = cleaned.text
        found = _clean_layer(before, languages, prefers_description=prefers_description)
        cleaned = replace(found, is_search_query=found.is_search_query or cleaned.is_search_query)
        # Markup that was escaped is no wrapping: the rules reject it.
        if (
            cleaned.defect
            or cleaned.text == before
            or len(cleaned.text) > _NESTED_MAX_CHARS
            or _ESCAPED_MARKUP.search(cleaned.text)
        ):
            break
    return cleaned


def _clean_layer(
    draft: str, languages: tuple[Language, ...], *, prefers_description: bool
) -> Cleaned:
    text = take_first_alternative(normalise_text(strip_reasoning(draft)))
    if not is_unmarked_reasoning(text):
        text = _unwrap_answer(text)
    if is_unmarked_reasoning(text):
        return Cleaned(" ".join(text.split()), defect="reasoning")
    text = take_first_alternative(_split_sections(text))
    search_result = _SEARCH_RESULT.match(text)
    if search_result is not None:
        text = text[search_result.end() :]
    paragraph = extract_caption_paragraph(
        parse_lines(text), languages, prefers_description=prefers_description
    )
    text = _unwrap(normalise_text(" ".join(paragraph.text.split())), languages)
    stripped = strip_openers(text, languages)
    if stripped != text:  # "This is the alt text: ...": the label follows the opener
        stripped = _strip_label(stripped, languages)
    return Cleaned(
        _SPACE_BEFORE_STOP.sub("", stripped),
        defect="outline" if paragraph.is_outline else "",
        is_search_query=search_result is not None,
    )


def _split_sections(text: str) -> str:
    """The text with every inline heading, and an answer after reasoning, on a line of its own."""
    text = _INLINE_HEADING.sub(r"\n### \1\n", text)
    if _LABELLED_REASONING.search(text):
        text = _ANSWER_AFTER_REASONING.sub("\n", text)
    return text


def _unwrap_answer(text: str) -> str:
    """The answer in JSON, HTML, escapes and turns of a chat, in any order."""
    for _ in range(_MAX_WRAPPERS):
        before = text
        text = unescape(unwrap_json_and_html(take_first_alternative(text)))
        text = strip_artefacts(unwrap_code(text))
        text = strip_outer_marks(strip_ends(text))
        if text == before:
            break
        # Every layer can hide marks of turns from the first search.
        text = normalise_text(strip_reasoning(text))
    return text


def _unwrap(text: str, languages: tuple[Language, ...]) -> str:
    """Removes preambles, labels, quotation marks and notes on the length, in any order."""
    for _ in range(_MAX_WRAPPERS):
        before = text
        text = _strip_at_end(_LENGTH_NOTE, text, _NOTE_MAX_CHARS)
        text = _SECOND_STOP.sub(r"\1", _strip_at_end(_COUNT_NOTE, text, _NOTE_MAX_CHARS))
        text = _strip_at_end(_OFFICE_NOTE, text, _NOTE_MAX_CHARS).strip()
        text = _strip_at_end(_EMOTICON, text, _NOTE_MAX_CHARS)
        text = _CITATION_AT_END.sub("", text)
        text = _strip_description_marks(strip_outer_marks(strip_ends(text)))
        text = _strip_preamble(text, languages)
        text = _strip_label(text, languages)
        text = _strip_list_item(text)
        if text == before:
            break
    return _strip_closing_remarks(strip_loose_ends(text), languages)


def _strip_closing_remarks(text: str, languages: tuple[Language, ...]) -> str:
    """Removes "Let me know if you need anything else!" and hashtags after the caption."""
    for _ in range(_MAX_HASHTAGS):
        before = text
        text = _strip_at_end(_LAST_HASHTAG, text, _HASHTAG_MAX_CHARS)
        if text == before:
            break
    parts = split_sentences(text)
    kept, following_chars = len(parts), 0
    for at in range(len(parts) - 1, 0, -1):
        # A long text after it is no end of the answer.
        if following_chars > _AFTER_REMARK_MAX_CHARS:
            break
        following_chars += len(parts[at])
        if _is_remark(parts[at], languages):
            kept = at
    if kept < len(parts):
        return join_sentences(parts[:kept])
    for mark in _BEHIND_QUOTATION.finditer(text, max(0, len(text) - _NOTE_MAX_CHARS)):
        if _is_remark(text[mark.end() :], languages):
            return text[: mark.end()].rstrip()
    return text


def _is_remark(text: str, languages: tuple[Language, ...]) -> bool:
    text = _BEFORE_REMARK.sub("", text, count=1)
    return any(language.closing_remark.match(text) for language in languages)


def _strip_at_end(pattern: re.Pattern[str], text: str, max_chars: int) -> str:
    """The text without what the pattern matches in its last characters."""
    match = pattern.search(text, max(0, len(text) - max_chars))
    return text if match is None else text[: match.start()]


def _strip_description_marks(text: str) -> str:
    """The text between "ID:" and "End ID"."""
    end = _DESCRIPTION_END.search(text, max(0, len(text) - _HASHTAG_MAX_CHARS))
    if end is None:
        return text
    start = _DESCRIPTION_START.match(text)
    return text[0 if start is None else start.end() : end.start()]


def _strip_list_item(text: str) -> str:
    """The text without the mark of a list at its start, unless it contains the list."""
    item = _LIST_ITEM.match(text)
    if item is None or (item.lastgroup and _SECOND_ITEM.search(text, item.end())):
        return text
    return text[item.end() :]


def _strip_label(text: str, languages: tuple[Language, ...]) -> str:
    file = _FILE_LABEL.match(text)
    text = text if file is None else text[file.end() :]
    bracketed = _BRACKETED_LABEL.match(text)
    if bracketed is not None:
        inner = match_label(MarkupLine("text", bracketed[1]), languages)
        if inner is not None and not inner.rest and inner.section != "other":
            return text[bracketed.end() :]
    label = match_label(MarkupLine("text", text), languages)
    if label is None or not label.rest or _LABEL_OF_NO_TEXT.match(text):
        return text
    return label.rest


def _has_closed_quotations(text: str) -> bool:
    return text.count('"') % 2 == 0 and sum(map(text.count, "“„«»”")) % 2 == 0


def _is_slogan(text: str, languages: tuple[Language, ...]) -> bool:
    """Whether it begins with a short exclamation or title that speaks to nobody."""
    slogan = _SLOGAN.match(text)
    return slogan is not None and not any(
        language.interjection.match(text)
        or language.greeting.match(text)
        or language.preamble.match(text)
        for language in languages
    )


def _strip_preamble(text: str, languages: tuple[Language, ...]) -> str:
    text = _PROMPT_ECHO.sub("", text, count=1) if _PROMPT_ECHO.match(text) else text
    head = _UP_TO_COLON.match(text)
    if (
        head is not None
        and not _SIGN_OF_CODE.search(head.group())
        and not _FORMAT_BEFORE_CAPITAL.search(head.group())
        and not _OPEN_QUOTATION.search(head.group())
        and _has_closed_quotations(head.group())
        and is_inline_preamble(
            head.group(), languages, is_before_capital=not text[head.end()].islower()
        )
    ):
        return text[head.end() :]
    for language in languages:
        interjection = language.interjection.match(text)
        # "Sure! A dog ..." but not "Sure-footed goats" or "Certainly the oldest ...".
        if interjection is not None:
            mark = _AFTER_INTERJECTION.match(text[interjection.end() :] + " ")
            if mark is not None and len(text) > interjection.end() + mark.end():
                rest = text[interjection.end() + mark.end() :]
                is_slogan = mark.group().strip() in _COMMAS and _is_slogan(rest, languages)
                return text if is_slogan else capitalise(rest)
        greeting = language.greeting.match(text)
        mark = greeting and _AFTER_GREETING.match(text, greeting.end())
        if mark is not None and not text.endswith(("?", "？")):
            return text[mark.end() :]
    return text
