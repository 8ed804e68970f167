"""Edges of a caption: what no prose begins or ends with, whatever wrapping it is the rest of.

Each pattern has a name for its test. Signs inside a text are the job of `loose_marks`, words of
roles and formats that of `stray_words`.
"""

import re
import unicodedata
from collections.abc import Mapping

from app.validation.alternatives import OPTION_WORDS
from app.validation.outer_marks import is_without_partner, marks_in
from app.validation.sentences import SENTENCE_ENDS

_END = rf"[{SENTENCE_ENDS}]"
_CLOSERS = "\"'”“’»«›)\\]」』】）"
_AFTER_END = rf"{_END}[{_CLOSERS}]{{0,3}}"
_CAPITAL = "A-Z\u00c0-\u00de\u0400-\u042f\u0600-\u06ff\u0900-\u097f\u3040-\u9fff\uac00-\ud7af"
# No space follows a full-width mark.
_GAP = r"(?:\s|(?<=[。！？]))"
_MODELS = (
    "chatgpt|claude|copilot|gemini|gemma|gpt|internvl|llama|llava|minicpm|mistral|moondream|phi"
    "|pixtral|qwen|smolvlm"
)

FIRST: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "remark in brackets": r"\[(?!sic\b)[^\[\]]{1,80}\]\s?\S"
        r"|\((?i:image|photo|picture|caption|alt text|assistant|user|ai|bot|model)\)\s",
        "sign glued to a word": r"#{2,6}\w|~\s|[-–—~+$€^%*=](?=[^\W\d_])"
        r"|#(?=[^\W\d_][a-z]*\s[a-z]|[\u0600-\uffff])",
        "number glued to a word": r"\(?\d{1,2}[.)](?=[^\W\d_])",
        "number and a dash": r"\(?\d{1,2}\)?\s?[-–—]\s(?=[^\W\d_])"
        r"(?!.{1,1000}\b\d{1,2}\)?\s?[-–—]\s)",
        "two marks of a list": r"(?i:step\s)?\(?(?:\d|[A-Ha-h])[).:]\s"
        r"(?:[\"'“]?(?i:step\s)?\(?(?:\d|[A-Ha-h])[).:]\s|[a-z]{2,12}=)",
        "step and two quotation marks": r"(?i:step)\s\d:\s[\"'“„«‘]{2}",
        "words before an option": r"(?:[a-z]\w{0,20}\s){1,3}(?=[A-Z\u00c0-\u00de\u0400-\u9fff])"
        rf"(?i:{OPTION_WORDS}|caption|alt text)\s?(?:1|[aA])?\s?(?:[:：→]|->|=>)",
        "name of a reader": r"@\w{1,30}[:,]?\s(?=[\"'“„«(\[]?[^\W\d_a-z]|\w{1,12}[:：]\s)"
        r"|@(?:user|assistant)\b",
        "remark to the reader": r"P\.?S[.:]\s|(?i:why this works|disclaimer|nota bene)\s?[:：]",
        "first of two numbers": r"[①❶](?!.{1,1000}[②❷])",
        "name of an option alone": rf"(?i:{OPTION_WORDS})\s?#?"
        r"(?:\d|[A-Da-d])"
        r"(?:\s?[(\[][^()\[\]]{0,40}[)\]])?\W{0,3}$",
        "second option": r"(?i:(?:second|2nd|third|next|another|other)\s"
        rf"(?:{OPTION_WORDS}))\s?[:：]",
        "joining word": r"(?i:or|oder|oppure|lub|ili|или|または|或者)"
        r"(?:,?(?:\s\w{1,20}){1,3})?\s?[:：]"
        r"|(?:OR|ODER|OPPURE|LUB|ILI)\s[A-Z]\w*\s[a-z]",
        "half a member of JSON": r"[\"']?[\w<>/]{1,30}[\"']\s?:\s?[\"']",
        "fields in quotation marks": r"[\"“„]?\w{0,20}[\"”],\s?[\"“„]",
        "two quotations of sentences": rf"[\"“„«][^\"”“»]{{20,1000}}{_END}[\"”“»]\s[\"“„«]"
        rf"|[\"“„«].{{20,1000}}{_END}[\"”“»]\s[\"“„«].{{8,300}}{_END}[\"”“»]$",
        "option and a comma": rf"(?i:{OPTION_WORDS})\s?\d\s?[–—-],",
        "quotation before a role": r"[\"“„«][^\"”“»]{20,1000}[\"”“»]\s"
        r"(?i:assistant|user|system|human|model)\W{0,3}$",
        "quotation before a sentence": rf"[\"“„«][^\"”“»]{{8,300}}{_END}[\"”“»]\s?[-–—]\s?"
        rf"(?:(?:\S{{1,40}}\s){{4}}|[\u3040-\u9fff]{{8}}).{{0,1000}}{_END}$",
        "value of a program": r"(?:None|null|nil|undefined|NaN|[Tt]rue|[Ff]alse)(?:,\s|\s[\"'“])",
        "statement with a string": r"[(\[{<]{0,3}(?:(?:[a-z]\w{1,20}|Caption)\s)?"
        r"(?:SELECT|INSERT|RETURN|echo|print|puts|return)(?:\s[\"'`]|$)",
        "prompt of a program": r"(?:In|Out)\s?\[|>>|[$%]=?\s|\w{1,20}>\s",
        "assignment": r"[a-z_]{2,20}=[a-z]",
        "word and dots": r"(?i:processing|loading|thinking|analy[sz]ing|generating|describing|hmm+)"
        r"(?:\.{2,3}|…)\s|(?:[a-z]{2,10}\s)?(?:Done|Finished|Ready|Good|Great|Nice|Perfect|Excellent"
        r"|Correct|Fine|Yes|Best)[!.:]\s",
        "time and a speaker": r"\[?\d{1,2}:\d{2}(?::\d{2})?\]?"
        r"\s?(?:[AP]M)?\]?\s?[-–—]?\s?"
        r"(?:\w{1,20}\s){0,2}\w{1,20}[:：]\s",
        "entry of a log": r"(?:INFO|DEBUG|TRACE|LOG)\s?[:|-]\s",
        "name of a model": rf"(?i:{_MODELS})(?i:[\w.-]{{0,20}})\s?[:：>]\s",
        "who said it": rf"(?i:assistant|user|ai|bot|model|{_MODELS})\s"
        r"(?:said|says|answered|replied|responded|wrote)\s?[:,]",
        "role of a kind": r"(?i:ai assistant|ai model|vision model|human|agent|you|me"
        r"|(?:speaker|user) \d)\s?[:：]\s",
        "token glued to a word": rf"[A-Za-z][a-z]{{0,11}}\d{{2,6}}(?=[{_CAPITAL}])",
        "field glued to a word": r"(?:\d{1,3}|[a-z_]{2,20})[,;](?=[^\W\d_\"“])"
        r"|\d{1,3}[,;]\s?\d{1,2}[.)]\s",
        "question of a prompt": r"(?i:what (?:is|do you see|does it show|can be seen)"
        r"(?: (?:shown|depicted|visible|in (?:the|this) (?:image|photo|picture)))?)\?\s",
        "signature": r"(?i:(?:best|kind|warm) regards|sincerely|yours truly),",
        "words before another script": r"[A-Z][\w ]{1,30}:\s[\x20-\x7e]{1,40}\s[\u3040-\u9fff]",
        "role glued to a word": r"(?:user|assistant|system|analysis|commentary)"
        rf"(?:final)?(?=[{_CAPITAL}])|assistantfinal\b",
        "number of a draft": r"(?i:(?:(?:first|second|final|revised|improved|new|last|my|short|one"
        r"|best|alternative|single)\s)?(?:draft|attempt|version|revision|final|sentence|candidate"
        r"|iteration|sample)\s?\d{0,2}\s?[:：]\s)",
        "name of a part of a prompt": r"(?i:thoughts?|action(?: input)?|observation"
        r"|instructions?|task|prompt|rules|requirements"
        r"|constraints|(?:output |response )?format|guidelines|query|request)\s?[:：]\s",
        "metric": r"(?i:score|confidence|probability|status|tokens)\s?[:=]\s"
        r"|(?i:(?:(?:character|word|char) ?count|characters?|chars?|words?|length|count))"
        r"\s?[:=]\s?~?\d"
        r"|[\"'“(]?(?:(?:[a-z]{2,12}|\d{1,2})\s)?\(?\d{1,4} (?:characters|chars|words)"
        r"[.!,;:)](?:\s|$)",
        "bar in a quotation": r"[\"'“„«「『‹]\s?\|",
        "length alone": r"\(?\d{1,4} (?:characters|chars|words)\b\W{0,4}\w{0,3}\W{0,3}$",
        "bracket apart from its text": r"[(\[{]\s",
        "word of a format before an option": r"(?:text|markdown|caption|alt|json)\s"
        r"(?i:step|option|version)\s\d\b",
        "role and a comma": r"(?:assistant|user|system|model)\s?,\s",
        "number of a row": r"1\s(?:A|An|The|Two|Three|Ein|Eine|Der|Die|Das|Zwei|Un|Une|Le|La|Les"
        r"|Deux|El|Los|Las|Dos|Il|Due|Um|Uma|Os|As|Een|De|Het|Twee|Dva|Dvije)\s",
        "label in a quotation": r"[\"'“”„«‹「『]\s?"
        r"(?i:the (?:caption|alt text|description)"
        r" (?:is|was|(?:could|would|might|can|may) be)|step \d"
        r"|(?:(?:possible|suggested|the|my)\s)?"
        r"(?:caption|alt(?: text| attribute)?|output|answer|description|concise|seo|detailed)"
        r"(?:\s?#?(?:\d|[a-c]\b))?"
        rf"|(?:{OPTION_WORDS})\s?#?(?:\d|[a-c]))\s?[:：–—-]\s",
        "number before an open quotation": r"\d{1,2}\s[\"“„«「『‹]"
        r"(?![^\"”“»」』›]{1,200}[\"”“»」』›])",
        "number before a quotation": r"\d{1,2}\s(?=[\"“„«「『‹]{1,2}[^\"”“»」』›]{20,1000}"
        rf"{_END}[{_CLOSERS}]{{1,2}}$)",
        "two kinds of quotation marks": r"'[\"“”„«‹`]|[“„«‹][\"`”]|[\"`][“„«‹]"
        r"|[\"'“„«‹「『][（【《〈]",
        "name of a tag": r"(?i:br|td|tr|th|ul|ol|div|span)\s(?=[A-Z][a-z]*\s[a-z])",
        "name of a field alone": r"(?i:(?:alt )?text|alt|caption|description|answer|output|response"
        r"|image|addcriterion)(?:\s(?:\w{1,2}|addCriterion|system|user|assistant|model|\S{1,20}\.(?:py|js|ts|json|txt|md|html)))?\W{0,3}$",
        "sureness alone": r"[(\[\"']?[01]?[.,]\d{1,4}[)\]\"'.]{0,2}$",
    }.items()
}
"""The name of each kind of beginning, and what matches it."""

