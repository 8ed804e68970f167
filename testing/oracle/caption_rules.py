"""A second implementation of the hard rules, written from their definition alone.

Deliberately simple: without cleaning, TOML files or a language library. A violation that it finds
in a caption from the API is a bug there or here.
"""

import re
import unicodedata
from dataclasses import dataclass

from testing.oracle.stopwords import likeliest_other_language


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a style: characters and sentences."""

    min_chars: int
    max_chars: int
    sentences: tuple[int, int]
    forbids_keyword_stuffing: bool = False


STYLES = {
    "concise": Limits(8, 160, (1, 2)),
    "seo": Limits(50, 160, (1, 2), forbids_keyword_stuffing=True),
    "detailed": Limits(120, 1000, (2, 6)),
}

_NOUNS = r"(?:image|photo|picture|graphic|screen ?shot|photograph|snapshot)"
_FORBIDDEN_STARTS = {
    "opener": re.compile(
        rf"(?:(?:an?|the|this|here is an?|this is an?|it is an?)\s+)?{_NOUNS}\s+"
        r"(?:of|shows?|showing|depicts?|depicting|captures|features|displays|contains)\b"
        rf"|(?:an?|the)\s+[\w-]+\s+{_NOUNS}\s+of\b"
        r"|in (?:this|the) (?:image|photo|picture)\b|the (?:image|photo|picture)\b"
        r"|(?:we|you|i|one) can see\b"
        r"|slika (?:prikazuje|od)\b|fotografija (?:prikazuje|od)\b|na (?:ovoj )?slici\b"
        r"|(?:ein |das |dieses )?(?:bild|foto) (?:von|zeigt|einer|eines)\b|auf dem (?:bild|foto)\b"
        r"|(?:une |la |cette )?(?:photo|image) (?:de|du|des|d'|d’|montre|représente)"
        r"|(?:una |la |esta )?(?:foto|imagen|fotografía) (?:de|del|muestra)\b|en la (?:imagen|foto)"
        r"|(?:uma |a |esta )?(?:foto|imagem|fotografia) (?:de|do|da|mostra)\b"
        r"|(?:una |la |questa )?(?:foto|immagine|fotografia) (?:di|del|della|mostra)\b"
        r"|(?:zdjęcie|obraz) (?:przedstawia|pokazuje)\b|na (?:zdjęciu|obrazku)\b",
        re.IGNORECASE,
    ),
    "label": re.compile(
        r"(?:\W{0,3})(?:alt[ -]?text|alt|caption|title|description|summary|keywords?|tags|answer"
        r"|output|response|image|photo|note|bildbeschreibung|beschreibung|légende|descripción"
        r"|legenda|opis|titel|titre)\W{0,3}[:：]",
        re.IGNORECASE,
    ),
    "preamble": re.compile(
        r"(?:sure|certainly|of course|absolutely|okay|here(?:'s|’s| is| are)|based on|as requested"
        r"|natürlich|gerne|voici|bien sûr|claro|aquí (?:está|tienes)|ecco|certo|evo|naravno"
        r"|oczywiście)\b",
        re.IGNORECASE,
    ),
    "bullet": re.compile(r"[-*•#>|]\s|\d{1,2}[.)]\s|[#*`]"),
}
_FORBIDDEN_ANYWHERE = {
    "this_image": re.compile(
        r"\bthis (?:image|photo|picture|photograph|screenshot)\b", re.IGNORECASE
    ),
    "token": re.compile(
        r"<\||\|>|\[/?INST\]|</?\w+|▁|�|◁|▷|```|\*\*|\s#{1,6}\s|\\n|\\u[0-9a-f]{4}", re.IGNORECASE
    ),
    "credit": re.compile(
        r"©|all rights reserved|\b(?:photo|image|picture|photograph) by\b|\bgetty\b|shutterstock"
        r"|\bistock|\balamy\b|adobe stock|\bunsplash\b|\bpexels\b|\bpixabay\b|courtesy of",
        re.IGNORECASE,
    ),
    "address": re.compile(
        r"https?:|www\.|\b[\w.+-]+@[\w-]+\.\w|\b[\w-]{2,}\.(?:com|org|net|io)\b", re.IGNORECASE
    ),
    "code": re.compile(r"[{}]|&\w+;|\]\(|\bfunction\(|=>|\$\$|\\\w+\{"),
    "self_reference": re.compile(
        r"\bas an ai\b|\bi (?:cannot|can't|can’t|am unable|need to|should|must|think|will)\b"
        r"|\bi'm (?:sorry|unable)\b|\bthe user (?:wants|asks|is)\b|\blanguage model\b|\blet me\b"
        r"|\blet's\b|\bthe prompt\b|\bmy task\b|\balt text\b|\bplease (?:provide|upload|note)\b"
        r"|\bfactual sentences?\b|\bdo not (?:include|mention|speculate)\b",
        re.IGNORECASE,
    ),
}
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|(?<!\w)'[^']*'(?!\w)|‘[^’]*’")
_PLACEHOLDERS_TEXT = """
image picture photo photograph pic graphic icon untitled spacer blank placeholder none null
undefined alt caption description test logo screenshot chart
"""
_PLACEHOLDERS = frozenset(_PLACEHOLDERS_TEXT.split())
_FUNCTION_WORDS_TEXT = """
with that this from their there which while into over under near behind front above below between
against across through around along beside other another each some several these left right side
them both also more very such
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORDS_TEXT.split())
_FILE_NAME = re.compile(r"\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif|heic)\W*$", re.IGNORECASE)
_ABBREVIATION = re.compile(
    r"(?:\b(?:st|mr|mrs|ms|dr|no|vs|etc|e\.g|i\.e|approx|ca|prof|jr|co|inc|ltd)|\b[A-Z])\.\s",
    re.IGNORECASE,
)


