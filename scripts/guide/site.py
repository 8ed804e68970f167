"""The whole guide: which pages it has, how they link to each other, and its index for searching."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scripts.guide.markdown import RenderedPage, render_markdown

_TEMPLATE = Path(__file__).with_name("page.html")
_CHAPTERS = {
    "Start": ["README.md"],
    "Callers": ["docs/captions.md", "docs/sdk.md", "docs/mcp.md", "openapi/templates/README.md"],
    "Catalogues": ["docs/backfill.md", "docs/review.md", "docs/verification.md",
                   "docs/migration.md", "docs/backfill-promises.md"],
    "Operators": ["docs/operate.md", "docs/models.md", "docs/security.md", "docs/performance.md"],
    "Project": ["docs/decisions/README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
                "CODE_OF_CONDUCT.md"],
}  # fmt: skip
"""The pages in the contents, by chapter. Other pages of docs/ are in a last chapter."""
_SHORT_TITLES = {"README.md": "Overview", "CHANGELOG.md": "Changelog"}


class BrokenLinks(Exception):
    """Links of the documentation that lead nowhere, one a line."""


def build_guide(top: Path, target: Path) -> list[str]:
    """Write the guide into the folder `target`; returns the paths of its pages.

    Raises BrokenLinks.
    """
    site = _Site(top)
    if site.errors:
        raise BrokenLinks("\n".join(site.errors))
    if target.exists():
        shutil.rmtree(target)
    for path, data in site.files():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return sorted(site.pages.values())


class _Site:
    def __init__(self, top: Path) -> None:
        self._top = top
        listed = {source for sources in _CHAPTERS.values() for source in sources}
        found = {path.relative_to(top).as_posix() for path in top.glob("docs/*.md")}
        more = sorted(found - listed)
        self._chapters = {**_CHAPTERS, **({"More": more} if more else {})}
        decisions = sorted(top.glob("docs/decisions/[0-9]*.md"))
        in_chapters = [source for sources in self._chapters.values() for source in sources]
        sources = [*in_chapters, *(path.relative_to(top).as_posix() for path in decisions)]
        self.pages: Mapping[str, str] = {source: _page_path(source) for source in sources}
        """The path of each page in the guide, by its source."""
        self.errors: list[str] = []
        self._texts: set[str] = set()
        """Files of the project that pages link to, shown as plain text."""
        self._anchored_links: list[tuple[str, str, str]] = []
        self._rendered = {source: self._render(source) for source in sources}
        self._check_anchors()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Path and content of every file of the guide."""
        template = _TEMPLATE.read_text(encoding="utf-8")
        for source, path in self.pages.items():
            page = self._rendered[source]
            root = "../" * path.count("/")
            values = {
                "title": escape(page.title),
                "root": root or "./",
                "contents": self._contents(source, root),
                "page": page.html,
            }
            framed = template
            for name, value in values.items():
                framed = framed.replace(f"<!-- {name} -->", value)
            yield path, framed.encode()
        for name in sorted(self._texts):
            yield _text_path(name), (self._top / name).read_bytes()
        yield "search.json", json.dumps(self._search_index(), ensure_ascii=False).encode()

    def _render(self, source: str) -> RenderedPage:
        text = (self._top / source).read_text(encoding="utf-8")
        try:
            return render_markdown(text, lambda href: self._rewrite_link(source, href))
        except ValueError as error:
            self.errors.append(f"{source}: {error}")
            return RenderedPage(source, "", ())

    def _rewrite_link(self, source: str, href: str) -> str | None:
        """The link in the guide; None where it leads to a folder, of which there is no page."""
        if urlsplit(href).scheme:
            return href
        path, _, anchor = unquote(href).partition("#")
        absolute = os.path.normpath(self._top / Path(source).parent / path) if path else ""
        name = os.path.relpath(absolute, self._top) if path else source
        if (self._top / name).is_dir():
            if f"{name}/README.md" not in self.pages:
                return None
            name = f"{name}/README.md"
        elif not (self._top / name).is_file():
            self.errors.append(f"{source}: {href} leads to no file")
            return None
        if name in self.pages:
            if anchor:
                self._anchored_links.append((source, name, anchor))
            target = self.pages[name]
        else:
            self._texts.add(name)
            target = _text_path(name)
        return _relative(self.pages[source], target) + (f"#{anchor}" if anchor else "")

    def _check_anchors(self) -> None:
        for source, name, anchor in self._anchored_links:
            if anchor not in {section.anchor for section in self._rendered[name].sections}:
                self.errors.append(f"{source}: {name} has no section #{anchor}")

    def _contents(self, current: str, root: str) -> str:
        """The chapters, with the sections of the current page."""
        return "".join(
            f"<h2>{chapter}</h2><ul>"
            + "".join(self._entry(source, current, root) for source in sources)
            + "</ul>"
            for chapter, sources in self._chapters.items()
        )

    def _entry(self, source: str, current: str, root: str) -> str:
        title = _SHORT_TITLES.get(source, self._rendered[source].title)
        if source != current:
            return f'<li><a href="{root}{self.pages[source]}">{_plain(title)}</a></li>'
        sections = "".join(
            f'<li><a href="#{escape(section.anchor)}">{_plain(section.title)}</a></li>'
            for section in self._rendered[source].sections
            if section.level == 2
        )
        inner = f"<ul>{sections}</ul>" if sections else ""
        return (
            f'<li><a href="{root}{self.pages[source]}" aria-current="page">{_plain(title)}</a>'
            f"{inner}</li>"
        )

    def _search_index(self) -> list[list[str]]:
        """Of each section: its address, the titles of the page and of itself, and its text."""
        return [
            [f"{path}#{section.anchor}", self._rendered[source].title, section.title, section.text]
            for source, path in self.pages.items()
            for section in self._rendered[source].sections
        ]


def _plain(text: str) -> str:
    return escape(text, quote=False)


def _page_path(source: str) -> str:
    """`decisions/0001-dependencies.html` for `docs/decisions/0001-dependencies.md`.

    SECURITY.md of the project is another page than docs/security.md.
    """
    if source == "README.md":
        return "index.html"
    if "/" not in source:
        return f"project/{Path(source.lower()).with_suffix('.html')}"
    path = Path(source.removeprefix("docs/").lower())
    if path.name == "readme.md":
        return f"{path.parent.as_posix()}/index.html"
    return path.with_suffix(".html").as_posix()


def _text_path(name: str) -> str:
    return f"files/{name}.txt"


def _relative(page: str, target: str) -> str:
    return os.path.relpath(target, Path(page).parent)
