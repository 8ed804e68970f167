"""Outer marks: quotation marks, brackets and emphasis around a whole text, or left at one end.

Marks around a part of the text are kept, and so is a quotation that may be the text of a sign.
"""

import re

_BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">", "【": "】", "（": "）", "《": "》",
             "⟨": "⟩", "⟦": "⟧", "〈": "〉", "〔": "〕"}  # fmt: skip
_QUOTES = {"“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", "”": "”", "‹": "›",
           "‘": "’", "‚": "‘’", "｢": "｣", "〝": "〞", "‟": "”"}  # fmt: skip
_PAIRS = _BRACKETS | _QUOTES
_STRAIGHT = "\"'`*_"
_CLOSERS = frozenset("".join((*_BRACKETS.values(), *_QUOTES.values()))) - {"“"}
_MARK = re.compile(f"[{re.escape(''.join((*_PAIRS, *_PAIRS.values())))}]")
_MAX_LAYERS = 10
_MAX_MARKS = 60
"""A text with more of one mark is no caption, and would be searched for each of them."""
_SENTENCE_END_SIGNS = ".!?。！？"
_RUN_CHARS = 8
"""Marks in a row that are looked at."""
_SIGN_CHARS, _SIGN_IN_CAPITALS_CHARS = 8, 40
"""A quotation up to this length may be the text of a sign."""
_ENDS = (*".!?。！？…।؟۔ \"'”’»)", *_CLOSERS)
"""What a mark follows at the end of a sentence."""
_RUN_AROUND = re.compile(
    r"(?:(?P<run>([\"'`])\2{1,2}+)(?P<inner>[^\"'`].{0,4000})(?P=run)|``(?P<tex>[^`].{0,4000})'')",
    re.DOTALL,
)
_QUOTATION_LEFT_OPEN = re.compile(r"[.!?]\s\"[^\W\d_][^\"]{0,1000}$")
"""After a sentence: the first word of another text, whose end is missing."""
_ITEM = re.compile(r"\W\w.$")
_LOOSE_ENDS = " \n`*|_~"


def strip_outer_marks(text: str) -> str:
    """The text without marks around all of it, or at one end of it without a partner."""
    for _ in range(_MAX_LAYERS):
        before = text
        if any(text.count(mark) > _MAX_MARKS for mark in {text[:1], text[-1:]} - {""}):
            break
        text = _strip_layer(_strip_unpaired(_strip_runs(text.strip())))
        if text == before:
            break
    return text


def strip_loose_ends(text: str) -> str:
    """The text without signs of emphasis, tables and escapes at its ends."""
    return text.strip(_LOOSE_ENDS)


def is_open_at_end(text: str) -> bool:
    """Whether the last bracket is an opening one: the text was cut before its partner."""
    return max(map(text.rfind, "([")) > max(map(text.rfind, ")]"))


def has_unmatched_quotation(text: str) -> bool:
    """Whether a straight double quotation mark closes what nothing has opened.

    A mark behind a digit may close a quotation or mean inches: where there is one, only a mark
    between two spaces is sure to be left over.
    """
    marks = marks_in(text, '"')
    if ' " ' in text or _QUOTATION_LEFT_OPEN.search(text):
        return True
    if len(marks) != text.count('"'):
        return False
    return any(at > 0 and text[at - 1] in _SENTENCE_END_SIGNS for at in marks[::2])


def _strip_runs(text: str) -> str:
    """The text without two or three equal straight marks around it."""
    run = _RUN_AROUND.fullmatch(text)
    return text if run is None else (run["inner"] or run["tex"]).strip()


def _strip_layer(text: str) -> str:
    if len(text) < 3:
        return text
    opening = text[0]
    end = text[:-1] if text[-1] in ".,;" and text[-2] in _CLOSERS | set(_STRAIGHT) else text
    if opening in _STRAIGHT:
        is_around = end[-1] == opening and _is_around(end[1:-1], opening)
    else:
        is_around = opening in _PAIRS and _match_marks(end).get(0) == len(end) - 1
    inner = end[1:-1]
    if not is_around or not inner.strip():
        return text
    is_sign = len(inner) < _SIGN_CHARS or (
        len(inner) < _SIGN_IN_CAPITALS_CHARS
        and sum(map(str.isupper, inner)) > sum(map(str.isalpha, inner)) / 2
    )
    if is_sign and (opening in _QUOTES or opening in "\"'"):
        return text
    return inner.strip()


