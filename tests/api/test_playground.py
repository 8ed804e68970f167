"""The playground in a real browser, with responses that a test sets."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from PIL import Image
from starlette.responses import JSONResponse

from app.api.pages.routes import pages_router
from testing.servers.asgi_app import AsgiServer
from testing.servers.axe import WINDOWS, find_violations
from testing.servers.browser import Browser, Page

PICTURES = Path(__file__).parents[2] / "demo/pictures"
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
        self.app.add_api_route("/readyz", self._readyz)
        self.styles = ["concise", "seo", "detailed", "poster"]
        self.captioners = ["qwen3-vl:8b"]
        self.key: str | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body: dict[str, Any] | str = {}
        self.responses_by_name: dict[str, tuple[int, dict[str, Any]]] = {}
        """Status and body for the files of these names, instead of the above."""
        self.delay_s = 0.0
        self.requests: list[tuple[str, dict[str, Any], str | None]] = []
        """Path, body and Authorization of every request. Of a form its fields, each a list, and
        the file's name and bytes."""
        self._server = AsgiServer(self.app)
        self.url = self._server.url

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _styles(self, request: Request) -> Response:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            body = problem_body("unauthorized", 401, "A valid API key is needed", "Send a key.")
            return JSONResponse(body, 401)
        longest = {"detailed": 1000, "poster": 400}
        limits = {name: {"max_chars": longest.get(name, 160)} for name in self.styles}
        return JSONResponse({"styles": [
            {"name": name, "purpose": f"For {name}.", "limits": limits[name]}
            for name in self.styles
        ]})  # fmt: skip

    def _readyz(self) -> dict[str, Any]:
        return {"status": "ready", "captioners": dict.fromkeys(self.captioners, "closed")}

    async def _respond(self, request: Request, name: str) -> Response:
        fields: dict[str, Any] = {}
        if request.headers["content-type"] == "application/json":
            fields = await request.json()
        else:
            async with request.form() as form:
                for field, value in form.multi_items():
                    if isinstance(value, str):
                        fields.setdefault(field, []).append(value)
                    else:
                        fields[field] = (value.filename, await value.read())
        authorization = request.headers.get("authorization")
        self.requests.append((f"/v1/image/{name}", fields, authorization))
        until_s = time.monotonic() + self.delay_s
        while time.monotonic() < until_s and not await request.is_disconnected():
            await asyncio.sleep(0.02)
        status, body = self.responses_by_name.get(fields.get("image", ("",))[0],
                                                  (self.status, self.body))  # fmt: skip
        headers = {"X-Request-ID": "r1", "X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59"}
        if isinstance(body, str):
            return Response(body, status, media_type="text/html")
        return JSONResponse(body, status, headers | self.headers)


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
    page.run("document.getElementById('more').open = true")
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
    facts = text(page, ".facts")
    for fact in ("4000 × 3000, jpeg, 5.1 MB", "1200 × 900", "embedded", "59 of 60", " ms", "r1"):
        assert fact in facts
    assert text(page, "#status").startswith("1 caption in ")


def test_every_field_of_the_form_is_sent(page: Page, api: FakeApi) -> None:
    """Styles, language, maximum tokens, role, context, visible text, keywords."""
    api.body = {"results": [caption_body("One."), caption_body("Two.", "poster")]}
    click(page, "input[value=poster]")
    for field, value in (("locale", "de"), ("max-tokens", "200"), ("context", "Mighty Mug"),
                         ("visible-text", " Our mug "),
                         ("keywords", "white mug, , gift")):  # fmt: skip
        fill(page, field, value)
    page.run("document.getElementById('role').value = 'product'")
    send(page)
    [(path, body, authorization)] = api.requests
    assert (path, authorization) == ("/v1/image/captions", None)
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


def draw_file(path: Path, size: tuple[int, int] = (300, 200)) -> Path:
    """A PNG of this size."""
    Image.new("RGB", size, "teal").save(path)
    return path


