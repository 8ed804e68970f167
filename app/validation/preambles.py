"""Preambles: words that only announce the caption ("Here is an alt text for the image:")."""

import functools
import re

from app.validation.languages import Language
from app.validation.sentences import WIDE_CHARACTER, split_sentences

# Labels that are ordinary words of captions as well.
_AMBIGUOUS_LABELS = frozenset({
    "answer", "output", "response", "result", "scene", "overview", "summary", "narration", "svar",
    "resultat", "resultado", "risultato", "respuesta", "resposta", "risposta", "réponse",
    "reply", "model output", "model response", "prediction", "pred", "ans", "re", "in brief",
    "tl;dr", "action input",
    "id", "concise", "short", "short version", "seo", "detailed", "long", "longer", "shorter",
    "medium", "brief", "simple", "neutral", "formal", "suggestion", "option", "in short",
    "to summarize", "to summarise", "in summary", "here you go", "kurz", "lang", "court", "courte",
    "corta", "larga", "kratko", "dugo",
    "résultat", "antwort", "ergebnis", "wynik", "odpowiedź", "opis", "beschreibung", "description",
})  # fmt: skip
_PREAMBLE_MAX_CHARS = 60
# "caption → Menu on a chalkboard: soup": the words before the colon are the caption's own.
_BRACKETED = re.compile(r"[(\[][^()\[\]]{0,60}[)\]]")
_BEGINS_TEXT = re.compile(
    r"\s{0,3}[^\w\s’]{1,6}\s{0,3}(?:\(?(?:[a-h]|\d{1,2})[.)]\s)?[\"'“„«(\[]{0,3}[^\W\d_a-z]\w*\s[^\W\d]"
    r"|\s{1,3}\(?(?:[a-h]|\d{1,2})[.)]\s[^\W\d_a-z]"
)
# First words that announce by themselves, without a noun for the caption.
_HERE_WORDS = frozenset({
    "here", "below", "hier", "voici", "aquí", "aqui", "ecco", "oto", "zde", "zdaj", "evo", "tukaj",
    "ovdje", "ovde", "íme", "här", "her", "tässä", "işte", "вот", "ось", "ево",
})  # fmt: skip


def is_preamble(paragraph: str, languages: tuple[Language, ...]) -> bool:
    """True for a paragraph that only announces the caption."""
    text = paragraph.strip()
    if text.endswith((":", "：")):
        lead = _after_interjections(text[:-1], languages)
        return (
            len(text) < 300
            and lead is not None
            and (
                any(
                    language.preamble.match(lead) or language.interjection.match(lead)
                    for language in languages
                )
                or _caption_nouns(languages).search(lead) is not None
            )
        )
    return len(text) < 40 and _is_interjection(text, languages)


def is_inline_preamble(head: str, languages: tuple[Language, ...]) -> bool:
    """True where the words up to a colon announce a caption that follows on the same line.

    Stricter than `is_preamble`: "A flow chart of three stages: ..." and "Great Wall of China: ..."
    are captions.
    """
    lead = _after_interjections(head.strip().rstrip(":："), languages)
    if lead is None:
        return False
    if _announces_caption(lead, languages):
        return True
    # "Great, a caption" but not "Great Wall of China".
    interjections = (language.interjection.match(lead) for language in languages)
    return any(
        match is not None and re.match(r"[,.!—–]|$", lead[match.end() :]) is not None
        for match in interjections
    )


def _after_interjections(text: str, languages: tuple[Language, ...]) -> str | None:
    """The last sentence where only interjections ("Sure!") precede it, else None."""
    *before, lead = split_sentences(text) or [text]
    return lead if all(_is_interjection(sentence, languages) for sentence in before) else None


def _is_interjection(text: str, languages: tuple[Language, ...]) -> bool:
    return any(language.interjection.fullmatch(text.rstrip(".!。！ ")) for language in languages)


def _announces_caption(lead: str, languages: tuple[Language, ...]) -> bool:
    """True where the words before a colon refer to the caption that follows."""
    noun = _caption_nouns(languages).search(lead)
    has_caption_noun = noun is not None
    if noun is not None and _BEGINS_TEXT.match(_BRACKETED.sub("", lead[noun.end() :])):
        return False
    for language in languages:
        match = language.preamble.match(lead)
        if match is not None and (
            has_caption_noun
            or any(label in lead for label in _wide_labels(language))
            or 2 * len(match.group()) > len(lead)
            or re.split(r"[\s'’]", lead, maxsplit=1)[0].casefold() in _HERE_WORDS
            or any(re.search(rf"\b{re.escape(noun)}\b", lead.casefold()) for noun in language.nouns)
        ):
            return True
    return has_caption_noun and len(lead) < _PREAMBLE_MAX_CHARS


@functools.lru_cache(maxsize=64)
def _caption_nouns(languages: tuple[Language, ...]) -> re.Pattern[str]:
    """Matches labels that mean a caption and nothing else: "alt text", not "picture", "answer"."""
    labels = [
        label
        for language in languages
        for label in (*language.caption_labels, *language.description_labels)
        if label.replace("\\", "") not in language.nouns | _AMBIGUOUS_LABELS
    ]
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(sorted(labels, key=len, reverse=True))})(?!\w)", re.IGNORECASE
    )


@functools.lru_cache(maxsize=64)
def _wide_labels(language: Language) -> tuple[str, ...]:
    """Labels in scripts without spaces, and in Korean, where no mark separates words or endings."""
    labels = (*language.caption_labels, *language.description_labels)
    return tuple(label for label in labels if WIDE_CHARACTER.match(label))
