"""Sentences and words: where they end, and cutting a text there. Pure text, any language."""

import re
from collections.abc import Iterable

ENDS = ".!?…。！？．؟۔।"
_WIDE_ENDS = ("。", "！", "？", "．", "」", "』")
_CLOSING = "\"'”’»›“)]」』】）"
# A sentence ends at a mark, its closing quotes, and then white space or (in scripts that put none)
# the next character.
# Runs are bounded, or a draft of nothing but full stops would take quadratic time.
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

WIDE = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Characters that hold about as much as two letters of an alphabet: kana, Han, Hangul."""
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f]")


def split(text: str) -> list[str]:
    """The sentences of one paragraph, each without white space around it."""
    return [text[start:end].strip() for start, end in _spans(text) if text[start:end].strip()]


def join(sentences: Iterable[str]) -> str:
    """One paragraph of sentences; after a full-width mark there is no space."""
    out = ""
    for sentence in sentences:
        out += f" {sentence}" if out and not out.endswith(_WIDE_ENDS) else sentence
    return out


def is_whole(text: str) -> bool:
    """True where the text ends like a sentence does."""
    return text.rstrip(_CLOSING + " ")[-1:] in tuple(ENDS)


def cut_at_sentence(text: str, limit_chars: int) -> str:
    """The longest run of whole sentences from the start within the limit; may be empty."""
    kept = 0
    for _, end in _spans(text):
        stripped = len(text[:end].rstrip())
        if stripped > limit_chars:
            break
        if is_whole(text[:end]):
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


def weight(text: str) -> int:
    """Length in letters of an alphabet: a wide character counts twice."""
    return len(text) + len(WIDE.findall(text))


def words(text: str) -> list[str]:
    """Words in lower case, without the marks around them; wide characters are words each."""
    return re.findall(
        r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['’.-][^\W_]+)*", text.casefold()
    )


def _spans(text: str) -> list[tuple[int, int]]:
    spans, start = [], 0
    for match in _BREAK.finditer(text):
        if _ends_here(text, match.start(), match.end(), match.group()):
            spans.append((start, match.end()))
            start = match.end()
    if start < len(text):
        spans.append((start, len(text)))
    return spans


def _ends_here(text: str, mark: int, after: int, found: str) -> bool:
    if found[0] != ".":
        return True
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
