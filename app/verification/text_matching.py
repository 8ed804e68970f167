"""Compares a text that a caption quotes with the text that was read in its picture.

Letter by letter, where case, spacing, accents and punctuation do not count, nor what OCR confuses
(O and 0, l and 1). The distance is that of the nearest part of the text (Sellers), in the bit
vectors of Myers (1999): a quotation may be part of a longer text, and partial ratios of string
libraries align one window of its length only.
"""

import re
import unicodedata
from collections.abc import Sequence

from app.types import CheckVerdict
from app.verification.claims import TextClaim
from app.vision.evidence import SeenLine

SURE_SCORE, SURER_SCORE = 0.95, 0.98
"""Of a line that is surely text, and of one whose single letters are trusted."""
READABLE_SCORE = 0.5
"""A line below this may say anything."""
MIN_LETTERS, SHORT_LETTERS = 2, 4
"""A claim that may be confirmed, and one that a single misread letter turns into another."""
FAR_SHARE, NEAR_SHARE = 0.34, 0.2
"""Of the claim's letters that differ: from the first on it is another text; from the second on, and
from two letters on, it is not the same text misread."""
HIDDEN_SHARE = 0.6
"""A line that was not read surely may be the claim unless this share of its letters differs."""
MAX_TEXT_CHARS = 2_000
MAX_AMOUNTS = 3
"""Of one unit. A picture with more is a chart or a price list, where a caption may sum up."""

_CONFUSED = str.maketrans("oilszbgø|", "01152890" + "1")
_LETTERS = str.maketrans({"đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe"})
_DIGIT = re.compile(r"\d")
_AMOUNT = re.compile(r"([$€£¥]) ?(\d[\d.,]{0,15})|(\d[\d.,]{0,15}) ?([%$€£¥])")


def judge_text(
    claim: TextClaim, lines: Sequence[SeenLine], known_texts: Sequence[str] = ()
) -> CheckVerdict:
    """Whether the text can be read in the picture.

    `lines`: all lines that were found, in reading order. `known_texts`: what the caller said about
    the picture; a quotation from there need not be visible.
    """
    letters = _fold_letters(claim.text)
    wanted = letters.translate(_CONFUSED)
    if not wanted:
        return "unknown"
    readable = [line for line in lines if line.score >= READABLE_SCORE and line.text]
    text = _fold_letters(" ".join(line.text for line in readable))[:MAX_TEXT_CHARS]
    folded = text.translate(_CONFUSED)
    words = [_fold_letters(word).translate(_CONFUSED) for word in claim.text.split()]
    if wanted in folded or all(word in folded for word in words):
        return "confirmed" if len(wanted) >= MIN_LETTERS else "unknown"
    if len(wanted) < MIN_LETTERS or not _is_latin(letters):
        return "unknown"
    if any(letters in _fold_letters(known) for known in known_texts):
        return "unknown"
    sure = [line for line in readable if line.score >= SURE_SCORE and _is_text(line)]
    if not sure or not _is_latin(_fold_letters(" ".join(line.text for line in sure))):
        return "unknown"
    doubtful = [line for line in lines if line not in sure]
    if any(_may_hide(wanted, line) for line in doubtful):
        return "unknown"
    if claim.form == "amount":
        return "contradicted" if _has_other_amount(claim.text, sure) else "unknown"
    return "contradicted" if _is_other_text(letters, wanted, words, text, sure) else "unknown"


def distance_within(pattern: str, text: str) -> int:
    """The fewest edits that make the pattern a part of the text."""
    size = len(pattern)
    if not size:
        return 0
    masks: dict[str, int] = {}
    for place, char in enumerate(pattern):
        masks[char] = masks.get(char, 0) | 1 << place
    full, last = (1 << size) - 1, 1 << (size - 1)
    plus, minus, score, best = full, 0, size, size
    for char in text:
        match = masks.get(char, 0)
        vertical = match | minus
        horizontal = (((match & plus) + plus) ^ plus) | match
        up = minus | ~(horizontal | plus) & full
        down = plus & horizontal
        if up & last:
            score += 1
        elif down & last:
            score -= 1
        up = up << 1 & full
        down = down << 1 & full
        plus = (down | ~(vertical | up)) & full
        minus = up & vertical
        best = min(best, score)
    return best


def _fold_letters(text: str) -> str:
    """Letters and digits in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(filter(str.isalnum, decomposed))


def _is_latin(text: str) -> bool:
    """Whether most letters are those that the reader knows well."""
    return 2 * sum(char.isascii() for char in text) > len(text)


def _is_text(line: SeenLine) -> bool:
    return len(_fold_letters(line.text)) >= MIN_LETTERS


def _may_hide(wanted: str, line: SeenLine) -> bool:
    """Whether a line that was not read surely may say what is wanted, or a part of it."""
    text = _fold_letters(line.text).translate(_CONFUSED)
    if line.score < READABLE_SCORE or not text:
        return True
    if len(text) < len(wanted):
        wanted, text = text, wanted
    return distance_within(wanted, text) <= HIDDEN_SHARE * len(wanted)


def _is_other_text(
    letters: str, wanted: str, words: Sequence[str], text: str, sure: Sequence[SeenLine]
) -> bool:
    """Whether what was read is surely another text."""
    folded = text.translate(_CONFUSED)
    by_words = sum(distance_within(word, folded) for word in words)
    distance = min(distance_within(wanted, folded), by_words)
    is_far = distance >= FAR_SHARE * len(wanted)
    if is_far and len(wanted) > SHORT_LETTERS:
        return True
    nearest = min(
        sure,
        key=lambda line: distance_within(wanted, _fold_letters(line.text).translate(_CONFUSED)),
    )
    if is_far or nearest.score < SURER_SCORE:
        return nearest.score >= SURER_SCORE
    # The same words with other digits: "SAVE 40%" for "SAVE 50%".
    if _DIGIT.search(letters) and _DIGIT.sub("#", letters) in _DIGIT.sub("#", text):
        return True
    return distance >= MIN_LETTERS and distance >= NEAR_SHARE * len(wanted)


def _has_other_amount(claimed: str, sure: Sequence[SeenLine]) -> bool:
    """Whether the picture has a few amounts of this unit, and all are others."""
    (unit, wanted), *_ = _find_amounts(claimed) or [("", "")]
    read = [amount for line in sure for amount in _find_amounts(line.text)]
    same_unit = [number for other, number in read if other == unit]
    return 0 < len(same_unit) <= MAX_AMOUNTS and wanted not in same_unit


def _find_amounts(text: str) -> list[tuple[str, str]]:
    """Each unit and the digits of its number."""
    found = []
    for before, first, second, after in _AMOUNT.findall(text):
        digits = "".join(filter(str.isdigit, first or second))
        found.append((before or after, digits))
    return found
