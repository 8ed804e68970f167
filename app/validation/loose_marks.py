"""Loose marks: signs that begin, end or join no prose, left of quotations, tables, tags and fences.

Each pattern has a name for its test. None looks at what a wrapping was: only at what prose is not.
"""

import re
from collections.abc import Mapping

from app.validation.alternatives import OPTION_WORDS, WIDE_OPTION_WORDS
from app.validation.sentences import SENTENCE_ENDS

_SENTENCE_END = rf"[{SENTENCE_ENDS}]"
_QUOTE = "\"'”’"
_ANY_QUOTE = '"“”„«»‘’'
_BRACKETS = r"()\[\]{}<>【】「」『』（）"

LOOSE_MARKS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        # Brackets, quotations, tables
        "closing or doubled bracket first": r"^(?:[<>【|}\])⟨⟩]|\(\(|[\"'“„«‘]?[\w/]{1,20}\]"
        r"|\[[^\w\s“\"'’«»„])",
        "opening bracket or bar last": rf"[<>【|{{`][{_QUOTE}]?$",
        "angle bracket of mathematics": r"[⟨⟩]",
        "role in brackets first": r"^\[(?:ASSISTANT|USER|SYSTEM)\]",
        "quotation mark apart from its text": rf"^[\"'‘“]\s|\s\",\s|\s[{_QUOTE}](?:\s\S{{1,2}})?$",
        "quotation in a quotation": rf"^[\"'“„«‘].{{0,1000}}{_SENTENCE_END}[\"'“”’»]{{2}}$"
        r"|^[\"'“„«‘]{2}.{0,1000}[\"'”’»]{2}$",
        "doubled quotation mark": r"^([\"'“”„«‘])\1|([\"'“”’»])\2$",
        "quotation mark of another language": r"^»(?!.{0,300}\S«)",
        "full stop after a closing mark": r"[.。…][\"“”’»«)\]]{1,2}[.,;][\"'”’»]?$",
        "empty quotation": r"“\s?”|„\s?“|«\s?»|\"\"",
        "closing mark before a word": r"“.{0,1000}\s”(?=\w)|[^\W\d]\"(?!s\b)[^\W\d]",
        "run of quotation marks": rf"[{_ANY_QUOTE}']{{3}}|[\"'][」』][\"']",
        "run of brackets": rf"^(?:[{_ANY_QUOTE}{_BRACKETS}'|`]\s?){{3}}"
        rf"|[{_ANY_QUOTE}{_BRACKETS}]{{4}}|^[(\[{{<][\"'“„«‘]",
        "number in an open quotation": r"^(?:[\"'“„«‘(]\s?\d{1,2}|[\"'“„«‘]\s?[a-hA-H])[.)]\s"
        r"(?=[\w\"“„«])(?![^\"”“’»]{1,80}[\"”“’»]\s)",
        "bracket in a quotation's end": rf"[{_QUOTE}]\)[\"'”]$",
        "dash or comma before a last mark": rf"\s[-–]\s?[{_QUOTE}]$|[\"”],\s?\d{{1,2}}\.$",
        # Emphasis, rules, code
        "heading in an open quotation": r"^[\"'“”„«‘]\s?[#>*|]\s",
        "dashes first": r"^-{2,9}",
        "rule in a line": rf"{_SENTENCE_END}[\"”»)\]]{{0,2}}\s\+?(?:-{{3,9}}|={{3,9}}|\+{{3,9}})"
        r"|^[A-Z]\w{0,20}\s-{3,9}\s|\s-{3,9}\s\(?\d{1,2}[.)]|\w-{3,9}|-{3,9}\w",
        "file name before a sentence": r"\w\.(?:jpe?g|png|gif|webp|svg|bmp)\s?[-–—:]\s",
        "end of a tag in brackets": r"\[/[A-Za-z]{1,20}\]",
        "emphasis after a quotation": r"[\"'”’]\s\*",
        "sign of markup after a sentence": rf"{_SENTENCE_END}(?:[\"”»)\]\s]{{0,3}}[<>|*_`]|\s[*#]\s"
        r"|/n?(?:\s|$)|\s?[/\\]$)",
        "semicolon after a sentence": rf"{_SENTENCE_END}[\"”»)\]]?\s?;\W{{0,4}}\w{{0,2}}[.)]?$",
        "list of numbers after a sentence": rf"{_SENTENCE_END}[(\[]\d{{1,4}}\s?,",
        "emphasis at a word": r"(?<!\w)_{1,3}(?=[^\W_])|(?<=[^\W_])_{1,3}(?!\w)|[.!?]_",
        "backtick at a word": r"(?<![\w`])`(?!`)|(?<!`)`(?![\w`])|``(?![^`]{1,300}'')",
        # Tags
        "arrow of a comment": r"-->",
        "joining word in brackets": r"\((?:or|oder|ou|oppure|lub|ili|alternatively):\s",
        "bracket apart from its text": r"\s[)\]]\s|[(\[]\s\d{1,2}[)\]]",
        "half a tag": r"[\"']\s?/>|[\"']>|^[A-Za-z_]{1,20}\d{0,6}>(?=[^\d\s]|\d{1,2}[.)]\s)"
        r"|^[A-Za-z_]{2,20}\d{2,6}>|^[A-Za-z_]{2,20}=\w{1,30}>"
        r"|^(?:em|strong|div|span|br|li|td|figcaption|figure|caption|alt|p|b|q|h[1-6])(?=[A-Z][a-z])"
        r"|^[\"'“„«‘]?0x[0-9A-Fa-f]{2}>"
        r"|\b[a-z]{2,12}(?:\d{2,6}>|>(?=\S))",
        "name of a note": r"\[!\w{1,20}\]",
        "half an image's place": r"^[Ii](?:mg|mage)[ _#-]{0,2}\d{1,3}\]",
        # Words
        "names of columns first": r"\b[A-Za-z_]{1,20},[a-z_]{1,20}\s\d{1,2},",
        "number at the end of a quotation": rf"{_SENTENCE_END}\s?\(\d{{1,2}}\)[\"“”»]",
        "run of per cent signs": r"%%",
        "name of a field": r"\s(?:lang|tags|gt|pred):\s(?:[-*]\s)?[^\W\d_]"
        r"|\s(?:score|confidence):\s[01]?\.\d"
        rf"|{_SENTENCE_END}\s(?:lang|score|tags)(?:$|\s\()"
        r"|(?<!\w)[a-z]{2,20}_[a-z]{2,20}:|(?<!\w):[a-z_]{2,20}:|\w::",
        "speaker first": r"^\W{0,3}(?:\w+ )?(?:AI|Bot|GPT|ChatGPT)[:：]\s",
        "answer without its question": r"^A:\s(?!.{0,1000}\bB\b)",
        "percent-encoded sign": r"%0[ADad]",
        "word before a question": rf"{_SENTENCE_END}\s[a-z_]{{2,20}}\s(?=[A-Z][^.]{{0,200}}\?$)",
        "interjection first": r"^[(\[\"'“‘]{1,3}(?:Sure|Certainly|Of course|Okay|Absolutely)[!,.]",
        "file name first": r"^(?![A-Z]\w{1,12}\.js\s)\w{1,20}\.(?:py|js|ts|json|txt|md|html)[,\s]",
        "label without a colon": r"^(?:[Ff]inal [Aa]nswer|Reasoning|caption)\s"
        r"(?=[A-Z\"\d(\[“„«]|[^\x00-\x7f])"
        r"|^[Ff]inal [Aa]nswer\s(?:caption|alt|text|output|description)\s"
        r"|^(?:Caption|Alt text)[, ]\s?(?=[A-Z\d\"'“„«»‹‘「『])"
        r"|^\W{0,3}(?:Caption|Alt text)\s\||^Concise\s(?=[^\W\d_a-z]\w*\s[^\W\d_A-Z])"
        r"|^(?:Concise|Detailed|SEO)\s(?:An?|The|Two)\s",
        "style of a caption": rf"(?:^|{_SENTENCE_END}\s?)[Ss]tyle:\s"
        r"(?:concise|detailed|seo|short)\b",
        "letter of an item after a sentence": rf"^(?!.{{0,1000}}\b[aA1]\))"
        rf".{{0,1000}}{_SENTENCE_END}[\"”»)]?\s?[b-h]\)\s"
        rf"|{_SENTENCE_END}\s\d\)\s[B-H]\)\s",
        "part of an outline": r"(?:[.;]\s|[^\W\d_]\s)(?:Setting|Mood|Action|Stimmung|Ort"
        r"|Ambiance|Lieu|Lugar|Ambiente|Mjesto|Ugođaj)\s?[:：]\s|;\s\w{3,12}:\s.{1,200};\s\w{3,12}:\s",
        "option of a generator": r"\s--[a-z]{1,10}\s\d",
        "reference to the picture": r"\((?:see|cf\.?) (?:image|photo|picture|above|below)\)",
        "mark of an end": r"/end (?:alt|id|caption|description|image)\b|\b[Ee]nd ID\b",
        "event of a stream": r"\bdata:\s?\[?DONE\b",
        "hashtag": rf"{_SENTENCE_END}\s?[\"'”’»›)\]」』]{{0,2}}\s?#[^\W\d]|^#\w+\s#",
        "second number without a first": r"^(?!.{0,1000}①).{0,1000}[②-⑨]"
        rf"|^(?!.{{0,1000}}\b1\)).{{0,1000}}{_SENTENCE_END}[\"”»)]?\s(?:\w{{1,12}}\s)?\(?[2-9]\)\s",
        "further option": rf"(?i:(?<![\w\"'“„«‘])(?:{OPTION_WORDS}))\s?[2-9B-D]\s?[:：]"
        rf"|(?<![「『\"“])(?:{WIDE_OPTION_WORDS})\s?[2-9B-D]\s?[:：]",
        "length of a text": r"\(\d{1,4} (?:characters|chars|words)\b"
        r"|[(（]\d{1,4} ?(?:zeichen|caract[eè]res|caracteres|caratteri|znak|tekens|tecken|tegn"
        r"|merkkiä|karakter|символ|знак|حرف|字|文字|글자)\w{0,3}[)）]"
        r"|\b(?:[Ll]ength|[Cc]ount)\s?[:=]\s?~?\d{1,4} (?:char|word)"
        r"|\b(?:[Cc]haracters|[Cc]hars|[Ww]ords)\s?[:=]\s?~?\d"
        r"|(?:\s|(?<=[。！？]))[—–-]\s\d{1,4} (?:characters|chars)\b(?!\s[a-z])"
        rf"|\[\d{{1,4}}/\d{{1,4}}\]|{_SENTENCE_END}\s?\(\d{{1,4}}/\d{{1,4}}\)",
    }.items()
}
"""The name of each kind of mark, and what finds it."""


def find_loose_mark(text: str) -> str | None:
    """The name of the first kind of loose mark in the text, or None."""
    return next((name for name, pattern in LOOSE_MARKS.items() if pattern.search(text)), None)
