"""The guide as the server shows it, in a real browser, and what is said where it is not built."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.api.exception_handlers import add_exception_handlers
from app.api.middleware import RequestMiddleware
from app.api.pages.routes import pages_router
from scripts.guide.site import build_guide
from testing.servers.asgi_app import AsgiServer
from testing.servers.axe import WINDOWS, find_violations
from testing.servers.browser import Browser

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guide of this project."""
    built = tmp_path_factory.mktemp("guide") / "guide"
    build_guide(ROOT, built)
    (built.parent / "secret.txt").write_text("not a part of the guide")
    return built


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[AsgiServer]:
    """Serves the pages, with that guide."""
    monkeypatch.setattr("app.api.pages.guide._folder", lambda: folder)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(pages_router)
    add_exception_handlers(app)
    app.add_middleware(RequestMiddleware, observe=lambda *_: None, is_draining=lambda: False)
    with AsgiServer(app) as running:
        yield running


def get(server: AsgiServer, path: str) -> httpx.Response:
    return httpx.get(server.url + path, trust_env=False)


@pytest.mark.slow
def test_axe_finds_nothing_in_the_guide_and_its_search_finds_sections(
    browser: Browser, server: AsgiServer
) -> None:
    """The overview, a page with long tables and code, and a decision."""
    page = browser.page()
    for path in ("", "operate.html", "decisions/0052-api-reference.html"):
        page.open(f"{server.url}docs/guide/{path}")
        for width, dark in WINDOWS:
            page.size(width, 900, dark=dark)
            assert find_violations(page) == [], f"{path}, {width} px, dark: {dark}"
            assert page.run("document.documentElement.scrollWidth") <= width, path
    page.run("document.getElementById('words').focus()")
    page.type("drain notice")
    page.wait("document.querySelectorAll('#hits li').length > 1")
    assert find_violations(page) == []
    page.run("document.querySelector('#hits a[href*=\"operate.html\"]').click()")
    page.wait("location.pathname.endsWith('/docs/guide/operate.html') && location.hash")
    assert page.errors == []


def test_the_guide_is_served_where_it_is_built(server: AsgiServer) -> None:
    redirect = get(server, "docs/guide")
    assert (redirect.status_code, redirect.headers["location"]) == (308, "/docs/guide/")
    first = get(server, "docs/guide/")
    assert "<title>Altwright" in first.text
    assert "unsafe" not in first.headers["content-security-policy"]
    assert get(server, "docs/guide/decisions/").status_code == 200
    index = get(server, "docs/guide/search.json")
    assert index.headers["content-type"] == "application/json"
    text = get(server, "docs/guide/files/deploy/nginx.conf.txt")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert 'href="docs/guide/"' in get(server, "").text


@pytest.mark.parametrize(
    "path",
    ["no.html", "decisions", "%2e%2e/secret.txt", "..%2fsecret.txt", "files/", "/etc/passwd"],
)
def test_no_other_file_is_served_as_the_guide(server: AsgiServer, path: str) -> None:
    problem = get(server, f"docs/guide/{path}")
    assert (problem.status_code, problem.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["docs/guide/", "docs/guide/operate.html"])
def test_a_guide_that_is_not_built_is_a_problem_that_says_what_to_do(
    server: AsgiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    """And no page links to it."""
    monkeypatch.setattr("app.api.pages.guide._folder", lambda: tmp_path / "none")
    problem = get(server, path)
    assert problem.status_code == 404
    assert "`make docs`" in problem.json()["detail"]
    assert "docs/guide" not in get(server, "").text