LAST: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "remark in brackets": rf"{_AFTER_END}\s?\^?\[[^\[\]]{{0,80}}\]?$",
        "metric": rf"{_AFTER_END}\s?(?i:(?:score|confidence|probability)\s?[:=]\s?"
        r"(?:[01]?[.,]\d+|\d{1,3}\s?%|high|medium|low)|(?:model|tokens(?: used)?|characters|chars"
        r"|words|length|time|status)\s?[:=]\s?\S{1,30}(?:\s\S{1,12})?)(?:\s[a-h]\))?$",
        "field": rf"(?:{_AFTER_END}(?:[a-z]{{1,20}}[A-Z]\w{{0,20}})?|[)\]]"
        rf"|\d\s(?:characters|chars|words)){_GAP}"
        r"(?:[^\w\s]\s)?[a-z_]{1,20}:\s.{1,80}$",
        "note in brackets": rf"{_AFTER_END}\s?[(（\[【](?:\w{{1,20}}\s?){{1,2}}[:：].{{0,120}}$",
        "percentage": rf"{_AFTER_END},?{_GAP}\d{{1,3}}(?:[.,]\d{{1,4}})?\s?%[.]?$",
        "length": rf"{_AFTER_END}\W{{0,5}}\d{{1,4}}\s?(?:characters|chars|words|tokens)"
        r"\W{0,3}(?:\s(?:[a-z]{1,12}\W{0,2}|\d{1,2}[.)]))?$",
        "number of a footnote": rf"{_AFTER_END}\s?[\u00b9\u00b2\u00b3\u2070-\u2089]$",
        "Roman number": rf"{_AFTER_END}{_GAP}[IVX]{{2,5}}[.)]?$",
        "remark": rf"{_AFTER_END}\s?(?i:the end|thank you(?: very much)?|thanks|done|cheers|enjoy"
        r"|finished|hope (?:that|this|it) helps|end of \w+)[.! ]{0,3}$",
        "word for an option": rf"{_END}\W{{0,5}}(?i:(?:second|2nd|next|another|other)\s)?"
        rf"(?i:{OPTION_WORDS}|alt|caption|second|2nd|another)"
        r"\s?(?:\d|[A-Ca-c]|assistant|user|model)?\W{0,5}(?:[(\[]\d{1,2}[)\]])?$",
        "half a member of JSON": rf"{_AFTER_END}\s?[\"”»],\s?[\"“„«]\w{{0,20}}$",
        "signature": rf"{_AFTER_END}\s?(?i:(?:(?:best|kind|warm) regards|sincerely|yours)[,.]?\s?)?"
        r"(?i:your (?:ai |image )?assistant)\b.{0,20}$",
        "number and word for an option": r"\s(?:\d{1,3}/\d{1,3}|\d{1,2}\))\s"
        rf"(?i:{OPTION_WORDS})\W{{0,3}}$",
        "joining word": rf"{_AFTER_END}\s?(?i:or|oder|ou|oppure|lub|ili|или|または|或者)\W{{0,3}}$",
        "role glued to a word": r"[^\W\d_]assistant$|[A-Z]{2}(?:user|system|model)$",
        "percent-encoded sign": r"%[0-7][0-9A-F]$(?<!\d%..)",
        "comment": rf"{_AFTER_END}\s?(?:#|//|--)(?:\s.{{0,80}})?$",
        "letter of a list item": rf"[{_CLOSERS}]\s[a-h][.)]$",
        "number in brackets": rf"{_END}\s?\(\d{{1,2}}\)[{_CLOSERS}]{{0,2}}(?:\s?[a-h]?[.)])?$",
    }.items()
}
"""The name of each kind of end, and what is found there."""

