"""Checks of a caption's form: wrapping, openers, placeholders, markup, junk."""

import functools
import re

from app.types import Style
from app.validation import redundant_openers, sections, sentences
from app.validation.language_identifier import count_scripts
from app.validation.language_tags import language_of
from app.validation.languages import Language, load_languages
from app.validation.markup import MarkupLine
from app.validation.sentences import split_words

# A prompt said back: "1-2 factual sentences covering the subject", "Use only the metadata that".
_ORDER = re.compile(
    r"\b\d{1,3}\s?(?:[-–—]|to|or)\s?\d{1,3}[ -](?:[a-z-]+ ){0,3}"
    r"(?:words?|sentences?|characters?|keywords?|terms?)\b"
    r"|^if (?:the (?:image|photo|picture|context)|you|unsure|unclear|nothing)\b"
    r"|\b\d{1,4} (?:words|sentences|characters|keywords|terms) (?:or (?:less|fewer|more)"
    r"|max(?:imum)?|at most|remaining)\b"
    r"|(?:^|[.!?:]\s)(?:(?:please|always|only) )?"
    r"(?:be (?:specific|concise|factual|brief|sure)|make sure|focus on"
    r"|(?:avoid|ensure|omit|mention|include|limit|return|output|provide|write|describe)"
    r" (?:only|just|exactly|an?|the|this|no|one|two|any|all|each|your|what|that|in|\d+)"
    r"|use (?:only|just|an?|the|this|these|that|plain|British)"
    r"|do not|don['’]t|keep (?:it|the (?:title|caption|description|text)))\b(?! (?-i:[A-Z]))",
    re.IGNORECASE,
)
# What models say to themselves on the way to a caption.
_THOUGHT = re.compile(
    r"\bthe user (?:wants|asks|asked|is asking|has asked|needs|requested|says|said|also wants)\b"
    r"|\b(?:I|we) (?:should|need to|must|have to) (?:mention|describe|write|avoid|include|keep|make"
    r"|focus|produce|create|provide|be|say|use|note|not|check)\b|(?:^|[.!?]\s)(?:Wait|Hmm|Actually),"
    r"|\b(?:the|my) (?:instructions?|prompt|hints?) (?:say|says|ask|asks|state|states|require)\b",
    re.IGNORECASE,
)
_WAY_OUT = re.compile(r"(?:DECORATIVE|UNCERTAIN)\b")
_WRAPPING = re.compile(
    r"<[|｜/]|[|｜]>|\[/?(?:INST|THINK|IMG)\]|</?(?:think|s|bos|eos|pad|unk|image)\b|[◁▷▁]|�"
    # What stands for a name in a template: "[person3] is serving".
    r"|\[(?i:person|object|name|insert|redacted|your|location|brand|text|city|state|date|place"
    r"|product|title)\b[^\[\]]{0,40}\]"
    r"|\[(?:person|object)\d|^(?:#{1,6}|\*{1,3}|[-–])\s|\s#{2,6}\s|[•●▪]|\*\*|```"
)
_LABEL_INSIDE = re.compile(
    r"(?:^|[.!?\"”]\s)(?:keywords|tags|hashtags|title|alt[ -]text|description|caption|note)"
    r"\s?[:：]"
    r"|[.!?\"”]\s(?:human|user|assistant):",
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
# What a sentence is announced by in an outline ("Sun position: ...", "Tide stage: ..."). Sides and
# parts of a picture are described in the same form by people.
_OUTLINE_ITEM = re.compile(
    r"(?!(?:left|right|top|bottom|cent(?:er|re)|middle|before|after|fore|back|figure|fig|panel|row)"
    r"\b)[^\W\d_][\w'’-]{1,20}(?: [\w'’-]{1,20}){0,3}[:：]\s",
    re.IGNORECASE,
)
# Settings of a camera: its sensitivity or shutter speed, beside another one.
_CAMERA_SETTING = re.compile(
    r"\b(?P<sure>ISO:?\s?\d{2,6}|1/\d{2,4}\s?s(?:ec)?|shutter speed)\b|\b(?:f/\d|\d{2,3}\s?mm)\b"
    r"|\b(?:aperture|white balance|exposure compensation):",
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
    # What a browser reads as markup (HTML, 13.2.5.6), closed or not: "<svg/onload=...", "<!--".
    r"<[a-z/!?]|\bon[a-z]{4,20}\s?=|&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,6});|\]\("
    r"|\\(?:frac|text|begin|boxed|n)\b|\$\$"
    # The bare name of a function ("the fill() page", "console.time()") is a name, a call is code.
    r"|[{}]|\w\(\"|\w\.\w+\((?!\))|//|=>"
    r"|\b(?:class|src|href|alt|style)=|\bdef \w+\(|\bfunction\(|\bconst \w+\s?="
    r"|\\u[0-9a-f]{4}",
    re.IGNORECASE,
)
# Unicode's emoji, also those that have a plain form. Other arrows and stars of a rating stay out: a
# keyboard's "→" key is text. What follows U+FE0F is drawn as an emoji whatever it is.
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626"
    "\u262a\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653\u2660\u2663\u2665\u2666\u2668\u267b\u267f"
    "\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5"
    "\u26c8\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705"
    "\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e"
    "\u2753-\u2755\u2757\u2763\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55"
    "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\ufe0f\u20e3"
    # Drawn as text by some and as a picture by others; what they are called differs as much.
    "\u203c\u2049\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe"
    "\u265f\u267e\u2934\u2935\u2b05-\u2b07\u3030\u303d\u3297\u3299]"
)
_ODD_TOKEN = re.compile(
    r"[a-z][A-Z]|[A-Za-z]\d+[A-Za-z]|[#$^~_=\\{}|<>]|[A-Za-z][!?;:,)(\"][A-Za-z]"
)
_ODD_SHARE = 0.25
# Tokens that stand in no honest text: ",A", a lone full stop, "201rowsline", "AAAAA".
_BROKEN_TOKEN = re.compile(r",\w|[.,;]$|\d{2,}[a-z]{5,}|.*?([a-z])\1{3,}", re.IGNORECASE)
_DOUBLED = re.compile(
    r"\b(?:of of|the the|a a|and and|in in|to to|is is|with with|on on)\b", re.IGNORECASE
)
_BROKEN_SHARE = 0.2
# ".NET" and "...and justice for all" begin with their marks, and so does a quotation.
_BAD_START = re.compile(r"[\"'“„«(]?\s?(?:[;:,!?)\]}/\\=]|\.(?![A-Z.]))")
# "Python 3.9+" and "A+" are whole.
_OPEN_END = re.compile(r"(?<![\dA-F])[+-]$|[,;–—&/]$|[(\[“„«][\"'“„«(\[]?$|\s\"$")
# The words of English that no sentence ends in; other languages' particles do end sentences.
# "Vitamin A" and the last of "based, on, a." are words of their own.
_OPEN_ENGLISH_END = re.compile(r"(?<!, )\b(?:an?|the|of|and|or)[.]?$")
_FOREIGN_LETTERS_SHARE = 0.15
_LETTERS = re.compile(r"[^\W\d_]{2,60}")
# Where Latin letters stand inside words ("Tシャツ", "T恤").
_MIXES_LETTERS = frozenset({"ja", "zh", "ko", "cmn", "yue", "nan", "wuu", "hak"})
_LONGEST_WORD = 45
"""Longer than any word of a caption; the longest in English dictionaries has 45 letters."""
_SHINGLE_WORDS = 7


