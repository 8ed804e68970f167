"""Which of the text in a picture a caption quotes, and how much of it.

Text in a picture was written by strangers: it is quoted as data or left out. What our own rules
would reject (an address, a credit, markup, an emoji) is left out, and so is an order to whoever
writes the caption.
"""

import re
from dataclasses import dataclass

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.phrasebook import Phrases
from app.validation.unicode_normalisation import normalise_text
from app.validation.verdict import validate_text
from app.vision.features import WORD_LETTERS, Features
from app.vision.text_lines import TextBlock

MOST_CHARS = 90
"""Of one quotation: a heading and its second line fit, a paragraph is only begun."""
FEW_CHARS = 48
"""Of the only quotation, where a longer one leaves no room for the sentence around it."""
LEADS = 3
"""So many quotations may stand in the first sentence."""
LEAD_HEIGHT = 0.33
"""Of the tallest quoted print: smaller print is not what a picture is there to say."""
MORE_CHARS = 260
"""Of further quotations, in a paragraph."""
SCENE_SCORE = 0.95
"""In a photograph more looks like a letter than is one."""
SHORT_HEIGHT = 0.8
"""Of the tallest print, for a text of one or two letters."""
HEADING_TOP = 0.35
"""What begins lower than this is no heading of the whole."""
HEADING_WIDTH = 0.3
"""A narrower text at the top is a label or the first box of a plan."""

_ORDER = re.compile(
    r"\b(?:ignor\w*|disregard|forget|override|vergiss|oublie[zr]?|olvida|zanemari|zaboravi)\b"
    r".{0,60}\b(?:instruc\w+|anweisung\w*|prompts?|previous|above|rules?|uput\w+|précédent\w*)\b"
    r"|\b(?:system|assistant|user)\s?:"
    r"|\b(?:you are|act as|respond with|reply with|answer with|output only|say only|just say)\b"
    r"|\b(?:caption|alt[ -]?text|language model|chatgpt|describe (?:this|the) (?:image|picture))\b",
    re.IGNORECASE,
)
_QUOTATION_MARKS = re.compile('["“”„‟«»‹›「」『』〝〞]')
_REST = " .,:;!?…·•|/\\-–—_*'’‘<>=+→←↑↓▶◀▲▼►◄"
_BETWEEN = frozenset({"&", "+", "-", "–", "—", "/", "=", "x", "×", "%"})
"""Signs that stand between two words; any other sign that stands alone is a button or a mark."""
_ASIDE = re.compile(r"\((\w[\w .,'’&/+-]*)\)")
"""A word in brackets, which is no code."""
_ADDRESS = re.compile(r"[©℗]|\b[\w-]+\.[a-z]{2,}/|@\w+[/.]|\bCC[ -]BY\b", re.IGNORECASE)
_CODE = re.compile(r"[=(){}\[\]<>_\\|#$^~]")
"""Two of these are a program, a formula or a table, which nobody wants read out."""
_CJK, _FEW_CJK = 0x2E80, 2
_OF_THE_STYLE = frozenset({"too_short", "too_long", "sentence_count", "comma_list"})
"""Rules about the whole caption: they say nothing about what is quoted."""


@dataclass(frozen=True, slots=True)
class Quotes:
    """Texts to quote, without quotation marks, in reading order."""

    lead: tuple[str, ...]
    """What leaps to the eye."""
    rank: tuple[int, ...]
    """The places in `lead`, the most prominent first."""
    more: tuple[str, ...]
    """The rest, as far as it can be heard."""
    heading: str | None
    """The first text, where it stands at the top and is a heading or a beginning."""
    inks: tuple[str, ...]
    """The colours of the letters of the lead."""

    def first(self, count: int) -> tuple[str, ...]:
        """The `count` most prominent of the lead, in reading order."""
        return tuple(self.lead[place] for place in sorted(self.rank[:count]))

    def besides(self, said: tuple[str, ...]) -> tuple[str, ...]:
        """All that was not said yet, in the order lead, more, up to MORE_CHARS."""
        kept: list[str] = []
        for text in (*self.lead, *self.more):
            is_said = any(text in one or one.rstrip("…") in text for one in (*said, *kept))
            if not is_said and sum(map(len, kept)) + len(text) <= MORE_CHARS:
                kept.append(text)
        return tuple(kept)


