"""Redundant openers ("This image shows a", "A photo of"): detected, and removed where possible.

An opener can be removed where the rest stands alone. In languages with cases it often does not
("Slika prikazuje crnog psa" leaves an accusative).
"""

import re
from dataclasses import dataclass

from app.validation.languages import Language
from app.validation.pictures_in_scene import is_picture_in_scene
from app.validation.sentences import join_sentences, split_sentences

# "The image shows a photograph of a picture of": captions do not nest deeper.
_MAX_NESTING = 4
_MIN_REST_CHARS = 3
_MAX_SENTENCES = 60
"""No style allows as many; what follows them is rejected for its length."""
# "A close-up photo of a bee", "A wedding photo of two women": the kind of picture.
_QUALIFIED_OPENER = re.compile(
    r"(?:(?P<article>an?|the|this) )?(?P<how>(?:[\w'’-]+,? ){1,4})"
    r"(?P<noun>image|photo|photograph|picture|pic|snapshot|graphic|screenshot|screen shot)"
    r" (?P<link>of|(?:(?:that|which) )?(?:shows|depicts|captures)|showing|depicting|capturing) ",
    re.IGNORECASE,
)
_EMPTY_QUALIFIERS_TEXT = """
color colour colored coloured full-color beautiful stunning detailed clear high-quality nice
simple stock digital sharp vivid vibrant professional generic single close high quality real
high-resolution lovely great sample example group combined combo composite smiling promotional
product press publicity archival candid profile vertical horizontal square dramatic cinematic
realistic photorealistic atmospheric captivating striking charming picturesque following provided
given attached uploaded accompanying above displayed
"""
_EMPTY_QUALIFIERS = frozenset(_EMPTY_QUALIFIERS_TEXT.split())
"""Qualifiers without information: they are removed with the opener."""
# The camera's viewpoint is information: it is kept, and "view" replaces the noun.
_VIEWPOINTS_TEXT = """
close-up closeup aerial overhead wide wide-angle panoramic black and white black-and-white side
front rear top-down top satellite low-angle high-angle night night-time nighttime macro micro
microscope underwater bird's-eye interior exterior eye-level cropped zoomed-in detail medium
infrared thermal x-ray sepia blurry blurred monochrome distant partial exploded
"""
_VIEWPOINTS = frozenset(_VIEWPOINTS_TEXT.split())
# "The top image shows the key" means one picture of several, not a viewpoint.
_POSITIONS = frozenset({
    "top", "bottom", "left", "right", "front", "rear", "side", "middle", "first", "second", "third",
    "last", "other", "upper", "lower", "next",
})  # fmt: skip
# "In this detailed photograph, two cats ..."
_IN_THIS_IMAGE = re.compile(
    r"(?:in|within) (?:this|the) (?:[\w'’-]+,? ){1,3}"
    r"(?:image|photo|photograph|picture|snapshot|graphic|screenshot|shot)"
    r"(?:,| (?=there (?:is|are)\b))\s+",
    re.IGNORECASE,
)
# "The animal in this image is a toucan.", "Three oranges are visible in the image."
_INNER_REFERENCE = re.compile(
    r"(?<=[\w\"”’')])(?:(?<!\bis)(?<!\bare)(?<!\bwas)(?<!\bwere)(?<!\bbe)(?<!\bclearly)(?<!\balso)"
    r",? (?:that (?:is|are) )?(?:as )?(?:shown|seen|depicted|pictured|visible"
    r"|displayed|captured|presented|portrayed|featured|provided))?"
    r" (?:in|within) (?:this|the) (?:[Ii]mage|photo|picture|photograph|screenshot|snapshot)"
    r"(?: above| below)?"
    r"(?=(?:,? (?:is|are|was|were|has|have|appears?|seems?|shows?"
    r"|reads?|says?|translates?|states?|would|will|can|and|which|who)\b)|[.,;!?]|$)"
)
_FIGURE_NUMBER = re.compile(r"[Ff]ig(?:ure)?\.? ?\d{1,3}[a-z]?(?:\.| ?[-–—:])? (?=[A-Z\W])")
# "Captured at dusk, this image showcases a bridge."
_CAPTURED_AT = re.compile(
    r"(?P<lead>(?:captured|taken|photographed|shot|set|viewed|seen)\b[^.:;!?]{3,80}?), "
    r"(?:this|the) (?:[\w'’-]+ ){0,2}(?:image|photo|photograph|picture|shot|scene) "
    r"(?:shows|depicts|captures|features|showcases|presents|portrays|reveals|displays) ",
    re.IGNORECASE,
)
# "Based on her scrubs, she appears to be a nurse.": the model's reason for a conclusion.
_BASED_ON = re.compile(r"(?:based on|judging (?:by|from)) [^,.:;]{3,100}, (?=\S)", re.IGNORECASE)
# "Auf dem Bild ist ein Hund zu sehen, der ...": the words in the middle are a nominative.
_GERMAN_FRAME = re.compile(
    r"auf (?:dem|diesem|der|dieser) (?:bild|foto|abbildung|aufnahme|grafik|fotografie)"
    r" (?:ist|sind) (?P<seen>[^.:;]{3,300}?) zu (?:sehen|erkennen)(?=[.,;]|$)",
    re.IGNORECASE,
)
# "Photo: Ann Lee" after a caption says who took it.
_CREDIT = re.compile(r"(?:photos?|fotos?|bild|slika|fotografija|imagen?)\s?[:：]\s", re.IGNORECASE)
_LEAD_INS = ((_IN_THIS_IMAGE, ""), (_BASED_ON, ""), (_CAPTURED_AT, r"\g<lead>, "),
             (_GERMAN_FRAME, r"\g<seen>"))  # fmt: skip