def choose(page: Page, *paths: Path) -> None:
    """Choose files, as in the dialogue of the browser."""
    page.choose_files("#file", paths)
    page.wait(f"document.querySelectorAll('#pictures li').length >= {len(paths)}")


def test_a_file_is_sent_unchanged_in_a_form(page: Page, api: FakeApi, tmp_path: Path) -> None:
    """Also one of several megabytes: the server is to see what was chosen."""
    path = tmp_path / "photo.png"
    Image.effect_noise((3000, 2900), 80).save(path, compress_level=0)
    assert path.stat().st_size > 8_000_000
    api.body = {"results": [caption_body("Grey noise."), caption_body("Noise.", "seo")]}
    click(page, "input[value=seo]")
    fill(page, "keywords", "noise, grain")
    choose(page, path)
    click(page, "#send")
    page.wait("document.querySelector('.result')")
    assert api.requests == [
        (
            "/v1/image/captions",
            {"image": ("photo.png", path.read_bytes()), "styles": ["concise", "seo"],
             "max_tokens": ["64"], "locale": ["en"], "keywords": ["noise", "grain"]},
            None,
        )
    ]  # fmt: skip


def test_one_bad_file_does_not_stop_the_others(page: Page, api: FakeApi, tmp_path: Path) -> None:
    """It shows the server's message, and each picture its own captions."""
    (tmp_path / "notes.png").write_text("no image")
    files = [draw_file(tmp_path / "a.png"), tmp_path / "notes.png", draw_file(tmp_path / "b.png")]
    api.body = caption_body("Teal.")
    unsupported = problem_body("image_unsupported", 422, "Not supported", "This is not an image.")
    api.responses_by_name["notes.png"] = (422, unsupported)
    choose(page, *files)
    click(page, "#send")
    page.wait("document.querySelectorAll('.result').length == 3")
    cards = page.run("[...document.querySelectorAll('.picture')].map(e => e.innerText)")
    parts = ("Teal.", "This is not an image.", "Teal.")
    for card, name, part in zip(cards, ("a.png", "notes.png", "b.png"), parts, strict=True):
        assert name in card
        assert part in card
    assert text(page, "#status").startswith("2 captions and 1 problem for 3 pictures in ")


def test_a_chosen_file_can_be_removed(page: Page, api: FakeApi, tmp_path: Path) -> None:
    api.body = caption_body("Teal.")
    choose(page, draw_file(tmp_path / "a.png"), draw_file(tmp_path / "b.png"))
    click(page, "[aria-label='Remove a.png']")
    assert page.run("document.activeElement.ariaLabel") == "Remove b.png"
    click(page, "#send")
    page.wait("document.querySelector('.result')")
    assert [body["image"][0] for _, body, _ in api.requests] == ["b.png"]


def test_a_click_on_a_sample_writes_its_caption(page: Page, api: FakeApi, tmp_path: Path) -> None:
    """Instead of what was chosen before. The samples are those of the demo."""
    api.body = caption_body("A cat.")
    choose(page, draw_file(tmp_path / "a.png"))
    for name, file in (("cat.jpg", "sample-cat.jpg"), ("mug.jpg", "sample-mug.jpg"),
                       ("sale-banner.png", "sample-banner.png")):  # fmt: skip
        click(page, f"[data-sample='{file}']")
        page.wait(f"document.querySelector('.picture h3')?.innerText == '{file}'")
        page.wait("document.querySelector('.result')")
        _, body, _ = api.requests.pop()
        assert body["image"] == (file, (PICTURES / name).read_bytes())
        assert api.requests == []


def test_what_a_proxy_refuses_is_explained(page: Page, api: FakeApi, tmp_path: Path) -> None:
    """Its page is no JSON."""
    api.status, api.body = 413, "<h1>413 Request Entity Too Large</h1>"
    choose(page, draw_file(tmp_path / "a.png"))
    click(page, "#send")
    page.wait("document.querySelector('.result')")
    assert "client_max_body_size" in text(page, ".result.problem")


