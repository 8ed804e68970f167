"""Compares a text that a caption quotes with the text that was read in its picture.

Letter by letter, where case, spacing, accents and punctuation do not count, nor what OCR confuses
(O and 0, l and 1). The distance is that of the nearest part of the text (Sellers), in the bit
vectors of Myers (1999): a quotation may be part of a longer text, and partial ratios of string
libraries align one window of its length only.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from app.types import CheckVerdict
from app.verification.claims import TextClaim
from app.verification.lookalike_letters import may_be_other_script
from app.verification.text_words import (
    MARK,
    FoldedWord,
    drop_empty_cents,
    fold,
    fold_confused,
    fold_letters,
    fold_words,
    has_vulgar_fraction,
    join_spaced_thousands,
    join_words,
    numbers_of,
)
from app.vision.evidence import MAX_LINES, SeenLine

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
MAX_TEXT_LETTERS = 2_000
"""With more, a page, nothing is denied: a caption sums up, and comparing takes long."""
MAX_AMOUNTS = 3
"""Of one unit. A picture with more is a chart or a price list, where a caption may sum up."""

_DIGIT = re.compile(r"\d")
_ROMAN_NUMERAL = re.compile(r"(?<!\w)[MDCLXVI]{2,}(?!\w)")
_HALF_DAY = re.compile(r"\d ?[ap]\.? ?m\b", re.IGNORECASE)
_TIME_OF_DAY = re.compile(
    r"(?<![\d.,:])(\d{1,2})(?:(?:[:.]| ?h ?)([0-5]\d)(?![\d.,])|(?= ?(?:h\b|Uhr|[ap]\.? ?m\b)))",
    re.IGNORECASE,
)
_AND = re.compile(r"(?<=\s)(?:and|und|et|y|e|i|en|og|och)(?=\s)", re.IGNORECASE)
_NEGATIONS = ("no", "not", "never", "non", "without", "kein", "keine", "keinen", "nicht", "ohne",
              "pas", "sans", "sin", "nunca", "bez", "nije", "ne")  # fmt: skip
_LAST_HOUR = 24
_AMOUNT = re.compile(r"([$€£¥]) ?(\d[\d.,]{0,15})|(\d[\d.,]{0,15}) ?([%$€£¥])")


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line that was found, as it is compared."""

    text: str
    score: float
    folded: str
    """Letters and digits without what OCR confuses; empty where nothing was read."""

    @property
    def is_sure(self) -> bool:
        """Whether it is surely text, and this one."""
        return self.score >= SURE_SCORE and len(self.folded) >= MIN_LETTERS


class ReadText:
    """What was read in a picture, folded once for all claims of a caption."""

    def __init__(self, lines: Sequence[SeenLine], known_texts: Sequence[str] = ()) -> None:
        """`lines`: all that were found, in reading order. `known_texts`: what the caller said about
        the picture; a quotation from there need not be visible."""
        read = [ReadLine(line.text, line.score, fold(line.text)) for line in lines]
        readable = [line for line in read if line.score >= READABLE_SCORE and line.text]
        text = " ".join(line.text for line in readable)
        self.letters = fold_letters(text)
        self.folded = fold_confused(self.letters)
        self.words = fold_words(text)
        self.words_with_thousands = fold_words(join_spaced_thousands(text))
        self.numbers = numbers_of(text)
        self.times = _times_of_day(text)
        self.line_words = [{word.text for word in fold_words(line.text)} for line in readable]
        self.has_and_sign = "&" in text
        self.has_roman_numeral = _ROMAN_NUMERAL.search(text) is not None
        self.sure = [line for line in readable if line.is_sure]
        self.doubtful = [line for line in read if not line.is_sure]
        self.known = [fold_letters(text) for text in known_texts]
        sure_text = " ".join(line.text for line in self.sure)
        is_whole = len(lines) < MAX_LINES and len(self.letters) <= MAX_TEXT_LETTERS
        is_latin = _is_latin(fold_letters(sure_text)) and not may_be_other_script(sure_text)
        self.is_sure = is_whole and bool(self.sure) and is_latin
        """Whether a text that is not there can be denied."""

    def shown(self) -> str:
        """The text that was read surely."""
        return " ".join(line.text for line in self.sure)


def judge_text(claim: TextClaim, read: ReadText) -> CheckVerdict:
    """Whether the text can be read in the picture."""
    text = _AND.sub("&", claim.text) if read.has_and_sign else claim.text
    letters = fold_letters(text)
    wanted = fold_confused(letters)
    if not wanted:
        return "unknown"
    if len(wanted) >= MIN_LETTERS and _can_be_read(text, read):
        return "confirmed"
    if not _can_be_denied(claim, letters, wanted, read):
        return "unknown"
    if claim.form == "amount":
        return "contradicted" if _has_other_amount(claim.text, read.sure) else "unknown"
    return "contradicted" if _is_other_text(letters, wanted, fold_words(text), read) else "unknown"


