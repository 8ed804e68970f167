"""`altwright verify` on real pages, in a real Chromium."""

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
from altwright.cli.main import run
from altwright.verify import axe
from altwright.verify.axe import RULES, axe_source
from altwright.verify.page_list import list_pages

from testing.requirements import require_program

HEAD = '<!doctype html><html lang="en"><title>A page</title><main>'
BROKEN = HEAD + (
    '<img src="a.png"><img src="b.png" alt=""><img src="c.png" alt="A white mug">'
    '<a href="/"><img src="d.png" alt="Home">Home</a><input type="image" src="e.png">'
    '<div role="img"></div><svg role="img"></svg><object data="f.png"></object>'
    '<map name="m"><area href="/" shape="circle" coords="1,1,1"></map><img usemap="#m" alt="x">'
)
CORRECTED = HEAD + '<img src="a.png" alt="A red chair"><img src="b.png" alt="">'

RunCommand = Callable[..., tuple[int, str, str]]


class Site:
    """Files over HTTP on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        handler = partial(_Quiet, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def add_page(self, name: str, text: str | bytes) -> str:
        """Add a file; returns its URL."""
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
    """A web site for one test."""
    require_program("chromium", "chromium")
    folder = tmp_path / "site"
    folder.mkdir()
    running = Site(folder)
    yield running
    running.close()


@pytest.fixture
def verify(capfdbinary: pytest.CaptureFixture[bytes]) -> RunCommand:
    """Run `altwright verify` in this process; returns exit code, stdout, stderr."""

    def run_verify(*arguments: str) -> tuple[int, str, str]:
        code = run(["verify", *arguments])
        captured = capfdbinary.readouterr()
        return code, captured.out.decode(), captured.err.decode()

    return run_verify


def sitemap(*addresses: str, index: bool = False) -> str:
    """A sitemap, or an index of sitemaps (https://www.sitemaps.org/protocol.html)."""
    outer, inner = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    listed = "".join(f"<{inner}><loc> {each} </loc></{inner}>" for each in addresses)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0"?><{outer} xmlns="{space}">{listed}</{outer}>'


@pytest.mark.slow
def test_violations_are_counted_before_and_after_and_compared(
    verify: RunCommand, site: Site, tmp_path: Path
) -> None:
    before = str(tmp_path / "before.json")
    page = site.add_page("a.html", BROKEN)
    code, out, _ = verify(page, "--save", before, "--json")
    report = json.loads(out)
    assert code == 1
    assert set(report["by_rule"]) == set(RULES)
    assert report["images"] == {"described": 3, "empty": 1, "missing": 1}
    [finding] = report["findings"]
    [missing] = [each for each in finding["violations"] if each["rule"] == "image-alt"]
    assert missing["target"] == 'img[src="a.png"]'
    assert missing["html"] == '<img src="a.png">'
    site.add_page("a.html", CORRECTED)
    other = site.add_page("b.html", CORRECTED)
    code, out, stderr = verify(page, other, "--against", before)
    assert (code, stderr) == (0, "")
    assert f"{page}: no violations; 2 img (1 described, 1 empty, 0 without alt)" in out
    assert "image-alt                 1       0" in out
    *_, counts, differ = out.splitlines()
    assert counts.startswith("2 pages: 0 violations, before 7 (-7; axe-core ")
    assert differ == "The pages differ: 1 are new, 0 were checked before only."


def test_sitemaps_files_frames_and_images_added_by_scripts_are_checked(
    verify: RunCommand, site: Site, tmp_path: Path
) -> None:
    """A page that cannot be checked is reported, and the others are counted."""
    site.add_page("inner.html", HEAD + '<img src="a.png">')
    framed = HEAD + (
        '<iframe src="inner.html" title="inside"></iframe><script>setTimeout(() => {'
        "document.querySelector('main').append(document.createElement('img'))}, 200)</script>"
    )
    hostile = HEAD + '<img src="\x1b]0;mine\x07\x1b[31m&#10;a.png">'
    pages = [site.add_page("framed.html", framed), site.add_page("hostile.html", hostile)]
    (tmp_path / "local.html").write_text(CORRECTED)
    listed = site.add_page("sitemap.xml", sitemap(*pages, f"{site.url}/gone.html"))
    code, out, stderr = verify(listed, str(tmp_path / "local.html"), "http://127.0.0.1:9/")
    assert code == 1
    assert "gone.html: responded with 404, not checked" in stderr
    assert "127.0.0.1:9/: " in stderr
    assert f"{pages[0]}: image-alt 2; 2 img (0 described, 0 empty, 2 without alt)" in out
    assert f"{pages[1]}: image-alt 1" in out
    assert "local.html: no violations" in out
    assert out.splitlines()[-1].startswith("3 pages, 2 could not be checked: 3 violations")
    assert "\x1b" not in out  # nothing on a page steers the terminal
    assert "\x07" not in out


def test_sitemaps_and_indexes_list_each_page_once(tmp_path: Path) -> None:
    running = Site(tmp_path)
    pages = [f"https://shop.example/{name}" for name in "abc"]
    running.add_page("one.xml", sitemap(pages[0], pages[1]))
    running.add_page(
        "two.xml.gz", gzip.compress(sitemap(pages[2], pages[0], "javascript:x").encode())
    )
    both = sitemap(f"{running.url}/one.xml", f"{running.url}/two.xml.gz", index=True)
    index = running.add_page("sitemap.xml", both)
    nested = running.add_page("nested.xml", sitemap(index, index=True))
    with httpx.Client(trust_env=False) as client:
        assert list(list_pages([index, pages[1]], client)) == pages
        with pytest.raises(UsageError, match="index inside an index"):
            list(list_pages([nested], client))
        with pytest.raises(UsageError, match="responded with 404"):
            list(list_pages([f"{running.url}/none.xml"], client))
    running.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.html"], "neither an http(s) URL nor a file"),
        (["ftp://a.example/"], "neither an http(s) URL nor a file"),
        (["a.html", "--against", "missing.json"], "cannot be read"),
        (["a.html", "--against", "a.html"], "is not a report"),
        (["a.html", "--chromium", "no-such-browser"], "There is no program no-such-browser"),
        (["a.html", "--save", "no/such/folder.json"], "there is no folder"),
        (["text.xml"], "is not valid XML"),
        (["rss.xml"], "is not a sitemap"),
        (["entities.xml"], "declares XML entities"),
        (["broken.xml.gz"], "cannot be decompressed"),
        (["empty.xml"], "contain no page"),
    ],
)
def test_invalid_input_is_reported_in_one_sentence(
    verify: RunCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "a.html": CORRECTED.encode(),
        "text.xml": b"<urlset",
        "rss.xml": b"<rss></rss>",
        "entities.xml": b'<!DOCTYPE x [<!ENTITY e "x">]><urlset/>',
        "broken.xml.gz": b"\x1f\x8bnot gzip",
        "empty.xml": sitemap().encode(),
    }.items():
        (tmp_path / name).write_bytes(text)
    code, _, stderr = verify(*arguments)
    assert code == 2
    assert sentence in stderr
    assert stderr.count("\n") == 1


def test_a_missing_browser_or_package_is_named_with_its_install_command(
    verify: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.html").write_text(CORRECTED)
    page = str(tmp_path / "a.html")
    monkeypatch.setattr(axe, "_BROWSERS", ())
    monkeypatch.setattr(axe, "_playwrights_browser", lambda _: None)
    assert "apt-get install chromium" in verify(page)[2]
    assert "does not start" in verify(page, "--chromium", "true")[2]
    monkeypatch.setitem(sys.modules, "playwright.async_api", None)
    assert "pip install './sdk[cli,verify]'" in verify(page)[2]


def test_the_script_of_axe_core_is_found() -> None:
    assert "axe v4." in axe_source()[:40]