def test_a_rate_limit_is_waited_out(page: Page, api: FakeApi) -> None:
    """So that many pictures can be chosen at once."""
    api.status, api.headers = 429, {"Retry-After": "1"}
    api.body = problem_body("rate_limited", 429, "Too many", "Try again after Retry-After.")
    fill(page, "url", "https://images.example.com/mug.jpg")
    page.press("Enter")
    page.wait("document.querySelector('.state').innerText.includes('goes on in 1 s')")
    api.status, api.body = 200, caption_body("A mug.")
    page.wait("document.querySelector('.result')")
    assert text(page, ".caption") == "A mug."


def test_a_failed_request_can_be_tried_again(page: Page, api: FakeApi) -> None:
    api.status = 503
    api.body = problem_body("overloaded", 503, "The server is full", "Try again.", retryable=True)
    send(page)
    api.status, api.body = 200, caption_body("A mug.")
    click(page, "[aria-label^='Try again']")
    page.wait("document.querySelector('.caption')")
    assert len(api.requests) == 2
    assert api.requests[0] == api.requests[1]


def test_long_styles_get_the_tokens_that_they_need(page: Page) -> None:
    """Until the user chooses a number."""

    def ceiling() -> str:
        value: str = page.run("document.getElementById('max-tokens').value")
        return value

    assert ceiling() == "64"
    click(page, "input[value=detailed]")
    assert ceiling() == "256"
    click(page, "input[value=detailed]")
    assert ceiling() == "64"
    click(page, "input[value=poster]")  # an operator's style of up to 400 characters
    assert ceiling() == "256"
    fill(page, "max-tokens", "100")
    click(page, "input[value=detailed]")
    assert ceiling() == "100"


def test_placeholders_are_called_placeholders(browser: Browser, api: FakeApi) -> None:
    """Before anything is sent, where the embedded captioner is alone; and beside each caption."""
    api.captioners = ["embedded"]
    page = browser.page()
    page.open(api.url)
    page.wait("!document.getElementById('captioner-note').hidden")
    assert "placeholders" in text(page, "#captioner-note")
    api.body = caption_body("A subject in teal.", model="embedded", warnings=["generic"])
    send(page)
    assert "by the embedded captioner" in text(page, ".result")
    assert "A placeholder: " in text(page, ".result")


def test_no_caption_of_a_model_is_called_a_placeholder(page: Page, api: FakeApi) -> None:
    api.body = caption_body("A teal mug on white.", model="qwen3-vl:8b")
    send(page)
    assert page.run("document.getElementById('captioner-note').hidden")
    assert page.run("document.querySelectorAll('.flag').length") == 0


def test_a_key_is_asked_for_only_where_the_server_needs_one(
    browser: Browser, page: Page, api: FakeApi
) -> None:
    assert page.run("document.getElementById('key-field').hidden")
    api.key, api.styles = "secret", ["poster"]
    locked = browser.page()
    locked.open(api.url)
    locked.wait("!document.getElementById('key-field').hidden")
    assert "default styles" in text(locked, "#styles-note")
    fill(locked, "key", "secret")
    locked.wait("document.querySelectorAll('input[name=style]').length == 1")
    api.body = caption_body("A mug.")
    send(locked)
    assert api.requests[0][2] == "Bearer secret"
    click(locked, "#curl summary")
    assert "Authorization: Bearer $ALTWRIGHT_KEY" in text(locked, "#curl-text")
    assert "secret" not in text(locked, "#curl-text")
    assert locked.run("sessionStorage.getItem('altwright-key')") == "secret"
    assert locked.run("localStorage.length") == 0
    reopened = api.url + "?again"
    locked.open(reopened)
    locked.wait("document.querySelectorAll('input[name=style]').length == 1")
    assert locked.run("document.getElementById('key').value") == "secret"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_captions_come_into_view(page: Page, api: FakeApi, width: int) -> None:
    """Whatever the page was scrolled to: the title of the captions is in the upper half."""
    page.size(width, 800)
    api.body = caption_body("A mug.")
    page.run("document.getElementById('more').open = true")
    fill(page, "url", "https://images.example.com/mug.jpg")
    page.run("document.getElementById('max-tokens').scrollIntoView()")
    bottom = page.run("document.getElementById('send').getBoundingClientRect().bottom")
    assert bottom <= 800  # within reach from everywhere in the form
    click(page, "#send")
    page.wait("document.querySelector('.result')")
    for element in ("#output-title", ".caption"):
        top = page.run(f"document.querySelector('{element}').getBoundingClientRect().top")
        assert 0 <= top < 500, element


