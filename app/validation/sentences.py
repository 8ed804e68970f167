"""Sentence and word boundaries: splitting a text at them and cutting it there, in any language."""

import bisect
import functools
import re
from collections.abc import Iterable

SENTENCE_ENDS = ".!?…。！？．؟۔।"
_WIDE_ENDS = ("。", "！", "？", "．", "」", "』")
_CLOSING = "\"'”’»«›“)]」』】）》〉⟩｣"
_CLOSED_BY = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«"}
# A sentence ends at an end mark, its closing quotation marks, and then white space or (in scripts
# without spaces) the next character. Runs are bounded: otherwise a draft of full stops only would
# take quadratic time.
_BREAK = re.compile(
    rf"[.!?…؟۔।]{{1,8}}[{re.escape(_CLOSING)}]{{0,4}}\s+"
    rf"|[。！？．]{{1,8}}[{re.escape(_CLOSING)}]{{0,4}}\s{{0,4}}"
)
_ABBREVIATIONS_WORDS = """
st mr mrs ms dr prof no mt ft ave rd jr sr vs etc approx inc ltd co corp dept fig figs vol ed
e.g i.e cf ca bzw z.b d.h usw nr str hl tel np tzv tj itd npr sv ul čl bl ev öv kl ok
mio mrd tsd mln mld mlrd tys sra dra srta
"""
ABBREVIATIONS = frozenset(_ABBREVIATIONS_WORDS.split())
# "Figure 3. Daily use": a figure number before its legend is not a sentence.
_FIGURE_NUMBER = re.compile(
    r"(?:fig(?:ure)?|table|abb(?:ildung)?)(?:\.? ?\d{1,3}[a-z]?)?$", re.IGNORECASE
)
# "1. Plan, 2. Build": a number of a list within a sentence.
_ITEM_NUMBER = re.compile(r"(?:^|[,;:(]\s?|[,;]\s(?:and|und|et|y|e|i)\s)\(?\d{1,2}$")
_FIRST_ITEM = re.compile(r"(?<![\w.])1(?:[.)]\s|$)")
_DAY = re.compile(r"(?<!\d)\d{1,2}$")
_DAY_BEFORE_MONTH = re.compile(
    r"(?:jan|feb|märz|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez|januar|februar|april|juni|juli|august"
    r"|september|oktober|november|dezember)\b",
    re.IGNORECASE,
)
_SHORT_MONTH = re.compile(
    r"(?<!\w)(?:jan|feb|febr|mär|apr|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez)$", re.IGNORECASE
)
_QUOTE = re.compile(r'["“”„«»]')
# A quotation mark without a partner within this distance is treated as unclosed.
_QUOTATION_MAX_CHARS = 300

