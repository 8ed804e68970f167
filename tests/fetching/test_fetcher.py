"""Fetching from origins that behave, over real sockets."""

import asyncio
import base64

import pytest

from app.fetching.settings import FetchSettings
from app.runtime.semaphore import WeightedSemaphore
from app.telemetry.redaction import loggable_url
from app.types import SourceImage
from testing.images import jpeg
from tests.fetching.fetches import fail, fetch, make_fetcher
from tests.fetching.scripted_origin import (
    ScriptedOrigin,
    redirect,
    respond,
    send,
    stay_silent,
)

IMAGE = jpeg((64, 48))
LOGIN_PAGE = b"<!doctype html><html><form><input name=p type='password'></form></html>"


async def test_an_image_comes_back_byte_for_byte() -> None:
    """The bytes decide its format, not the label."""
    async with ScriptedOrigin(respond(IMAGE, headers={"Content-Type": "text/html"})) as origin:
        source = await fetch(origin.url())
    assert source == SourceImage(data=IMAGE, format="jpeg", host=f"127.0.0.1:{origin.port}")
    head = origin.heads[0].lower()
    assert b"accept-encoding: identity" in head
    assert f"host: 127.0.0.1:{origin.port}".encode() in head
    assert b"cookie" not in head


async def test_a_data_url_needs_no_origin() -> None:
    url = "data:image/png;base64," + base64.b64encode(IMAGE).decode()
    assert await fetch(url) == SourceImage(data=IMAGE, format="jpeg")


async def test_a_signed_target_is_sent_as_it_was_written() -> None:
    """Signatures cover the spelling: nothing is encoded again or reordered."""
    target = "/a/../b%2Fc/'x'(1)!*.jpg?X-Sig=a%2fb+c/d==&&q='1'|2&e=%zz~"
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        await fetch(origin.url(target + "#frag"))
    assert origin.heads[0].split(b" ")[1] == target.encode()


async def test_characters_outside_ascii_are_percent_encoded() -> None:
    """A path that was copied from a browser's address bar works."""
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        await fetch(origin.url("/bäume.jpg?q=é"))
    assert origin.heads[0].split(b" ")[1] == b"/b%C3%A4ume.jpg?q=%C3%A9"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("202 Accepted", "image_unreachable"),
        ("409 Conflict", "image_unreachable"),
        ("420 Enhance Your Calm", "image_unreachable"),
        ("423 Locked", "image_unreachable"),
        ("404 Not Found", "image_not_found"),
        ("410 Gone", "image_not_found"),
        ("400 Bad Request", "image_denied"),
        ("401 Unauthorized", "image_denied"),
        ("402 Payment Required", "image_denied"),
        ("403 Forbidden", "image_denied"),
        ("405 Method Not Allowed", "image_denied"),
        ("451 Unavailable For Legal Reasons", "image_denied"),
        ("408 Request Timeout", "image_unreachable"),
        ("425 Too Early", "image_unreachable"),
        ("429 Too Many Requests", "image_unreachable"),
        ("500 Internal Server Error", "image_unreachable"),
        ("503 Service Unavailable", "image_unreachable"),
        ("599 Odd", "image_unreachable"),
        ("300 Multiple Choices", "image_denied"),
        ("302 Found", "image_denied"),
        ("304 Not Modified", "image_denied"),
        ("204 No Content", "image_unsupported"),
        ("205 Reset Content", "image_unsupported"),
    ],
)
async def test_an_error_status_is_an_error_with_any_body(status: str, code: str) -> None:
    """An error page with an image on it is still an error."""
    body = b"" if status[:3] in ("204", "304") else IMAGE
    async with ScriptedOrigin(respond(body, status)) as origin:
        assert (await fail(origin.url())).code == code


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        (b"", "image_unsupported", "empty"),
        (b"<html><body>hello</body></html>", "image_unsupported", "HTML"),
        (LOGIN_PAGE, "image_denied", "login page"),
        (b"<html>" + b" " * 30_000 + LOGIN_PAGE, "image_denied", "login page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_unsupported", "SVG"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "image_unsupported", "video"),
        (b"%PDF-1.7\n", "image_unsupported", "PDF"),
    ],
)
async def test_the_error_says_what_came_in_place_of_an_image(
    body: bytes, code: str, detail: str
) -> None:
    """Although its label is image/jpeg."""
    async with ScriptedOrigin(respond(body, headers={"Content-Type": "image/jpeg"})) as origin:
        error = await fail(origin.url("/photo.jpg"))
    assert error.code == code
    assert detail in error.detail


async def test_redirects_are_followed_up_to_the_limit() -> None:
    """Relative and absolute ones."""

    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        if target == "/c.jpg":
            return await respond(IMAGE)(target, writer)
        location = {"/a.jpg": "b.jpg", "/b.jpg": origin.url("/c.jpg")}[target]
        return await redirect(location)(target, writer)

    async with ScriptedOrigin(handler) as origin:
        assert (await fetch(origin.url("/a.jpg"))).data == IMAGE
        error = await fail(origin.url("/a.jpg"), make_fetcher(max_redirects=1))
        assert error.code == "image_denied"
        assert "more than 1" in error.detail
        error = await fail(origin.url("/a.jpg"), make_fetcher(max_redirects=0))
        assert error.code == "image_denied"


