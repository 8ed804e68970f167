"""Checks of a caption's form: wrapping, openers, placeholders, markup, junk."""

import functools
import re

from app.captioning.styles.style import Style
from app.captioning.validate import openers, sections
from app.captioning.validate.language import scripts_in
from app.captioning.validate.languages import Language, load_languages
from app.captioning.validate.locale import language_of
from app.captioning.validate.markup import Line
from app.captioning.validate.sentences import words

_WAY_OUT = re.compile(r"(?:DECORATIVE|UNCERTAIN)\b")
_WRAPPING = re.compile(
    r"<[|｜/]|[|｜]>|\[/?(?:INST|THINK|IMG)\]|</?(?:think|s|bos|eos|pad|unk|image)\b|[◁▷▁]|�"
    r"|^(?:#{1,6}|\*{1,3}|[-–])\s|\s#{2,6}\s|[•●▪]|\*\*|```"
)
_LABEL_INSIDE = re.compile(
    r"(?:^|[.!?\"”]\s)(?:keywords|tags|hashtags|title|alt[ -]text|description|caption|note)"
    r"\s?[:：]",
    re.IGNORECASE,
)
_THIS_PICTURE = re.compile(
    r"\b(?:this|the (?:provided|given|attached|above|following)) "
    r"(?:image|photo|photograph|picture|pic|graphic|screenshot|snapshot)\b",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"\S{0,300}\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif|heic|ico|psd)[.\"')\]]{0,4}$"
    r"|(?:img|dsc|dscn|dscf|pxl|image|photo|screenshot|screen shot|untitled|file|scan|picture)"
    r"[ _-]*[\d_() -]{2,40}$"
    r"|(?:\.{0,2}/|[a-z]:\\)\S+$",
    re.IGNORECASE,
)
_URL = re.compile(
    r"\b(?:https?|ftp|file|data|javascript):\S|\bwww\.\w|%[0-9A-F]{2}\S{0,40}%[0-9A-F]{2}"
    r"|[\w.+-]{1,64}@[\w-]{1,63}\.\w{2,}",
    re.IGNORECASE,
)
_DOMAIN = re.compile(
    r"\b[\w-]{2,63}\.(?:com|org|net|io|edu|gov|info|biz|co\.uk|de|fr|it|es|nl|pl|ru|jp|cn|app|dev)\b(?!\.\w)",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"</?[a-z][a-z0-9-]{0,20}(?:\s[^<>]{0,300})?/?>|&(?:[a-z]{2,8}|#\d{1,6});|\]\("
    r"|\\(?:frac|text|begin|boxed|n)\b|\$\$"
    r"|[{}]|\b\w+\(\)|\w\(\"|\w\.\w+\(|//|=>"
    r"|\b(?:class|src|href|alt|style)=|\bdef \w+\(|\bconsole\.|\bfunction\(|\bconst \w+\s?="
    r"|\\u[0-9a-f]{4}",
    re.IGNORECASE,
)
# Unicode's blocks of pictures. Plain arrows, stars of a rating and dingbats in text forms stay out:
# a keyboard's "→" key is text. What follows U+FE0F is drawn as an emoji whatever it is.
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626"
    "\u262a\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653\u2660\u2663\u2665\u2666\u2668\u267b\u267f"
    "\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5"
    "\u26c8\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705"
    "\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e"
    "\u2753-\u2755\u2757\u2763\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55"
    "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\ufe0f\u20e3]"
)
_ODD_TOKEN = re.compile(
    r"[a-z][A-Z]|[A-Za-z]\d+[A-Za-z]|[#$^~_=\\{}|<>]|[A-Za-z][!?;:)(\"][A-Za-z]"
)
_ODD_SHARE = 0.25
_FOREIGN_LETTERS_SHARE = 0.15
_LETTERS = re.compile(r"[^\W\d_]{2,60}")
# Where Latin letters stand inside words ("Tシャツ", "T恤").
_MIXES_LETTERS = frozenset({"ja", "zh", "ko", "cmn", "yue", "nan", "wuu", "hak"})
_LONGEST_WORD = 45
"""Longer than any word of a caption; the longest in English dictionaries has 45 letters."""
_SHINGLE_WORDS = 7


def wrapping_left(caption: str, languages: tuple[Language, ...]) -> str | None:
    """A label, preamble, bullet or token that cleaning did not get rid of."""
    if _WAY_OUT.match(caption):
        return "Answer with DECORATIVE or UNCERTAIN and nothing else, or with a caption."
    label = sections.label_of(Line("text", caption), languages)
    if label is not None or sections.is_preamble(caption, languages):
        return "It begins with a label or an announcement; answer with the caption alone."
    if _LABEL_INSIDE.search(caption):
        return "It has labelled parts; answer with the caption alone."
    if _WRAPPING.search(caption):
        return "It holds list marks, headings or tokens; write plain text."
    if caption.rstrip("\"' ").endswith((":", "：")):
        return "It ends in a colon, as if something followed."
    return None