def wrapping_left(caption: str, unquoted: str, languages: tuple[Language, ...]) -> str | None:
    """A label, preamble, bullet or token that cleaning did not get rid of."""
    if _WAY_OUT.match(caption):
        return "Answer with DECORATIVE or UNCERTAIN and nothing else, or with a caption."
    label = sections.label_of(MarkupLine("text", caption), languages)
    if label is not None or sections.is_preamble(caption, languages):
        return "It begins with a label or an announcement; answer with the caption alone."
    if _LABEL_INSIDE.search(caption):
        return "It has labelled parts; answer with the caption alone."
    if _WRAPPING.search(caption):
        return "It holds list marks, headings or tokens; write plain text."
    labelled = [bool(_OUTLINE_ITEM.match(part)) for part in sentences.split_sentences(caption)]
    if labelled[:1] == [True] and 1 < sum(labelled) >= len(labelled) / 2:
        return "It is an outline with labels; write plain sentences."
    settings = list(_CAMERA_SETTING.finditer(unquoted))
    if len(settings) > 1 and any(found["sure"] for found in settings):
        return "It lists the camera's settings; say what the picture shows."
    if caption.rstrip("\"' ").endswith((":", "：")):
        return "It ends in a colon, as if something followed."
    return None


def unfinished(caption: str, locale: str) -> str | None:
    """It ends where something has to follow, although nothing cut it."""
    if _OPEN_END.search(caption) or (
        language_of(locale) == "en" and " " in caption and _OPEN_ENGLISH_END.search(caption)
    ):
        return "It ends in the middle of a sentence; finish it."
    return None


