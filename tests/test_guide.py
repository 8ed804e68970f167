"""The guide is built from the documentation of this project, and finds links that lead nowhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from scripts.guide.markdown import render_markdown
from scripts.guide.site import BrokenLinks, build_guide

ROOT = Path(__file__).parents[1]


class Links(HTMLParser):
    """What a page loads, where it leads, and its anchors."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record `href`, `src` and `id`."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if name in ("href", "src") and value and not value.startswith("data:"):
                (self.links if tag == "a" else self.loaded).append(value)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide of this project."""
    folder = tmp_path_factory.mktemp("guide")
    build_guide(ROOT, folder)
    return folder


def test_every_link_of_the_guide_leads_somewhere(guide: Path) -> None:
    """Found again in what was written, by another parser. Nothing is loaded from elsewhere."""
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in guide.rglob("*.html")}
    assert len(pages) > 60
    for path, page in pages.items():
        assert not [url for url in page.loaded if urlsplit(url).netloc]
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or "../docs" in link or link.endswith("../../"):
                continue  # another site, the API reference, the playground
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file(), f"{path.relative_to(guide)}: {link}"
            if parts.fragment:
                assert unquote(parts.fragment) in pages[target].anchors, f"{path}: {link}"


def test_every_page_of_the_documentation_is_in_the_guide(guide: Path) -> None:
    built = {path.relative_to(guide).as_posix() for path in guide.rglob("*.html")}
    wanted = {path.with_suffix(".html").name for path in (ROOT / "docs").glob("*.md")}
    wanted |= {
        f"decisions/{path.stem}.html" for path in (ROOT / "docs/decisions").glob("[0-9]*.md")
    }
    assert wanted | {"index.html", "decisions/index.html", "project/changelog.html"} <= built
    shown = (guide / "files/deploy/nginx.conf.txt").read_bytes()
    assert shown == (ROOT / "deploy/nginx.conf").read_bytes()


def test_the_index_of_the_search_has_every_section(guide: Path) -> None:
    index = json.loads((guide / "search.json").read_text(encoding="utf-8"))
    found = [address for address, _, _, text in index if "DRAIN_NOTICE_S" in text]
    assert any(address.startswith("operate.html#") for address in found)
    assert len({address for address, *_ in index}) == len(index)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[x](nothing.md)", "docs/page.md: nothing.md leads to no file"),
        ("[x](other.md#no)", "docs/page.md: docs/other.md has no section #no"),
        ("[x](#no)", "docs/page.md: docs/page.md has no section #no"),
        ("[x](../../outside.md)", "docs/page.md: ../../outside.md leads to no file"),
        ("<b>x</b>", "docs/page.md: HTML in Markdown: <b>"),
    ],
)
def test_broken_links_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, error: str
) -> None:
    """And nothing is written."""
    monkeypatch.setattr("scripts.guide.site._CHAPTERS", {"A": ["docs/page.md", "docs/other.md"]})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/page.md").write_text(f"# Page\n\n{text}\n")
    (tmp_path / "docs/other.md").write_text("# Other\n")
    with pytest.raises(BrokenLinks, match=re.escape(error)):
        build_guide(tmp_path, tmp_path / "guide")
    assert not (tmp_path / "guide").exists()
    (tmp_path / "docs/page.md").write_text("# Page\n\n[x](other.md#other) [y](#page)\n")
    (tmp_path / "docs/third.md").write_text("# Third\n")  # in no chapter
    assert build_guide(tmp_path, tmp_path / "guide") == ["other.html", "page.html", "third.html"]
    assert '<a href="third.html">Third</a>' in (tmp_path / "guide/page.html").read_text()


def test_anchors_are_those_of_github() -> None:
    page = render_markdown("# A `b_c`: d, e!\n\n## Über 9.5\n\n## Über 9.5\n", lambda href: href)
    assert [section.anchor for section in page.sections] == ["a-b_c-d-e", "über-95", "über-95-1"]
    assert page.title == "A b_c: d, e!"


def test_columns_are_aligned_without_inline_styles() -> None:
    """The content security policy of the pages allows none."""
    page = render_markdown("| a | b |\n|---|---:|\n| 1 | 2 |\n", lambda link: link)
    assert "style" not in page.html
    assert page.html.count('class="align-right"') == 2


def test_markup_is_escaped_and_comments_are_dropped() -> None:
    page = render_markdown(
        "<!-- styles -->\n\nA `<b>` & <!-- x --> c\n\n| | d |\n|---|---|\n| e | f |\n", str
    )
    assert "A <code>&lt;b&gt;</code> &amp;  c" in page.html
    assert "<!--" not in page.html
    assert page.html.count("<th>") == 1
