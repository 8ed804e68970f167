"""Chooses which text of an image a caption quotes.

Text in an image was written by strangers: it is quoted as data or left out. Text that the rules
would reject (a URL, a credit line, markup, an emoji) is left out, and so are instructions to the
writer of the caption.
"""

import re
from dataclasses import dataclass

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.phrasebook import Phrasebook
from app.validation.unicode_normalisation import normalise_text
from app.validation.verdict import validate_text
from app.vision.features import WORD_LETTERS, Category, Features
from app.vision.text_lines import TextBlock

MAX_CHARS = 90
"""Of one quotation: a heading of two lines fits; of a paragraph only its beginning is quoted."""
SINGLE_MAX_CHARS = 48
"""Of a single quotation, where a longer one leaves no room for the sentence around it."""
MAX_PROMINENT = 3
"""Quotations in the first sentence."""
PROMINENT_HEIGHT_SHARE = 0.33
"""Of the tallest text; smaller text is not prominent."""
OTHERS_MAX_CHARS = 260
"""Of all quotations after the first sentence."""
PHOTO_MIN_SCORE = 0.95
"""In a photograph more shapes look like letters."""
SHORT_TEXT_HEIGHT_SHARE = 0.8
"""Of the tallest text, for a text of one or two letters."""
HEADING_MAX_TOP = 0.35
"""A text that begins lower is not a heading of the whole image."""
HEADING_MIN_WIDTH = 0.3
"""A narrower text at the top is a label or the first box of a plan."""

_INSTRUCTION = re.compile(
    r"\b(?:ignor\w*|disregard|forget|override|vergiss|oublie[zr]?|olvida|zanemari|zaboravi)\b"
    r".{0,60}\b(?:instruc\w+|anweisung\w*|prompts?|previous|above|rules?|uput\w+|précédent\w*)\b"
    r"|\b(?:system|assistant|user)\s?:"
    r"|\b(?:you are|act as|respond with|reply with|answer with|output only|say only|just say)\b"
    r"|\b(?:caption|alt[ -]?text|language model|chatgpt|describe (?:this|the) (?:image|picture))\b",
    re.IGNORECASE,
)
_QUOTATION_MARKS = re.compile('["“”„‟«»‹›「」『』〝〞]')
_OUTER_SIGNS = " .,:;!?…·•|/\\-–—_*'’‘<>=+→←↑↓▶◀▲▼►◄"
_CONNECTORS = frozenset({"&", "+", "-", "–", "—", "/", "=", "x", "×", "%"})
"""Signs between two words. Any other sign without a word is the symbol of a button."""
_PARENTHESISED = re.compile(r"\((\w[\w .,'’&/+-]*)\)")
"""Words in parentheses, which are not code."""
_ADDRESS = re.compile(r"[©℗]|\b[\w-]+\.[a-z]{2,}/|@\w+[/.]|\bCC[ -]BY\b", re.IGNORECASE)
_CODE_SIGN = re.compile(r"[=(){}\[\]<>_\\|#$^~]")
"""A text with two of these is code, a formula or a table."""
_FIRST_CJK, _FEW_CJK = 0x2E80, 2
_LENGTH_RULES = frozenset({"too_short", "too_long", "sentence_count", "comma_list"})
"""Rules about the length of the whole caption, not about the quoted text."""


@dataclass(frozen=True, slots=True)
class Quotations:
    """Texts to quote, without quotation marks, in reading order."""

    prominent: tuple[str, ...]
    """Candidates for the first sentence."""
    ranking: tuple[int, ...]
    """Indices in `prominent`, the most prominent first."""
    in_order: tuple[str, ...]
    """Every text, in reading order."""
    heading: str | None
    """The first text, if it is at the top and is a heading or the beginning of a page."""
    inks: tuple[str, ...]
    """The colour names of the prominent letters."""

    def most_prominent(self, count: int) -> tuple[str, ...]:
        """The `count` most prominent texts, in reading order."""
        return tuple(self.prominent[index] for index in sorted(self.ranking[:count]))

    def remaining(self, quoted: tuple[str, ...]) -> tuple[str, ...]:
        """The texts that are not quoted yet, in reading order, up to OTHERS_MAX_CHARS.

        Where that is not enough for all, prominent ones are kept rather than others.
        """
        kept: list[str] = []
        for text in (*self.prominent, *self.in_order):
            is_quoted = any(
                text in other or other.rstrip("…") in text for other in (*quoted, *kept)
            )
            if not is_quoted and sum(map(len, kept)) + len(text) <= OTHERS_MAX_CHARS:
                kept.append(text)
        return tuple(text for text in self.in_order if text in kept)


def choose_quotations(
    features: Features, request: DraftRequest, phrasebook: Phrasebook
) -> Quotations:
    """The texts of an image that a caption in this style and locale may quote."""
    candidates = [
        (block, text)
        for block in _select_blocks(features)
        if (text := _make_quotable(block.text, request, phrasebook)) is not None
    ]
    candidates = _drop_repetitions(candidates)
    tallest = max((block.height for block, _ in candidates), default=0.0)
    large = [pair for pair in candidates if pair[0].height >= PROMINENT_HEIGHT_SHARE * tallest]
    # The text above a chart is its title, and labels are as tall: there reading order decides.
    ranked = large
    if features.category != "chart":
        ranked = sorted(large, key=lambda pair: -_prominence(pair[0]))
    ranked = ranked[:MAX_PROMINENT]
    prominent = [pair for pair in large if pair in ranked]
    first = candidates[0] if candidates else None
    has_heading = first is not None and _is_heading(first[0], features.category)
    return Quotations(
        prominent=tuple(text for _, text in prominent),
        ranking=tuple(prominent.index(pair) for pair in ranked),
        in_order=tuple(text for _, text in candidates),
        heading=first[1] if first and has_heading else None,
        inks=tuple(dict.fromkeys(block.ink for block, _ in prominent)),
    )