def find_violations(
    caption: str, style: str, locale: str = "en", *, is_truncated: bool = False
) -> set[str]:
    """The names of the rules that a caption of this style breaks."""
    found = _check_form(caption) | _check_length(caption, style, is_truncated=is_truncated)
    unquoted = _QUOTED.sub(" ", caption)
    found |= {name for name, pattern in _FORBIDDEN_STARTS.items() if pattern.match(caption)}
    found |= {name for name, pattern in _FORBIDDEN_ANYWHERE.items() if pattern.search(unquoted)}
    if caption.lower().strip(" .!?") in _PLACEHOLDERS or _FILE_NAME.search(caption):
        found.add("placeholder")
    if _is_loop(caption):
        found.add("loop")
    if STYLES[style].forbids_keyword_stuffing and _is_keyword_stuffing(unquoted, locale):
        found.add("keyword_stuffing")
    if len(unquoted) >= 60 and (other := likeliest_other_language(unquoted, locale)) is not None:
        found.add(f"language_{other}")
    return found


def _check_form(caption: str) -> set[str]:
    found = set()
    if caption != unicodedata.normalize("NFC", caption):
        found.add("not_nfc")
    if caption != " ".join(caption.split()):
        found.add("white_space")
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn") for char in caption):
        found.add("control")
    if any(_is_pictograph(char) for char in caption):
        found.add("emoji")
    if caption.endswith(":"):
        found.add("ends_in_colon")
    if caption[:1] in '"“«' and caption[-1:] in '"”»' and len(caption) > 60:
        inner = caption[1:-1]
        if not any(mark in inner for mark in '"“”«»'):
            found.add("quoted_whole")
    return found


def _is_pictograph(char: str) -> bool:
    return ord(char) >= 0x1F000 or (
        unicodedata.category(char) == "So" and 0x2600 <= ord(char) <= 0x27BF
    )


def _check_length(caption: str, style: str, *, is_truncated: bool) -> set[str]:
    limits = STYLES[style]
    found = set()
    if len(caption) > limits.max_chars:
        found.add("too_long")
    is_sign = style == "concise" and (
        caption.isupper() or caption.isdigit() or caption[:1] in '"“«„'
    )
    if len(caption) < (8 if is_truncated else limits.min_chars) and not is_sign:
        found.add("too_short")
    text = _ABBREVIATION.sub("x ", _QUOTED.sub("x", caption))
    count = len(re.findall(r"[.!?]+[\")”’]*(?=\s+[A-ZÀ-ÞĀ-Ž\"“]|$)", text))
    fewest, most = limits.sentences
    if count > most or (count < fewest - 1 and not is_truncated):
        found.add("sentences")
    return found


def _is_loop(caption: str) -> bool:
    words = re.findall(r"\w+", caption.lower())
    for size in range(1, 9):
        times = 4 if size == 1 else 3
        for start in range(len(words) - size * times + 1):
            phrase = words[start : start + size]
            if words[start : start + size * times] == phrase * times:
                return True
    return len(words) >= 80 and len(set(words)) < 0.3 * len(words)


def _is_keyword_stuffing(unquoted: str, locale: str) -> bool:
    pieces = [piece.split() for piece in re.split(r"[,;]", unquoted)]
    run = 0
    for piece in pieces:
        run = run + 1 if 0 < len(piece) <= 2 else 0
        if run >= 5:
            return True
    if not locale.startswith("en"):
        return False
    words = re.findall(r"[a-z]{4,}", unquoted.lower())
    content_words = [word for word in words if word not in _FUNCTION_WORDS]
    return any(content_words.count(word) > 2 for word in content_words)
