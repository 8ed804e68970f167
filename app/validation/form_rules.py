"""Rules about a caption's form: wrapping, openers, placeholders, markup, emoji."""

import re
from collections.abc import Callable

from app.validation.artefacts import (
    IMAGE_PLACE,
    has_coordinates,
    has_identifier,
)
from app.validation.caption_edges import find_edge
from app.validation.chat_turns import IDENTIFIER_ALONE, ROLE_LEFT, TOKEN_NAME
from app.validation.labels import match_label
from app.validation.languages import Language, load_languages
from app.validation.loose_marks import find_loose_mark
from app.validation.markup import MarkupLine
from app.validation.open_ends import ends_in_open_word
from app.validation.outer_marks import has_unmatched_quotation, is_open_at_end, strip_outer_marks
from app.validation.preambles import is_preamble
from app.validation.redundant_openers import has_opener
from app.validation.rule_input import RuleInput
from app.validation.sentences import SENTENCE_ENDS, split_sentences
from app.validation.stray_words import (
    ends_with_stray_words,
    has_only_stray_words,
    starts_with_stray_word,
)

_SENTINEL_ANSWER = re.compile(r"(?:DECORATIVE|UNCERTAIN)\b")
_WRAPPINGS = {
    "token": r"<[|｜/]|[|｜]>|\[/?(?:INST|THINK|IMG)\]|</?(?:think|s|bos|eos|pad|unk|image)\b"
    r"|[◁▷▁]|�",
    # As in "[person3] is serving".
    "placeholder of a template": r"\[(?i:person|object|name|insert|redacted|your|location|brand"
    r"|text|city|state|date|place|product|title)\b[^\[\]]{0,40}\]|\[(?:person|object)\d",
    "heading": r"^#{1,6}\s|\s#{2,6}\s",
    "bullet": r"^(?:\*{1,3}|[-–])\s|[•●▪]",
    "emphasis or fence": r"\*\*|```|~~",
}
_WRAPPING = re.compile("|".join(_WRAPPINGS.values()))
_TABLE = re.compile(r"\|[^|]{0,300}\||\w\s?\|\s?\w|\s\|(?:\s|$|[\"'])")
_LABEL_INSIDE = re.compile(
    rf"(?:^|[{SENTENCE_ENDS}\"'”»’)\]]\s(?:[^\w\s]{{1,3}}\s)?|[。！？」』】》）]\s?)"
    r"(?:keywords|tags|hashtags|title|schlüsselwörter|schlagw[oö]rte?r?|stichworte|begründung"
    r"|mots[- ]clés|palabras clave|ključne riječi|parole chiave|palavras-chave|alt(?:[ -]text)?"
    r"|description|caption|note|answer|response|output|reasoning|explanation|translation|sources?|references?|mood|language"
    r"|word count|character count|you said|chatgpt said)\s?[:：]"
    r"|[.!?\"”]\s(?:human|user|assistant):|(?:^|[.!?]\s)Q:\s|\?\s?A:\s",
    re.IGNORECASE,
)
_THIS_PICTURE = re.compile(
    r"\b(?:this|the (?:provided|given|attached|above|following)) "
    r"(?:image|photo|photograph|picture|pic|graphic|screenshot|snapshot)\b",
    re.IGNORECASE,
)
_FILE_NAME = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif|heic|ico|psd)[.\"')\]]{0,4}$"
    r"|(?:img|dsc|dscn|dscf|pxl|image|photo|screenshot|screen shot|untitled|file|scan|picture)"
    r"[ _-]{0,8}[\d_() -]{2,40}$"
    r"|(?:\.{0,2}/|[a-z]:\\)\S+$|\w\.(?:py|js|ts|json|txt|md|html|css|xml|csv)$",
    re.IGNORECASE,
)
_NAME_ALONE = re.compile(
    r"[a-z]+(?:_[a-z]+)+|[A-Z]+(?:_[A-Z]+)+\W{0,3}|\W{0,2}\d{1,2}:\d{2}:\d{2}\W{0,2}"
    r"|[a-z_]{2,20}:\s?\w{1,20}\W{0,3}|\d{1,4} (?:characters?|chars|words|tokens)"
    r"|figcaption|figure|div|span"
)
_FILE_NAME_AT_END = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|avif|heic)[.\"')\]]*$", re.IGNORECASE
)
# A label at the start of a sentence in an outline ("Sun position: ...", "Tide stage: ..."). People
# describe sides and parts of a picture in the same form, so these are excluded.
_OUTLINE_ITEM = re.compile(
    r"(?!(?:left|right|top|bottom|cent(?:er|re)|middle|before|after|fore|back|figure|fig|panel|row)"
    r"\b)[^\W\d_][\w'’-]{1,20}(?: [\w'’-]{1,20}){0,3}[:：]\s",
    re.IGNORECASE,
)
# Camera settings: a sensitivity or shutter speed, together with another setting.
_CAMERA_SETTING = re.compile(
    r"\b(?P<sure>ISO:?\s?\d{2,6}|1/\d{2,4}\s?s(?:ec)?|shutter speed)\b|\b(?:f/\d|\d{2,3}\s?mm)\b"
    r"|\b(?:aperture|white balance|exposure compensation):",
    re.IGNORECASE,
)
_URL = re.compile(
    r"\b(?:https?|ftp|file|data|javascript):\S|\bwww\.\w|%[0-9A-F]{2}\S{0,40}%[0-9A-F]{2}"
    r"|[\w.+-]@[\w-]{1,63}\.\w{2,}",
    re.IGNORECASE,
)
_DOMAIN = re.compile(
    r"\w[\w-]\.(?:com|org|net|io|edu|gov|info|biz|co\.uk|de|fr|it|es|nl|pl|ru|jp|cn|app|dev)\b(?!\.\w)",
    re.IGNORECASE,
)
# "Booking.com" and "Wikipedia.org" are names, unless somebody is sent there.
_NAMED_AS_DOMAIN = re.compile(
    r"(?<![\w./@-])(?<!(?i:visit) )(?<!(?i:go to) )(?<!(?i:check out) )(?<!(?i:more (?:at|on)) )"
    r"[A-Z][a-z]{2,20}(?:[A-Z\d][a-z\d]{0,12})?\.(?:com|org|net|de|fr|it|es|nl|pl)(?![\w/:-]|\.\w)"
)
_MARKUPS = {
    # Markup for a browser (HTML, 13.2.5.6), closed or not: "<svg/onload=...", "<!--".
    "tag": r"<[a-z/!?]|\bon[a-z]{4,20}\s?=|\b(?:class|src|href|alt|style)=",
    "character reference": r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,6});",
    "link": r"\]\(|//",
    "brace or bracket of code": r"[{}]|\[[\"']|[\"']\]|\]\]|\[\[|\$\$",
    # A call is code; a function name alone ("the fill() page", "console.time()") is not.
    "call": r"\w\([\"']|\w\.\w+\((?!\))|\bdef \w+\(|\bfunction\(|=>",
    "string": r"^[\"“'„]{0,3}[frbu][\"']|^[\"']?echo\s[\"']|\breturn\s[\"']|[\"'],[\"']",
    "assignment": r"\bconst \w+\s?=|\w\s?=\s?[\"'`]",
    "member of JSON": r"[\"'](?:alt[_ ]?text|alt|caption|description|text|answer)[\"']\s?:"
    r"|\w_\w{1,20}[\"']\s?:|,\s[\"']\w{1,20}_\w{1,20}[\"']$|[\"'][a-z\d_<>/]{1,30}[\"']\s?:\s",
    # Escapes and commands that cleaning could not read.
    "backslash": r"\\",
}
_MARKUP = re.compile("|".join(_MARKUPS.values()), re.IGNORECASE)
# Unicode's emoji, including those with a text form. Other arrows and rating stars are excluded: the
# "→" key of a keyboard is text. U+FE0F makes any character before it an emoji.
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u2604\u260e\u2611\u2614\u2615\u2618\u261d\u2620\u2622\u2623\u2626"
    "\u262a\u262e\u262f\u2638-\u263a\u2640\u2642\u2648-\u2653\u2660\u2663\u2665\u2666\u2668\u267b\u267f"
    "\u2692-\u2697\u2699\u269b\u269c\u26a0\u26a1\u26a7\u26aa\u26ab\u26b0\u26b1\u26bd\u26be\u26c4\u26c5"
    "\u26c8\u26ce\u26cf\u26d1\u26d3\u26d4\u26e9\u26ea\u26f0-\u26f5\u26f7-\u26fa\u26fd\u2702\u2705"
    "\u2708-\u270d\u270f\u2712\u2714\u2716\u271d\u2721\u2728\u2733\u2734\u2744\u2747\u274c\u274e"
    "\u2753-\u2755\u2757\u2763\u2764\u2795-\u2797\u27a1\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55"
    "\u231a\u231b\u23e9-\u23f3\u23f8-\u23fa\ufe0f\u20e3"
    # Shown as text by some systems and as a picture by others.
    "\u203c\u2049\u2139\u2194-\u2199\u21a9\u21aa\u2328\u23cf\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe"
    "\u265f\u267e\u2934\u2935\u2b05-\u2b07\u3030\u303d\u3297\u3299]"
)
# "I ♥ NY": a heart in a word's place.
_HEART_AS_WORD = re.compile(r"(?<=[\w’'])\s?[♥❤]\s(?=[^\W\d_a-zß-ÿ])")
# "Python 3.9+" and "A+" are complete.
# “ and « close quotations in German, Czech, Croatian and Slovenian: there they stand at a word.
_OPEN_END = re.compile(
    r"(?<![\dA-F])[+-]$|[,;–—&/]$|[(\[„][\"'“„«(\[]?$|(?<!\S)[“«][\"'“„«(\[]?$|\s\"$"
)
_MARKS_OF_WRAPPING: tuple[tuple[Callable[[str], object], str], ...] = (
    (_LABEL_INSIDE.search, "It has labelled parts; answer with the caption alone."),
    (ROLE_LEFT.search, "It names the turns of a chat; answer with the caption alone."),
    (TOKEN_NAME.search, "It holds marks of a chat template; answer with the caption alone."),
    (has_identifier, "It holds a word that is no word; write plain text."),
    (has_coordinates, "It holds coordinates; write plain text."),
    (IMAGE_PLACE.search, "It holds the mark of an image; write plain text."),
    (is_open_at_end, "A bracket has no partner; write plain text."),
    (find_edge, "It begins or ends with what is no sentence; write plain text."),
    (find_loose_mark, "It holds marks that belong to no sentence; write plain text."),
    (ends_with_stray_words, "A word or number is left after its last sentence; write plain text."),
    (_WRAPPING.search, "It holds list marks, headings or tokens; write plain text."),
)


