"""Text and numbers that a caption says can be read in the picture."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice

from app.verification.caption_words import Word
from app.verification.claim_words import ClaimWords
from app.verification.claims import TextClaim

MAX_CHARS = 150
"""Of one claim: what comes later in a quotation is not compared."""
_MAX_OF_A_FORM = 24
_LABELLED_MAX_WORDS = 12
_LABEL_NEAR = 4
"""A word like "reads" this many words before a quotation says that it can be read."""
_AMOUNT = re.compile(
    r"(?<![\w.,])(?:[$€£¥] ?\d{1,12}(?:[.,]\d{1,6}){0,4}"
    r"|\d{1,12}(?:[.,]\d{1,6}){0,4} ?(?:%|[$€£¥](?!\d)))(?![\w%])"
)
_NUMBER_SIGN = re.compile(r"(?:№|\b[nN][°º]|\bN[ro]\.) ?(\d{1,12})(?![\w.,]?\d)")
_NUMBER = re.compile(r"\d{1,12}(?:[.,:/ -]\d{1,12}){0,4}[A-Za-z]?(?!\w)")
_EVERYTHING = re.compile(r"100 ?%")
_MARKS = "\"“”„«»「」『』‘’' .,;:!?…"

Span = tuple[int, int]


def find_text_claims(
    caption: str, quotations: Sequence[Span], words: Sequence[Word], known: ClaimWords | None
) -> tuple[TextClaim, ...]:
    """The claims in the order of the caption; `words` are those outside its quotations."""
    claims = list(islice(_find_quoted(caption, quotations, words, known), _MAX_OF_A_FORM))
    taken = list(quotations)
    for found in (
        _find_labelled(caption, words, known) if known else iter(()),
        _find_numbers(caption, words, known),
    ):
        for claim in islice(found, _MAX_OF_A_FORM):
            if not _overlaps(claim, taken):
                claims.append(claim)
                taken = sorted((*taken, (claim.start, claim.end)))
    return tuple(sorted(claims, key=lambda claim: claim.start))


def _overlaps(claim: TextClaim, taken: Sequence[Span]) -> bool:
    """Whether a claim lies in one of these places, which are in order and apart."""
    index = bisect_right(taken, (claim.end, 0))
    return index > 0 and taken[index - 1][1] > claim.start


def _find_quoted(
    caption: str, quotations: Sequence[Span], words: Sequence[Word], known: ClaimWords | None
) -> Iterator[TextClaim]:
    starts = [word.start for word in words]
    for start, end in quotations:
        text = caption[start:end].strip(_MARKS)[:MAX_CHARS]
        is_measure = start > 0 and caption[start] == '"' and caption[start - 1].isdigit()
        before = bisect_right(starts, start) - 1
        is_name = known is not None and before >= 0 and words[before].key in known.naming
        if not any(map(str.isalnum, text)) or is_measure or is_name:
            continue
        label = words[max(0, before + 1 - _LABEL_NEAR) : before + 1]
        is_plain = not any(map(str.isdigit, text)) and (text.islower() or not text.isupper())
        is_phrase = is_plain and not _announces(label, known)
        yield TextClaim(text, start, end, "phrase" if is_phrase else "quoted")


def _announces(before: Sequence[Word], known: ClaimWords | None) -> bool:
    """Whether the words before a quotation say that it can be read, and is no name or style."""
    if known is None or not before or before[-1].key in known.of:
        return False
    for index, word in enumerate(before):
        is_spoken = index > 0 and before[index - 1].key in known.people  # "A man says"
        if word.key in known.areas or (word.key in known.text_labels and not is_spoken):
            return True
    return before[-1].key in known.carrying


def _find_labelled(caption: str, words: Sequence[Word], known: ClaimWords) -> Iterator[TextClaim]:
    """Words in capitals after "reads", a number after "number"."""
    index = 0
    while index < len(words):
        label = words[index].key
        index += 1
        if label in known.number_labels:
            number = _NUMBER.match(caption, words[index].start) if index < len(words) else None
            if number is not None:
                yield TextClaim(number[0], number.start(), number.end(), "labelled")
            continue
        if label not in known.text_labels:
            continue
        end = index
        while end < len(words) and end - index < _LABELLED_MAX_WORDS and _is_capital(words[end]):
            end += 1
        run = words[index:end]
        if any(len(word.text) > 1 and word.text.isupper() for word in run):
            yield _claim_of(caption, run)
        index = end


def _is_capital(word: Word) -> bool:
    return word.text.isupper() or word.text.isdigit()


def _claim_of(caption: str, words: Sequence[Word]) -> TextClaim:
    start, end = words[0].start, words[-1].end
    return TextClaim(caption[start:end][:MAX_CHARS], start, end, "labelled")


def _find_numbers(
    caption: str, words: Sequence[Word], known: ClaimWords | None
) -> Iterator[TextClaim]:
    for match in _NUMBER_SIGN.finditer(caption):
        yield TextClaim(match[1], match.start(), match.end(), "labelled")
    starts = [word.start for word in words]
    for match in _AMOUNT.finditer(caption):
        before = bisect_right(starts, match.start() - 1) - 1
        after = bisect_right(starts, match.end())
        is_estimate = known is not None and (
            (before >= 0 and words[before].key in known.approximations)
            or (after < len(words) and words[after].key in known.of)
        )
        # "100% cotton", "20% of it is eaten" speak of the thing, not of text.
        if not is_estimate and not _EVERYTHING.fullmatch(match[0]):
            yield TextClaim(match[0], match.start(), match.end(), "amount")