def _can_be_read(text: str, read: ReadText) -> bool:
    """Whether whole words say it one after the other, or whole lines in any order.

    "OPEN" is no part of REOPENING, 15 none of 115, and SMOKING is not what NO SMOKING says.
    """
    if not numbers_of(text) <= read.numbers and _parts_of_numbers(text, read):
        return False
    words = fold_words(text)
    thousands = fold_words(join_spaced_thousands(text))
    if _follow_each_other(words, read.words) or _follow_each_other(
        thousands, read.words_with_thousands
    ):
        return True
    wanted = {word.text for word in words}
    lines = [line for line in read.line_words if line <= wanted]
    return not _DIGIT.search(text) and wanted <= set().union(*lines)


def _follow_each_other(wanted: Sequence[FoldedWord], words: Sequence[FoldedWord]) -> bool:
    """Whether consecutive words make the text, without a negation before them."""
    whole = join_words(wanted)
    for first, word in enumerate(words):
        if not word.text or not whole.startswith(word.text):
            continue
        if first and words[first - 1].text in _FOLDED_NEGATIONS:
            continue
        made, is_after_number = "", False
        for each in islice(words, first, None):
            made += (MARK if each.is_number and is_after_number else "") + each.text
            is_after_number = each.is_number
            if made == whole:
                return True
            if not whole.startswith(made):
                break
    return False


def _parts_of_numbers(text: str, read: ReadText) -> set[str]:
    """The numbers of a text that are a part of a longer one in the picture, and stand nowhere."""
    return {
        number
        for number in numbers_of(text) - read.numbers
        if any(number in longer for longer in read.numbers)
    }


def _may_be_same_time(text: str, read: ReadText) -> bool:
    """Whether it is a time of day that the picture may give in the other notation."""
    return _HALF_DAY.search(text) is not None or bool(_times_of_day(text) & read.times)


def _times_of_day(text: str) -> set[int]:
    """The times of day, in minutes since noon or midnight: half past six is 18:30 as well."""
    found = ((int(hour), int(minutes or 0)) for hour, minutes in _TIME_OF_DAY.findall(text))
    return {hour % 12 * 60 + minutes for hour, minutes in found if hour <= _LAST_HOUR}


def _can_be_denied(claim: TextClaim, letters: str, wanted: str, read: ReadText) -> bool:
    """Whether enough was read surely to say that the text is not there."""
    if len(wanted) < MIN_LETTERS or not all(map(_is_latin_letter, letters)):
        return False
    if claim.form == "phrase" or not read.is_sure or has_vulgar_fraction(claim.text):
        return False
    if claim.form != "amount" and _may_be_same_time(claim.text, read):
        return False
    if read.has_roman_numeral and _DIGIT.search(letters):
        return False
    if wanted in read.folded and not _parts_of_numbers(claim.text, read):
        return False  # as a part of other words
    if any(letters in known for known in read.known):
        return False
    return not any(_may_hide(wanted, line) for line in read.doubtful)


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


_FOLDED_NEGATIONS = frozenset(map(fold, _NEGATIONS))


def _is_latin_letter(char: str) -> bool:
    return char.isascii() or unicodedata.name(char, "").startswith("LATIN")


def _is_latin(text: str) -> bool:
    """Whether most letters are those that the reader knows well."""
    return 2 * sum(char.isascii() for char in text) > len(text)


def _may_hide(wanted: str, line: ReadLine) -> bool:
    """Whether a line that was not read surely may say what is wanted, or a part of it."""
    text = line.folded
    if line.score < READABLE_SCORE or not text:
        return True
    if len(text) < len(wanted):
        wanted, text = text, wanted
    return distance_within(wanted, text) <= HIDDEN_SHARE * len(wanted)


def _is_other_text(letters: str, wanted: str, words: Sequence[FoldedWord], read: ReadText) -> bool:
    """Whether what was read is surely another text."""
    far = FAR_SHARE * len(wanted)
    distance = distance_within(wanted, read.folded)
    by_words = 0
    for word in words:  # in another order of the lines
        if by_words >= min(distance, far):
            break
        by_words += distance_within(word.text.replace(MARK, ""), read.folded)
    distance = min(distance, by_words)
    is_far = distance >= far
    if is_far and len(wanted) > SHORT_LETTERS:
        return True
    nearest = min(read.sure, key=lambda line: distance_within(wanted, line.folded))
    if is_far or nearest.score < SURER_SCORE:
        return nearest.score >= SURER_SCORE
    # The same words with other digits: "SAVE 40%" for "SAVE 50%".
    if _DIGIT.search(letters) and _DIGIT.sub("#", letters) in _DIGIT.sub("#", read.letters):
        return True
    return distance >= MIN_LETTERS and distance >= NEAR_SHARE * len(wanted)


def _has_other_amount(claimed: str, sure: Sequence[ReadLine]) -> bool:
    """Whether the picture has a few amounts of this unit, and all are others."""
    (unit, wanted), *_ = _find_amounts(claimed) or [("", "")]
    read = [amount for line in sure for amount in _find_amounts(line.text)]
    same_unit = [number for other, number in read if other == unit]
    return 0 < len(same_unit) <= MAX_AMOUNTS and wanted not in same_unit


def _find_amounts(text: str) -> list[tuple[str, str]]:
    """Each unit and the digits of its number."""
    found = []
    for before, first, second, after in _AMOUNT.findall(text):
        digits = "".join(filter(str.isdigit, drop_empty_cents(first or second)))
        found.append((before or after, digits))
    return found