def _begins_with_wrapping(caption: str, languages: tuple[Language, ...]) -> bool:
    return (
        match_label(MarkupLine("text", caption), languages) is not None
        or is_preamble(caption, languages)
        or starts_with_stray_word(caption, languages)
    )


def _has_outer_marks(given: RuleInput) -> bool:
    # A ceiling may have cut a quotation, which then has no end.
    if given.is_truncated:
        return False
    is_cut = len(given.caption) < len(given.uncut)
    return strip_outer_marks(given.caption) != given.caption or (
        not is_cut and has_unmatched_quotation(given.caption)
    )


def wrapping_left(given: RuleInput) -> str | None:
    """A label, preamble, list mark or token that cleaning could not remove."""
    caption = given.caption
    if given.defect == "outline":
        return "It is an outline or a list; write plain sentences."
    if _SENTINEL_ANSWER.match(caption):
        return "Answer with DECORATIVE or UNCERTAIN and nothing else, or with a caption."
    if _begins_with_wrapping(caption, given.languages):
        return "It begins with a label, a role or an announcement; answer with the caption alone."
    for find_mark, reason in _MARKS_OF_WRAPPING:
        if find_mark(caption):
            return reason
    if _TABLE.search(given.unquoted) or _has_outer_marks(given):
        return "It is a table, or marks stand around it; write plain sentences."
    labelled = [bool(_OUTLINE_ITEM.match(part)) for part in split_sentences(caption)]
    if labelled[:1] == [True] and 1 < sum(labelled) >= len(labelled) / 2:
        return "It is an outline with labels; write plain sentences."
    settings = list(_CAMERA_SETTING.finditer(given.unquoted))
    if len(settings) > 1 and any(setting["sure"] for setting in settings):
        return "It lists the camera's settings; say what the picture shows."
    if caption.rstrip("\"' ").endswith((":", "：")):
        return "It ends in a colon, as if something followed."
    return None