"""Patterns that are removed in every locale, each with its replacement."""
# A picture within the picture, or a compound with another meaning.
_COMPOUNDS = re.compile(
    r"(?:an?|the|this)?\s?(?:photo(?:graph)?|picture|image|graphic|snapshot|screenshot|visual) "
    r"(?:frames?|albums?|books?|booths?|editors?|viewers?|apps?|galler(?:y|ies)|cards?|novels?|tablet"
    r"|windows?|buttons?|tools?|menus?|icons?|search|processing|sensors?|shoot|studio|design(?:er)?"
    r"|elements?|interfaces?|hangs|hanging|rails?|postcards?|upload(?:er|s)?|settings?)\b"
    # Mostly an adjective: "The visual appearance of ..."
    r"|(?:the|an?) visual (?!of\b|showing\b|is\b|that\b|\w+(?:s|ing)\b)\w",
    re.IGNORECASE,
)
# "A child holding a photo of ...": the photo is an object in the picture.
_OBJECT_CONTEXT_TEXT = """
of a an the with holding holds at and showing displaying shows her his their its my our on in by
taking framed painting
"""
_OBJECT_CONTEXT = frozenset(_OBJECT_CONTEXT_TEXT.split())


@dataclass(frozen=True, slots=True)
class _QualifiedOpener:
    """The parts of "An aerial photo of a beach": ["aerial"], "of" and "a beach"."""

    qualifiers: list[str]
    link: str
    rest: str


def strip_opener(text: str, languages: tuple[Language, ...]) -> str:
    """The text without redundant openers at its start, capitalised; unchanged where it has none.

    A figure number is kept: "Figure 2. Screenshot of a menu" becomes "Figure 2. A menu".
    """
    number = _FIGURE_NUMBER.match(text)
    head = number.group() if number is not None else ""
    original = text = text[len(head) :]
    for _ in range(_MAX_NESTING):
        shorter = _strip_once(text, languages)
        if shorter is None or len(shorter) < _MIN_REST_CHARS:
            break
        text = shorter
    return head + (text if text == original else capitalise(text))


def strip_openers(text: str, languages: tuple[Language, ...]) -> str:
    """Strips the openers of every sentence, and "in this image" inside the sentences."""
    parts = split_sentences(text)
    stripped = (
        part if at and _CREDIT.match(part) else strip_opener(part, languages)
        for at, part in enumerate(parts[:_MAX_SENTENCES])
    )
    cleaned = (_strip_inner_references(part) for part in stripped)
    return join_sentences((*cleaned, *parts[_MAX_SENTENCES:])) or text


def has_opener(text: str, languages: tuple[Language, ...]) -> bool:
    """True where the text starts with a redundant opener of one of the languages.

    "A light painting picture showing rays" is not one: it names the kind of picture.
    """
    number = _FIGURE_NUMBER.match(text)
    if number is not None:
        text = text[number.end() :]
    if _COMPOUNDS.match(text) or is_picture_in_scene(text, languages):
        return False
    if any(pattern.match(text) for pattern, _ in _LEAD_INS) or any(
        language.opener.match(text)
        or language.cased_opener.match(text)
        or any(pattern.match(text) for pattern, _ in language.opener_rewrites)
        for language in languages
    ):
        return True
    opener = _match_qualified_opener(text)
    return opener is not None and opener.link == "of"


