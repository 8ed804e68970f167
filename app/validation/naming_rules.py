"""Rules about what a caption names: credits, banned words, proper names."""

import functools
import re

from app.validation.quoted_text import strip_quoted_text
from app.validation.rule_input import RuleInput

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
    r"(?<=[.!?]\s)(?:quelle|bild|bildquelle|bildnachweis|source|fuente|izvor|fonte|cr[eé]ditos?"
    r"|photos?|fotografija|snimi(?:o|la))\s?[:：]\s|"
    r"\balle rechte vorbehalten\b|\btous droits réservés\b|"
    r"\btodos los derechos reservados\b|\btutti i diritti riservati\b|\bsva prava pridržana\b|"
    r"\bвсе права защищены\b|版权所有|無断転載",
    re.IGNORECASE,
)
# A word inside a sentence: neither its first word nor one after a quotation mark or a bracket.
_INNER_WORD = re.compile(r"(?<![.!?:…]\s)(?<!^)(?<![\w'’“\"(-])[^\W\d_][\w'’-]+")


def attribution(given: RuleInput) -> str | None:
    """A credit line, or a picture agency that the context does not name.

    The context never permits a credit line: an instruction hidden in a page must not add one.
    """
    credit = _CREDIT.search(given.caption)
    agency = _AGENCIES.search(given.caption)
    if agency is not None and agency.group().strip().casefold() in given.context.casefold():
        agency = None
    found = credit or agency
    if found is None:
        return None
    return f'It holds a credit ("{found.group().strip()}"); leave credits out.'


def banned_word(given: RuleInput) -> str | None:
    """One of the style's banned words as a whole word."""
    if not given.style.banned:
        return None
    match = _compile_banned(given.style.banned).search(given.caption)
    return None if match is None else f'It uses "{match.group()}", which must not appear.'


def unverified_name(given: RuleInput) -> str | None:
    """A capitalised word inside a sentence that does not occur in the context.

    A guess, so the rule only warns. Skipped in languages that capitalise every noun (German), and
    for a title in which most words have a capital.
    """
    own = given.languages[0]
    if own.capitalises_nouns:
        return None
    text = strip_quoted_text(given.caption)
    words = [match.group() for match in _INNER_WORD.finditer(text)]
    names = [word for word in words if word[0].isupper() and not word.isupper()]
    if len(names) > 0.6 * max(1, len(text.split())):
        return None
    context = given.context.casefold()
    not_names = own.not_names | given.languages[-1].not_names
    for word in names:
        name = re.sub(r"['’]s?$", "", word)
        if name.casefold() not in not_names and name.casefold() not in context:
            return f'"{name}" looks like a name that the context does not give.'
    return None


@functools.lru_cache(maxsize=64)
def _compile_banned(banned: tuple[str, ...]) -> re.Pattern[str]:
    words = "|".join(
        re.escape(word).replace(r"\ ", r"\s+") for word in sorted(banned, key=len, reverse=True)
    )
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
