"""Removes JSON, HTML and Markdown from an answer; each line keeps its kind (heading, bullet...)."""

import html
import json
import re
from dataclasses import dataclass
from typing import Literal

LineKind = Literal["text", "heading", "bullet", "number", "table", "blank", "rule"]
"""`number`: an item of a numbered list. `table`: a row. `rule`: a horizontal rule."""


@dataclass(frozen=True, slots=True)
class MarkupLine:
    """One line of an answer without its markup."""

    kind: LineKind
    text: str


_ANSWER_KEYS = (
    "alt_text", "alttext", "alt", "caption", "description", "text", "answer", "output", "response",
    "result", "content", "final_answer", "message", "image_description", "image_caption",
    "captions", "concise", "action_input", "arguments", "input", "value", "sentence",
)  # fmt: skip
_KEYS_OF_ERRORS = frozenset({"error", "code", "status", "reason", "detail", "refusal"})
# Enough for a list of objects in an object; deeper JSON is not a caption.
_MAX_DEPTH = 4
# A member of JSON that is cut, or in other text, or written as in Python.
_JSON_MEMBER = re.compile(
    r"(?:^\s{0,9}|\n\s{0,9}|[\"'{])"
    r"(?:alt[_ -]?text|alt|(?:image_)?(?:caption|description)|text|(?:final_)?answer"
    r"|output|response|result|content|</?[a-z_]{2,30}>)[\"']\s{0,9}:\s{0,9}"
    r"(?:\"(?P<double>(?:[^\"\\]|\\.){1,4000}+)|'(?P<single>(?:[^'\\]|\\.|'(?=\w)){1,4000}+))",
    re.IGNORECASE,
)
# What stands before the second of several captions, where the key of the first one is gone.
_CUT_STRING = re.compile(
    r"\s{0,9}[\"'`]{0,3}(?P<text>(?:[^\"\\]|\\.){12,2000}+)\"\s?[}\])]{0,3}\s?,\s?[\[{(]{0,3}\s?$",
    re.DOTALL,
)
_NUMBERED_KEY = re.compile(r"(?:(?:option|version|alternative|caption|alt|description)_?)?[1-9a-d]")
_FENCE = re.compile(r"^[ \t]*(?:`{2,6}|~{2,6})[ \t]*[\w+#.-]{0,20}[ \t]*$", re.MULTILINE)
_SENTENCE_ENDS = (".", "!", "?", "。", "।")
_CLOSERS = "\"'”’»)]}>*_~ "
_FENCE_WORD = r"(?:json|text|txt|plaintext|html|xml|markdown|md|yaml|python)\b"
_FENCE_FIRST = re.compile(rf"\s{{0,9}}(?:`{{1,6}}+|~{{2,6}}+)(?:[ \t]?{_FENCE_WORD})?+(?=[^\n])")
_ODD_FENCE = re.compile(
    rf"[^`~]{{0,200}}(?:`{{3,6}}+|~{{3,6}}+)(?:[ \t]?{_FENCE_WORD})?(?!.*(?:```|~~~))", re.DOTALL
)
_FENCE_LAST = re.compile(r"(?:`{3,6}|~{3,6})\s{0,9}$")
_FENCE_CHARS = 16
_FENCE_INSIDE = re.compile(rf"(?:`{{2,6}}|~{{2,6}}){_FENCE_WORD}|`{{3,6}}|~{{3,6}}")
_ALT = re.compile(
    # A quotation within the attribute does not end it.
    r"<\s?(?:img|image|figure|caption|picture|alt)\b[^<>]{0,4000}?"
    r"\b(?:alt|text|description|caption)\s*=\s*(?:\"([^\"<>]{1,2000})\"|'([^'<>]{1,2000})')"
    r"(?=\s{0,9}(?:/?>|[\w-]{1,30}\s?=|$))",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"</?[a-zA-Z][a-zA-Z0-9_:.-]{0,30}(?:=[\w-]{1,30})?(?:\s[^<>]{0,1000})?/?>|<!--[^<>]{0,1000}-->"
    r"|<\?xml[^<>]{0,200}\?>|<!\[CDATA\[|\]\]>"
)
_UNREAD_ALT = re.compile(r"\balt\s?=.{0,1000}[.!?。][\"']", re.DOTALL)
_PROSE_IN_TAG = re.compile(r"[a-zA-Z][^=\s]{0,20}(?:\s[^=\s]{1,30}){2}[^=]*$")
_OUTER_TAGS = re.compile(
    r"^(?:\s{0,9}<(?:p|div|span|b|i|u|em|strong|q|center|figure|figcaption|caption|blockquote|answer"
    r"|alt|alt_text|h[1-6])(?:\s(?![^<>]{0,100}(?:alt|text|caption|description)\s?=)[^<>]{0,200})?>)"
    r"{1,9}"
    r"|(?:</(?:p|div|span|b|i|u|em|strong|q|center|figure|figcaption|caption|blockquote|answer|alt"
    r"|alt_text|h[1-6])>\s{0,9}){1,9}$",
    re.IGNORECASE,
)
# Elements whose content a browser does not show. The content does not begin another one: otherwise
# each of many opening tags would be searched for its end.
_INVISIBLE_ELEMENT = re.compile(
    r"<(script|style|title|keywords|tags|hashtags)\b[^<>]{0,1000}>(?:[^<]{1,2000}+|<(?!/?\1\b)){0,200}+</\1>",
    re.IGNORECASE,
)
# A longer number is no character, and Python refuses to read one of more than 4,300 digits.
_OVERLONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{64,};?")
_MAX_LINES = 200
"""A draft with more lines is no caption; its first lines are enough to say so."""
_MEMBER_END = re.compile(r"[\"']?\s{0,9}(?:[,}\])\n`<]|$)")
_MEMBER_MAX_START = 2_000
"""A JSON member is looked for so far from the start of an answer."""
_LIST_ITEM_TAG = re.compile(r"<li\b[^<>]{0,200}>\s{0,9}", re.IGNORECASE)
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|br|li|ul|ol|h[1-6]|tr|td|th|table|section|figure|figcaption)\b[^<>]{0,200}>",
    re.IGNORECASE,
)