def redundant_opener(caption: str, unquoted: str, languages: tuple[Language, ...]) -> str | None:
    """It begins by saying that it is a picture, or speaks of "this image" further on."""
    if openers.has_opener(caption, languages) or _THIS_PICTURE.search(unquoted):
        return 'Do not say that it is an image ("photo of", "this picture"); say what is in it.'
    return None


def placeholder(caption: str) -> str | None:
    """A word that stands for a missing text, or the name of a file."""
    if caption.casefold().strip(" .!?\"'[]()<>-_:*") in load_languages().placeholders:
        return "It is a placeholder, not a description."
    if _FILE_NAME.search(caption) if " " not in caption else _FILE_NAME.fullmatch(caption):
        return "It is a file name, not a description."
    if re.search(
        r"\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif|heic)[.\"')]*$", caption, re.IGNORECASE
    ):
        return "It ends in a file name."
    return None


def url_or_markup(caption: str, unquoted: str) -> str | None:
    """An address or code; a bare domain may stand in quotes, as a sign's text."""
    if _URL.search(caption) or _DOMAIN.search(unquoted):
        return "It holds an address; leave addresses out."
    if _MARKUP.search(caption):
        return "It holds markup or code; write plain text."
    return None


def about_itself(unquoted: str, style: Style, languages: tuple[Language, ...]) -> str | None:
    """It speaks of the model or its task, or says its own instructions back."""
    if any(one.about_itself.search(unquoted) or one.refusal.match(unquoted) for one in languages):
        return "It speaks of yourself, the task or the request; describe only the picture."
    said = words(unquoted)
    told = _shingles(style.prompt)
    for start in range(len(said) - _SHINGLE_WORDS + 1):
        if tuple(said[start : start + _SHINGLE_WORDS]) in told:
            return "It repeats the instructions; describe the picture."
    return None


def gibberish(caption: str, unquoted: str, locale: str) -> str | None:
    """Letters of many scripts at once, or broken tokens instead of words."""
    if language_of(locale) not in _MIXES_LETTERS and any(
        map(_mixes_scripts, _LETTERS.findall(unquoted))
    ):
        return "It mixes two scripts in one word."
    found = scripts_in(unquoted)
    east_asian = sum(found.pop(script, 0) for script in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
    if east_asian:
        found["EAST ASIAN"] = east_asian
    total = sum(found.values())
    if east_asian > max(3, 0.25 * total) and language_of(locale) not in _MIXES_LETTERS:
        return "It mixes in words of another script."
    main = max(found.values(), default=0)
    if len(found) >= 4 or (len(found) >= 3 and total - main > _FOREIGN_LETTERS_SHARE * total):
        return "It mixes several scripts; write words of one language."
    tokens = caption.split()
    odd = sum(bool(_ODD_TOKEN.search(token)) for token in tokens)
    if odd >= 4 and odd > _ODD_SHARE * len(tokens):
        return "It is not made of words."
    signs = sum(not (char.isalnum() or char.isspace()) for char in caption)
    digits = sum(map(str.isdigit, caption))
    if len(caption) >= 12 and signs + digits > 0.5 * len(caption.replace(" ", "")):
        return "It is made of signs and digits instead of words."
    return None


def _mixes_scripts(word: str) -> bool:
    """True for "negó说实"; Greek letters stand in units and names of particles."""
    return (
        not word.isascii()
        and len(
            scripts_in(word).keys()
            - {"GREEK", "MICRO", "SUPERSCRIPT", "MODIFIER", "MASCULINE", "FEMININE"}
        )
        > 1
    )


def has_emoji(caption: str) -> bool:
    """True where a character is one that is drawn as a picture."""
    return _EMOJI.search(caption) is not None


def no_words(caption: str) -> str | None:
    """A long run of letters without a space, in a script that has spaces."""
    longest = max((len(token) for token in caption.split()), default=0)
    if longest > _LONGEST_WORD and caption.isascii():
        return "It has a run of letters that nobody can read out."
    return None


@functools.lru_cache(maxsize=64)
def _shingles(prompt: str) -> frozenset[tuple[str, ...]]:
    told = words(prompt)
    return frozenset(
        tuple(told[start : start + _SHINGLE_WORDS])
        for start in range(len(told) - _SHINGLE_WORDS + 1)
    )