_END_CHARS = 200
_KNOWN_MARKS = frozenset("\"'()[]“”„«»‘’‚‹›「」『』（）【】《》")
_NO_FIRST_SIGNS = frozenset("=|\\_^`´%<>{}*;:,!?)]/※⁃‣")
_NO_LAST_SIGNS = frozenset("=|\\_^`´~<>{}@([")
_SIGNS_OF_PROSE = frozenset("№©®™°℃℉♥❤")
"""Signs that Unicode calls symbols and that stand in a word's place."""
_RUN_OF_CLOSERS = re.compile(
    rf"(?<={_END})[{_CLOSERS}„‘】.,;*_`]{{2,8}}$|(?<=\w)[\"”»›)\]」』】][{_CLOSERS}】.,;]{{1,7}}$"
)
_RUN_CHARS = 8
_UNUSUAL_MARKS = frozenset({"Ps", "Pe", "Pi", "Pf", "Sk"})
"""Categories of brackets, quotation marks and accents without a letter."""
_DOTS_APART = re.compile(r"[.…‥]{1,5}\s")
_DOLLAR_BEHIND_WORD = re.compile(r"[^\s\d][$€#]$(?<![A-Za-z]#)|\s#$")


def find_edge(text: str) -> str | None:
    """The name of what stands at an edge of the text and is no prose, or None."""
    for name, pattern in FIRST.items():
        if pattern.match(text):
            return f"{name} first"
    start = max(0, len(text) - _END_CHARS)
    for name, pattern in LAST.items():
        if pattern.search(text, start):
            return f"{name} last"
    return "sign at an edge" if _has_sign_at_edge(text) else None