def redundant_opener(caption: str, unquoted: str, languages: tuple[Language, ...]) -> str | None:
    """It begins by saying that it is a picture, or speaks of "this image" further on."""
    if redundant_openers.has_opener(caption, languages) or _THIS_PICTURE.search(unquoted):
        return 'Do not say that it is an image ("photo of", "this picture"); say what is in it.'
    return None


def placeholder(caption: str) -> str | None:
    """A word that stands for a missing text, or the name of a file."""
    if caption.casefold().strip(" .!?\"'[]()<>-_:*") in load_languages().placeholders:
        return "It is a placeholder, not a description."
    if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", caption):
        return "It is a name for machines, not a description."
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


def about_itself(
    unquoted: str, whole: str, style: Style, languages: tuple[Language, ...]
) -> str | None:
    """It speaks of the model or its task, or says instructions back.

    Of what was cut away only a train of thought and our own instructions count: a good caption may
    have a remark to the reader behind it.
    """
    if (
        any(one.about_itself.search(unquoted) or one.refusal.match(unquoted) for one in languages)
        or _ORDER.search(unquoted)
        or _THOUGHT.search(whole)
    ):
        return "It speaks of yourself, the task or the request; describe only the picture."
    said = split_words(whole)
    told = _shingles(style.instructions)
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
    found = count_scripts(unquoted)
    east_asian = sum(found.pop(script, 0) for script in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
    if east_asian:
        found["EAST ASIAN"] = east_asian
    total = sum(found.values())
    if east_asian > max(3, 0.25 * total) and language_of(locale) not in _MIXES_LETTERS:
        return "It mixes in words of another script."
    main = max(found.values(), default=0)
    if len(found) >= 4 or (len(found) >= 3 and total - main > _FOREIGN_LETTERS_SHARE * total):
        return "It mixes several scripts; write words of one language."
    if _BAD_START.match(caption):
        return "It begins with a mark that begins no sentence."
    tokens = caption.split()
    broken = sum(bool(_BROKEN_TOKEN.match(token)) for token in tokens)
    broken += len(_DOUBLED.findall(unquoted))
    if broken >= 2 and broken > _BROKEN_SHARE * len(tokens):
        return "It is not made of words."
    # "eCommerce" four times is a shop, not four broken words.
    odd = sum(bool(_ODD_TOKEN.search(token)) for token in {token.strip(",.") for token in tokens})
    if odd >= 2 and (odd == len(tokens) or (odd >= 4 and odd > _ODD_SHARE * len(tokens))):
        return "It is not made of words."
    signs = sum(not (char.isalnum() or char.isspace()) for char in caption)
    digits = sum(map(str.isdigit, caption))
    if len(caption) >= 12 and signs + digits > 0.6 * len(caption.replace(" ", "")):
        return "It is made of signs and digits instead of words."
    return None


def _mixes_scripts(word: str) -> bool:
    """True for "negó说实"; Greek letters stand in units and names of particles."""
    return (
        not word.isascii()
        and len(
            count_scripts(word).keys()
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
def _shingles(told: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    """Every run of seven words within one of the texts."""
    return frozenset(
        tuple(said[start : start + _SHINGLE_WORDS])
        for said in map(split_words, told)
        for start in range(len(said) - _SHINGLE_WORDS + 1)
    )
