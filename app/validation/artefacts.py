"""Artefacts of models in an answer: coordinates, escapes, identifiers, numbers of missing items.

What is removed here never belongs to prose. What looks like prose as well is left to the rules.
"""

import functools
import re
from urllib.parse import unquote

_NUMBER = r"-?\d{1,5}(?:\.\d{1,8})?"
_PAIR = rf"[(\[]\s?{_NUMBER}\s?,\s?{_NUMBER}\s?[)\]]"
# Boxes and polygons of grounding models: "(100,200),(300,400)", "[[10, 20, 30, 40]]".
_COORDINATES = re.compile(
    rf"[(\[]{{0,2}}{_PAIR}(?:\s?,?\s?{_PAIR}){{1,20}}[)\]]{{0,2}}"
    rf"|[(\[]{{1,2}}\s?{_NUMBER}(?:\s?,\s?{_NUMBER}){{3}}\s?[)\]]{{1,2}}"
)
# Pixels, thousandths or shares: people write "the points (1, 2), (3, 4)" about a plot.
_OF_PIXELS = re.compile(r"\d{3}|\.\d{2}")
_COORDINATE_ELEMENT = re.compile(
    r"<([a-z][a-z_0-9]{0,20})>[\s\d.,;:()\[\]<>-]{1,200}</\1>"
    r"|</?(?:loc|seg|patch_index|x|y|point|points|box|bbox|quad|poly|ref|phrase|object|grounding)"
    r"[_\d]{0,12}(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
# "[img-0]", "<image 1>", "[Image #2]": the place of an image in a prompt.
IMAGE_PLACE = re.compile(
    r"(?:!\[|\[|<)(?:img|image|picture|photo|video|media)[ _#-]{0,2}\d{1,3}[\]>]", re.IGNORECASE
)
# "\\newline" is a command of LaTeX.
_NO_COMMAND = r"(?!oindent|ew(?:line|page|command)|ormal|ode\b|u\b|abla|eq?\b)"
# "[b]A dog runs.[/b]", as in forums and in WordPress.
_BRACKET_ELEMENT = re.compile(
    r"\s{0,9}\[(?P<name>[a-z]{1,12})(?:[ =][^\[\]\n]{0,80})?\]"
    r"(?P<text>.{1,4000})\[/(?P=name)\]\s{0,9}",
    re.DOTALL,
)
_CITATION = re.compile(
    r"【\d[^【】\n]{0,60}】|:contentReference\[[^\[\]\n]{0,60}\](?:\{[^{}\n]{0,40}\})?"
    r"|\ue200[^\ue201\n]{0,200}\ue201|\[\^\w{1,12}\](?:[:：][^\n]{0,300})?"
)
"""Marks of search tools, and footnotes: "【1†source】", "[^1]: The picture."."""
_LINE_END_ESCAPE = re.compile(rf"(?:\\{{1,4}}r)?\\{{1,4}}n{_NO_COMMAND}")
_URL_ENCODED_LINE_END = re.compile(r"(?:%0[Dd])?%0[Aa]")
# Beside a sentence: inside, "50%20" may be a share and a number, and a file name stays one.
_URL_ENCODED_SIGNS = re.compile(r"^(?:%2[0-9A-Fa-f]){1,9}|(?<=[.!?。\"”])(?:%2[0-9A-Fa-f]){1,9}")
# A call or an assignment with one string: `print("...")`, `echo '...';`.
_CODE_AROUND = re.compile(
    r"\s{0,9}(?:const |let |var )?(?:[$\w]{1,20}\s{0,2}=\s{0,2}"
    r"|(?:print|puts|echo|console\.log|return|printf|write)[ (]\s?)?"
    r"[frb]?(?P<quote>[\"'`])(?P<string>.{2,4000})(?P=quote)\)?;?\s{0,9}",
    re.DOTALL,
)
_MIN_STRING_CHARS = 20
# Unlike a command of LaTeX: after a sentence, before a capital, or two in a row.
_IS_ESCAPED = re.compile(
    rf"^\\{{1,4}}(?:n{_NO_COMMAND}|r(?!m\b|ef\b|ight|agged))|\\{{1,4}}n(?:[^a-z]|$)|[.!?:\"]\\{{1,4}}n"
)
_ESCAPED_SPACE = re.compile(r"\\{1,4}[rt](?![a-z])")
_ESCAPED_CHARACTER = re.compile(
    r"\\{1,4}u([0-9a-fA-F]{4})(?:\\{1,4}u([dD][c-fC-F][0-9a-fA-F]{2}))?"
)
_ESCAPED_SIGN = re.compile(r"\\([\"'/*_#~])")
# A name of a program's own, as a tokeniser's rare words are: "addCriterion".
_IDENTIFIER = r"[a-z]{3,20}(?:[A-Z][a-z]{2,20}){1,4}"
_IDENTIFIER_LINE = re.compile(
    rf"^[ \t]{{0,4}}(?:{_IDENTIFIER}|[a-z]{{2,20}}(?:_[a-z]{{2,20}}){{1,4}})[ \t]{{0,4}}$",
    re.MULTILINE,
)
_FENCE_WORD_LINE = re.compile(r"^\s{0,9}(?:json|text|txt|html|markdown|md|yaml|python)[ \t]*\n")
# "airBaltic planes" and "the “new” easyJet" have names; before a capital or a sign, and behind a
# sentence or a mark, it is none.
_FIRST_IDENTIFIER = re.compile(
    rf"(?:assistant\s)?{_IDENTIFIER}"
    rf"(?=\s(?:[^\W_a-z]|[^\w\s])|[^\x00-\u024f’]|\s(?:assistant|user|model|{_IDENTIFIER})\b)"
)
_IDENTIFIER_BEHIND_SENTENCE = re.compile(
    rf"(?:(?<=[^\W_]{{2}}[.!?])|(?<=[\"”“’'»)\]][.!?])"
    rf"|(?<=[.!?][\"”“’'»)\]*`])|(?<=[。！？」』】])|(?<=[\]>|*`]))\s?"
    rf"(?:User|Assistant|Model|System)?{_IDENTIFIER}(?!\w)(?!\s[a-z]{{2}})"
)
_LAST_IDENTIFIER = re.compile(rf"(?<=[\"”“’'»)]){_IDENTIFIER}$")
_CAPITAL_INSIDE = re.compile("[a-z][A-Z]")
_DANGLING_ITEM = re.compile(
    r"(?:(?<=[.!?…\"”'’)\]»“>])\s{1,3}|(?<=[。！？」])\s{0,3})"
    r"(?:(?:\(?\d{1,2}[.)]|\(?[a-h]\)|[-*+•●▪◦‣>#|~–—]{1,4})\s{0,2}){1,3}$"
    r"|(?<=[。！？」])\s{0,3}\d{1,2}$"
)
# "Pier no. 2.", "Hauptstr. 5.", "Piano sonata op. 27."
_NUMBERED_WORD = re.compile(
    r"(?:\b(?:[A-Z]|nos?|nr|vols?|figs?|pp?|chs?|arts?|ca|approx|č|čl|ul|br|opp?|apt|rm|bldg|ste|sts?"
    r"|secs?|sect|ed|rev|ver?|pts?|pl|tabs?|eq|eqs|lvl|vs|etc|incl|gr|abb|bd|kap|jg|bj|pág|núm|cap|tav|rys|obr|sl|god|pos|mod|typ|kat)|str)\.[\"”»)]?$",
    re.IGNORECASE,
)
_HALF_FIRST_TOKEN = re.compile(
    r"/?[a-z_]{1,20}\d{0,6}>(?=\D)|(?:img|image)[ _#-]{0,2}\d{1,3}[\])>]|\w{0,20}[|｜]>"
)
_HALF_INNER_TOKEN = re.compile(r"(?<=[.!?\s])[|｜]>")
_HALF_LAST_TOKEN = re.compile(r"<[|｜]\w{0,20}$|(?<=[.!?。\"”»)\]*])</?[a-z]{0,12}$|[\"']\s?/?>$")
_END_CHARS = 120
"""What is at the end of a text is looked for in so much of it."""


def strip_artefacts(text: str) -> str:
    """The text without coordinates, places of images and identifiers on lines of their own."""
    if "<" in text:
        text = _COORDINATE_ELEMENT.sub("", text)
    text = _COORDINATES.sub(lambda found: "" if _are_pixels(found) else found.group(), text)
    text = IMAGE_PLACE.sub(" ", text)
    text = _CITATION.sub("", text)
    element = _BRACKET_ELEMENT.fullmatch(text)
    text = text if element is None else element["text"]
    text = _FENCE_WORD_LINE.sub("", text)
    stripped = _IDENTIFIER_LINE.sub("", text)
    return stripped if stripped.strip() else text  # a name alone is for a rule to reject


def has_coordinates(text: str) -> bool:
    """Whether coordinates of a box or a polygon are left."""
    return any(map(_are_pixels, _COORDINATES.finditer(text)))


def unescape(text: str) -> str:
    """The text with escapes of JSON and programs replaced, as `\\n` and `\\u00e9` are."""
    text = _URL_ENCODED_LINE_END.sub("\n", text) if "%0" in text else text
    if "%2" in text:
        text = _URL_ENCODED_SIGNS.sub(lambda signs: unquote(signs.group()), text)
    if "\\" not in text:
        return text
    if _IS_ESCAPED.search(text):
        text = _LINE_END_ESCAPE.sub("\n", text)
    text = _ESCAPED_SPACE.sub(" ", text)
    return _ESCAPED_SIGN.sub(r"\1", _ESCAPED_CHARACTER.sub(_decode_escape, text))


def unwrap_code(text: str) -> str:
    """The string in code that only prints or assigns it; any other text unchanged."""
    code = _CODE_AROUND.fullmatch(text)
    if code is None or text.lstrip().startswith(code["quote"]):
        return text
    # print("Hello, World!") is the picture of a program, or none.
    return code["string"] if len(code["string"]) >= _MIN_STRING_CHARS else text


@functools.lru_cache(maxsize=4)  # cleaning repeats until nothing changes
def strip_ends(text: str) -> str:
    """One paragraph without identifiers, half tokens and numbers of missing items at its ends."""
    stripped = _strip_half_tokens(_strip_identifiers(text)).strip()
    text = stripped if any(map(str.isalnum, stripped)) else text
    item = _find_dangling_item(text)
    return text if item is None else text[: item.start()]


def has_identifier(text: str) -> bool:
    """Whether a program's name for something stands before or after a sentence."""
    return _strip_identifiers(text) != text


def _strip_identifiers(text: str) -> str:
    if not _CAPITAL_INSIDE.search(text):
        return text
    text = _IDENTIFIER_BEHIND_SENTENCE.sub("", _cut_start(_FIRST_IDENTIFIER, text))
    return _cut_end(_LAST_IDENTIFIER, text)


def _strip_half_tokens(text: str) -> str:
    if ">" in text:
        text = _HALF_INNER_TOKEN.sub("", _cut_start(_HALF_FIRST_TOKEN, text))
    return _cut_end(_HALF_LAST_TOKEN, text)


def _cut_start(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return text if found is None else text[found.end() :]


def _cut_end(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text, max(0, len(text) - _END_CHARS))
    return text if found is None else text[: found.start()]


def _find_dangling_item(text: str) -> re.Match[str] | None:
    item = _DANGLING_ITEM.search(text, max(0, len(text) - 12))
    if item is None:
        return None
    start = max(0, item.start() - _END_CHARS)
    return None if _NUMBERED_WORD.search(text, start, item.start()) else item


def _are_pixels(coordinates: re.Match[str]) -> bool:
    return _OF_PIXELS.search(coordinates.group()) is not None


def _decode_escape(escape: re.Match[str]) -> str:
    first, second = escape.groups()
    if second is None:
        char = chr(int(first, 16))
        return " " if "\ud800" <= char <= "\udfff" else char
    high, low = int(first, 16), int(second, 16)
    is_pair = 0xD800 <= high < 0xDC00
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)) if is_pair else " "
