"""`altwright verify` over real pages in a real Chromium."""

import gzip
import json
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from altwright import UsageError
from altwright.cli.commands import run
from altwright.verify import chromium
from altwright.verify.chromium import RULES, axe_source
from altwright.verify.pages import pages_of

from testing.requirements import require_program

HEAD = '<!doctype html><html lang="en"><title>A page</title><main>'
BROKEN = HEAD + (
    '<img src="a.png"><img src="b.png" alt=""><img src="c.png" alt="A white mug">'
    '<a href="/"><img src="d.png" alt="Home">Home</a><input type="image" src="e.png">'
    '<div role="img"></div><svg role="img"></svg><object data="f.png"></object>'
    '<map name="m"><area href="/" shape="circle" coords="1,1,1"></map><img usemap="#m" alt="x">'
)
MENDED = HEAD + '<img src="a.png" alt="A red chair"><img src="b.png" alt="">'

Ask = Callable[..., tuple[int, str, str]]


class Site:
    """Files over HTTP on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        handler = partial(_Quiet, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def has(self, name: str, text: str | bytes) -> str:
        """Put a page there; its address."""
        data = text if isinstance(text, bytes) else text.encode()
        (self.folder / name).write_bytes(data)
        return f"{self.url}/{name}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A web site of this test's own."""
    require_program("chromium", "chromium")
    folder = tmp_path / "site"
    folder.mkdir()
    running = Site(folder)
    yield running
    running.close()


@pytest.fixture
def ask(capfdbinary: pytest.CaptureFixture[bytes]) -> Ask:
    """Runs the command here; gives exit code, output, complaints."""

    def asked(*words: str) -> tuple[int, str, str]:
        code = run(["verify", *words])
        said = capfdbinary.readouterr()
        return code, said.out.decode(), said.err.decode()

    return asked


def sitemap(*addresses: str, index: bool = False) -> str:
    """As https://www.sitemaps.org/protocol.html has it."""
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    listed = "".join(f"<{inner}><loc> {each} </loc></{inner}>" for each in addresses)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0"?><{outer} xmlns="{space}">{listed}</{outer}>'


def test_every_mistake_is_counted_before_and_none_is_left_after(
    ask: Ask, site: Site, tmp_path: Path
) -> None:
    """The promise to an auditor: so many before, none now, on the same pages."""
    before = str(tmp_path / "before.json")
    page = site.has("a.html", BROKEN)
    code, out, _ = ask(page, "--save", before, "--json")
    report = json.loads(out)
    assert code == 1
    assert set(report["by_rule"]) == set(RULES)
    assert report["images"] == {"described": 3, "empty": 1, "missing": 1}
    [finding] = report["findings"]
    [missing] = [each for each in finding["violations"] if each["rule"] == "image-alt"]
    assert missing["target"] == 'img[src="a.png"]'
    assert missing["html"] == '<img src="a.png">'
    site.has("a.html", MENDED)
    other = site.has("b.html", MENDED)
    code, out, complained = ask(page, other, "--against", before)
    assert (code, complained) == (0, "")
    assert f"{page}: nothing to mend; 2 img (1 described, 1 empty, 0 without alt)" in out
    assert "image-alt                 1       0" in out
    *_, counts, differ = out.splitlines()
    assert counts.startswith("2 pages: 0 violations, before 7 (-7; axe-core ")
    assert differ == "The pages differ: 1 are new, 0 were looked at before only."