def capitalise(text: str) -> str:
    """Makes the first letter upper case; a word with a capital inside ("iPhone") is unchanged."""
    first = text.split(" ", 1)[0]
    if any(char.isupper() for char in first):
        return text
    if text[:1] in "\"'“„«" and len(text) > 1:
        return text[0] + text[1].upper() + text[2:]
    return text[:1].upper() + text[1:]


def _strip_inner_references(sentence: str) -> str:
    if " in th" not in sentence and " within th" not in sentence:
        return sentence
    return _INNER_REFERENCE.sub("", sentence)


def _strip_once(text: str, languages: tuple[Language, ...]) -> str | None:
    """The text without its first opener, or None where none can be removed."""
    if _COMPOUNDS.match(text) or is_picture_in_scene(text, languages):
        return None
    for pattern, replacement in _LEAD_INS:
        match = pattern.match(text)
        if match is not None:
            return match.expand(replacement) + text[match.end() :]
    opener = _match_qualified_opener(text)
    if opener is not None:
        kept = [word for word in opener.qualifiers if word not in _EMPTY_QUALIFIERS]
        if not kept:
            return opener.rest
        is_viewpoint = not _VIEWPOINTS.isdisjoint(kept)
        return f"{' '.join(kept)} view of {opener.rest}" if is_viewpoint else None
    stripped = (_strip_in_language(text, language) for language in languages)
    return next((shorter for shorter in stripped if shorter is not None), None)


def _strip_in_language(text: str, language: Language) -> str | None:
    possessive = language.possessive_opener.search(text)
    if possessive is not None:
        return _strip_possessive(text, possessive, language)
    for pattern, replacement in language.opener_rewrites:
        match = pattern.match(text)
        if match is not None:
            return replacement + text[match.end() :].lstrip(" ,:")
    match = language.opener.match(text)
    if match is None:
        match = language.cased_opener.match(text)
        if match is not None and not _stands_alone(text[match.end() :], language):
            match = None
    if match is not None:
        return text[match.end() :].lstrip(" ,:，、：—–-")
    trailing = language.trailing_opener.search(text)
    return None if trailing is None else _strip_at(trailing, text)


def _strip_possessive(text: str, end: re.Match[str], language: Language) -> str | None:
    """The text without "一张" and "的照片": None where the photo may be a thing in the picture."""
    head = language.possessive_head.match(text)
    if head is None or language.possessive_blocker.search(text, head.end(), end.start()):
        return None
    stripped = _strip_at(end, text)
    return None if stripped is None else stripped[head.end() :]


def _strip_at(end: re.Match[str], text: str) -> str | None:
    """The text without its end, whose full stop is kept: another sentence may follow."""
    if end.start() == 0:
        return None
    last = end.group()[-1]
    return text[: end.start()] + (last if last in ".。．" else "")


def _stands_alone(rest: str, language: Language) -> bool:
    word = re.match(r"[\s,:]*([^\s,.:]+)", rest)
    return word is not None and word.group(1).casefold() in language.standalone_starts


def _match_qualified_opener(text: str) -> _QualifiedOpener | None:
    match = _QUALIFIED_OPENER.match(text)
    if match is None:
        return None
    if match["noun"][0].isupper() and match["how"].split()[-1].islower():
        return None  # "Figure 2: the menu Screenshot of it": two titles without a full stop
    qualifiers = [word.strip(",").casefold() for word in match["how"].split()]
    if qualifiers[:2] == ["close", "up"]:
        qualifiers[:2] = ["close-up"]
    if any(word in _OBJECT_CONTEXT - {"and"} for word in qualifiers) or qualifiers[-1] == "and":
        return None
    if qualifiers[0] == "this":  # "This image shows" has no qualifier
        return None
    if not all(any(map(str.isalpha, word)) for word in qualifiers):  # "Figure 2 - Screenshot of"
        return None
    if (match["article"] or "").casefold() == "the" and not _POSITIONS.isdisjoint(qualifiers):
        return None
    return _QualifiedOpener(qualifiers, match["link"].casefold(), text[match.end() :])