async def test_a_redirect_in_a_circle_is_denied() -> None:
    """It often means that a cookie was expected."""

    async def handler(target: str, writer: asyncio.StreamWriter) -> None:
        await redirect("/b" if target == "/a" else "/a")(target, writer)

    async with ScriptedOrigin(handler) as origin:
        error = await fail(origin.url("/a"), make_fetcher(max_redirects=20))
    assert error.code == "image_denied"
    assert "circle" in error.detail
    assert origin.connections == 2


@pytest.mark.parametrize("path", ["/signin?next=/", "/users/sign_in", "/log-in"])
async def test_a_redirect_to_a_sign_in_path_is_a_login_page(path: str) -> None:
    """Many such pages draw their form by script and have no password field."""

    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        if target == path:
            return await respond(b"<html><script></script></html>")(target, writer)
        return await redirect(path)(target, writer)

    async with ScriptedOrigin(handler) as origin:
        error = await fail(origin.url("/a.jpg"))
    assert error.code == "image_denied"
    assert "login page" in error.detail


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "ftp://example.com/a.jpg",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/a.jpg",
        "http://10.0.0.1/a.jpg",
        "//metadata.google.internal/a.jpg",
        "http://user:pw@127.0.0.1/a.jpg",
        "http://2130706433/a.jpg",
        "http://a\\b/",
        "http://[::1/",
    ],
)
async def test_a_redirect_is_checked_like_a_url_of_its_own(location: str) -> None:
    async with ScriptedOrigin(redirect(location)) as origin:
        assert (await fail(origin.url())).code == "image_url_forbidden"


async def test_origins_see_the_user_agent_of_the_setting() -> None:
    """Some admit only programs that name a contact."""
    user_agent = "Altwright/1.0 (+https://example.com/bot; images@example.com)"
    fetcher = make_fetcher(user_agent=user_agent)
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        await fetch(origin.url(), fetcher)
        await fetch(origin.url())
    first, second = (head.decode().split("\r\n") for head in origin.heads)
    assert f"User-Agent: {user_agent}" in first
    assert f"User-Agent: {FetchSettings().user_agent}" in second
    await fetcher.aclose()


@pytest.mark.parametrize(
    ("content_range", "is_complete"),
    [
        (f"bytes 0-{len(IMAGE) - 1}/{len(IMAGE)}", True),
        (f"bytes 0-{len(IMAGE) - 1}/{len(IMAGE) + 1}", False),
        (f"bytes 0-{len(IMAGE)}/{len(IMAGE) + 1}", False),
        (f"bytes 0-{len(IMAGE) - 1}/*", False),
        (f"bytes 5-{len(IMAGE) - 1}/{len(IMAGE)}", False),
        ("", False),
    ],
)
async def test_a_partial_response_must_be_the_complete_file(
    content_range: str, is_complete: bool
) -> None:
    """No range was asked for."""
    handler = respond(IMAGE, "206 Partial Content", {"Content-Range": content_range})
    async with ScriptedOrigin(handler) as origin:
        if is_complete:
            assert (await fetch(origin.url())).data == IMAGE
        else:
            assert (await fail(origin.url())).code == "image_corrupt"


async def test_an_origin_that_accepts_and_stays_silent_is_a_timeout() -> None:
    """Ended by the download's own limit."""
    async with ScriptedOrigin(stay_silent) as origin:
        error = await fail(origin.url(), make_fetcher(timeout_s=0.2))
    assert (error.code, error.log_reason) == ("image_timeout", "too slow")


async def test_the_requests_deadline_ends_a_download() -> None:
    """Although the download's own limit is far."""
    async with ScriptedOrigin(stay_silent) as origin:
        error = await fail(origin.url(), make_fetcher(timeout_s=60), within_s=0.2)
    assert error.code == "image_timeout"


async def test_cancelling_closes_the_connection_and_releases_the_bytes() -> None:
    semaphore = WeightedSemaphore(1 << 28)
    fetcher = make_fetcher(semaphore)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    async with ScriptedOrigin(send(head + IMAGE, stay_silent)) as origin:
        tasks = [asyncio.create_task(fetch(origin.url(), fetcher)) for _ in range(40)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0.002 * (number % 5))
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert fetcher.transport.open_connections == 0
        assert semaphore.used == 0
    await fetcher.aclose()


async def test_no_query_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It may be a signature, and so may a redirect's."""
    caplog.set_level("INFO")

    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        if target.startswith("/a"):
            return await redirect("/b?sig=hush")(target, writer)
        return await respond(status="403 Forbidden")(target, writer)

    async with ScriptedOrigin(handler) as origin:
        error = await fail(origin.url("/a?sig=hush"))
    records = [r for r in caplog.records if r.name == "app.fetching.fetcher"]
    assert [r.getMessage() for r in records] == ["image.not_fetched"]
    assert records[0].url == loggable_url(origin.url("/b?sig=hush"))
    assert not any("hush" in str(vars(r)) for r in caplog.records)
    assert "hush" not in error.detail + error.log_reason


async def test_a_fetch_is_logged_with_its_size(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        await fetch(origin.url("/a.jpg"))
    record = next(r for r in caplog.records if r.name == "app.fetching.fetcher")
    assert record.getMessage() == "image.fetched"
    assert (record.url, record.bytes) == (loggable_url(origin.url("/a.jpg")), len(IMAGE))


async def test_a_fetch_has_no_time_left_after_the_deadline() -> None:
    """It ends at once, as the stage it passed in says."""
    async with ScriptedOrigin(stay_silent) as origin:
        fetcher = make_fetcher()
        assert (await fail(origin.url(), fetcher, within_s=0)).code == "image_timeout"