def shorten(text: str, max_chars: int) -> str:
    """The text, or its first whole words and an ellipsis; empty where not even one word fits."""
    if len(text) <= max_chars:
        return text
    words = text[: max_chars - 1].rsplit(" ", 1)[0] if " " in text[:max_chars] else ""
    return f"{words.rstrip(_OUTER_SIGNS)}…" if words else ""


def _drop_repetitions(candidates: list[tuple[TextBlock, str]]) -> list[tuple[TextBlock, str]]:
    """Of equal texts only the tallest, and no word that is the beginning or end of another one.

    Something in front of a second label cuts the name on it: "KOR" beside "KORA".
    """
    tallest: dict[str, TextBlock] = {}
    for block, text in candidates:
        known = tallest.setdefault(text.casefold(), block)
        if block.height > known.height:
            tallest[text.casefold()] = block
    words = {word for text in tallest for word in text.split()}
    return [
        (block, text)
        for block, text in candidates
        if tallest[text.casefold()] is block and not _is_cut_from(text.casefold(), words)
    ]


def _is_cut_from(text: str, words: set[str]) -> bool:
    """Whether a single word is a longer one without its first or last letters."""
    return len(text) >= WORD_LETTERS and any(
        word != text and (word.startswith(text) or word.endswith(text)) for word in words
    )


def _select_blocks(features: Features) -> list[TextBlock]:
    """Blocks of words; blocks of numbers only where they are the tallest or the only ones."""
    if features.category == "icon":
        return []
    blocks = [block for block in features.text if block.text.strip(_OUTER_SIGNS)]
    tallest = max((block.height for block in blocks), default=0.0)
    # One or two letters are a logo or a button, unless they are as tall as the main text.
    blocks = [
        block
        for block in blocks
        if _count_signs(block) >= WORD_LETTERS or block.height >= SHORT_TEXT_HEIGHT_SHARE * tallest
    ]
    if features.category == "photo":
        blocks = [
            block
            for block in blocks
            if block.score >= PHOTO_MIN_SCORE and _count_letters(block) >= WORD_LETTERS
        ]
    tallest_words = max((block.height for block in blocks if _count_letters(block)), default=0.0)
    if not tallest_words:
        return [b for b in blocks if sum(map(str.isdigit, b.text)) >= WORD_LETTERS][:1]
    quotes_numbers = features.category != "chart"
    return [
        block
        for block in blocks
        if _count_letters(block) or (block.height > tallest_words and quotes_numbers)
    ]


def _is_heading(block: TextBlock, category: Category) -> bool:
    """Of a document the text that begins it; otherwise a wide text at the top."""
    is_long = len(block.text) >= WORD_LETTERS * 3
    if category == "document":
        return is_long and block.is_first and block.top < HEADING_MAX_TOP
    return is_long and block.width >= HEADING_MIN_WIDTH and block.top < HEADING_MAX_TOP / 2


def _prominence(block: TextBlock) -> float:
    """Higher for taller text, and of equally tall text for the longer one."""
    prominence: float = block.height * min(len(block.text), 24) ** 0.5
    return prominence


def _count_signs(block: TextBlock) -> int:
    return sum(map(str.isalnum, block.text))


def _count_letters(block: TextBlock) -> int:
    return sum(map(str.isalpha, block.text))


def _make_quotable(text: str, request: DraftRequest, phrasebook: Phrasebook) -> str | None:
    """The text in the form in which it may be quoted, or None where it may not."""
    normalised = normalise_text(text.replace("\n", " "))
    plain = _drop_symbols(_QUOTATION_MARKS.sub("'", normalised))
    if not plain or _INSTRUCTION.search(plain) or _ADDRESS.search(text):
        return None
    if len(_CODE_SIGN.findall(_PARENTHESISED.sub(r"\1", plain))) > 1:
        return None
    quoted = shorten(plain, MAX_CHARS)
    if not quoted:
        return None
    verdict = validate_text(
        phrasebook.plain_quotation(quoted),
        style=request.style,
        locale=request.locale,
        context=request.context,
    )
    broken = {violation.code for violation in verdict.violations} - _LENGTH_RULES
    is_quotable = verdict.outcome == "caption" and not broken and quoted in verdict.caption
    return quoted if is_quotable else None


def _drop_symbols(text: str) -> str:
    """The text without bullets, arrows and the symbols of buttons."""
    words = [word for word in text.split() if word in _CONNECTORS or any(map(str.isalnum, word))]
    plain = " ".join(words)
    latin = sum("a" <= letter.casefold() <= "ɏ" for letter in plain)
    if latin >= WORD_LETTERS and sum(ord(sign) >= _FIRST_CJK for sign in plain) <= _FEW_CJK:
        # Beside Latin letters one or two CJK characters are misread buttons: bars, a box, a plus.
        plain = " ".join("".join(s if ord(s) < _FIRST_CJK else " " for s in plain).split())
    return plain.strip(_OUTER_SIGNS)
