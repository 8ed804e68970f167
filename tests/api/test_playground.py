"""The playground in a real browser, with responses that a test sets."""

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


def caption_body(text: str, style: str = "concise", **changes: Any) -> dict[str, Any]:
    """A caption as the API returns it."""
    usage = {"input_tokens": 900, "output_tokens": 21}
    return {"caption": text, "style": style, "locale": "en", "decorative": False, "metadata": {},
            "truncated": False, "warnings": [], "model": "embedded", "usage": usage,
            "image": IMAGE, **changes}  # fmt: skip


def problem_body(code: str, status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    """A problem as the API returns it."""
    return {"type": f"/docs#problem-{code}", "title": title, "status": status, "detail": detail,
            "code": code, "retryable": status >= 500, "request_id": "r1", **more}  # fmt: skip


class FakeApi:
    """Serves the pages, responds as a test sets it, and records the requests."""

    def __init__(self) -> None:
        self.app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        self.app.include_router(pages_router)
        self.app.add_api_route("/v1/styles", self._styles)
        self.app.add_api_route("/v1/image/{name}", self._respond, methods=["POST"])
        self.styles = ["concise", "seo", "detailed", "poster"]
        self.status = 200
        self.body: dict[str, Any] = {}
        self.delay_s = 0.0
        self.requests: list[tuple[str, dict[str, Any], str | None]] = []
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

    async def _respond(self, request: Request, name: str) -> Response:
        authorization = request.headers.get("authorization")
        self.requests.append((f"/v1/image/{name}", await request.json(), authorization))
        until_s = time.monotonic() + self.delay_s
        while time.monotonic() < until_s and not await request.is_disconnected():
            time.sleep(0.02)
        headers = {"X-Request-ID": "r1", "X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59"}
        if self.status >= 500:
            headers["Retry-After"] = "7"
        return Response(json.dumps(self.body), self.status, headers, "application/json")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """An API for this test alone."""
    running = FakeApi()
    yield running
    running.close()


@pytest.fixture
def page(browser: Browser, api: FakeApi) -> Page:
    """The playground, opened and with its styles loaded."""
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
    """Click the element."""
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def text(page: Page, selector: str) -> str:
    """The visible text of the element."""
    found: str = page.run(f"document.querySelector({json.dumps(selector)}).innerText")
    return found


def send(page: Page, url: str = "https://images.example.com/mug.jpg") -> None:
    """Type a URL, press Enter, and wait for a result."""
    fill(page, "url", url)
    page.press("Enter")
    page.wait("document.querySelector('.result')")


def test_a_url_and_enter_show_a_caption_with_its_facts(page: Page, api: FakeApi) -> None:
    """Every other field keeps its default."""
    api.body = caption_body("A teal mug on white.", warnings=["long_for_screen_readers"])
    send(page)
    assert api.requests == [
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


def test_every_field_of_the_form_is_sent(page: Page, api: FakeApi) -> None:
    """Styles, language, maximum tokens, role, context, visible text, keywords and the key."""
    api.body = {"results": [caption_body("One."), caption_body("Two.", "poster")]}
    click(page, "input[value=poster]")
    for field, value in (("locale", "de"), ("max-tokens", "200"), ("context", "Mighty Mug"),
                         ("visible-text", " Our mug "),
                         ("keywords", "white mug, , gift"), ("key", "secret")):  # fmt: skip
        fill(page, field, value)
    page.run("document.getElementById('role').value = 'product'")
    send(page)
    [(path, body, authorization)] = api.requests
    assert (path, authorization) == ("/v1/image/captions", "Bearer secret")
    assert body == {
        "image_url": "https://images.example.com/mug.jpg",
        "styles": ["concise", "poster"],
        "max_tokens": 200,
        "locale": "de",
        "role": "product",
        "context": "Mighty Mug",
        "visible_text": "Our mug",
        "keywords": ["white mug", "gift"],
    }
    assert text(page, ".result:nth-of-type(2) .caption") == "Two."
    assert "secret" not in text(page, "#curl-text")
    assert page.run("sessionStorage.getItem('altwright-key')") == "secret"
    assert page.run("localStorage.length") == 0


def test_a_large_file_is_scaled_down_in_the_browser_and_sent_inline(
    page: Page, api: FakeApi, tmp_path: Path
) -> None:
    """An image of 3000 pixels is sent as a JPEG of 1200; transparency becomes white."""
    path = tmp_path / "photo.png"
    Image.effect_noise((3000, 1500), 80).convert("RGBA").save(path, compress_level=1)
    api.body = caption_body("Grey noise.")
    page.choose_file("#file", path)
    page.wait("!document.getElementById('preview').hidden")
    assert "3000 × 1500" in text(page, "#preview-name")
    click(page, "#send")
    page.wait("document.querySelector('.result')")
    head, _, data = api.requests[0][1]["image_url"].partition(",")
    assert head == "data:image/jpeg;base64"
    (tmp_path / "sent.jpg").write_bytes(base64.b64decode(data))
    with Image.open(tmp_path / "sent.jpg") as sent:
        assert (sent.size, sent.format) == ((1200, 600), "JPEG")


def test_a_small_file_is_sent_unchanged(page: Page, api: FakeApi, tmp_path: Path) -> None:
    """Encoding it again would save nothing, and the facts are those of the source."""
    path = tmp_path / "small.png"
    Image.new("RGB", (300, 200), "teal").save(path)
    api.body = caption_body("Teal.")
    page.choose_file("#file", path)
    page.wait("!document.getElementById('preview').hidden")
    click(page, "#send")
    page.wait("document.querySelector('.result')")
    _, _, data = api.requests[0][1]["image_url"].partition(",")
    assert base64.b64decode(data) == path.read_bytes()


def test_a_file_that_is_no_image_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    """The message says what to choose instead."""
    (tmp_path / "notes.txt").write_text("no image")
    page.choose_file("#file", tmp_path / "notes.txt")
    page.wait("!document.getElementById('form-error').hidden")
    assert "Choose a JPEG" in text(page, "#form-error")


@pytest.mark.parametrize("prepare", ["a file", "a URL with 'quotes' & 100% \\ signs"])
def test_the_curl_command_sends_the_same_request(
    page: Page, api: FakeApi, tmp_path: Path, prepare: str
) -> None:
    """Pasted into a shell, it sends what the page sent."""
    api.body = caption_body("A caption.")
    fill(page, "context", 'Mug "100%" \\n isn\'t $HOME `id`')
    if prepare == "a file":
        Image.new("RGB", (30, 20), "teal").save(tmp_path / "it's.png")
        page.choose_file("#file", tmp_path / "it's.png")
        page.wait("!document.getElementById('preview').hidden")
        click(page, "#send")
        page.wait("document.querySelector('.result')")
    else:
        send(page, "https://images.example.com/" + prepare)
    command = text(page, "#curl-text")
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    by_page, by_curl = api.requests
    assert by_curl[:2] == by_page[:2]


def test_a_decorative_image_and_a_truncated_caption_are_explained(page: Page, api: FakeApi) -> None:
    """An empty caption is not shown as an error."""
    api.body = {
        "results": [
            caption_body("", decorative=True),
            caption_body("A paragraph.", "detailed", truncated=True),
        ]
    }
    click(page, "input[value=detailed]")
    send(page)
    assert 'write alt=""' in text(page, ".result:nth-of-type(1)")
    assert "cut off at the maximum number of tokens" in text(page, ".result:nth-of-type(2)")


def test_a_problem_shows_what_to_do(page: Page, api: FakeApi) -> None:
    """Title, detail, the error of each field, and whether and when to try again."""
    api.status = 503
    api.body = problem_body("overloaded", 503, "The server is full", "Try again after Retry-After.")
    send(page)
    card = text(page, ".result.problem")
    for part in ("The server is full", "Try again after", "after 7 s", "overloaded", "r1"):
        assert part in card
    api.status = 422
    api.body = problem_body("invalid_request", 422, "Not valid", "locale: no such tag",
                         errors=[{"field": "locale", "message": "no such tag"}])  # fmt: skip
    click(page, "#send")
    page.wait("document.querySelector('.result.problem h3')?.innerText == 'Not valid'")
    assert "locale: no such tag" in text(page, ".result.problem ul")
    assert "will fail again" in text(page, ".result.problem")


def test_a_style_that_failed_is_shown_beside_the_others(page: Page, api: FakeApi) -> None:
    """A rejected draft is shown with its reasons, for a reviewer."""
    rejected = problem_body("caption_rejected", 422, "Rejected", "Two drafts broke rules.",
                       draft="Image of a mug", reasons=[{"code": "opener", "reason": "an opener"}],
                       )  # fmt: skip
    failed = {"style": "seo", "locale": "en", "problem": rejected}
    api.body = {"results": [caption_body("A mug."), failed]}
    click(page, "input[value=seo]")
    send(page)
    card = text(page, ".result.problem")
    assert "Image of a mug" in card
    assert "an opener" in card
    assert text(page, "#status").startswith("1 caption and 1 problem in ")


def test_a_401_puts_the_cursor_into_the_key_field(page: Page, api: FakeApi) -> None:
    api.status = 401
    api.body = problem_body("unauthorized", 401, "A valid API key is needed", "Send a valid key.")
    send(page)
    assert page.run("document.activeElement.id") == "key"


def test_nothing_is_sent_without_an_image(page: Page, api: FakeApi) -> None:
    """The message is beside the button, and the field gets the focus."""
    click(page, "#send")
    assert text(page, "#form-error") == "Enter a URL, or choose a file."
    assert page.run("document.activeElement.id") == "url"
    assert api.requests == []


def test_markup_in_a_caption_is_shown_as_text(page: Page, api: FakeApi) -> None:
    """A caption is a model's text about a stranger's image."""
    api.body = caption_body("<img src=x onerror=alert(1)> & <b>bold</b>")
    send(page)
    assert text(page, ".caption") == "<img src=x onerror=alert(1)> & <b>bold</b>"
    assert page.run("document.querySelectorAll('.caption *').length") == 0


def test_a_request_in_progress_can_be_cancelled(page: Page, api: FakeApi) -> None:
    api.delay_s = 5
    fill(page, "url", "https://images.example.com/slow.jpg")
    page.press("Enter")
    page.wait("!document.getElementById('cancel').hidden")
    click(page, "#cancel")
    page.wait("document.getElementById('status').innerText == 'Cancelled.'")
    assert page.run("document.getElementById('cancel').hidden")


def test_every_control_has_a_label_and_the_page_breaks_no_policy(page: Page, api: FakeApi) -> None:
    """Headings in order too, and no error in the console under the strict policy."""
    api.body = caption_body("A mug.")
    send(page, "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
    unlabelled = page.run(
        "[...document.querySelectorAll('input,select,textarea')]"
        ".filter(e => !e.labels?.length).map(e => e.id)"
    )
    assert unlabelled == []
    levels = page.run("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels == [1, 2, 3, 3]
    assert page.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_fits_its_window_and_its_text_is_readable(
    page: Page, api: FakeApi, width: int, *, dark: bool, tmp_path: Path
) -> None:
    """No horizontal scrolling, and a contrast of at least 4.5 to 1 between text and background."""
    page.size(width, 800, dark=dark)
    rejected = problem_body("caption_rejected", 422, "Rejected", "Two drafts broke hard rules.",
                       draft="Image of a mug")  # fmt: skip
    failed = {"style": "seo", "locale": "en", "problem": rejected}
    flagged = caption_body("A teal mug on white.", warnings=["unverified_name"], truncated=True)
    api.body = {"results": [flagged, failed]}
    click(page, "input[value=seo]")
    send(page)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(_CONTRAST) == []
    page.screenshot(tmp_path / "playground.png")
    with Image.open(tmp_path / "playground.png") as shot:
        assert (
            width - 20 < shot.width <= width
        )  # less by the width of a scroll bar, if there is one


# The contrast of every element that has text with the first opaque background behind it
# (WCAG 2.2, 1.4.3). Returns the elements with too little.
_CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => (v /= 255) <= 0.04045 ? v / 12.92
      : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const tooLow = [];
  for (const e of document.body.querySelectorAll("*")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest("noscript,datalist")) continue;
    const pair = [luminance(rgb(getComputedStyle(e).color).slice(0, 3)), luminance(background(e))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) tooLow.push(`${e.tagName} ${e.className} ${ratio.toFixed(2)}`);
  }
  return tooLow;
})()"""