WIDE_CHARACTER = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Kana, Han and Hangul: each carries about as much as two letters of an alphabet."""
_SCRIPT_WITHOUT_SPACES = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f]"
)


def split_sentences(text: str) -> list[str]:
    """The sentences of one paragraph, each without surrounding white space."""
    sentences = (text[start:end].strip() for start, end in _sentence_spans(text))
    return [sentence for sentence in sentences if sentence]


def join_sentences(sentences: Iterable[str]) -> str:
    """Joins sentences to a paragraph, without a space after a full-width mark."""
    paragraph = ""
    for sentence in sentences:
        needs_space = paragraph and not paragraph.endswith(_WIDE_ENDS)
        paragraph += f" {sentence}" if needs_space else sentence
    return paragraph


def ends_sentence(text: str) -> bool:
    """True where the text ends with an end mark, closing quotation marks and brackets aside."""
    return text.rstrip(_CLOSING + " ")[-1:] in tuple(SENTENCE_ENDS)


def cut_at_sentence(text: str, limit_chars: int) -> str:
    """The leading whole sentences that fit in the limit; may be empty."""
    kept_chars = 0
    for start, end in _sentence_spans(text):
        length = start + len(text[start:end].rstrip())
        if length > limit_chars:
            break
        if ends_sentence(text[max(0, start - 8) : end]):  # a closing mark may stand apart
            kept_chars = length
    return text[:kept_chars]


def cut_at_word(text: str, limit_chars: int, dangling: frozenset[str] = frozenset()) -> str:
    """The leading whole words that fit in the limit, without `dangling` words at the end.

    A script without spaces is cut at the limit itself.
    """
    if len(text) > limit_chars and not _is_word_boundary(text, limit_chars):
        text = text[:limit_chars]
        if " " in text:
            text = text[: text.rindex(" ")]
        elif not _SCRIPT_WITHOUT_SPACES.search(text):
            return ""
    else:
        text = text[:limit_chars]
    return _strip_loose_end(text, dangling)


def drop_last_word(text: str, dangling: frozenset[str] = frozenset()) -> str:
    """The text without its last word, which may be incomplete, and without `dangling` words."""
    if " " not in text:
        return text if _SCRIPT_WITHOUT_SPACES.search(text) else ""
    return _strip_loose_end(text[: text.rindex(" ")], dangling)


def text_width(text: str) -> int:
    """Length in letters of an alphabet: a wide character (East Asian) counts as two."""
    return len(text) + len(WIDE_CHARACTER.findall(text))


def split_words(text: str) -> list[str]:
    """The words in lower case, without punctuation. Each kana or Han character is a word."""
    return re.findall(
        r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['’.-][^\W_]+)*", text.casefold()
    )


@functools.lru_cache(maxsize=16)  # cleaning and several rules split the same text
def _sentence_spans(text: str) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    start = 0
    quotations = _quotation_spans(text)
    for match in _BREAK.finditer(text):
        if match.end() < len(text) and _is_within(quotations, match.end()):
            continue
        if _is_sentence_end(text, match.start(), match.end(), match.group()):
            spans.append((start, match.end()))
            start = match.end()
    if start < len(text):
        spans.append((start, len(text)))
    return tuple(spans)


def _quotation_spans(text: str) -> list[tuple[int, int]]:
    """The spans of quotations, in order: a full stop in quoted text ends no sentence."""
    spans: list[tuple[int, int]] = []
    opening_mark = ""
    start = 0
    for match in _QUOTE.finditer(text):
        at, mark = match.start(), match.group()
        if opening_mark and (mark in _CLOSED_BY[opening_mark]):
            if at - start <= _QUOTATION_MAX_CHARS:
                spans.append((start, at))
            opening_mark = ""
        # A straight mark after a character means inches, or is a closing mark without an opening.
        elif mark in _CLOSED_BY and (mark != '"' or not text[at - 1 : at].strip(" (")):
            opening_mark, start = mark, at
    return spans


def _is_within(spans: list[tuple[int, int]], index: int) -> bool:
    found = bisect.bisect_right(spans, (index, len(spans))) - 1
    return found >= 0 and spans[found][0] < index <= spans[found][1]


def _is_sentence_end(text: str, mark_start: int, mark_end: int, mark: str) -> bool:
    if mark[0] != ".":
        return True
    if mark_start < 20 and _FIGURE_NUMBER.fullmatch(text[:mark_start]):
        return False
    following = text[mark_end : mark_end + 1]
    if following.islower() or following in tuple("€$£¥"):
        return False  # "approx. two", "19. století", "5 Mio. €"
    if len(mark.strip(_CLOSING + " \t\n")) > 1:
        return True
    before = text[max(0, mark_start - 20) : mark_start]
    word = "" if before[-1:].isspace() else before.split()[-1].lstrip("(\"'“„«") if before else ""
    if len(word) == 1 and word.isalpha() and word.isupper():
        return False  # an initial: "J. Smith"
    if _is_in_list_or_date(
        text[max(0, mark_start - 200) : mark_start], text[mark_end : mark_end + 20]
    ):
        return False
    return word.casefold() not in ABBREVIATIONS or word == "no"


def _is_in_list_or_date(before: str, after: str) -> bool:
    """Whether a full stop belongs to "1. Plan, 2. Build", "1. Mai" or "Jan. 2024"."""
    if before[-1:].isdigit():
        is_day = _DAY.search(before, max(0, len(before) - 3)) and _DAY_BEFORE_MONTH.match(after)
        is_item = _ITEM_NUMBER.search(before, max(0, len(before) - 9)) and after[:1].isalpha()
        return bool(is_day) or (bool(is_item) and _FIRST_ITEM.search(before) is not None)
    return after[:1].isdigit() and _SHORT_MONTH.search(before, max(0, len(before) - 6)) is not None


def _is_word_boundary(text: str, index: int) -> bool:
    return text[index : index + 1].isspace() or text[index - 1 : index].isspace()


def _strip_loose_end(text: str, dangling: frozenset[str]) -> str:
    opened = max(map(text.rfind, "(["))
    if opened > max(map(text.rfind, ")]")):  # a bracket that was cut
        text = text[:opened]
    text = text.rstrip(" ,;:–—-([/\"'“„«&")
    while " " in text and text[text.rindex(" ") + 1 :].casefold().strip(",;:–—-") in dangling:
        text = text[: text.rindex(" ")].rstrip(" ,;:–—-(/\"'“„«&")
    return text