def _is_around(inner: str, mark: str) -> bool:
    """Whether every further straight mark belongs to a quotation within the outer ones.

    In `"A sign says "OPEN" in red"` the outer marks stand around the whole text, in `"GO" and
    "STOP"` they do not: there the first mark inside closes the first word.
    """
    marks = marks_in(inner, mark)
    return len(marks) % 2 == 0 and all(_opens(inner, at) for at in marks[::2])


def marks_in(text: str, mark: str) -> list[int]:
    """Where a straight mark stands, apostrophes and inches aside."""
    return [
        at
        for at, char in enumerate(text)
        if char == mark
        and not (mark == "'" and text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum())
        and not (mark == '"' and text[max(0, at - 1) : at].isdigit())
    ]


def _opens(text: str, at: int) -> bool:
    before = text[max(0, at - _RUN_CHARS) : at].rstrip("\"'“„«‘`*_([{<【（《「『")
    return not before or (not text[at - 1].isalnum() and text[at + 1 : at + 2].isalnum())


def _strip_unpaired(text: str) -> str:
    return _strip_unpaired_end(_strip_unpaired_start(text))


def _strip_unpaired_start(text: str) -> str:
    if len(text) < 3:
        return text
    first = text[0]
    if first in _BRACKETS or first in _QUOTES:
        is_unpaired = is_without_partner(text, 0)
    elif first in "\"'" and text[1] == " ":
        is_unpaired = True
    elif first in _STRAIGHT and not text[1].isdigit():
        marks = marks_in(text, first)
        is_unpaired = len(marks) % 2 == 1 and (len(marks) == 1 or _opens(text, marks[1]))
    else:
        is_unpaired = False
    return text[1:].lstrip() if is_unpaired else text


def _strip_unpaired_end(text: str) -> str:
    if len(text) < 3:
        return text
    last, before = text[-1], text[-2]
    if last in _STRAIGHT:
        is_unpaired = before in _ENDS and len(marks_in(text, last)) % 2 == 1
    elif last in _CLOSERS or (last in _QUOTES and before in _ENDS and before != " "):
        is_smiley = before in ":;-"
        is_item = last in ")]" and _ITEM.search(text, len(text) - 3) is not None
        is_unpaired = not (is_item or is_smiley) and is_without_partner(text, len(text) - 1)
    else:
        is_unpaired = False
    return text[:-1].rstrip() if is_unpaired else text


def is_without_partner(text: str, at: int) -> bool:
    """Whether the bracket or typographic quotation mark there has no partner."""
    pairs = _match_marks(text)
    return at not in pairs and at not in pairs.values()


def _match_marks(text: str) -> dict[int, int]:
    """Where each bracket and typographic quotation mark is closed, by where it opens.

    Nothing is matched in a text of so many open marks that it is no caption.
    """
    pairs: dict[int, int] = {}
    open_marks: list[int] = []
    has_single_quotation = "‘" in text
    for mark in _MARK.finditer(text):
        at, char = mark.start(), mark.group()
        follows_word = bool(text[max(0, at - 1) : at].strip())
        if char == "’" and _is_apostrophe(text, at, has_single_quotation=has_single_quotation):
            continue
        partner = next(
            (index for index in reversed(open_marks) if char in _PAIRS.get(text[index], "")), None
        )
        # “ and « behind a space open, even where „ or » is open.
        if partner is not None and (char not in "“«" or follows_word):
            while open_marks.pop() != partner:
                pass
            pairs[partner] = at
        elif char in _PAIRS and (char not in "”»›’" or not follows_word):
            open_marks.append(at)
            if len(open_marks) > _MAX_MARKS:
                return {}
    return pairs


def _is_apostrophe(text: str, at: int, *, has_single_quotation: bool) -> bool:
    """Within a word or after one: "the dogs’ bowl"."""
    return text[at - 1 : at].isalnum() and (
        text[at + 1 : at + 2].isalnum() or not has_single_quotation
    )
