"""Outer marks: quotation marks, brackets and emphasis around a whole text, or left at one end.

Marks around a part of the text are kept, and so is a quotation that may be the text of a sign.
"""

import re

_BRACKETS = {"(": ")", "[": "]", "{": "}", "<": ">", "【": "】", "（": "）", "《": "》"}
_QUOTES = {"“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", "”": "”", "‹": "›",
           "‘": "’"}  # fmt: skip
_STRAIGHT = "\"'`*_"
_CLOSERS = frozenset("".join((*_BRACKETS.values(), *_QUOTES.values()))) - {"“"}
_MAX_LAYERS = 10
_MAX_MARKS = 60
"""A text with more of one mark is no caption, and would be searched for each of them."""
_RUN_CHARS = 8
"""Marks in a row that are looked at."""
_SIGN_CHARS, _SIGN_IN_CAPITALS_CHARS = 8, 40
"""A quotation up to this length may be the text of a sign."""
_ENDS = (*".!?。！？… \"'”’»)", *_CLOSERS)
"""What a mark follows at the end of a sentence."""
_ITEM = re.compile(r"\W\w.$")
_LOOSE_ENDS = " \n`*|_~"


def strip_outer_marks(text: str) -> str:
    """The text without marks around all of it, or at one end of it without a partner."""
    for _ in range(_MAX_LAYERS):
        before = text
        if any(text.count(mark) > _MAX_MARKS for mark in {text[:1], text[-1:]} - {""}):
            break
        text = _strip_layer(_strip_unpaired(text.strip()))
        if text == before:
            break
    return text


def strip_loose_ends(text: str) -> str:
    """The text without signs of emphasis, tables and escapes at its ends."""
    return text.strip(_LOOSE_ENDS)


def is_open_at_end(text: str) -> bool:
    """Whether the last bracket is an opening one: the text was cut before its partner."""
    return max(map(text.rfind, "([")) > max(map(text.rfind, ")]"))


def _strip_layer(text: str) -> str:
    if len(text) < 3:
        return text
    opening = text[0]
    end = text[:-1] if text[-1] in ".,;" and text[-2] in _CLOSERS | set(_STRAIGHT) else text
    if opening in _STRAIGHT:
        is_around = end[-1] == opening and _is_around(end[1:-1], opening)
    else:
        closing = _BRACKETS.get(opening) or _QUOTES.get(opening)
        is_around = bool(closing) and _partner(end, opening, closing or "") == len(end) - 1
    inner = end[1:-1]
    if not is_around or not inner.strip():
        return text
    is_sign = len(inner) < _SIGN_CHARS or (inner.isupper() and len(inner) < _SIGN_IN_CAPITALS_CHARS)
    if is_sign and (opening in _QUOTES or opening in "\"'"):
        return text
    return inner.strip()


def _partner(text: str, opening: str, closing: str) -> int:
    """The index of the mark that closes the first one; -1 where none does."""
    depth = 0
    for at, char in enumerate(text):
        # Of "„a“ und „b“" the second mark closes although it opens elsewhere.
        is_apostrophe = char == "’" and text[at - 1].isalnum() and text[at + 1 : at + 2].isalnum()
        if char in closing and depth and not is_apostrophe:
            depth -= 1
            if depth == 0:
                return at
        elif char == opening:
            depth += 1
    return -1


def _is_around(inner: str, mark: str) -> bool:
    """Whether every further straight mark belongs to a quotation within the outer ones.

    In `"A sign says "OPEN" in red"` the outer marks stand around the whole text, in `"GO" and
    "STOP"` they do not: there the first mark inside closes the first word.
    """
    marks = _marks_in(inner, mark)
    return len(marks) % 2 == 0 and all(_opens(inner, at) for at in marks[::2])


def _marks_in(text: str, mark: str) -> list[int]:
    """Where a straight mark stands, apostrophes and inches aside."""
    return [
        at
        for at, char in enumerate(text)
        if char == mark
        and not (mark == "'" and text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum())
        and not (mark == '"' and text[max(0, at - 1) : at].isdigit())
    ]


def _opens(text: str, at: int) -> bool:
    before = text[max(0, at - _RUN_CHARS) : at].rstrip("\"'“„«‘`*_([{")
    return not before or (not text[at - 1].isalnum() and text[at + 1 : at + 2].isalnum())


def _strip_unpaired(text: str) -> str:
    return _strip_unpaired_end(_strip_unpaired_start(text))


def _strip_unpaired_start(text: str) -> str:
    if len(text) < 3:
        return text
    first = text[0]
    closing = _BRACKETS.get(first) or _QUOTES.get(first)
    if closing:
        is_unpaired = _partner(text, first, closing) < 0
    elif first in "\"'" and text[1] == " ":
        is_unpaired = True
    elif first in _STRAIGHT and not text[1].isdigit():
        marks = _marks_in(text, first)
        is_unpaired = len(marks) % 2 == 1 and (len(marks) == 1 or _opens(text, marks[1]))
    else:
        is_unpaired = False
    return text[1:].lstrip() if is_unpaired else text


def _strip_unpaired_end(text: str) -> str:
    if len(text) < 3:
        return text
    last, before = text[-1], text[-2]
    if last in _CLOSERS:
        openings = [
            mark for mark, ends in (_BRACKETS | _QUOTES).items() if last in ends and mark != last
        ]
        is_apostrophe = last == "’" and before not in _ENDS
        is_smiley = before in ":;-"
        is_item = last in ")]" and _ITEM.search(text, len(text) - 3) is not None
        is_unpaired = text.count(last) > sum(map(text.count, openings))
        is_unpaired = is_unpaired and not (is_apostrophe or is_item or is_smiley)
    else:
        is_unpaired = last in _STRAIGHT and before in _ENDS and len(_marks_in(text, last)) % 2 == 1
    return text[:-1].rstrip() if is_unpaired else text
