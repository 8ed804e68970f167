"""Sentences and words: where they end, and cutting a text there. Pure text, any language."""

import bisect
import re
from collections.abc import Iterable

SENTENCE_ENDS = ".!?…。！？．؟۔।"
_WIDE_ENDS = ("。", "！", "？", "．", "」", "』")
_CLOSING = "\"'”’»›“)]」』】）"
# A sentence ends at a mark, its closing quotes, and then white space or (in scripts that put none)
# the next character.
# Runs are bounded, or a draft of nothing but full stops would take quadratic time.
_CLOSED_BY = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«"}
_BREAK = re.compile(
    rf"[.!?…؟۔।]{{1,8}}[{re.escape(_CLOSING)}]{{0,4}}\s+"
    rf"|[。！？．]{{1,8}}[{re.escape(_CLOSING)}]{{0,4}}\s{{0,4}}"
)
_ABBREVIATIONS_WORDS = """
st mr mrs ms dr prof no mt ft ave rd jr sr vs etc approx inc ltd co corp dept fig figs vol ed
e.g i.e cf ca bzw z.b d.h usw nr str hl tel np tzv tj itd npr sv ul čl bl ev öv kl ok
"""
_ABBREVIATIONS = frozenset(_ABBREVIATIONS_WORDS.split())
_LAST_TOKEN = re.compile(r"[^\s]{1,20}$")
# "Figure 3. Daily use": a figure's number before its legend is no sentence.
_FIGURE_NUMBER = re.compile(
    r"(?:fig(?:ure)?|table|abb(?:ildung)?)(?:\.? ?\d{1,3}[a-z]?)?$", re.IGNORECASE
)
_QUOTE = re.compile(r'["“”„«»]')
# What is quoted for longer than this was never closed.
_QUOTED_MAX_CHARS = 300

WIDE_CHARACTER = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Characters that hold about as much as two letters of an alphabet: kana, Han, Hangul."""
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f]")


def split_sentences(text: str) -> list[str]:
    """The sentences of one paragraph, each without white space around it."""
    return [text[start:end].strip() for start, end in _spans(text) if text[start:end].strip()]


def join_sentences(sentences: Iterable[str]) -> str:
    """One paragraph of sentences; after a full-width mark there is no space."""
    out = ""
    for sentence in sentences:
        out += f" {sentence}" if out and not out.endswith(_WIDE_ENDS) else sentence
    return out


def ends_sentence(text: str) -> bool:
    """True where the text ends like a sentence does."""
    return text.rstrip(_CLOSING + " ")[-1:] in tuple(SENTENCE_ENDS)


def cut_at_sentence(text: str, limit_chars: int) -> str:
    """The longest run of whole sentences from the start within the limit; may be empty."""
    kept = 0
    for _, end in _spans(text):
        stripped = len(text[:end].rstrip())
        if stripped > limit_chars:
            break
        if ends_sentence(text[:end]):
            kept = stripped
    return text[:kept]


def cut_at_word(text: str, limit_chars: int, dangling: frozenset[str] = frozenset()) -> str:
    """The longest run of whole words within the limit, without words that lead on ("of", "the").

    A script without spaces is cut at the limit itself, which is between characters.
    """
    if len(text) > limit_chars and not _breaks_at(text, limit_chars):
        text = text[:limit_chars]
        if " " in text:
            text = text[: text.rindex(" ")]
        elif not _NO_SPACES.search(text):
            return ""
    else:
        text = text[:limit_chars]
    return _without_loose_end(text, dangling)


def drop_last_word(text: str, dangling: frozenset[str] = frozenset()) -> str:
    """The text without its last word, which the model may not have finished."""
    if " " not in text:
        return text if _NO_SPACES.search(text) else ""
    return _without_loose_end(text[: text.rindex(" ")], dangling)


def text_width(text: str) -> int:
    """Length in letters of an alphabet: a wide character counts twice."""
    return len(text) + len(WIDE_CHARACTER.findall(text))


def split_words(text: str) -> list[str]:
    """Words in lower case, without the marks around them; wide characters are words each."""
    return re.findall(
        r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['’.-][^\W_]+)*", text.casefold()
    )


def _spans(text: str) -> list[tuple[int, int]]:
    spans, start = [], 0
    quoted = _quoted(text)
    for match in _BREAK.finditer(text):
        if match.end() < len(text) and _is_within(quoted, match.end()):
            continue
        if _ends_here(text, match.start(), match.end(), match.group()):
            spans.append((start, match.end()))
            start = match.end()
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def _quoted(text: str) -> list[tuple[int, int]]:
    """Where quotations stand, in order: a sign's sentences do not end the caption's own."""
    quoted: list[tuple[int, int]] = []
    opened = ""
    start = 0
    for match in _QUOTE.finditer(text):
        at, mark = match.start(), match.group()
        if opened and (mark in _CLOSED_BY[opened]):
            if at - start <= _QUOTED_MAX_CHARS:
                quoted.append((start, at))
            opened = ""
        # A straight mark after a character is the sign for inches, or closes what never opened.
        elif mark in _CLOSED_BY and (mark != '"' or not text[at - 1 : at].strip(" (")):
            opened, start = mark, at
    return quoted


def _is_within(spans: list[tuple[int, int]], index: int) -> bool:
    found = bisect.bisect_right(spans, (index, len(spans))) - 1
    return found >= 0 and spans[found][0] < index <= spans[found][1]


def _ends_here(text: str, mark: int, after: int, found: str) -> bool:
    if found[0] != ".":
        return True
    if mark < 20 and _FIGURE_NUMBER.fullmatch(text[:mark]):
        return False
    if text[after : after + 1].islower():
        return False  # "approx. two", "19. století"
    if len(found.strip(_CLOSING + " \t\n")) > 1:
        return True
    before = _LAST_TOKEN.search(text, max(0, mark - 20), mark)
    word = before.group().lstrip("(\"'“„«") if before else ""
    if len(word) == 1 and word.isalpha() and word.isupper():
        return False  # an initial: "J. Smith"
    return word.casefold() not in _ABBREVIATIONS or word == "no"


def _breaks_at(text: str, index: int) -> bool:
    return text[index : index + 1].isspace() or text[index - 1 : index].isspace()


def _without_loose_end(text: str, dangling: frozenset[str]) -> str:
    text = text.rstrip(" ,;:–—-(/\"'“„«&")
    while " " in text and text[text.rindex(" ") + 1 :].casefold().strip(",;:–—-") in dangling:
        text = text[: text.rindex(" ")].rstrip(" ,;:–—-(/\"'“„«&")
    return text
