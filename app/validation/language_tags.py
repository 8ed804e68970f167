"""BCP 47 language tags: parsing to the canonical form (RFC 5646, sections 2.1 and 2.1.1)."""

import re

MAX_TAG_CHARS = 100

# RFC 5646 2.1, `langtag`, with a primary subtag of 2 or 3 letters only: 4 letters are reserved, and
# of 5 to 8 letters none is registered. "english" or "deutsch" is a mistake and is reported.
_LANGTAG = re.compile(
    r"(?P<language>[a-z]{2,3}(?:-[a-z]{3}){0,3})"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*)"
    r"(?P<private>-x(?:-[a-z0-9]{1,8})+)?"
)
_PRIVATE_USE = re.compile(r"x(?:-[a-z0-9]{1,8})+")

# RFC 5646 2.1, `grandfathered`, each with the preferred tag of the IANA registry. A tag without a
# preferred one is unchanged.
_GRANDFATHERED = {
    "art-lojban": "jbo",
    "cel-gaulish": "cel-gaulish",
    "en-gb-oed": "en-GB-oxendict",
    "i-ami": "ami",
    "i-bnn": "bnn",
    "i-default": "i-default",
    "i-enochian": "i-enochian",
    "i-hak": "hak",
    "i-klingon": "tlh",
    "i-lux": "lb",
    "i-mingo": "i-mingo",
    "i-navajo": "nv",
    "i-pwn": "pwn",
    "i-tao": "tao",
    "i-tay": "tay",
    "i-tsu": "tsu",
    "no-bok": "nb",
    "no-nyn": "nn",
    "sgn-be-fr": "sfb",
    "sgn-be-nl": "vgt",
    "sgn-ch-de": "sgg",
    "zh-guoyu": "cmn",
    "zh-hakka": "hak",
    "zh-min": "zh-min",
    "zh-min-nan": "nan",
    "zh-xiang": "hsn",
}

_KNOWN_VARIANTS = frozenset({
    "1901", "1994", "1996", "ao1990", "baku1926", "ekavsk", "hepburn", "ijekavsk", "jyutping",
    "nedis", "oxendict", "pinyin", "rozaj", "scotland", "scouse", "tarask", "valencia", "wadegile",
})  # fmt: skip
"""Of the IANA registry, those that tell a writer something."""

# Every two-letter code of ISO 639-1, and the withdrawn ones still in use (iw, in, ji, sh, mo, jw).
# Any other two letters are a mistake, often a country code instead of a language code.
_ISO_639_1_TEXT = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da
de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz
ia id ie ig ii ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la
lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj
om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv
sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_ISO_639_1 = frozenset(_ISO_639_1_TEXT.split())


_CHINESE = frozenset({"zh", "cmn", "yue", "nan", "hak", "wuu", "hsn", "gan"})
_CHINESE_REGIONS = {
    "TW": "Hant", "HK": "Hant", "MO": "Hant", "CN": "Hans", "SG": "Hans", "MY": "Hans",
}  # fmt: skip


def parse_locale(tag: str) -> str:
    """The tag in its canonical form (`PT-br` becomes `pt-BR`).

    Raises ValueError with the tag in its message where it does not match RFC 5646, or where its
    language is not a registered code ("english", "xx").
    """
    if len(tag) > MAX_TAG_CHARS:
        raise ValueError(f"The locale {tag[:40]!r}... is too long; write a tag like en or pt-BR.")
    lowered = tag.lower() if tag.isascii() else ""
    if lowered in _GRANDFATHERED:
        return _GRANDFATHERED[lowered]
    if _PRIVATE_USE.fullmatch(lowered):
        return lowered
    match = _LANGTAG.fullmatch(lowered)
    if match is None:
        raise _invalid_tag(tag)
    language, *extlangs = match["language"].split("-")
    if len(language) == 2 and language not in _ISO_639_1:
        raise _invalid_tag(tag)
    singletons = [s for s in match["extensions"].split("-") if len(s) == 1]
    if _has_duplicates(match["variants"].split("-")[1:]) or _has_duplicates(singletons):
        raise _invalid_tag(tag)
    parts = [language, *extlangs]
    if match["script"]:
        parts.append(match["script"].capitalize())
    if match["region"]:
        parts.append(match["region"].upper())
    return "-".join(parts) + match["variants"] + match["extensions"] + (match["private"] or "")


def registered_part(locale: str) -> str:
    """The tag as far as registries decide what it may say: no sentence fits into it.

    Language, script, region and known variants; of a private tag (`x-ours`) nothing. Other
    variants, extensions and private use are words of the caller's own: `en-x-ignore-the-rules`,
    and `en-ignore-previous-rules` is well-formed as well.
    """
    try:
        tag = parse_locale(locale)
    except ValueError:
        return ""
    if tag in _GRANDFATHERED.values():
        return tag
    match = _LANGTAG.fullmatch(tag.lower())
    if match is None:
        return ""
    parts = [match["language"].split("-")[0]]
    if match["script"]:
        parts.append(match["script"].capitalize())
    if match["region"]:
        parts.append(match["region"].upper())
    variants = (variant for variant in match["variants"].split("-") if variant in _KNOWN_VARIANTS)
    return "-".join([*parts, *variants])


def language_of(locale: str) -> str:
    """The primary language subtag in lower case: `de` of `de-AT`, `x` of `x-ours`."""
    return locale.split("-", 1)[0].lower()


def script_of(locale: str) -> str | None:
    """The script subtag, if the tag has one: `Latn` of `sr-Latn-RS`."""
    for subtag in locale.split("-")[1:]:
        if len(subtag) == 1:
            return None
        if len(subtag) == 4 and subtag.isalpha():
            return subtag.capitalize()
    return None


def chinese_script_of(locale: str) -> str | None:
    """`Hans` or `Hant`, where a Chinese tag says which; None for `zh` alone and other languages.

    A region says it too: Taiwan, Hong Kong and Macau write traditional characters, mainland China,
    Singapore and Malaysia simplified ones (CLDR, likely subtags).
    """
    if language_of(locale) not in _CHINESE:
        return None
    script = script_of(locale)
    if script is not None:
        return script if script in ("Hans", "Hant") else None
    subtags = locale.upper().split("-X-")[0].split("-")[1:]
    return next((_CHINESE_REGIONS[tag] for tag in subtags if tag in _CHINESE_REGIONS), None)


def _has_duplicates(subtags: list[str]) -> bool:
    return len(set(subtags)) != len(subtags)


def _invalid_tag(tag: str) -> ValueError:
    suggestion = _suggest(tag)
    return ValueError(
        f"The locale {tag!r} is not a BCP 47 language tag; write "
        + (f"{suggestion}." if suggestion else "one like en or pt-BR.")
    )


def _suggest(tag: str) -> str | None:
    """The tag that a locale of POSIX, Java or Windows means: `de-DE` of `de_DE.UTF-8@euro`."""
    usual = re.split(r"[.@]", tag.strip())[0].replace("_", "-").strip("-")
    if usual == tag:
        return None
    try:
        return parse_locale(usual)
    except ValueError:
        return None
