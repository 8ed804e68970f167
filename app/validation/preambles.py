"""Preambles: words that only announce the caption ("Here is an alt text for the image:")."""

import functools
import re

from app.validation.alternatives import OPTION_WORDS, WIDE_OPTION_WORDS
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
_ADJECTIVES = frozenset({
    "concise", "short", "shorter", "detailed", "long", "longer", "medium", "brief", "simple",
    "neutral", "formal", "kurz", "lang", "court", "courte", "corta", "larga", "kratko", "dugo",
})  # fmt: skip
_PREAMBLE_MAX_CHARS = 60
_INFLECTED_MIN_CHARS = 4
# "Alt text", "image caption": no other thing has such a name.
_NAMES_CAPTION_ALONE = re.compile(r"alt.?te|alttag|\w[\s_-]\w", re.IGNORECASE)
_AFTER_INTERJECTION = re.compile(r"\s?[,.!—–]\s*|\s*$")
_BRACKETED = re.compile(r"[(\[][^()\[\]]{0,60}[)\]]")
# "caption → Menu on a chalkboard: soup": the words before the colon are the caption's own.
_BEGINS_TEXT = re.compile(
    r"\s{0,3}[^\w\s’]{1,6}\s{0,3}(?:\(?(?:[a-h]|\d{1,2})[.)]\s)?[\"'“„«(\[]{0,3}[^\W\d_a-z]\w*\s[^\W\d]"
    r"|\s{1,3}\(?(?:[a-h]|\d{1,2})[.)]\s[^\W\d_a-z]"
)
# What is announced besides the caption and the picture: "Here is one", "Here you go".
_ANSWER_WORD = re.compile(
    rf"(?<!\w)(?:one|it is|mine|attempt|try|take|sentence|line|idea|draft|text|following|you|your"
    rf"|we go|requested|asked|{OPTION_WORDS}|{WIDE_OPTION_WORDS})(?!\w)",
    re.IGNORECASE,
)
# "A caption for it", "The caption would be", "Caption 1": "Caption contest" is a thing.
_AFTER_CAPTION_NOUN = re.compile(
    r"[\W\d]*$|[\W\d]*(?:[a-c]|i)?\W*$"
    r"|\W{1,3}(?:for|für|pour|para|per|voor|za|dla|pro|til|för|için|для|до"
    r"|is|was|reads|(?:c|w)ould|might|may|can|ist|lautet|könnte|wäre|est|serait|pourrait|es|sería"
    r"|podría|è|sarebbe|potrebbe|é|seria|poderia|luidt|zou|glasi|bi|je|brzmi|jest|byłby|zní|lyder"
    r"|är|er|on|olisi|in one)(?!\w)"
    r"|\sin (?-i:[A-Z])",
    re.IGNORECASE,
)


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


def is_inline_preamble(
    head: str, languages: tuple[Language, ...], *, is_before_capital: bool = True
) -> bool:
    """True where the words up to a colon announce a caption that follows on the same line.

    "Okay, Chicago: a skyline" is a title: a small letter follows its colon.

    Stricter than `is_preamble`: "A flow chart of three stages: ..." and "Great Wall of China: ..."
    are captions.
    """
    lead = _after_interjections(head.strip().rstrip(":："), languages)
    return lead is not None and _speaks_of_caption(lead, languages, is_before_capital)


def _speaks_of_caption(lead: str, languages: tuple[Language, ...], is_before_capital: bool) -> bool:
    """True for an announcement, behind words such as "Great, " or not, and for such words alone."""
    if _announces_caption(lead, languages):
        return True
    # "Great, a caption" but not "Great Wall of China" or "Right, then left".
    return any(
        (match := language.interjection.match(lead)) is not None
        and (mark := _AFTER_INTERJECTION.match(lead, match.end())) is not None
        and (
            is_before_capital
            or mark.end() == len(lead)
            or _speaks_of_caption(lead[mark.end() :], languages, is_before_capital)
        )
        for language in languages
    )


def _after_interjections(text: str, languages: tuple[Language, ...]) -> str | None:
    """The last sentence where only interjections ("Sure!") precede it, else None."""
    *before, lead = split_sentences(text) or [text]
    return lead if all(_is_interjection(sentence, languages) for sentence in before) else None


def _is_interjection(text: str, languages: tuple[Language, ...]) -> bool:
    return any(language.interjection.fullmatch(text.rstrip(".!。！ ")) for language in languages)


def _announces_caption(lead: str, languages: tuple[Language, ...]) -> bool:
    """True where the words before a colon refer to the caption that follows.

    What they announce must be a caption, an answer or the picture: in "Here comes the bride: ..."
    the words before the colon belong to the caption.
    """
    nouns = list(_caption_nouns(languages).finditer(lead))
    if nouns and _BEGINS_TEXT.match(_BRACKETED.sub("", lead[nouns[0].end() :])):
        return False
    if any(_is_announced(lead, language) for language in languages):
        return True
    return len(lead) < _PREAMBLE_MAX_CHARS and any(
        _NAMES_CAPTION_ALONE.search(noun.group())
        or _AFTER_CAPTION_NOUN.match(lead, noun.end())
        or _names_picture(lead[noun.end() :], languages)
        for noun in nouns
    )


def _is_announced(lead: str, language: Language) -> bool:
    """True where the lead begins like a preamble, and the rest of it is what preambles announce."""
    match = language.preamble.match(lead)
    if match is None:
        return False
    rest = lead[match.end() :]
    return (
        not any(map(str.isalnum, rest))
        or any(label in lead for label in _wide_labels(language))
        or _answer_nouns(language).search(rest) is not None
        or _ANSWER_WORD.search(rest) is not None
        or _names_picture(lead, (language,))
    )


def _names_picture(text: str, languages: tuple[Language, ...]) -> bool:
    words = text.casefold()
    return any(
        re.search(rf"\b{re.escape(noun)}\b", words)
        for language in languages
        for noun in language.nouns
    )


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
def _answer_nouns(language: Language) -> re.Pattern[str]:
    """Matches every label of a caption that is a noun, with an ending: "opisa", "beskrivelsen"."""
    labels = {*language.caption_labels, *language.description_labels} - _ADJECTIVES
    sources = [
        rf"{label}\w{{0,3}}" if len(label) >= _INFLECTED_MIN_CHARS else label
        for label in sorted(labels, key=len, reverse=True)
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(sources) or '(?!)'})(?!\w)", re.IGNORECASE)


@functools.lru_cache(maxsize=64)
def _wide_labels(language: Language) -> tuple[str, ...]:
    """Labels in scripts without spaces, and in Korean, where no mark separates words or endings."""
    labels = (*language.caption_labels, *language.description_labels)
    return tuple(label for label in labels if WIDE_CHARACTER.match(label))