_HEADING = re.compile(r"#{1,6}\s+(.*)")
BULLET_SIGNS = "•●▪◦‣·◆◇★☆■□○▸▹►▶❖➤➔➜✓✔※☞⁃∙◾◽▫❯❱"
_BULLET = re.compile(rf"(?:[-*+–—\u2192{BULLET_SIGNS}]\ufe0f?)\s+(.*)")
_NUMBER = re.compile(r"\(?(?:\d{1,2})[.)]\s+(.*)")
_TABLE_ROW = re.compile(
    r"\|(?P<cells>[^\n]{1,4000})\||(?P<open>[^|\n]{1,500}(?:\s\|\s[^|\n]{0,500}){2,20})"
)
_TABLE_RULE = re.compile(r"\|?(?:\s?:?-{2,400}+:?\s?\|?){1,20}+")
_RULE = re.compile(r"(?:[-*_=]\s?){3,80}")
_IMAGE_LINK = re.compile(r"!\[([^\[\]\n]{0,500})\]\([^()\n]{0,2000}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,500})\]\([^()\n]{0,2000}\)")
_BOLD = re.compile(r"\*\*([^*\n]{1,2000})\*\*|(?<!\w)__([^_\n]{1,2000})__(?!\w)")
_ITALIC = re.compile(
    r"(?<![\w*])\*([^*\s][^*\n]{0,2000})\*(?![\w*])|(?<!\w)_([^_\s][^_\n]{0,2000})_(?!\w)"
)
_CODE = re.compile(r"`{1,3}([^`\n]{1,2000})`{1,3}")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+.!|>~-])")
_TITLE_MAX_CHARS = 20
"""A longer heading that ends in a full stop is a sentence."""
_RULED_HEADING = re.compile(r"(?:-{2,9}|={2,9})\s?([^\W\d][^\n=]{0,60}?)\s?(?:-{2,9}|={2,9})")
_LATEX_COMMAND = re.compile(
    r"\\(?:noindent|newline|newpage|textbf|textit|boxed|begin|footnote|ref\b)"
)
# In JSON the first letters of commands are read as escapes: "\\noindent" as a line end.
_COMMAND_IN_JSON = re.compile(
    r"(?<!\\)\\(?=(?:noindent|newline|newpage|text|textbf|textit|boxed|begin|fbox|footnote|ref)\b)"
)
_SENTENCE_IN_BOLD = re.compile(r"[.!?。！？](?:\[/\w{1,12}\])?\s{0,9}$")
_BOLD_LINE = re.compile(r"(?:\*\*|__)([^*_\n]{1,80})(?:\*\*|__)\s*[:：]?")


