"""The playground in a real browser: its own files and policy, with answers that a test scripts."""

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from PIL import Image

from app.api.pages.routes import pages_router
from testing.servers.browser import Browser, Page

IMAGE = {"width": 4000, "height": 3000, "format": "jpeg", "bytes": 5_123_456, "sha256": "0" * 64,
         "sent_width": 1200, "sent_height": 900}  # fmt: skip


def caption(text: str, style: str = "concise", **changes: Any) -> dict[str, Any]:
    """A caption as the API answers it."""
    usage = {"input_tokens": 900, "output_tokens": 21}
    return {"caption": text, "style": style, "locale": "en", "decorative": False, "metadata": {},
            "truncated": False, "warnings": [], "model": "embedded", "usage": usage,
            "image": IMAGE, **changes}  # fmt: skip


def problem(code: str, status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """A problem as the API answers it."""
    return {"type": f"/docs#problem-{code}", "title": title, "status": status, "detail": detail,
            "code": code, "retryable": status >= 500, "request_id": "r1", **more}  # fmt: skip


class Api:
    """The API's end: serves the pages, answers what a test scripts, remembers what was sent."""

    def __init__(self) -> None:
        self.app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        self.app.include_router(pages_router)
        self.app.add_api_route("/v1/styles", self._styles)
        self.app.add_api_route("/v1/image/{name}", self._answer, methods=["POST"])
        self.styles = ["concise", "seo", "detailed", "poster"]
        self.status = 200
        self.answer: dict[str, Any] = {}
        self.delay_s = 0.0
        self.sent: list[tuple[str, dict[str, Any], str | None]] = []
        """Path, body and Authorization of every request."""
        config = uvicorn.Config(self.app, port=0, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"

    def close(self) -> None:
        """Stop listening."""
        self._server.should_exit = True
        self._thread.join(10)

    def _styles(self) -> dict[str, Any]:
        return {"styles": [{"name": name, "purpose": f"For {name}."} for name in self.styles]}

    async def _answer(self, request: Request, name: str) -> Response:
        authorization = request.headers.get("authorization")
        self.sent.append((f"/v1/image/{name}", await request.json(), authorization))
        await_s = time.monotonic() + self.delay_s
        while time.monotonic() < await_s and not await request.is_disconnected():
            time.sleep(0.02)
        headers = {"X-Request-ID": "r1", "X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59"}
        if self.status >= 500:
            headers["Retry-After"] = "7"
        return Response(json.dumps(self.answer), self.status, headers, "application/json")


@pytest.fixture
def api() -> Iterator[Api]:
    """An API of this test's own."""
    running = Api()
    yield running
    running.close()


@pytest.fixture
def page(browser: Browser, api: Api) -> Page:
    """The playground, open and with its styles loaded."""
    opened = browser.page()
    opened.open(api.url)
    opened.wait("document.querySelectorAll('input[name=style]').length == 4")
    return opened


def fill(page: Page, field: str, text: str) -> None:
    """Type into a field as a person does."""
    page.run(f"document.getElementById('{field}').focus()")
    page.run(f"document.getElementById('{field}').select()")
    page.type(text)
    page.run(f"document.getElementById('{field}').dispatchEvent(new Event('change'))")


def click(page: Page, selector: str) -> None:
    """Press what the selector finds."""
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def text(page: Page, selector: str) -> str:
    """What a person reads there."""
    found: str = page.run(f"document.querySelector({json.dumps(selector)}).innerText")
    return found


def ask(page: Page, url: str = "https://images.example.com/mug.jpg") -> None:
    """Type an address, press Enter, wait for whatever comes."""
    fill(page, "url", url)
    page.press("Enter")
    page.wait("document.querySelector('.answer')")


def test_an_address_and_enter_bring_a_caption_with_its_facts(page: Page, api: Api) -> None:
    """The shortest way: everything else keeps its default."""
    api.answer = caption("A teal mug on white.", warnings=["long_for_screen_readers"])
    ask(page)
    assert api.sent == [
        (
            "/v1/image/caption",
            {"image_url": "https://images.example.com/mug.jpg", "style": "concise",
             "max_tokens": 64, "locale": "en"},
            None,
        )
    ]  # fmt: skip
    assert text(page, ".caption") == "A teal mug on white."
    assert "Long for a screen reader" in text(page, ".flag")
    facts = text(page, "#facts")
    for fact in ("4000 × 3000, jpeg, 5.1 MB", "1200 × 900", "embedded", "59 of 60", " ms", "r1"):
        assert fact in facts
    assert text(page, "#status").startswith("1 caption in ")


def test_all_that_can_be_said_of_a_picture_is_sent(page: Page, api: Api) -> None:
    """Styles, language, ceiling, role, context, keywords and the key each have their place."""
    api.answer = {"results": [caption("One."), caption("Two.", "poster")]}
    click(page, "input[value=poster]")
    for field, value in (("locale", "de"), ("max-tokens", "200"), ("context", "Mighty Mug"),
                         ("keywords", "white mug, , gift"), ("key", "secret")):  # fmt: skip
        fill(page, field, value)
    page.run("document.getElementById('role').value = 'product'")
    ask(page)
    [(path, body, authorization)] = api.sent
    assert (path, authorization) == ("/v1/image/captions", "Bearer secret")
    assert body == {
        "image_url": "https://images.example.com/mug.jpg",
        "styles": ["concise", "poster"],
        "max_tokens": 200,
        "locale": "de",
        "role": "product",
        "context": "Mighty Mug",
        "keywords": ["white mug", "gift"],
    }
    assert text(page, ".answer:nth-of-type(2) .caption") == "Two."
    assert "secret" not in text(page, "#curl-text")
    assert page.run("sessionStorage.getItem('altwright-key')") == "secret"
    assert page.run("localStorage.length") == 0


def test_a_file_is_shrunk_in_the_browser_and_sent_inline(
    page: Page, api: Api, tmp_path: Path
) -> None:
    """A photo of 3000 pixels leaves as a JPEG of 1200; transparency becomes white."""
    path = tmp_path / "photo.png"
    Image.effect_noise((3000, 1500), 80).convert("RGBA").save(path, compress_level=1)
    api.answer = caption("Grey noise.")
    page.choose_file("#file", path)
    page.wait("!document.getElementById('preview').hidden")
    assert "3000 × 1500" in text(page, "#preview-name")
    click(page, "#send")
    page.wait("document.querySelector('.answer')")
    head, _, data = api.sent[0][1]["image_url"].partition(",")
    assert head == "data:image/jpeg;base64"
    (tmp_path / "sent.jpg").write_bytes(base64.b64decode(data))
    with Image.open(tmp_path / "sent.jpg") as sent:
        assert (sent.size, sent.format) == ((1200, 600), "JPEG")


def test_a_small_file_is_sent_as_it_is(page: Page, api: Api, tmp_path: Path) -> None:
    """Nothing is gained by coding it again, and the facts stay the source's."""
    path = tmp_path / "small.png"
    Image.new("RGB", (300, 200), "teal").save(path)
    api.answer = caption("Teal.")
    page.choose_file("#file", path)
    page.wait("!document.getElementById('preview').hidden")
    click(page, "#send")
    page.wait("document.querySelector('.answer')")
    _, _, data = api.sent[0][1]["image_url"].partition(",")
    assert base64.b64decode(data) == path.read_bytes()


def test_a_file_that_is_no_picture_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    """The sentence says what to choose instead."""
    (tmp_path / "notes.txt").write_text("no picture")
    page.choose_file("#file", tmp_path / "notes.txt")
    page.wait("!document.getElementById('form-error').hidden")
    assert "Choose a JPEG" in text(page, "#form-error")


@pytest.mark.parametrize("prepare", ["a file", "an address with 'quotes' & 100% \\ signs"])
def test_the_curl_command_sends_the_same_request(
    page: Page, api: Api, tmp_path: Path, prepare: str
) -> None:
    """Pasted into a shell it arrives at the API as the page's own request did."""
    api.answer = caption("A caption.")
    fill(page, "context", 'Mug "100%" \\n isn\'t $HOME `id`')
    if prepare == "a file":
        Image.new("RGB", (30, 20), "teal").save(tmp_path / "it's.png")
        page.choose_file("#file", tmp_path / "it's.png")
        page.wait("!document.getElementById('preview').hidden")
        click(page, "#send")
        page.wait("document.querySelector('.answer')")
    else:
        ask(page, "https://images.example.com/" + prepare)
    command = text(page, "#curl-text")
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    by_page, by_curl = api.sent
    assert by_curl[:2] == by_page[:2]


def test_a_decorative_picture_and_a_cut_caption_are_told(page: Page, api: Api) -> None:
    """Empty text is never shown as if something went wrong."""
    api.answer = {
        "results": [
            caption("", decorative=True),
            caption("A paragraph.", "detailed", truncated=True),
        ]
    }
    click(page, "input[value=detailed]")
    ask(page)
    assert 'write alt=""' in text(page, ".answer:nth-of-type(1)")
    assert "the ceiling cut it short" in text(page, ".answer:nth-of-type(2)")


def test_a_problem_says_what_to_do(page: Page, api: Api) -> None:
    """Title, detail, per-field errors, and whether trying again may help and when."""
    api.status = 503
    api.answer = problem("overloaded", 503, "The server is full", "Try again after Retry-After.")
    ask(page)
    card = text(page, ".answer.problem")
    for part in ("The server is full", "Try again after", "after 7 s", "overloaded", "r1"):
        assert part in card
    api.status = 422
    api.answer = problem("invalid_request", 422, "Not valid", "locale: no such tag",
                         errors=[{"field": "locale", "message": "no such tag"}])  # fmt: skip
    click(page, "#send")
    page.wait("document.querySelector('.answer.problem h3')?.innerText == 'Not valid'")
    assert "locale: no such tag" in text(page, ".answer.problem ul")
    assert "will not work again" in text(page, ".answer.problem")


def test_one_style_that_failed_stands_beside_the_others(page: Page, api: Api) -> None:
    """A rejected draft is shown to the reviewer, with its reasons."""
    rejected = problem("caption_rejected", 422, "Rejected", "Two drafts broke rules.",
                       draft="Image of a mug", reasons=[{"code": "opener", "reason": "an opener"}],
                       )  # fmt: skip
    failed = {"style": "seo", "locale": "en", "problem": rejected}
    api.answer = {"results": [caption("A mug."), failed]}
    click(page, "input[value=seo]")
    ask(page)
    card = text(page, ".answer.problem")
    assert "Image of a mug" in card
    assert "an opener" in card
    assert text(page, "#status").startswith("1 caption and 1 problem in ")


def test_a_missing_key_puts_the_cursor_where_it_belongs(page: Page, api: Api) -> None:
    """401: the next thing to do is to type the key."""
    api.status = 401
    api.answer = problem("unauthorized", 401, "A valid API key is needed", "Send a valid key.")
    ask(page)
    assert page.run("document.activeElement.id") == "key"


def test_nothing_is_sent_without_a_picture(page: Page, api: Api) -> None:
    """The mistake is told beside the button and the field takes the focus."""
    click(page, "#send")
    assert text(page, "#form-error") == "Give an address, or choose a file."
    assert page.run("document.activeElement.id") == "url"
    assert api.sent == []


def test_markup_in_an_answer_stays_text(page: Page, api: Api) -> None:
    """A caption is a model's text about a stranger's picture."""
    api.answer = caption("<img src=x onerror=alert(1)> & <b>bold</b>")
    ask(page)
    assert text(page, ".caption") == "<img src=x onerror=alert(1)> & <b>bold</b>"
    assert page.run("document.querySelectorAll('.caption *').length") == 0


def test_a_request_under_way_can_be_cancelled(page: Page, api: Api) -> None:
    """Nobody has to wait for a slow model."""
    api.delay_s = 5
    fill(page, "url", "https://images.example.com/slow.jpg")
    page.press("Enter")
    page.wait("!document.getElementById('cancel').hidden")
    click(page, "#cancel")
    page.wait("document.getElementById('status').innerText == 'Cancelled.'")
    assert page.run("document.getElementById('cancel').hidden")


def test_every_control_has_a_name_and_the_page_breaks_no_policy(page: Page, api: Api) -> None:
    """Labels for all, one heading order, no complaint in the console under the strict policy."""
    api.answer = caption("A mug.")
    ask(page, "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
    nameless = page.run(
        "[...document.querySelectorAll('input,select,textarea')]"
        ".filter(e => !e.labels?.length).map(e => e.id)"
    )
    assert nameless == []
    levels = page.run("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels == [1, 2, 3, 3]
    assert page.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_fits_and_its_text_can_be_read(
    page: Page, api: Api, width: int, *, dark: bool, tmp_path: Path
) -> None:
    """No sideways scrolling, and at least 4.5 to 1 between text and what is behind it."""
    page.size(width, 800, dark=dark)
    rejected = problem("caption_rejected", 422, "Rejected", "Two drafts broke hard rules.",
                       draft="Image of a mug")  # fmt: skip
    failed = {"style": "seo", "locale": "en", "problem": rejected}
    flagged = caption("A teal mug on white.", warnings=["unverified_name"], truncated=True)
    api.answer = {"results": [flagged, failed]}
    click(page, "input[value=seo]")
    ask(page)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(_CONTRAST) == []
    page.screenshot(tmp_path / "playground.png")
    with Image.open(tmp_path / "playground.png") as shot:
        assert width - 20 < shot.width <= width  # a scroll bar's width less, where there is one


# Every element with text of its own, its colour against the first solid ground behind it
# (WCAG 2.2, 1.4.3). Returns what falls short.
_CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v /= 255) <= 0.04045 ? v / 12.92
      : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const short = [];
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest("noscript,datalist")) continue;
    const pair = [light(rgb(getComputedStyle(e).color).slice(0, 3)), light(behind(e))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) short.push(`${e.tagName} ${e.className} ${ratio.toFixed(2)}`);
  }
  return short;
})()"""