def test_one_run_looks_at_sitemaps_files_frames_and_what_scripts_bring(
    ask: Ask, site: Site, tmp_path: Path
) -> None:
    """A page that cannot be looked at is told, and the others are counted."""
    site.has("inner.html", HEAD + '<img src="a.png">')
    framed = HEAD + (
        '<iframe src="inner.html" title="inside"></iframe><script>setTimeout(() => {'
        "document.querySelector('main').append(document.createElement('img'))}, 200)</script>"
    )
    hostile = HEAD + '<img src="\x1b]0;mine\x07\x1b[31m&#10;a.png">'
    pages = [site.has("framed.html", framed), site.has("hostile.html", hostile)]
    (tmp_path / "local.html").write_text(MENDED)
    listed = site.has("sitemap.xml", sitemap(*pages, f"{site.url}/gone.html"))
    code, out, complained = ask(listed, str(tmp_path / "local.html"), "http://127.0.0.1:9/")
    assert code == 1
    assert "gone.html: answered 404, not looked at" in complained
    assert "127.0.0.1:9/: " in complained
    assert f"{pages[0]}: image-alt 2; 2 img (0 described, 0 empty, 2 without alt)" in out
    assert f"{pages[1]}: image-alt 1" in out
    assert "local.html: nothing to mend" in out
    assert out.splitlines()[-1].startswith("3 pages, 2 could not be looked at: 3 violations")
    assert "\x1b" not in out  # nothing on a page steers the terminal
    assert "\x07" not in out


def test_a_sitemap_and_an_index_of_them_list_each_page_once(tmp_path: Path) -> None:
    running = Site(tmp_path)
    pages = [f"https://shop.example/{name}" for name in "abc"]
    running.has("one.xml", sitemap(pages[0], pages[1]))
    running.has("two.xml.gz", gzip.compress(sitemap(pages[2], pages[0], "javascript:x").encode()))
    both = sitemap(f"{running.url}/one.xml", f"{running.url}/two.xml.gz", index=True)
    index = running.has("sitemap.xml", both)
    nested = running.has("nested.xml", sitemap(index, index=True))
    with httpx.Client(trust_env=False) as client:
        assert list(pages_of([index, pages[1]], client)) == pages
        with pytest.raises(UsageError, match="index inside an index"):
            list(pages_of([nested], client))
        with pytest.raises(UsageError, match="answered 404"):
            list(pages_of([f"{running.url}/none.xml"], client))
    running.close()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["missing.html"], "neither an http(s) address nor a file"),
        (["ftp://a.example/"], "neither an http(s) address nor a file"),
        (["a.html", "--against", "missing.json"], "cannot be read"),
        (["a.html", "--against", "a.html"], "is no report"),
        (["a.html", "--chromium", "no-such-browser"], "There is no program no-such-browser"),
        (["a.html", "--save", "no/such/folder.json"], "there is no folder"),
        (["text.xml"], "is no XML"),
        (["rss.xml"], "is no sitemap"),
        (["entities.xml"], "declares entities"),
        (["broken.xml.gz"], "cannot be unpacked"),
        (["empty.xml"], "There is no page"),
    ],
)
def test_bad_input_is_one_sentence(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "a.html": MENDED.encode(),
        "text.xml": b"<urlset",
        "rss.xml": b"<rss></rss>",
        "entities.xml": b'<!DOCTYPE x [<!ENTITY e "x">]><urlset/>',
        "broken.xml.gz": b"\x1f\x8bnot gzip",
        "empty.xml": sitemap().encode(),
    }.items():
        (tmp_path / name).write_bytes(text)
    code, _, complained = ask(*words)
    assert code == 2
    assert sentence in complained
    assert complained.count("\n") == 1


def test_without_a_browser_or_the_extra_it_says_what_to_install(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.html").write_text(MENDED)
    page = str(tmp_path / "a.html")
    monkeypatch.setattr(chromium, "_PROGRAMS", ())
    monkeypatch.setattr(chromium, "_its_own", lambda _: None)
    assert "apt-get install chromium" in ask(page)[2]
    assert "does not start" in ask(page, "--chromium", "true")[2]
    monkeypatch.setitem(sys.modules, "playwright.async_api", None)
    assert "pip install './sdk[cli,verify]'" in ask(page)[2]


def test_axe_is_there_and_says_which_it_is() -> None:
    assert "axe v4." in axe_source()[:40]
