"""Openers that say no more than "there is a picture": away with them, where the rest stands."""

import re
from dataclasses import dataclass

from app.validation import sentences
from app.validation.languages import Language

# "The image shows a photograph of a picture of": no honest caption nests deeper.
_MAX_ROUNDS = 4
_MIN_REST_CHARS = 3
# "A close-up photo of a bee", "A wedding photo of two women": what kind of picture it is.
_KIND = re.compile(
    r"(?:(?P<article>an?|the|this) )?(?P<how>(?:[\w'’-]+,? ){1,4})"
    r"(?P<noun>image|photo|photograph|picture|pic|snapshot|graphic|screenshot|screen shot)"
    r" (?P<link>of|(?:(?:that|which) )?(?:shows|depicts|captures)|showing|depicting|capturing) ",
    re.IGNORECASE,
)
_SAYS_NOTHING_WORDS = """
color colour colored coloured full-color beautiful stunning detailed clear high-quality nice
simple stock digital sharp vivid vibrant professional generic single close high quality real
high-resolution lovely great sample example group combined combo composite smiling promotional
product press publicity archival candid profile vertical horizontal square dramatic cinematic
realistic photorealistic atmospheric captivating striking charming picturesque following provided
given attached uploaded accompanying above displayed
"""
_SAYS_NOTHING = frozenset(_SAYS_NOTHING_WORDS.split())
# These say where the camera stood: worth keeping, with "view" in the noun's place.
_VIEWS_WORDS = """
close-up closeup aerial overhead wide wide-angle panoramic black and white black-and-white side
front rear top-down top satellite low-angle high-angle night night-time nighttime macro micro
microscope underwater bird's-eye interior exterior eye-level cropped zoomed-in detail medium
infrared thermal x-ray sepia blurry blurred monochrome distant partial exploded
"""
_VIEWS = frozenset(_VIEWS_WORDS.split())
# "The top image shows the key" speaks of one picture of several, not of where the camera stood.
_PLACES = frozenset({"top", "bottom", "left", "right", "front", "rear", "side", "middle", "first",
                     "second", "third", "last", "other", "upper", "lower", "next"})  # fmt: skip
# "In this detailed photograph, two cats ..."
_IN_A_KIND = re.compile(
    r"(?:in|within) (?:this|the) (?:[\w'’-]+,? ){1,3}"
    r"(?:image|photo|photograph|picture|snapshot|graphic|screenshot|shot)"
    r"(?:,| (?=there (?:is|are)\b))\s+",
    re.IGNORECASE,
)
# "The animal in this image is a toucan.", "Three oranges are visible in the image."
_IN_THE_IMAGE = re.compile(
    r"(?<=[\w\"”’')])(?:(?<!\bis)(?<!\bare)(?<!\bwas)(?<!\bwere)(?<!\bbe)(?<!\bclearly)(?<!\balso)"
    r",? (?:that (?:is|are) )?(?:as )?(?:shown|seen|depicted|pictured|visible"
    r"|displayed|captured|presented|portrayed|featured|provided))?"
    r" (?:in|within) (?:this|the) (?:[Ii]mage|photo|picture|photograph|screenshot|snapshot)"
    r"(?=(?:,? (?:is|are|was|were|has|have|appears?|seems?|shows?|can|and|which|who)\b)|[.,;!?]|$)"
)
_NUMBERED = re.compile(r"[Ff]ig(?:ure)?\.? ?\d{1,3}[a-z]?(?:\.| ?[-–—:])? (?=[A-Z\W])")
# "Captured at dusk, this image showcases a bridge."
_LED_IN = re.compile(
    r"(?P<lead>(?:captured|taken|photographed|shot|set|viewed|seen)\b[^.:;!?]{3,80}?), "
    r"(?:this|the) (?:[\w'’-]+ ){0,2}(?:image|photo|photograph|picture|shot|scene) "
    r"(?:shows|depicts|captures|features|showcases|presents|portrays|reveals|displays) ",
    re.IGNORECASE,
)
# "Based on her scrubs, she appears to be a nurse.": what the model concludes from.
_BASED_ON = re.compile(r"(?:based on|judging (?:by|from)) [^,.:;]{3,100}, (?=\S)", re.IGNORECASE)
# "Auf dem Bild ist ein Hund zu sehen, der ...": what stands in the middle is a nominative.
_GERMAN_FRAME = re.compile(
    r"auf (?:dem|diesem|der|dieser) (?:bild|foto|abbildung|aufnahme|grafik|fotografie)"
    r" (?:ist|sind) (?P<seen>[^.:;]{3,300}?) zu (?:sehen|erkennen)(?=[.,;]|$)",
    re.IGNORECASE,
)
_LEAD_INS = ((_IN_A_KIND, ""), (_BASED_ON, ""), (_LED_IN, r"\g<lead>, "),
             (_GERMAN_FRAME, r"\g<seen>"))  # fmt: skip
