"""Rules about a caption's length: characters, sentences, and prose instead of lists of terms."""

import re

from app.validation.rule_input import RuleInput
from app.validation.sentences import split_sentences, text_width

SHORT_CHARS = 20
"""A shorter caption gets a warning (GitHub's alt text scanner has the same limit)."""
_TRUNCATED_MIN_CHARS = 8
_SIGN_MAX_CHARS = 60
# "429", "€12.50", "24/7", "-20 %", "8:30": one number as it is written on a sign.
_NUMBER = re.compile(r"[€$£¥+-]?\s?\d+(?:[.,:/-]\d+){0,2}\s?[€$£¥%°+]?\.?")

_SEPARATOR = re.compile(r"[,;，、；]|\s[/+·]\s")
_SEPARATOR_OF_TAGS = re.compile(r";|\s[/+·]\s")
"""Prose has no two of these between short terms; it has commas."""
# Words of Chinese and Japanese are not parted by spaces.
_WIDE_COMMA = re.compile("[，、；]")
_ALL = 0.99


def empty(given: RuleInput) -> str | None:
    """It has neither a letter nor a digit."""
    return None if any(map(str.isalnum, given.caption)) else "It is empty."


def too_short(given: RuleInput) -> str | None:
    """Below the style's minimum. Where that is low, the text of a sign may be shorter."""
    style = given.style
    least = min(style.min_chars, _TRUNCATED_MIN_CHARS) if given.is_truncated else style.min_chars
    if text_width(given.caption) >= least:
        return None
    if style.min_chars <= SHORT_CHARS and _is_sign_text(given.caption):
        return None
    return f"It is {len(given.caption)} characters long; {style.min_chars} is the least."


def too_long(given: RuleInput) -> str | None:
    """Over the style's maximum."""
    if given.length_chars <= given.style.max_chars:
        return None
    return f"It is {given.length_chars} characters long; {given.style.max_chars} is the most."


def long_for_screen_readers(given: RuleInput) -> str | None:
    """Over the length that the style warns about."""
    limit = given.style.warn_over_chars
    if limit is None or len(given.caption) <= limit:
        return None
    return f"It is {len(given.caption)} characters long; screen readers pause after {limit}."


def short(given: RuleInput) -> str | None:
    """So short that it rarely says enough."""
    if text_width(given.caption) >= SHORT_CHARS or _is_sign_text(given.caption):
        return None
    return f"It is {len(given.caption)} characters long; under {SHORT_CHARS} it rarely says enough."


def sentence_count(given: RuleInput) -> str | None:
    """More or fewer sentences than the style allows."""
    style = given.style
    count = len(split_sentences(given.caption))
    if count > style.max_sentences:
        return f"It has {count} sentences; {style.max_sentences} is the most."
    if count < style.min_sentences and not given.is_truncated:
        return f"It has {count} sentence; {style.min_sentences} is the least."
    return None


def comma_list(given: RuleInput) -> str | None:
    """Terms between commas instead of prose. Stricter for a style that limits word repeats."""
    is_strict = given.style.max_word_repeats is not None
    pieces = [piece.strip() for piece in _SEPARATOR.split(given.unquoted) if piece.strip()]
    # People list headings of three words; keywords are shorter.
    longest_term_words = 3 if is_strict else 2
    run = longest_run = words_in_runs = 0
    for piece in pieces:
        words = len(piece.split())
        # A number neither ends a run of terms ("2020, 600x400, JPEG, 100%") nor is one.
        if not any(map(str.isalpha, piece)):
            words_in_runs += 1
            continue
        is_term = words <= longest_term_words and len(piece) <= 30
        run = run + 1 if is_term else 0
        longest_run = max(longest_run, run)
        words_in_runs += words if is_term else 0
    share = words_in_runs / max(1, sum(len(piece.split()) for piece in pieces))
    if is_strict and longest_run >= 4:
        return "It lists terms between commas; write sentences."
    # Nothing but short terms: "brown dog; sandy beach; blue sea".
    if (
        share > _ALL
        and not _WIDE_COMMA.search(given.unquoted)
        and longest_run >= (3 if _SEPARATOR_OF_TAGS.search(given.unquoted) else 4)
    ):
        return "It is a list of terms; write sentences."
    if longest_run >= 5 and share > 0.7:
        return "It is a list of terms; write sentences."
    return None


def _is_sign_text(caption: str) -> bool:
    """The text of a logo or a sign: in capitals, a number, or in quotation marks."""
    if sum(map(str.isalnum, caption)) < 2 or len(caption) > _SIGN_MAX_CHARS:
        return False
    letters = [char for char in caption if char.isalpha()]
    if not letters:
        return _NUMBER.fullmatch(caption) is not None
    if all(char.isupper() for char in letters):
        return len(set(caption.casefold())) > 1
    return caption[0] in '"“„«「' and caption.rstrip(".")[-1] in '"”“»」'
