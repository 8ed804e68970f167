"""From the lines of an answer to the one paragraph that is the caption."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.validation import redundant_openers, sentences
from app.validation.languages import Language
from app.validation.markup import MarkupLine

Section = Literal["short", "long", "title", "other", "option"]


_OPTION = re.compile(
    r"(?:option|version|alternative|variante?|opción|opzione)\s+#?(?:\d|[a-c]|one|two)\b",
    re.IGNORECASE,
)
# Alternatives by their registers: "1. Short: ...", "2. Detailed: ...".
_VARIANT = re.compile(
    r"(?:short(?:er)?|concise|brief|simple|basic|long(?:er)?|detailed|descriptive|seo[\w -]{0,20}"
    r"|formal|neutral|factual|kurz|courte?|corta|breve|krótk[aio])"
    r"(?: version)?\s?(?:\([^()]{0,40}\))?:\s+",
    re.IGNORECASE,
)
# Labels that are words of any caption too.
_SAYS_LITTLE = frozenset({"answer", "output", "response", "result", "scene", "overview", "summary",
                          "narration", "svar", "resultat", "resultado", "risultato", "respuesta",
                          "resposta", "risposta", "réponse", "résultat", "antwort", "ergebnis",
                          "wynik", "odpowiedź", "opis", "beschreibung", "description"})  # fmt: skip
_ANNOUNCEMENT_MAX_CHARS = 60
# How an announcement begins that needs no name for what it announces.
_HERE = frozenset({"here", "below", "hier", "voici", "aquí", "aqui", "ecco", "oto", "zde", "zdaj",
                   "evo", "tukaj", "ovdje", "ovde", "íme", "här", "her", "tässä", "işte", "вот",
                   "ось", "ево"})  # fmt: skip
# After a label: "Alt text (98 characters):", "Caption -", "Image 1: ".
_LABEL_END = re.compile(
    r"\s{0,2}#?\d{1,2}[:：]\s+|\s{0,2}(?:\([^()]{0,60}\)\s?|\[[^\[\]]{0,60}\]\s?)?[:：=]\s*|\s+[-–—]\s+"
)


@dataclass(frozen=True, slots=True)
class Prose:
    """The caption's paragraph, and whether the answer was an outline rather than prose."""

    text: str
    is_outline: bool = False


@dataclass(slots=True)
class _Part:
    kind: Section | None
    lines: list[MarkupLine] = field(default_factory=list)


def caption_prose(
    lines: Sequence[MarkupLine], languages: tuple[Language, ...], *, is_long: bool
) -> Prose:
    """The caption's own paragraph: a catalogue's part, the first alternative, or all the prose.

    `is_long` prefers a catalogue's description to its caption.
    """
    parts = _parts(lines, languages)
    wanted: tuple[Section, ...] = ("long", "short") if is_long else ("short", "long")
    for kind in (*wanted, "option", "title"):
        for part in parts:
            if part.kind == kind:
                prose = _prose(part.lines, languages, is_long=is_long)
                if prose.text:
                    return prose
    prose = _prose(parts[0].lines, languages, is_long=is_long)
    # Nothing but a label or a heading: said as it is, for the rules to judge.
    return prose if prose.text else Prose(" ".join(line.text for line in lines if line.text))


def _parts(lines: Sequence[MarkupLine], languages: tuple[Language, ...]) -> list[_Part]:
    parts = [_Part(None)]
    for line in lines:
        found = label_of(line, languages)
        if found is None:
            parts[-1].lines.append(line)
            continue
        kind, rest = found
        parts.append(_Part(kind))
        if rest:
            parts[-1].lines.append(MarkupLine("text", rest))
    return parts


def label_of(line: MarkupLine, languages: tuple[Language, ...]) -> tuple[Section, str] | None:
    """The section that a line opens and what follows the label on it, or None."""
    if line.kind in ("blank", "rule") or not line.text:
        return None
    for kind, pattern in _labels(languages):
        match = pattern.match(line.text)
        if match is None:
            continue
        rest = line.text[match.end() :]
        mark = _LABEL_END.match(rest)
        if mark is not None:
            return kind, redundant_openers.capitalise(rest[mark.end() :].strip("* "))
        # A label alone on its line: a heading, or the catalogue's own way.
        if not rest.strip() and (line.kind == "heading" or kind != "option"):
            return kind, ""
    return None