def _has_sign_at_edge(text: str) -> bool:
    first, last = text[:1], text[-1:]
    return (
        _has_closers_without_openers(text)
        or first in _NO_FIRST_SIGNS
        or last in _NO_LAST_SIGNS
        or _DOTS_APART.match(text) is not None
        or (unicodedata.category(first or "x") == "So" and first not in _SIGNS_OF_PROSE)
        or any(map(_is_unusual_mark, (first, last)))
        or _DOLLAR_BEHIND_WORD.search(text, max(0, len(text) - 3)) is not None
    )


def _has_closers_without_openers(text: str) -> bool:
    """Whether more is closed at the end than is opened before: "A dog runs.“'", "A dog.”].".

    A typographic quotation mark or a bracket needs a partner, straight marks are counted.
    """
    run = _RUN_OF_CLOSERS.search(text, max(0, len(text) - _RUN_CHARS))
    if run is None:
        return False
    straight = [mark for mark in "\"'" if mark in run.group()]
    return any(len(marks_in(text, mark)) % 2 for mark in straight) or any(
        is_without_partner(text, run.start() + index)
        for index, sign in enumerate(run.group())
        if sign not in "\"'’.,;"
    )


def _is_unusual_mark(sign: str) -> bool:
    return bool(sign) and sign not in _KNOWN_MARKS and unicodedata.category(sign) in _UNUSUAL_MARKS