def choose_quotes(sight: Features, ask: DraftRequest, phrases: Phrases) -> Quotes:
    """What to quote of a picture's text in this style and locale."""
    blocks = [
        (block, text)
        for block in _worth_quoting(sight)
        if (text := _quotable(block.text, ask, phrases)) is not None
    ]
    blocks = _said_once(blocks)
    tallest = max((block.height for block, _ in blocks), default=0.0)
    large = [(b, text) for b, text in blocks if b.height >= LEAD_HEIGHT * tallest]
    # What is written above a chart or a plan says what it is; labels are as tall.
    is_plan = sight.kind == "chart"
    ranked = large if is_plan else sorted(large, key=lambda pair: -_weight(pair[0]))
    ranked = ranked[:LEADS]
    lead = [pair for pair in large if pair in ranked]
    first = blocks[0] if blocks else None
    is_heading = first is not None and _is_heading(first[0], sight.kind)
    return Quotes(
        lead=tuple(text for _, text in lead),
        rank=tuple(lead.index(pair) for pair in ranked),
        more=tuple(text for pair in blocks if pair not in lead for text in [pair[1]]),
        heading=first[1] if first and is_heading else None,
        inks=tuple(dict.fromkeys(block.ink for block, _ in lead)),
    )


def _said_once(blocks: list[tuple[TextBlock, str]]) -> list[tuple[TextBlock, str]]:
    """Of equal texts the tallest."""
    tallest: dict[str, TextBlock] = {}
    for block, text in blocks:
        known = tallest.setdefault(text.casefold(), block)
        if block.height > known.height:
            tallest[text.casefold()] = block
    return [(block, text) for block, text in blocks if tallest[text.casefold()] is block]


def shortened(text: str, most_chars: int) -> str:
    """The text, or its first whole words and an ellipsis."""
    if len(text) <= most_chars:
        return text
    words = text[: most_chars - 1].rsplit(" ", 1)[0] if " " in text[:most_chars] else ""
    return f"{words.rstrip(_REST)}…" if words else ""


def _worth_quoting(sight: Features) -> list[TextBlock]:
    """Words; numbers only where they stand out or stand alone."""
    if sight.kind == "icon":
        return []
    blocks = [block for block in sight.text if block.text.strip(_REST)]
    most = max((block.height for block in blocks), default=0.0)
    # Two letters are a mark or a button's sign unless they are what the picture shows.
    blocks = [b for b in blocks if _signs(b) >= WORD_LETTERS or b.height >= SHORT_HEIGHT * most]
    if sight.kind == "photo":
        blocks = [b for b in blocks if b.score >= SCENE_SCORE and _letters(b) >= WORD_LETTERS]
    tallest = max((block.height for block in blocks if _letters(block)), default=0.0)
    if not tallest:
        return [b for b in blocks if sum(map(str.isdigit, b.text)) >= WORD_LETTERS][:1]
    return [b for b in blocks if _letters(b) or (b.height > tallest and sight.kind != "chart")]


def _is_heading(block: TextBlock, kind: str) -> bool:
    """Of a page whatever begins it; else what is wide and above the rest: a plan's box is not."""
    is_wide = block.width >= HEADING_WIDTH and block.top < HEADING_TOP / 2
    is_long = len(block.text) >= WORD_LETTERS * 3
    if kind == "document":
        return is_long and block.is_first and block.top < HEADING_TOP
    return is_long and is_wide


def _weight(block: TextBlock) -> float:
    """Tall print first, and of equally tall print the one that says more."""
    weight: float = block.height * min(len(block.text), 24) ** 0.5
    return weight


def _signs(block: TextBlock) -> int:
    return sum(map(str.isalnum, block.text))


def _letters(block: TextBlock) -> int:
    return sum(map(str.isalpha, block.text))


def _quotable(text: str, ask: DraftRequest, phrases: Phrases) -> str | None:
    """The text as it may stand between quotation marks, or None where it may not."""
    plain = _without_signs(_QUOTATION_MARKS.sub("'", normalise_text(text.replace("\n", " "))))
    if not plain or _ORDER.search(plain) or _ADDRESS.search(text):
        return None
    if len(_CODE.findall(_ASIDE.sub(r"\1", plain))) > 1:
        return None
    quoted = shortened(plain, MOST_CHARS)
    if not quoted:
        return None
    caption = phrases.plainly_quoted(quoted)
    verdict = validate_text(caption, style=ask.style, locale=ask.locale, context=ask.context)
    broken = {violation.code for violation in verdict.violations} - _OF_THE_STYLE
    is_kept = verdict.outcome == "caption" and not broken and quoted in verdict.caption
    return quoted if is_kept else None


def _without_signs(text: str) -> str:
    """The text without bullets, arrows and the marks of buttons, which are read as odd signs."""
    words = [word for word in text.split() if word in _BETWEEN or any(map(str.isalnum, word))]
    plain = " ".join(words)
    latin = sum("a" <= letter.casefold() <= "ɏ" for letter in plain)
    if latin >= WORD_LETTERS and sum(ord(sign) >= _CJK for sign in plain) <= _FEW_CJK:
        # Beside Latin letters a Chinese sign or two are buttons: three bars, a box, a plus.
        plain = " ".join("".join(s if ord(s) < _CJK else " " for s in plain).split())
    return plain.strip(_REST)