@functools.lru_cache(maxsize=64)
def _labels(languages: tuple[Language, ...]) -> tuple[tuple[Section, re.Pattern[str]], ...]:
    def pattern(sources: list[str], before: str = "") -> re.Pattern[str]:
        joined = "|".join(sorted(set(sources), key=len, reverse=True)) or r"(?!)"
        return re.compile(rf"{before}(?:{joined})(?!\w)", re.IGNORECASE)

    # "Suggested alt text:", "Factual caption".
    before = (
        r"(?:(?:the|a|my|final|suggested|proposed|factual|concise|short|brief|detailed|seo|improved"
        r"|revised|updated|new|recommended|possible|full|long|visual|corrected|rewritten|clean)\s+)"
        r"{0,3}"
    )
    return (
        ("short", pattern([s for one in languages for s in one.labels], before)),
        ("long", pattern([s for one in languages for s in one.long_labels], before)),
        ("title", pattern([s for one in languages for s in one.title_labels], before)),
        ("other", pattern([s for one in languages for s in one.other_labels], before)),
        ("option", _OPTION),
    )


def _prose(lines: Sequence[MarkupLine], languages: tuple[Language, ...], *, is_long: bool) -> Prose:
    paragraphs = _paragraphs(lines)
    while paragraphs and paragraphs[0][0] == "text" and is_preamble(paragraphs[0][1][0], languages):
        paragraphs.pop(0)
    paragraphs = _without_lead_ins(paragraphs)
    said: list[str] = []
    for kind, texts in paragraphs:
        if kind == "heading":
            if said:
                break
            continue
        if kind in ("bullet", "number"):
            if said:
                break
            return _from_list(kind, texts, is_long=is_long)
        paragraph = texts[0]
        if said and any(one.remark.match(paragraph) for one in languages):
            break
        said.append(paragraph)
    return Prose(_join(_without_fragments(said)), is_outline=_leads_into_a_list(said, paragraphs))


def is_preamble(paragraph: str, languages: tuple[Language, ...]) -> bool:
    """True for a line that only announces the caption ("Here is an alt text for the image:")."""
    text = paragraph.strip()
    if text.endswith((":", "：")):
        lead = _after_interjections(text[:-1], languages)
        return (
            len(text) < 300
            and lead is not None
            and (
                any(one.preamble.match(lead) or one.interjection.match(lead) for one in languages)
                or _names_of_captions(languages).search(lead) is not None
            )
        )
    return len(text) < 40 and _is_interjection(text, languages)


def announces_inline(head: str, languages: tuple[Language, ...]) -> bool:
    """True where the words up to a colon announce what follows on the same line.

    Stricter than for a line by itself: "A flow chart of three stages: ..." and "Great Wall of
    China: ..." are captions.
    """
    lead = _after_interjections(head.strip().rstrip(":："), languages)
    if lead is None:
        return False
    # "Great, a caption" but not "Great Wall of China".
    return _announces(lead, languages) or any(
        found is not None and re.match(r"[,.!—–]|$", lead[found.end() :]) is not None
        for found in (one.interjection.match(lead) for one in languages)
    )


def _after_interjections(text: str, languages: tuple[Language, ...]) -> str | None:
    """The last sentence where only "Sure!" stands before it; None where a sentence does."""
    *before, lead = sentences.split_sentences(text) or [text]
    return lead if all(_is_interjection(one, languages) for one in before) else None


def _is_interjection(text: str, languages: tuple[Language, ...]) -> bool:
    return any(one.interjection.fullmatch(text.rstrip(".! ")) for one in languages)


def _announces(lead: str, languages: tuple[Language, ...]) -> bool:
    """True where the words before a colon speak of the caption that follows."""
    names_it = _names_of_captions(languages).search(lead) is not None
    for one in languages:
        begins = one.preamble.match(lead)
        if begins is not None and (
            names_it
            or 2 * len(begins.group()) > len(lead)
            or re.split(r"[\s'’]", lead, maxsplit=1)[0].casefold() in _HERE
            or any(re.search(rf"\b{re.escape(noun)}\b", lead.casefold()) for noun in one.nouns)
        ):
            return True
    return names_it and len(lead) < _ANNOUNCEMENT_MAX_CHARS


