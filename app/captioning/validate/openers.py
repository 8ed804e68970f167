"""Openers that say no more than "there is a picture": away with them, where the rest stands."""

import re
from dataclasses import dataclass

from app.captioning.validate import sentences
from app.captioning.validate.languages import Language

# "The image shows a photograph of a picture of": no honest caption nests deeper.
_MAX_ROUNDS = 4
_MIN_REST_CHARS = 3
# "A close-up photo of a bee", "A wedding photo of two women": what kind of picture it is.
_KIND = re.compile(
    r"(?:(?P<article>an?|the|this) )?(?P<how>(?:[\w'’-]+,? ){1,4})"
    r"(?:image|photo|photograph|picture|pic|snapshot|graphic|screenshot|screen shot)"
    r" (?P<link>of|(?:(?:that|which) )?(?:shows|depicts|captures)|showing|depicting|capturing) ",
    re.IGNORECASE,
)
_SAYS_NOTHING_WORDS = """
color colour colored coloured full-color beautiful stunning detailed clear high-quality nice
simple stock digital sharp vivid vibrant professional generic single close high quality real
high-resolution lovely great sample example
"""
_SAYS_NOTHING = frozenset(_SAYS_NOTHING_WORDS.split())
# These say where the camera stood: worth keeping, with "view" in the noun's place.
_VIEWS_WORDS = """
close-up closeup aerial overhead wide wide-angle panoramic black and white black-and-white side
front rear top-down top satellite low-angle high-angle night night-time nighttime macro micro
microscope underwater bird's-eye interior exterior eye-level cropped zoomed-in detail medium
infrared thermal x-ray sepia blurry blurred monochrome distant partial
"""
_VIEWS = frozenset(_VIEWS_WORDS.split())
# "A child holding a photo of ...": the photo is in the picture, it is not the picture.
_IN_THE_PICTURE_WORDS = """
of a an the with holding holds at and showing displaying shows her his their its my our on in by
taking framed painting
"""
_IN_THE_PICTURE = frozenset(_IN_THE_PICTURE_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Kind:
    """`aerial`, `of` and `a beach` of "An aerial photo of a beach"."""

    how: list[str]
    link: str
    rest: str


def without_opener(text: str, languages: tuple[Language, ...]) -> str:
    """The text without redundant openers at its start, capitalised; else as it was."""
    original = text
    for _ in range(_MAX_ROUNDS):
        shorter = _one_round(text, languages)
        if shorter is None or len(shorter) < _MIN_REST_CHARS:
            break
        text = shorter
    return text if text == original else capitalised(text)


def without_openers(text: str, languages: tuple[Language, ...]) -> str:
    """The same for every sentence of a paragraph."""
    return sentences.join(without_opener(part, languages) for part in sentences.split(text)) or text


def has_opener(text: str, languages: tuple[Language, ...]) -> bool:
    """True where the text starts with an opener of one of the languages.

    "A light painting picture showing rays" is none: what kind of picture it is says something.
    """
    if any(
        one.opener.match(text)
        or one.cased_opener.match(text)
        or any(pattern.match(text) for pattern, _ in one.rewrites)
        for one in languages
    ):
        return True
    kind = _kind_of_picture(text, languages)
    return kind is not None and kind.link == "of"


def capitalised(text: str) -> str:
    """First letter in upper case; "iPhone" and its like stay."""
    first = text.split(" ", 1)[0]
    if any(char.isupper() for char in first):
        return text
    if text[:1] in "\"'“„«" and len(text) > 1:
        return text[0] + text[1].upper() + text[2:]
    # One letter may become two ("ß"); a caption that begins so does not exist.
    return text[:1].upper() + text[1:]


def _one_round(text: str, languages: tuple[Language, ...]) -> str | None:
    kind = _kind_of_picture(text, languages)
    if kind is not None:
        if all(word in _SAYS_NOTHING for word in kind.how):
            return kind.rest
        kept = [word for word in kind.how if word not in _SAYS_NOTHING]
        return f"{' '.join(kept)} view of {kind.rest}" if not _VIEWS.isdisjoint(kept) else None
    for one in languages:
        for pattern, instead in one.rewrites:
            match = pattern.match(text)
            if match is not None:
                return instead + text[match.end() :].lstrip(" ,:")
        match = one.opener.match(text)
        if match is None:
            match = one.cased_opener.match(text)
            if match is None or not _stands(text[match.end() :], one):
                match = None
        if match is not None:
            return text[match.end() :].lstrip(" ,:，、：—–-")
        closing = one.closer.search(text)
        if closing is not None and closing.start() > 0:
            return text[: closing.start()]
    return None


def _stands(rest: str, language: Language) -> bool:
    word = re.match(r"[\s,:]*([^\s,.:]+)", rest)
    return word is not None and word.group(1).casefold() in language.stands_before


def _kind_of_picture(text: str, languages: tuple[Language, ...]) -> _Kind | None:
    """The parts of "An aerial photo of a beach"; None for another form."""
    match = _KIND.match(text) if languages[-1].code == "en" else None
    if match is None:
        return None
    how = [word.strip(",").casefold() for word in match["how"].split()]
    if any(word in _IN_THE_PICTURE - {"and"} for word in how) or how[-1] == "and":
        return None
    if how[0] == "this":  # "This image shows": without a word for its kind
        return None
    return _Kind(how, match["link"].casefold(), text[match.end() :])