def unwrap_json_and_html(answer: str) -> str:
    """The caption in a JSON answer or in an `alt` attribute; any other answer unchanged."""
    answer = _strip_inline_fences(_OUTER_TAGS.sub("", answer))
    fenced = _fenced_part(answer)
    for candidate in (answer, fenced):
        caption = _caption_from_json(candidate)
        if caption is not None:
            return caption
    if fenced != answer:
        before = answer[: answer.find("```")].strip() if "```" in answer else ""
        if answer.count("```") == 1 and before.rstrip(_CLOSERS).endswith(_SENTENCE_ENDS):
            return before  # the fence is the end of one that was cut
        # The fenced part is the answer only where nothing longer than a preamble precedes it.
        answer = fenced if len(before) < 200 and fenced.strip() else answer
    alt = _ALT.search(answer)
    if alt is not None:
        return _unescape_references(alt.group(1) or alt.group(2))
    return answer


def _strip_inline_fences(answer: str) -> str:
    """The answer without a fence on the line of its first or last words."""
    first = _FENCE_FIRST.match(answer)
    answer = answer if first is None else answer[first.end() :]
    last = _FENCE_LAST.search(answer, max(0, len(answer) - _FENCE_CHARS))
    return answer if last is None else answer[: last.start()]


def parse_lines(answer: str) -> list[MarkupLine]:
    """The lines of an answer, each without markup."""
    text = _LIST_ITEM_TAG.sub("\n- ", _INVISIBLE_ELEMENT.sub(" ", answer))
    text = _unescape_references(_TAG.sub(_prose_in_tag, _BLOCK_TAG.sub("\n", text)))
    text = _FENCE.sub("", text)
    return [_parse_line(raw.strip()) for raw in text.splitlines()[:_MAX_LINES]]


def _prose_in_tag(tag: re.Match[str]) -> str:
    """Angle brackets around a sentence are no tag: "<A man's hat lies on a desk.>"."""
    if _UNREAD_ALT.search(tag.group()):  # left for the rules to reject
        return tag.group()
    inner = tag.group()[1:-1]
    return f" {inner} " if _PROSE_IN_TAG.match(inner) else " "


def _unescape_references(text: str) -> str:
    """The text with its HTML character references (`&amp;`, `&#228;`) replaced."""
    return html.unescape(_OVERLONG_REFERENCE.sub("\ufffd", text))


def _parse_line(raw: str) -> MarkupLine:
    raw = raw.lstrip("> ").strip() if raw.startswith(">") else raw
    if not raw:
        return MarkupLine("blank", "")
    if _RULE.fullmatch(raw) or _TABLE_RULE.fullmatch(raw):
        return MarkupLine("rule", "")
    row = _TABLE_ROW.fullmatch(raw)
    if row is not None:
        cells = [cell.strip() for cell in raw.strip("|").split("|") if cell.strip()]
        is_numbered = len(cells) > 1 and cells[0].isdigit()
        cells = cells[1:] if is_numbered else cells
        kind: LineKind = "table" if len(cells) > 1 else "number" if is_numbered else "text"
        return MarkupLine(kind, _strip_inline_markup(", ".join(cells)))
    heading = _HEADING.fullmatch(raw)
    if heading is not None:
        title = _strip_inline_markup(heading.group(1)).rstrip("# ")
        return MarkupLine("text" if _is_sentence(title) else "heading", title)
    ruled = _RULED_HEADING.fullmatch(raw)
    if ruled is not None:
        return MarkupLine("text" if _is_sentence(ruled[1]) else "heading", ruled[1])
    bold = _BOLD_LINE.fullmatch(raw)
    # A line in bold is a heading, unless it is a sentence: then it is an emphasised caption.
    if bold is not None and not _SENTENCE_IN_BOLD.search(bold.group(1)):
        return MarkupLine("heading", _strip_inline_markup(bold.group(1)))
    bullet = _BULLET.fullmatch(raw)
    number = _NUMBER.fullmatch(raw)
    item = bullet or number
    plain = _strip_inline_markup(raw if item is None else item.group(1))
    if not plain:
        return MarkupLine("blank", "")
    return MarkupLine("bullet" if bullet else "number" if number else "text", plain)


