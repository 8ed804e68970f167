"""Extracts the caption's paragraph from the lines of a draft."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.validation.labels import Section, match_label
from app.validation.languages import Language
from app.validation.markup import LineKind, MarkupLine
from app.validation.preambles import is_preamble
from app.validation.sentences import (
    SENTENCE_ENDS,
    ends_sentence,
    join_sentences,
    split_sentences,
)

# A line of an outline: "Setting: ...", "Colours: ...".
_LABELLED_LINE = re.compile(r"[^.:]{2,40}:(?:\s|$)")
# A list of alternatives by style: "1. Short: ...", "2. Detailed: ...".
_STYLE_LABEL = re.compile(
    r"(?:short(?:er)?|concise|brief|simple|basic|long(?:er)?|detailed|descriptive|seo[\w -]{0,20}"
    r"|formal|neutral|factual|kurz|courte?|corta|breve|krótk[aio])"
    r"(?: version)?\s?(?:\([^()]{0,40}\))?:\s+",
    re.IGNORECASE,
)

# The label of a second caption, in another style, after the first one.
_FURTHER_STYLE = re.compile(
    r"\W{0,4}(?:seo|detailed|long(?:er)?|extended|descriptive)(?: (?:version|caption))?\W{0,4}"
    r"(?:[:：→–—-]|$)",
    re.IGNORECASE,
)
# "[125/160]", "(37 characters)", "[/center]", "\\label{fig:a} ###", "lang: en" after a sentence.
_NOTES_AT_END = re.compile(
    r"(?:[}>\s]{0,3}(?:\[[^\[\]\n]{0,40}\]|\([^()\n]{0,60}\)|\\[a-z]{2,12}\{[^{}\n]{0,40}\}?"
    r"|#{1,6}+|[\[(][^\[\]()\n]{0,40}(?=\s{0,4}$)|<[|/]?\w{0,20}(?=\s{0,4}$)"
    r"|[\"”]\s?,\s?[\"“]\w{0,20}(?=\s{0,4}$)"
    r"|\s/?[Ee]nd[A-Za-z ]{0,20}\]?(?=\s{0,4}$)"
    r"|\s\w{2,20}:\s(?:\d?\.\d{1,4}|[^\n.:]{1,30}))){1,6}+\s{0,4}$"
)
_SENTENCE_END = re.compile(rf"[{SENTENCE_ENDS}](?!\w)")
_SENTENCE_IN_CUT_CODE = re.compile(
    rf"[{SENTENCE_ENDS}][\"”']\s?[,}}\]]"
    rf"|[\"'{{]\w{{1,20}}[\"']\s?:\s?[\"'].{{0,1000}}[{SENTENCE_ENDS}]"
)
_LOWER_WORD = re.compile(r"[^\W\d_]{2}(?<![A-Z]{2})")
_TAIL_CHARS = 40
_LOOSE_END = "<>|*_`~{}[]()/\\\"'”» "
"""Signs of cut markup that may follow the end of a sentence."""
_END_CHARS, _MAX_QUOTED_CHARS = 120, 1_000
_SENTENCE_QUOTED_FIRST = re.compile(
    rf"[\"“„«「『][^\"”“»」』]{{3,300}}[{SENTENCE_ENDS}][\"”“»」』]\s"
)
_OPENING_QUOTES, _CLOSING_QUOTES = tuple('"“„«「『'), tuple('"”“»」』')


@dataclass(frozen=True, slots=True)
class CaptionParagraph:
    """The paragraph that is the caption."""

    text: str
    is_outline: bool = False
    """The draft is an outline or a list instead of prose."""


@dataclass(slots=True)
class _LabelledSection:
    section: Section | None
    """None: the lines before the first label."""
    lines: list[MarkupLine] = field(default_factory=list)
    is_further_style: bool = False
    """Its label names a style that is asked for after another one: "SEO", "Detailed"."""


@dataclass(slots=True)
class _Block:
    """Consecutive lines of one kind: a paragraph (one text) or a list (one text per item)."""

    kind: LineKind
    texts: list[str]

    @property
    def is_list(self) -> bool:
        return self.kind in ("bullet", "number", "table")


def extract_caption_paragraph(
    lines: Sequence[MarkupLine], languages: tuple[Language, ...], *, prefers_description: bool
) -> CaptionParagraph:
    """The labelled caption, else the first alternative, else all prose.

    `prefers_description`: of a structured draft the section labelled as description is taken before
    the one labelled as caption.
    """
    sections = _split_by_labels(lines, languages)
    wanted: tuple[Section, ...] = ("caption", "description")
    if prefers_description:
        wanted = ("description", "caption")
    for part in () if prefers_description else _before_further_style(sections):
        first = _extract_prose(part.lines, languages, joins_list=False)
        if _ends_sentence_before_marks(first.text):
            return first  # its own label is not at the start of a line
    for name in (*wanted, "option", "title"):
        offered = [
            (found, part)
            for part in sections
            if part.section == name
            and (
                found := _extract_prose(part.lines, languages, joins_list=prefers_description)
            ).text
        ]
        if not offered:
            continue
        # A title may stand under the first label: "Caption: Dog. Alt text: A dog runs."
        found, chosen = next(
            (
                one
                for one in offered
                if not one[1].is_further_style and _ends_sentence_before_marks(one[0].text)
            ),
            offered[0],
        )
        is_second = not prefers_description and _is_second_caption(sections, chosen)
        return CaptionParagraph(found.text, is_outline=found.is_outline or is_second)
    found = _extract_prose(sections[0].lines, languages, joins_list=prefers_description)
    if found.text:
        # An unknown label before known ones: "Setting: a room", "Subject: two cats".
        is_item = len(sections) > 1 and _LABELLED_LINE.match(found.text) is not None
        return CaptionParagraph(found.text, is_outline=found.is_outline or is_item)
    # Only labels and headings: returned as they are, for the rules to reject.
    return CaptionParagraph(" ".join(line.text for line in lines if line.text))


def _before_further_style(sections: list[_LabelledSection]) -> list[_LabelledSection]:
    """The sections that may hold a first caption, where a further one in another style follows."""
    further = next((at for at, one in enumerate(sections) if one.is_further_style), 0)
    return [one for one in sections[:further] if one.section in (None, "caption", "description")]


def _is_second_caption(sections: list[_LabelledSection], chosen: _LabelledSection) -> bool:
    """Whether its label names a further style, and a sentence that is no caption precedes it.

    The sentence is the first caption with a rest of its wrapping.
    """
    return chosen.is_further_style and any(
        _SENTENCE_END.search(line.text)
        for part in sections[: sections.index(chosen)]
        for line in part.lines
    )


def _split_by_labels(
    lines: Sequence[MarkupLine], languages: tuple[Language, ...]
) -> list[_LabelledSection]:
    sections = [_LabelledSection(None)]
    for line in lines:
        label = match_label(line, languages)
        if label is None:
            sections[-1].lines.append(line)
            continue
        sections.append(
            _LabelledSection(
                label.section, is_further_style=_FURTHER_STYLE.match(line.text) is not None
            )
        )
        if label.rest:
            sections[-1].lines.append(MarkupLine("text", label.rest))
    return sections


def _extract_prose(
    lines: Sequence[MarkupLine], languages: tuple[Language, ...], *, joins_list: bool
) -> CaptionParagraph:
    blocks = _group_into_blocks(lines)
    _drop_preambles(blocks, languages)
    _drop_list_introductions(blocks)
    _drop_preambles(blocks, languages)  # "Sure!", where an introduction followed it
    paragraphs: list[str] = []
    for at, block in enumerate(blocks):
        if block.kind in ("heading", "rule"):
            if _is_complete(paragraphs, block.kind):
                break
            continue
        if block.is_list:
            if paragraphs and not _is_title_before(paragraphs, block):
                break
            if _is_title(block, blocks[at + 1 :]):
                continue
            return _extract_from_list(block, joins_list=joins_list)
        paragraph = block.texts[0]
        if paragraphs and any(language.closing_remark.match(paragraph) for language in languages):
            break
        if _is_quotation(paragraph) and _is_in_quotation(paragraphs):
            break  # alternatives
        paragraphs.append(paragraph)
    return CaptionParagraph(
        " ".join(_drop_fragments(paragraphs)), is_outline=_is_list_introduction(paragraphs, blocks)
    )


def _drop_preambles(blocks: list[_Block], languages: tuple[Language, ...]) -> None:
    while blocks and _is_before_caption(blocks[0], languages):
        blocks.pop(0)


def _ends_sentence_before_marks(text: str) -> bool:
    """Whether a sentence ends there, signs of cut markup aside."""
    end = text[-_END_CHARS:].rstrip("\"'”»<>|*_`~$} ")
    before = _NOTES_AT_END.sub("", end).rstrip(_LOOSE_END)
    # "Sure! Title: Dog": one word is no sentence with a note.
    if ends_sentence(before) and (before == end or " " in before or not before.isascii()):
        return True
    *_, tail = _SENTENCE_END.split(end[-_TAIL_CHARS:])
    return tail != end[-_TAIL_CHARS:] and not _LOWER_WORD.search(tail)


def _is_before_caption(block: _Block, languages: tuple[Language, ...]) -> bool:
    return block.kind == "rule" or (block.kind == "text" and is_preamble(block.texts[0], languages))


def _is_title(block: _Block, following: list[_Block]) -> bool:
    """Whether it is one item that is no sentence, before a paragraph or a list with one."""
    return (
        len(block.texts) == 1
        and not _ends_sentence_before_marks(block.texts[0])
        and any(
            _SENTENCE_END.search(one.texts[0])
            for index, one in enumerate(following)
            if one.is_list or (one.kind == "text" and index == 0)
        )
    )


def _is_title_before(paragraphs: list[str], block: _Block) -> bool:
    """Whether no sentence stands before one item, or a numbered one, that is a sentence."""
    return (
        (block.kind == "number" or len(block.texts) == 1)
        and _ends_sentence_before_marks(block.texts[0])
        and not any(map(_ends_sentence_before_marks, paragraphs))
    )


def _is_complete(paragraphs: list[str], next_kind: LineKind) -> bool:
    """Whether what follows a heading or a rule is a note or another caption."""
    if next_kind == "heading":
        return bool(paragraphs)
    return any(map(_ends_sentence_before_marks, paragraphs))


def _is_quotation(paragraph: str) -> bool:
    """Whether it is a quotation, or a sentence in quotation marks and a remark after it."""
    if _SENTENCE_QUOTED_FIRST.match(paragraph):
        return True
    paragraph = _NOTES_AT_END.sub("", paragraph[-_MAX_QUOTED_CHARS:])
    return paragraph[:1] in _OPENING_QUOTES and paragraph[-1:] in _CLOSING_QUOTES


def _is_in_quotation(paragraphs: list[str]) -> bool:
    """Whether they are a quoted caption, whole or cut: a quoted name may end one as well."""
    if not paragraphs:
        return False
    is_opened = paragraphs[0][:1] in _OPENING_QUOTES
    is_closed = paragraphs[-1][-1:] in _CLOSING_QUOTES
    is_sentence = any(map(_ends_sentence_before_marks, paragraphs))
    return (is_opened and (is_closed or is_sentence)) or (is_closed and is_sentence)


def _drop_list_introductions(blocks: list[_Block]) -> None:
    """Removes a last sentence that ends in a colon from every paragraph of several sentences."""
    for block in blocks:
        parts = split_sentences(block.texts[0]) if block.kind == "text" else []
        if len(parts) > 1 and parts[-1].endswith((":", "：")) and '",' not in parts[-1]:
            block.texts = [join_sentences(parts[:-1])]


def _group_into_blocks(lines: Sequence[MarkupLine]) -> list[_Block]:
    blocks: list[_Block] = []
    previous: LineKind = "blank"
    for line in lines:
        if line.kind == "rule":
            blocks.append(_Block("rule", [""]))
        elif line.kind != "blank":
            if line.kind == "text" and previous == "text":
                blocks[-1].texts[0] += f"\n{line.text}"
            elif (
                line.kind in ("bullet", "number", "table")
                and blocks
                and blocks[-1].kind == line.kind
            ):
                blocks[-1].texts.append(line.text)
            else:
                blocks.append(_Block(line.kind, [line.text]))
        previous = line.kind
    for block in blocks:
        if block.kind == "text":
            block.texts = [_drop_title_line(block.texts[0])]
    return blocks


def _drop_title_line(paragraph: str) -> str:
    """One line, without a first line that is a title: without a full stop, before sentences."""
    first, _, rest = paragraph.partition("\n")
    is_title = len(first) < 100 and first[:1].isupper() and not ends_sentence(first)
    if rest and is_title and rest[:1].isupper() and ends_sentence(rest):
        return " ".join(rest.split())
    return " ".join(paragraph.split())


def _extract_from_list(block: _Block, *, joins_list: bool) -> CaptionParagraph:
    items = [item for item in block.texts if item]
    if block.kind == "table":
        return CaptionParagraph(" ".join(items), is_outline=True)
    if not items:
        return CaptionParagraph("")
    if len(items) == 1:
        return CaptionParagraph(items[0])
    if _STYLE_LABEL.match(items[0]):
        return CaptionParagraph(_STYLE_LABEL.sub("", items[0], count=1))
    if sum(bool(_LABELLED_LINE.match(item)) for item in items) > len(items) / 2:
        return CaptionParagraph(" ".join(items), is_outline=True)
    if block.kind == "number":
        return CaptionParagraph(items[0])  # alternatives
    if all(ends_sentence(item) for item in items[:3]):
        return CaptionParagraph(" ".join(items) if joins_list else items[0])
    return CaptionParagraph(items[0], is_outline=not ends_sentence(items[0]))


def _drop_fragments(paragraphs: list[str]) -> list[str]:
    """Without titles and keyword lists, where there are sentences beside them."""
    if not any(map(_ends_sentence_before_marks, paragraphs)):
        # A title is no caption where a sentence with a rest of its wrapping follows.
        return [text for text in paragraphs if _SENTENCE_END.search(text)][:1] or paragraphs[:1]
    kept = [
        text
        for text in paragraphs
        if _ends_sentence_before_marks(text) or _SENTENCE_IN_CUT_CODE.search(text)
    ]
    # The token ceiling may have cut the last paragraph: its whole sentences are kept.
    last = paragraphs[-1]
    if not _ends_sentence_before_marks(last) and len(last) > 60 and not _is_keyword_list(last):
        kept.append(last)
    return kept


def _is_keyword_list(text: str) -> bool:
    pieces = re.split(r"[,;\n]", text)
    return len(pieces) >= 4 and sum(len(piece.split()) <= 3 for piece in pieces) > len(pieces) * 0.7


def _is_list_introduction(paragraphs: list[str], blocks: list[_Block]) -> bool:
    """True where the only prose is one sentence that introduces the list after it."""
    return (
        len(paragraphs) == 1
        and paragraphs[0].endswith((":", "："))
        and any(block.is_list for block in blocks)
        and not any(mark in paragraphs[0][:-1] for mark in ".!?")
    )