@pytest.mark.parametrize("prepare", ["a file", "a URL with 'quotes' & 100% \\ signs"])
def test_the_curl_command_sends_the_same_request(
    page: Page, api: FakeApi, tmp_path: Path, prepare: str
) -> None:
    """Pasted into a shell, it sends what the page sent."""
    api.body = caption_body("A caption.")
    fill(page, "context", 'Mug "100%" \\n isn\'t $HOME `id`')
    if prepare == "a file":
        draw_file(tmp_path / 'it\'s, "a" \\ mug; 2.png')
        click(page, "input[value=seo]")
        choose(page, tmp_path / 'it\'s, "a" \\ mug; 2.png')
        click(page, "#send")
        page.wait("document.querySelector('.result')")
    else:
        send(page, "https://images.example.com/" + prepare)
    click(page, "#curl summary")
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
    api.status, api.headers = 503, {"Retry-After": "7"}
    api.body = problem_body("overloaded", 503, "The server is full", "Try again after Retry-After.")
    send(page)
    card = text(page, ".result.problem")
    for part in ("The server is full", "Try again after", "after 7 s", "overloaded", "r1"):
        assert part in card
    api.status = 422
    api.body = problem_body("invalid_request", 422, "Not valid", "locale: no such tag",
                         errors=[{"field": "locale", "message": "no such tag"}])  # fmt: skip
    click(page, "#send")
    page.wait("document.querySelector('.result.problem h4')?.innerText == 'Not valid'")
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
    assert text(page, "#form-error") == "Choose a file, click a sample, or enter a URL."
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
    levels = page.run("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels == [1, 2, 3, 4]
    assert page.errors == []


def test_axe_finds_nothing_and_the_page_fits_its_window(page: Page, api: FakeApi) -> None:
    """With captions, problems, a mistake in the form and every optional part open."""
    rejected = problem_body("caption_rejected", 422, "Rejected", "Two drafts broke hard rules.",
                       draft="Image of a mug")  # fmt: skip
    failed = {"style": "seo", "locale": "en", "problem": rejected}
    flagged = caption_body("A teal mug on white.", warnings=["unverified_name"], truncated=True)
    api.body = {"results": [flagged, failed]}
    for width, dark in WINDOWS:
        page.size(width, 800, dark=dark)
        assert find_violations(page) == [], f"at the start, {width} px, dark: {dark}"
    click(page, "input[value=seo]")
    click(page, "[data-sample]")
    page.wait("document.querySelector('.result')")
    page.run("document.querySelectorAll('details').forEach(e => e.open = true)")
    page.run("document.querySelectorAll('.note, #key-field').forEach(e => e.hidden = false)")
    fill(page, "max-tokens", "1000")
    click(page, "#send")
    for width, dark in [*WINDOWS, (320, False)]:
        page.size(width, 800, dark=dark)
        assert find_violations(page) == [], f"with captions, {width} px, dark: {dark}"
        assert page.run("document.documentElement.scrollWidth") <= width