"""What goes from before (or around) the caption itself, whatever the locale."""
# A picture in the picture, or a word for something else.
_COMPOUNDS = re.compile(
    r"(?:an?|the|this)?\s?(?:photo(?:graph)?|picture|image|graphic|snapshot|screenshot|visual) "
    r"(?:frames?|albums?|books?|booths?|editors?|viewers?|apps?|galler(?:y|ies)|cards?|novels?|tablet"
    r"|windows?|buttons?|tools?|menus?|icons?|search|processing|sensors?|shoot|studio|design(?:er)?"
    r"|elements?|interfaces?|hangs|hanging|rails?|postcards?|upload(?:er|s)?|settings?)\b"
    # Mostly an adjective: "The visual appearance of ..."
    r"|(?:the|an?) visual (?!of\b|showing\b|is\b|that\b|\w+(?:s|ing)\b)\w",
    re.IGNORECASE,
)
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


def strip_opener(text: str, languages: tuple[Language, ...]) -> str:
    """The text without redundant openers at its start, capitalised; else as it was.

    A figure's number before it stays: "Figure 2. Screenshot of a menu" is "Figure 2. A menu".
    """
    number = _NUMBERED.match(text)
    head = number.group() if number is not None else ""
    original = text = text[len(head) :]
    for _ in range(_MAX_ROUNDS):
        shorter = _one_round(text, languages)
        if shorter is None or len(shorter) < _MIN_REST_CHARS:
            break
        text = shorter
    return head + (text if text == original else capitalise(text))


def strip_openers(text: str, languages: tuple[Language, ...]) -> str:
    """The same for every sentence of a paragraph, and without "in this image" inside it."""
    parts = [strip_opener(part, languages) for part in sentences.split_sentences(text)]
    return sentences.join_sentences(_IN_THE_IMAGE.sub("", part) for part in parts) or text


def has_opener(text: str, languages: tuple[Language, ...]) -> bool:
    """True where the text starts with an opener of one of the languages.

    "A light painting picture showing rays" is none: what kind of picture it is says something.
    """
    number = _NUMBERED.match(text)
    if number is not None:
        text = text[number.end() :]
    if _COMPOUNDS.match(text):
        return False
    if any(pattern.match(text) for pattern, _ in _LEAD_INS) or any(
        one.opener.match(text)
        or one.cased_opener.match(text)
        or any(pattern.match(text) for pattern, _ in one.rewrites)
        for one in languages
    ):
        return True
    kind = _kind_of_picture(text)
    return kind is not None and kind.link == "of"


def capitalise(text: str) -> str:
    """First letter in upper case; "iPhone" and its like stay."""
    first = text.split(" ", 1)[0]
    if any(char.isupper() for char in first):
        return text
    if text[:1] in "\"'“„«" and len(text) > 1:
        return text[0] + text[1].upper() + text[2:]
    # One letter may become two ("ß"); a caption that begins so does not exist.
    return text[:1].upper() + text[1:]


def _one_round(text: str, languages: tuple[Language, ...]) -> str | None:
    if _COMPOUNDS.match(text):
        return None
    for pattern, instead in _LEAD_INS:
        match = pattern.match(text)
        if match is not None:
            return match.expand(instead) + text[match.end() :]
    kind = _kind_of_picture(text)
    if kind is not None:
        if all(word in _SAYS_NOTHING for word in kind.how):
            return kind.rest
        kept = [word for word in kind.how if word not in _SAYS_NOTHING]
        return f"{' '.join(kept)} view of {kind.rest}" if not _VIEWS.isdisjoint(kept) else None
    found = (_without_opener_of(one, text) for one in languages)
    return next((shorter for shorter in found if shorter is not None), None)


def _without_opener_of(one: Language, text: str) -> str | None:
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
    if closing is None or closing.start() == 0:
        return None
    # The full stop stays: another sentence may follow.
    return text[: closing.start()] + (closing.group()[-1] if closing.group()[-1] in ".。．" else "")


def _stands(rest: str, language: Language) -> bool:
    word = re.match(r"[\s,:]*([^\s,.:]+)", rest)
    return word is not None and word.group(1).casefold() in language.stands_before


def _kind_of_picture(text: str) -> _Kind | None:
    """The parts of "An aerial photo of a beach"; None for another form."""
    match = _KIND.match(text)
    if match is None:
        return None
    if match["noun"][0].isupper() and match["how"].split()[-1].islower():
        return None  # "Figure 2: the menu Screenshot of it": two titles without a full stop
    how = [word.strip(",").casefold() for word in match["how"].split()]
    if how[:2] == ["close", "up"]:
        how[:2] = ["close-up"]
    if any(word in _IN_THE_PICTURE - {"and"} for word in how) or how[-1] == "and":
        return None
    if how[0] == "this":  # "This image shows": without a word for its kind
        return None
    if not all(any(map(str.isalpha, word)) for word in how):  # "Figure 2 - Screenshot of"
        return None
    if (match["article"] or "").casefold() == "the" and not _PLACES.isdisjoint(how):
        return None
    return _Kind(how, match["link"].casefold(), text[match.end() :])
