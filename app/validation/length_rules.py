"""Checks of a style's shape: length, sentences, prose instead of lists."""

import re

from app.types import Style
from app.validation import sentences

SHORT_CHARS = 20
"""Below this a caption is warned of (GitHub's alt text scanner draws the same line)."""
_TRUNCATED_MIN_CHARS = 8
_SIGN_MAX_CHARS = 60
# "429", "€12.50", "24/7", "-20 %", "8:30": one number as it stands on a sign.
_NUMBER = re.compile(r"[€$£¥+-]?\s?\d+(?:[.,:/-]\d+){0,2}\s?[€$£¥%°+]?\.?")


def too_short(caption: str, style: Style, *, is_truncated: bool) -> str | None:
    """Below the style's floor. A sign's own text may be short where the style's floor is low."""
    floor = min(style.min_chars, _TRUNCATED_MIN_CHARS) if is_truncated else style.min_chars
    if sentences.text_width(caption) >= floor:
        return None
    if style.min_chars <= SHORT_CHARS and is_sign(caption):
        return None
    return f"It is {len(caption)} characters long; {style.min_chars} is the least."


def too_long(caption: str, style: Style) -> str | None:
    """Over the style's cap."""
    if len(caption) <= style.max_chars:
        return None
    return f"It is {len(caption)} characters long; {style.max_chars} is the most."


def wrong_sentences(caption: str, style: Style, *, is_truncated: bool) -> str | None:
    """Too many or too few sentences."""
    count = len(sentences.split_sentences(caption))
    if count > style.max_sentences:
        return f"It has {count} sentences; {style.max_sentences} is the most."
    if count < style.min_sentences and not is_truncated:
        return f"It has {count} sentence; {style.min_sentences} is the least."
    return None


def short(caption: str) -> str | None:
    """So short that a person should look."""
    if sentences.text_width(caption) >= SHORT_CHARS or is_sign(caption):
        return None
    return f"It is {len(caption)} characters long; under {SHORT_CHARS} it rarely says enough."


def is_sign(caption: str) -> bool:
    """The text of a logo or a sign: all capitals, digits, or in quotes."""
    if sum(map(str.isalnum, caption)) < 2 or len(caption) > _SIGN_MAX_CHARS:
        return False
    letters = [char for char in caption if char.isalpha()]
    if not letters:
        return _NUMBER.fullmatch(caption) is not None
    if all(char.isupper() for char in letters):
        return len(set(caption.casefold())) > 1
    return caption[0] in '"“„«「' and caption.rstrip(".")[-1] in '"”“»」'


def comma_list(unquoted: str, style: Style) -> str | None:
    """Terms between commas instead of prose. Where keywords are welcome the measure is stricter."""
    pieces = [piece.strip() for piece in re.split(r"[,;，、；]", unquoted) if piece.strip()]
    # A number may stand between terms ("2020, 600x400, JPEG, 100%"), and a row of numbers is none.
    is_number = [not any(map(str.isalpha, piece)) for piece in pieces]
    # Noun phrases of three words may be headings that a person lists; keywords are shorter.
    longest_term = 3 if style.max_word_repeats is not None else 2
    run = longest = words_in_run = 0
    for piece, number in zip(pieces, is_number, strict=True):
        if number:
            words_in_run += 1
            continue
        is_term = len(piece.split()) <= longest_term and len(piece) <= 30
        run = run + 1 if is_term else 0
        longest = max(longest, run)
        words_in_run += len(piece.split()) if is_term else 0
    share = words_in_run / max(1, len(unquoted.split()))
    if style.max_word_repeats is not None and longest >= 4:
        return "It lists terms between commas; write sentences."
    if longest >= 5 and share > 0.7:
        return "It is a list of terms; write sentences."
    return None
