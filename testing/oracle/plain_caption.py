"""Judges whether a text is a plain caption that can be stored unread, by the written rules alone.

Written from the rules of the documentation, without reading `app.validation` or the other judges,
so that none of them shares its blind spots. It works on words and on a list of allowed signs, not
on lists of known wrappings: whatever is not prose is a fault. It is stricter than the product in
places; what it finds is read by a person.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LENGTHS = {"concise": (8, 160), "seo": (50, 160), "detailed": (120, 1000)}
_SENTENCES = {"concise": (1, 2), "seo": (1, 2), "detailed": (2, 6)}

# Signs that prose contains besides letters, marks and digits.
_PROSE_SIGNS = frozenset(
    " .,;:!?'\"()[]-/&%+$€£¥₹#°@*×~=§"
    "\u2018\u2019\u201a\u201c\u201d\u201e\u2013\u2014\u2026\u00ab\u00bb\u2039\u203a"
    "\u00a1\u00bf\u00b7\u2032\u2033\u00bd\u00bc\u00be\u2122\u00ae\u2212\u2010\u2011"
    "。、，！？：；（）「」『』《》【】・ー〜～％\u060c\u061b\u061f\u0964\u0965"
)
_OPENING = {"(": ")", "[": "]", "\u201c": "\u201d", "\u00ab": "\u00bb", "「": "」", "『": "』"}
_QUOTES = "\"'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a「」『』"

_PICTURE_WORDS = _set_of(
    "image photo picture photograph graphic screenshot snapshot slika fotografija bild foto imagem"
    " imagen immagine afbeelding zdjęcie obraz obrázek photographie"
)
_POINTING = _set_of(
    "of this the a an in here is shows showing depicts displays features presents captures"
    " prikazuje der die das dieses ein eine esta este la una uma"
    " un une cette questa een de von di del na ovoj od to jest zeigt montre muestra mostra"
)
_ROLES = frozenset({"user", "assistant", "system", "model", "human", "bot", "ai", "tool"})
_LABELS = _set_of(
    "alt alttext text caption description title answer response output result summary image photo"
    " picture prompt instruction note final option draft style length keywords subject context"
    " setting beschreibung titel bildunterschrift légende descripción leyenda didascalia opis"
    " naslov podnapis"
)
_PLACEHOLDERS = _set_of(
    "image photo picture untitled spacer placeholder null none undefined n/a todo caption"
)
_FILE = re.compile(r"\S\.(?:jpe?g|png|gif|webp|bmp|tiff?|svg|heic|avif)\b", re.IGNORECASE)
_ADDRESS = re.compile(
    r"https?:|www\.|\S@\S+\.\w|\b\w{2,}\.(?:com|org|net|io|co|html?)\b", re.IGNORECASE
)
_CREDIT = re.compile(
    r"©|\(c\) ?\d{4}|all rights reserved|getty|shutterstock|i?stockphoto|alamy|adobe stock"
    r"|\b(?:photo|image|picture|credits?|courtesy) ?(?:by|credit|courtesy|of the artist)\b"
    r"|\bcredits?:",
    re.IGNORECASE,
)
_ABOUT_ITSELF = re.compile(
    r"\bas an ai\b|language model|\bi(?:'m| am) (?:sorry|unable|not able|an ai)\b|\bi apologi[sz]e"
    r"|\bi (?:can ?not|can't|don't|do not|can see|see|need|will|would|should|must|notice|think)\b"
    r"|\blet me\b|\bthe user\b|\byou (?:provided|uploaded|asked|want|requested|shared|referred)\b"
    r"|\b(?:visible|attached|provided|available|accessible) to me\b|\bi'll\b|\bwait,|\bokay, so\b"
    r"|\bthe (?:prompt|instructions?|task|alt text|caption|request|guidelines?)\b"
    r"|\balt[- ]?text\b|\bno image (?:was|is|has)\b|\bdescribe (?:the|this) (?:image|picture|photo)"
    r"|\b(?:max|under|within|at most) \d+ (?:characters|words|tokens)\b|\btext interface\b"
    r"|\bhere(?:'s| is| are) (?:a|an|the|your|some)\b",
    re.IGNORECASE,
)
_CODE_WORD = re.compile(r"\w_\w|\w\(\)|^[a-z]{2,}[A-Z][a-z]{2,}|::|&\w+;")
_ESCAPE = re.compile(r"\\[nrtu\"'\\/]|&(?:#\d+|[a-z]{2,6});")
_COORDINATES = re.compile(
    r"[(\[] ?\d+(?:\.\d+)? ?, ?\d+(?:\.\d+)? ?[,)\]]|\b0?\.\d+, ?0?\.\d+\b"
    r"|\d+(?:, ?\d+){3}(?!,?\d)"
)
_ENUMERATOR = re.compile(r"^(?:\(?\d{1,2}[.)]|\(?[a-zA-Z][)]|[-*\u2022\u25cf\u25aa>#+~|])\s")
_DANGLING_NUMBER = re.compile(r"[.!?\"\u201d]\s*\(?\d{1,2}[.)]?$")
_SENTENCE_END = re.compile(
    r"(?<=[.!?。！？\u0964\u061f])[\"'\u201d\u2019)»」』]*\s+(?=\S)|[。！？](?=\S)"
)
_CANNOT_END = _set_of(
    "and or but the a an of with in on at to from by for into is are was were as that which while"
    " und oder der die das ein eine mit von im et ou le la les un une avec dans y o el los con"
)

_FUNCTION_WORDS = {
    "en": _set_of("the a an of and in on with is are to at by from its as for"),
    "de": _set_of("der die das und ein eine einer mit auf im in von zu den dem ist"),
    "fr": _set_of("le la les et un une de des du dans avec sur est au en"),
    "es": _set_of("el la los las y un una de del en con sobre es al por"),
    "it": _set_of("il la gli le e un una di del della in con su è al"),
}


def find_faults(
    caption: str,
    style: str,
    locale: str = "en",
    *,
    is_truncated: bool = False,
    visible_text: str = "",
) -> list[str]:
    """The names of the rules that `caption` breaks, sorted; none where it can be stored unread.

    `style` is one of `concise`, `seo`, `detailed`. `is_truncated` says that a token ceiling ended
    the text: it may then be short, and need not end at a sentence.
    """
    words = _words(caption)
    found = {
        "empty": not words,
        "invisible": _has_invisible(caption),
        "emoji_or_sign": any(not _is_prose(sign) for sign in caption),
        "wrapping": _is_wrapped(caption),
        "chat_role": _has_role(words, caption),
        "code": bool(_ESCAPE.search(caption)) or any(map(_CODE_WORD.search, caption.split())),
        "coordinates": bool(_COORDINATES.search(caption)),
        "address": bool(_ADDRESS.search(caption)),
        "credit": bool(_CREDIT.search(caption)),
        "file_name": bool(_FILE.search(caption)),
        "placeholder": caption.strip(" .").casefold() in _PLACEHOLDERS,
        "opener": _has_openers(locale) and _opens_with_picture(words),
        "about_itself": bool(_ABOUT_ITSELF.search(_outside_quotes(caption))),
        "loop": _is_loop(words),
        "language": not _is_language(words, caption, locale),
        "unfinished": not is_truncated and _is_unfinished(caption, words),
        "repeats_visible_text": _same(caption, visible_text),
        **_of_style(caption, words, style, is_truncated),
    }
    return sorted(name for name, is_broken in found.items() if is_broken)


def _has_openers(locale: str) -> bool:
    """Whether the words for pictures are known for this language."""
    return _language(locale) in {"en", "de", "fr", "es", "it", "hr", "sl", "pl", "pt", "nl"}


def _language(locale: str) -> str:
    return locale.partition("-")[0]


def _words(text: str) -> list[str]:
    stripped = (part.strip(".,;:!?()[]-\u2013\u2014\u2026" + _QUOTES) for part in text.split())
    return [word for word in stripped if any(sign.isalnum() for sign in word)]


def _is_prose(sign: str) -> bool:
    return sign in _PROSE_SIGNS or unicodedata.category(sign)[0] in "LMN" or sign in "\u200c\u200d"


def _has_invisible(text: str) -> bool:
    return (
        text != " ".join(text.split())
        or text != unicodedata.normalize("NFC", text)
        or any(unicodedata.category(sign) in {"Cc", "Co", "Cn", "Cs"} for sign in text)
    )


def _is_wrapped(text: str) -> bool:
    if _ENUMERATOR.search(text) or _DANGLING_NUMBER.search(text) or text.endswith(":"):
        return True
    if any(mark in text for mark in ("**", "__", "``", "<<", ">>", "||", "](", "\\(", "~~", "##")):
        return True
    if len(text) > 2 and text[0] in _QUOTES and text[-1] in _QUOTES:
        inner = text[1:-1]
        # "GO" and "STOP" between quotes are two quotations, not one around the text.
        if not any(quote in inner for quote in _QUOTES if quote not in "'\u2019") or (
            inner[:1] in _QUOTES
        ):
            return len(inner.split()) > 6
    head, colon, _ = text.partition(":")
    head_words = [word.casefold() for word in _words(head)]
    return bool(colon) and 0 < len(head_words) <= 3 and set(head_words) <= _LABELS


def _has_role(words: Sequence[str], text: str) -> bool:
    if not words:
        return False
    is_outside = words[-1] in _ROLES and len(words) > 1 and not text.endswith(".")
    after_end = any(re.search(rf"[.!?]\s+{role}\b(?!\s+[a-z])", text) for role in sorted(_ROLES))
    return words[0] in _ROLES or is_outside or after_end


def _opens_with_picture(words: Sequence[str]) -> bool:
    first = [word.casefold() for word in words[:5]]
    for at, word in enumerate(first):
        if word in _PICTURE_WORDS or (word.endswith("s") and word[:-1] in _PICTURE_WORDS):
            before_points = all(other in _POINTING for other in first[:at])
            following = first[at + 1] if at + 1 < len(first) else ""
            return before_points and (following in _POINTING or first[:1] in (["this"], ["the"]))
    return False


def _is_loop(words: Sequence[str]) -> bool:
    folded = [word.casefold() for word in words]
    fours = Counter(zip(folded, folded[1:], folded[2:], folded[3:], strict=False))
    # "with a mix of" three times in a long paragraph is dull, but no loop.
    repeated = sum(times for times in fours.values() if times >= 3)
    if repeated > 0.1 * len(folded):
        return True
    if len(folded) >= 30 and len(set(folded)) / len(folded) < 0.35:
        return True
    runs = zip(folded, folded[1:], folded[2:], folded[3:], strict=False)
    return any(len(set(run)) == 1 and not run[0].isdigit() for run in runs)


def _is_language(words: Sequence[str], text: str, locale: str) -> bool:
    if len(text) < 45:
        return True
    language = _language(locale)
    letters = [sign for sign in _outside_quotes(text) if sign.isalpha()]
    latin = sum("LATIN" in unicodedata.name(sign, "") for sign in letters)
    if language in _FUNCTION_WORDS and letters:
        if latin / len(letters) < 0.7:
            return False
        folded = Counter(word.casefold() for word in words)
        hits = {
            name: sum(folded[word] for word in known) for name, known in _FUNCTION_WORDS.items()
        }
        best = max(hits, key=lambda name: hits[name])
        return hits[best] < 3 or hits[language] * 2 >= hits[best]
    return True


def _is_unfinished(text: str, words: Sequence[str]) -> bool:
    if text[-1:] in {",", ";", "-", "\u2013", "(", "[", "/", "\u201c", "&", "+"}:
        return True
    ends_in_word = text[-1:].isalnum()
    if ends_in_word and words[-1].casefold() in _CANNOT_END and not words[-1].isupper():
        return True
    return any(text.count(left) > text.count(right) for left, right in _OPENING.items()) or (
        text.count('"') % 2 == 1 and not re.search(r"\d\s?\"", text)
    )


def _of_style(text: str, words: Sequence[str], style: str, is_truncated: bool) -> dict[str, bool]:
    shortest, longest = _LENGTHS[style]
    fewest, most = _SENTENCES[style]
    sentences = len([part for part in _SENTENCE_END.split(text) if len(part.split()) > 1])
    is_sign = style == "concise" and (text.isupper() or text[:1] in _QUOTES or text.isdigit())
    folded = [word.casefold() for word in words if len(word) > 3]
    known = {word for known in _FUNCTION_WORDS.values() for word in known} | {"their", "that"}
    repeated = [word for word, times in Counter(folded).items() if times > 2 and word not in known]
    parts = [part.split() for part in text.split(",")]
    # A date is no list of terms: "on January 17, 2026, at 16:15".
    short_parts = sum(len(part) <= 3 and not any(map(str.isdigit, "".join(part))) for part in parts)
    return {
        "too_short": not is_truncated and not is_sign and len(text) < shortest,
        "too_long": len(text) > longest,
        "sentence_count": sentences > most
        or (not is_truncated and sentences < fewest and most > 2),
        "repeated_words": style == "seo" and bool(repeated),
        "comma_list": style == "seo" and len(parts) >= 5 and short_parts / len(parts) > 0.7,
    }


def _outside_quotes(text: str) -> str:
    return re.sub(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|«[^»]*»|「[^」]*」", " ", text)


def _same(caption: str, visible_text: str) -> bool:
    folded = ["".join(filter(str.isalnum, text.casefold())) for text in (caption, visible_text)]
    return bool(folded[1]) and folded[0] == folded[1]