def unfinished(given: RuleInput) -> str | None:
    """It ends in the middle of a sentence, although it was not truncated."""
    if given.is_truncated:
        return None
    caption = given.caption
    if _OPEN_END.search(caption) or ends_in_open_word(caption, given.languages[0]):
        return "It ends in the middle of a sentence; finish it."
    return None


def redundant_opener(given: RuleInput) -> str | None:
    """It begins by saying that it is a picture, or mentions "this image" later."""
    if has_opener(given.caption, given.languages) or _THIS_PICTURE.search(given.unquoted):
        return (
            'Do not say that it is an image ("photo of", "this picture") or what it may be '
            '("it appears to be"); say what is in it.'
        )
    return None


def placeholder(given: RuleInput) -> str | None:
    """A placeholder for a missing text, an identifier or a file name."""
    caption = given.caption
    if caption.casefold().strip(" .!?\"'[]()<>-_:*") in load_languages().placeholders:
        return "It is a placeholder, not a description."
    if has_only_stray_words(caption):
        return "It is made of the names of fields, not a description."
    if _NAME_ALONE.fullmatch(caption) or IDENTIFIER_ALONE.fullmatch(caption):
        return "It is a name for machines, not a description."
    if _FILE_NAME.search(caption) if " " not in caption else _FILE_NAME.fullmatch(caption):
        return "It is a file name, not a description."
    if _FILE_NAME_AT_END.search(caption):
        return "It ends in a file name."
    return None


def url_or_markup(given: RuleInput) -> str | None:
    """A URL, an e-mail address or code. A bare domain may be quoted as the text of a sign."""
    if _URL.search(given.caption) or _DOMAIN.search(_NAMED_AS_DOMAIN.sub(" ", given.unquoted)):
        return "It holds an address; leave addresses out."
    if _MARKUP.search(given.caption):
        return "It holds markup or code; write plain text."
    return None


def emoji(given: RuleInput) -> str | None:
    """A character that is drawn as a picture."""
    text = _HEART_AS_WORD.sub(" ", given.caption)
    return "It has an emoji in it; use words only." if _EMOJI.search(text) else None