def _is_sentence(title: str) -> bool:
    return len(title) > _TITLE_MAX_CHARS and title.rstrip(_CLOSERS)[-1:] in (".", "。", "।")


def _strip_inline_markup(text: str) -> str:
    text = _FENCE_INSIDE.sub(" ", text)
    text = _IMAGE_LINK.sub(r"\1", text)
    text = _LINK.sub(r"\1", text)
    for pattern in (_BOLD, _ITALIC):
        text = pattern.sub(lambda match: match.group(1) or match.group(2), text)
    text = _CODE.sub(r"\1", text)
    text = _ESCAPED.sub(r"\1", text)
    # A mark without a partner is left where the draft was cut in bold text.
    return text.replace("**", "").strip()


def _fenced_part(answer: str) -> str:
    fences = list(_FENCE.finditer(answer))
    if not fences:
        return answer
    opening = _ODD_FENCE.match(answer, 0, fences[0].start())
    if opening is not None:  # the first fence on a line of its own is the end of one that is not
        return answer[opening.end() : fences[0].start()].strip()
    end = fences[1].start() if len(fences) > 1 else len(answer)
    return answer[fences[0].end() : end].strip()


def _caption_from_json(text: str) -> str | None:
    text = text.strip()
    # A JSON string is decoded only where it has escapes: plain quotation marks may belong to the
    # text of a sign.
    is_string = (
        len(text) > 1
        and text[0] == text[-1] == '"'
        and "\\" in text
        and not _LATEX_COMMAND.search(text)
    )
    if text[:1] in ("{", "[") or is_string:
        try:
            value = json.loads(
                _COMMAND_IN_JSON.sub(r"\\\\", text), object_pairs_hook=_first_of_equal_keys
            )
            return _find_caption(value, _MAX_DEPTH)
        except (ValueError, RecursionError):
            pass
    member = _JSON_MEMBER.search(text[:_MEMBER_MAX_START])
    first = member and _CUT_STRING.fullmatch(text[: member.start()])
    if first is not None:
        return _unescape(first["text"])
    member = member and _JSON_MEMBER.match(text, member.start())
    # A mark within the string would end it too soon.
    if member is None or not _MEMBER_END.match(text, member.end()):
        return None
    return _unescape(member["double"] or member["single"])


def _first_of_equal_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Of several alternatives the first."""
    members: dict[str, object] = {}
    for key, value in pairs:
        members.setdefault(key, value)
    return members


def _find_caption(value: object, depth: int) -> str | None:
    if isinstance(value, str):
        return value
    if depth == 0:
        return None
    if isinstance(value, list):
        captions = (_find_caption(item, depth - 1) for item in value)
        return next((caption for caption in captions if caption), None)
    if not isinstance(value, dict):
        return None
    by_key = {
        str(key).casefold().replace("-", "_").replace(" ", "_"): v for key, v in value.items()
    }
    if by_key.get("decorative") is True:
        return "DECORATIVE"
    for key in _ANSWER_KEYS:
        if by_key.get(key):
            return _find_caption(by_key[key], depth - 1)
    if not _KEYS_OF_ERRORS.isdisjoint(by_key):
        return None
    values = list(by_key.values())
    if all(map(_NUMBERED_KEY.fullmatch, by_key)):  # alternatives
        values = values[:1]
    return _find_caption(values[0], depth - 1) if len(values) == 1 else None


def _unescape(text: str) -> str:
    text = _COMMAND_IN_JSON.sub(r"\\\\", text)
    try:
        return str(json.loads(f'"{text.rstrip(chr(92))}"'))
    except ValueError:
        return text
