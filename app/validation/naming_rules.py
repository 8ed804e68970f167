"""Checks of what a caption names: credits, banned words, proper names."""

import functools
import re

from app.validation.language_identifier import strip_quotations
from app.validation.languages import Language

_AGENCIES = re.compile(
    r"\b(?:getty ?images?|shutterstock|adobe ?stock|"
    r"istock(?:photo)?|alamy|depositphotos|dreamstime|"
    r"unsplash|pexels|pixabay|123rf|bigstock(?:photo)?|freepik|flickr|wikimedia commons|"
    r"associated press|agence france-presse|reuters)\b|\bgetty\b",
    re.IGNORECASE,
)
_CREDIT = re.compile(
    r"©|\(c\)\s?\d{4}|\bcopyright(?:ed)?\s?(?:\d{4}|by|of|:|\()|\ball rights reserved\b|"
    r"\b(?:photo|image|picture|photography|photograph|illustration|artwork|video)"
    r"\s?(?:by|credits?|courtesy)\b[:\s]|"
    r"\bphotographed by\b|\b(?:photographer|credits?|photo credits?)\s?:\s|\bcourtesy of\b|"
    r"\bfotos?\s?:\s|\bcrédits?\s(?:photo|images?)\b|"
    r"\balle rechte vorbehalten\b|\btous droits réservés\b|"
    r"\btodos los derechos reservados\b|\btutti i diritti riservati\b|\bsva prava pridržana\b|"
    r"\bвсе права защищены\b|版权所有|無断転載",
    re.IGNORECASE,
)
_WORD = re.compile(r"(?<![.!?:…]\s)(?<!^)(?<![\w'’“\"(-])[^\W\d_][\w'’-]+")


def attribution(caption: str, context: str) -> str | None:
    """A credit, or an agency that the context does not name.

    A credit is none of a caption's business even where the page has one, and an order hidden in a
    page must not bring one in.
    """
    credit = _CREDIT.search(caption)
    agency = _AGENCIES.search(caption)
    if agency is not None and agency.group().strip().casefold() in context.casefold():
        agency = None
    found = credit or agency
    if found is None:
        return None
    return f'It holds a credit ("{found.group().strip()}"); leave credits out.'


def banned_word(caption: str, banned: tuple[str, ...]) -> str | None:
    """The first of the style's banned words that stands in the caption as a whole word."""
    if not banned:
        return None
    match = _banned_pattern(banned).search(caption)
    return None if match is None else match.group()


@functools.lru_cache(maxsize=64)
def _banned_pattern(banned: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(
        re.escape(word).replace(r"\ ", r"\s+") for word in sorted(banned, key=len, reverse=True)
    )
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)


def unverified_name(caption: str, context: str, languages: tuple[Language, ...]) -> str | None:
    """A capitalised word inside a sentence that the context does not hold.

    Guesswork, so it only warns. Says nothing where every noun has a capital (German), nor of a
    title in which every word has one.
    """
    own = languages[0]
    text = strip_quotations(caption)
    if own.capitalises_nouns:
        return None
    words = [match.group() for match in _WORD.finditer(text)]
    found = [word for word in words if word[0].isupper() and not word.isupper()]
    if len(found) > 0.6 * max(1, len(text.split())):
        return None
    told = context.casefold()
    known = own.not_names | languages[-1].not_names
    for name in found:
        plain = re.sub(r"['’]s?$", "", name)
        if plain.casefold() not in known and plain.casefold() not in told:
            return plain
    return None
