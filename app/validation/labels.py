"""Labels in a draft ("Alt text:", "**Description:**") and the section that each one opens."""

import functools
import re
from dataclasses import dataclass
from typing import Literal

from app.validation.alternatives import OPTION_WORDS
from app.validation.chat_turns import IDENTIFIER_ALONE, assistant_turn
from app.validation.languages import Language
from app.validation.markup import MarkupLine
from app.validation.redundant_openers import capitalise
from app.validation.stray_words import is_stray_word

Section = Literal["caption", "description", "title", "other", "option"]
"""The sections of a structured draft. `option`: one of several alternatives ("Option 1:")."""

_OPTION = re.compile(
    rf"(?:{OPTION_WORDS})\s?#?(?:1|a|one|I)\b"
    rf"|(?:first|1st|best|main|erste|première|primera|prima|prva)\s(?:{OPTION_WORDS})\b",
    re.IGNORECASE,
)
_FURTHER_OPTION = re.compile(
    rf"(?:{OPTION_WORDS})\s?#?(?:[2-9]|[b-d]|two|three|II|III)\b", re.IGNORECASE
)
# After a label: "Alt text (98 characters):", "Caption -", "Image 1: ".
_LABEL_END = re.compile(
    r"\s{0,2}#?(?P<number>\d{1,2})\s?(?:[:：→]|[-=]>)\s+|\s{0,2}(?:\([^()]{0,60}\)\s?|\[[^\[\]]{0,60}\]\s?)?[:：=]\s*|\s+[-–—|]\s+"
    r"|\s{0,2}(?:→|⇒|➜|➔|[-=]{1,2}>)\s*"
)

# The number of a figure, which is no number of an alternative: "Figure 2: ", "Abb. 3: ".
_FIGURE = re.compile(
    r"(?:fig(?:ure|ura|uur|ur)?|abb(?:ildung)?|afb(?:eelding)?|slika|rys(?:unek)?|obr(?:ázek)?"
    r"|kuva|ábra|şekil|рис(?:унок)?|слика|図|图|圖|그림|الشكل)[. ]{0,2}"
    r"\d{1,3}(?:[.-]\d{1,2})?[a-z]?\s?[:：]\s{0,4}(?=\S)",
    re.IGNORECASE,
)
_LABEL_MAX_CHARS = 40
"""A label that follows another one, and nothing else on its line."""
_REMARK = re.compile(r"\s?\([^()]{0,60}\)")
_BLOCK_SCALAR = re.compile(r"^[|>][-+]?(?:$|\s(?=[^|]*$))")
"""In YAML the text follows on the next line."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label at the start of a line."""

    section: Section
    rest: str
    """The text after the label on the same line; may be empty."""


def match_label(line: MarkupLine, languages: tuple[Language, ...]) -> Label | None:
    """The label that a line starts with, or None."""
    if line.kind in ("blank", "rule") or not line.text:
        return None
    figure = _FIGURE.match(line.text)
    if figure is not None:
        return Label("caption", capitalise(line.text[figure.end() :]))
    for section, pattern in _label_patterns(languages):
        match = pattern.match(line.text)
        if match is None:
            continue
        rest = line.text[match.end() :]
        end = _LABEL_END.match(rest)
        if end is not None:
            if end["number"] not in (None, "1"):  # the second of several
                section = "other"
            return _label_before(rest[end.end() :].strip("* "), section, languages)
        # A label without a colon counts where nothing else is on its line.
        if not _REMARK.sub("", rest, count=1).strip() and (
            line.kind == "heading" or section != "option"
        ):
            return Label(section, "")
    return None


def _label_before(rest: str, section: Section, languages: tuple[Language, ...]) -> Label:
    """The label of this section, of which the text after its colon is known."""
    if rest.startswith("assistant "):
        rest = assistant_turn(rest).lstrip()
    rest = _BLOCK_SCALAR.sub("", rest)
    inner = _label_alone(rest.lstrip("#* \"'“„«‘"), languages)
    if inner is not None:  # "Answer: ### Caption"
        return inner
    if IDENTIFIER_ALONE.fullmatch(rest):  # the caption follows on the next line
        return Label(section, "")
    # A capital would hide a role, a token or the letter of an item from the rules.
    first_word = rest.lstrip("\"'“„«‘([{").partition(" ")[0]
    is_word = first_word.replace("-", "").isalpha() or len(first_word) == 1
    is_kept = is_stray_word(first_word) or not (is_word or first_word[-1:] in ",;’")
    return Label(section, rest if is_kept else capitalise(rest))


def _label_alone(text: str, languages: tuple[Language, ...]) -> Label | None:
    if len(text) > _LABEL_MAX_CHARS:
        return None
    label = match_label(MarkupLine("text", text), languages)
    return None if label is None or label.rest else label


@functools.lru_cache(maxsize=64)
def _label_patterns(languages: tuple[Language, ...]) -> tuple[tuple[Section, re.Pattern[str]], ...]:
    def pattern(sources: list[str], before: str = "") -> re.Pattern[str]:
        joined = "|".join(sorted(set(sources), key=len, reverse=True)) or r"(?!)"
        return re.compile(rf"{before}(?:{joined})(?!\w)", re.IGNORECASE)

    # "Suggested alt text:", "Factual caption".
    before = (
        r"(?:(?:the|a|my|final|suggested|proposed|factual|concise|short|brief|detailed|seo|improved"
        r"|revised|updated|new|recommended|possible|full|long|visual|corrected|rewritten|clean)\s+)"
        r"{0,3}"
    )
    names = [
        name
        for one in languages
        for name in (re.escape(one.name), re.escape(one.own_name), rf"(?-i:{one.code.upper()})")
    ]
    return (
        ("caption", pattern(names, r"[(\[]?")),
        ("caption", pattern([s for one in languages for s in one.caption_labels], before)),
        ("description", pattern([s for one in languages for s in one.description_labels], before)),
        ("title", pattern([s for one in languages for s in one.title_labels], before)),
        ("other", pattern([s for one in languages for s in one.other_labels], before)),
        ("option", _OPTION),
        ("other", _FURTHER_OPTION),
    )