@functools.lru_cache(maxsize=64)
def _names_of_captions(languages: tuple[Language, ...]) -> re.Pattern[str]:
    """Labels that name nothing but a caption: "alt text", not "picture" or "answer"."""
    names = [
        label
        for one in languages
        for label in (*one.labels, *one.long_labels)
        if label.replace("\\", "") not in one.nouns | _SAYS_LITTLE
    ]
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(sorted(names, key=len, reverse=True))})(?!\w)", re.IGNORECASE
    )


def _without_lead_ins(paragraphs: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Without the sentence that leads over to a list, where others stand before it."""
    kept: list[tuple[str, list[str]]] = []
    for kind, texts in paragraphs:
        parts = sentences.split_sentences(texts[0]) if kind == "text" else []
        if len(parts) > 1 and parts[-1].endswith((":", "：")):
            kept.append((kind, [sentences.join_sentences(parts[:-1])]))
        else:
            kept.append((kind, texts))
    return kept


def _paragraphs(lines: Sequence[MarkupLine]) -> list[tuple[str, list[str]]]:
    """Runs of one kind; a paragraph of text is one string, a list one string per item."""
    runs: list[tuple[str, list[str]]] = []
    last = "blank"
    for line in lines:
        if line.kind not in ("blank", "rule"):
            if line.kind == "text" and last == "text":
                runs[-1][1][0] += f"\n{line.text}"
            elif line.kind in ("bullet", "number") and runs and runs[-1][0] == line.kind:
                runs[-1][1].append(line.text)
            else:
                runs.append((line.kind, [line.text]))
        last = line.kind
    return [(kind, _titled(texts) if kind == "text" else texts) for kind, texts in runs]


def _titled(texts: list[str]) -> list[str]:
    """A first line without a full stop over lines of sentences is their title."""
    first, _, rest = texts[0].partition("\n")
    is_title = len(first) < 100 and first[:1].isupper() and not sentences.ends_sentence(first)
    if rest and is_title and rest[:1].isupper() and sentences.ends_sentence(rest):
        return [" ".join(rest.split())]
    return [" ".join(texts[0].split())]


def _from_list(kind: str, items: list[str], *, is_long: bool) -> Prose:
    items = [item for item in items if item]
    if not items:
        return Prose("")
    if len(items) == 1:
        return Prose(items[0])
    if _VARIANT.match(items[0]):
        return Prose(_VARIANT.sub("", items[0], count=1))
    if sum(bool(re.match(r"[^.:]{2,40}:(?:\s|$)", item)) for item in items) > len(items) / 2:
        return Prose(" ".join(items), is_outline=True)  # "Setting: ...", "Colours: ..."
    if kind == "number":
        return Prose(items[0])  # alternatives
    if all(sentences.ends_sentence(item) for item in items[:3]):
        return Prose(" ".join(items) if is_long else items[0])
    return Prose(items[0], is_outline=not sentences.ends_sentence(items[0]))


def _without_fragments(paragraphs: list[str]) -> list[str]:
    """Titles and lists of keywords out, where there are sentences beside them."""
    whole = [text for text in paragraphs if sentences.ends_sentence(text)]
    if not whole:
        return paragraphs[:1]
    # The draft's last paragraph may be cut off in the middle; what stands before it counts.
    last = paragraphs[-1]
    if not sentences.ends_sentence(last) and len(last) > 60 and not _is_list_of_keywords(last):
        whole.append(last)
    return whole


def _is_list_of_keywords(text: str) -> bool:
    pieces = re.split(r"[,;\n]", text)
    return len(pieces) >= 4 and sum(len(piece.split()) <= 3 for piece in pieces) > len(pieces) * 0.7


def _leads_into_a_list(said: list[str], paragraphs: list[tuple[str, list[str]]]) -> bool:
    """True where all prose there is announces the list that follows it."""
    return (
        len(said) == 1
        and said[0].endswith((":", "："))
        and any(kind in ("bullet", "number") for kind, _ in paragraphs)
        and not any(mark in said[0][:-1] for mark in ".!?")
    )


def _join(paragraphs: list[str]) -> str:
    return " ".join(paragraphs)
