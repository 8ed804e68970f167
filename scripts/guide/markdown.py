"""One Markdown page as HTML: anchors as GitHub makes them, links rewritten by the caller."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

_COMMENT = re.compile(r"\s*(<!--.*?-->\s*)+", re.DOTALL)
_INLINE_TEXT = ("text", "code_inline", "softbreak")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and the text up to the next one."""

    level: int
    title: str
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page without its frame."""

    title: str
    html: str
    sections: tuple[Section, ...]


def render_markdown(text: str, rewrite_link: Callable[[str], str | None]) -> RenderedPage:
    """The page. A link that `rewrite_link` returns None for becomes plain text.

    Raises ValueError where there is HTML, which GitHub and the guide would show differently.
    """
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    sections = _name_sections(tokens)
    for token in tokens:
        if token.type == "html_block":
            if not _COMMENT.fullmatch(token.content):
                raise ValueError(f"HTML in Markdown: {token.content.strip()[:80]}")
            token.content = ""
        if token.type in ("th_open", "td_open") and "style" in token.attrs:
            # The pages allow no inline styles.
            alignment = str(token.attrs.pop("style")).removeprefix("text-align:")
            token.attrJoin("class", f"align-{alignment}")
        if token.type == "inline":
            token.children = _rewrite(token.children or [], rewrite_link)
    _label_empty_headers(tokens)
    html = parser.renderer.render(tokens, parser.options, {})
    # What is wider than the window is scrolled, also with the keyboard.
    html = html.replace("<pre>", '<pre tabindex="0">')
    html = html.replace("<table>", '<div class="table" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    title = next((section.title for section in sections if section.level == 1), "")
    return RenderedPage(title, html, tuple(sections))


def _name_sections(tokens: list[Token]) -> list[Section]:
    """Give each heading its anchor; the sections with their plain text."""
    sections: list[Section] = []
    used: dict[str, int] = {}
    for index, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        title = _plain_text(tokens[index + 1])
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = used.get(slug, 0)
        used[slug] = count + 1
        anchor = f"{slug}-{count}" if count else slug
        token.attrSet("id", anchor)
        texts = []
        for following in tokens[index + 3 :]:
            if following.type == "heading_open":
                break
            if following.type in ("inline", "fence", "code_block"):
                texts.append(_plain_text(following))
        sections.append(Section(int(token.tag[1]), title, anchor, " ".join(texts)))
    return sections


def _plain_text(token: Token) -> str:
    if token.type != "inline":
        return token.content
    children = token.children or []
    return "".join(
        " " if child.type == "softbreak" else child.content
        for child in children
        if child.type in _INLINE_TEXT
    )


def _rewrite(children: list[Token], rewrite_link: Callable[[str], str | None]) -> list[Token]:
    kept: list[Token] = []
    opened: list[bool] = []
    for child in children:
        if child.type == "html_inline":
            if not _COMMENT.fullmatch(child.content):
                raise ValueError(f"HTML in Markdown: {child.content}")
            continue
        if child.type == "link_open":
            target = rewrite_link(str(child.attrGet("href")))
            opened.append(target is not None)
            if target is not None:
                child.attrSet("href", target)
                kept.append(child)
        elif child.type == "link_close":
            if opened.pop():
                kept.append(child)
        else:
            kept.append(child)
    return kept


def _label_empty_headers(tokens: list[Token]) -> None:
    """An empty cell of a table's head is a plain cell (WCAG: a header needs a text)."""
    for index, token in enumerate(tokens):
        if token.type == "th_open" and not tokens[index + 1].content.strip():
            token.tag = tokens[index + 2].tag = "td"
