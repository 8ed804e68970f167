"""Fetching from well-behaved and refusing origins, over real sockets."""

import asyncio
import base64
import socket
import time

import pytest
from pydantic import ValidationError

from app.errors import CaptionError
from app.fetching.fetcher import Fetcher, FetchSettings
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.types import SourceImage
from tests.fetching.origin import Origin, answer, closed_port, jpeg, raw, silence

PICTURE = jpeg()
LOOPBACK = ("127.0.0.0/8",)
LOGIN = b"<!doctype html><html><form><input name=p type='password'></form></html>"


def make_fetcher(budget: WeightedSemaphore | None = None, **settings: object) -> Fetcher:
    values = {"allowed_networks": LOOPBACK, "timeout_s": 3.0} | settings
    return Fetcher(FetchSettings(**values), budget or WeightedSemaphore(1 << 28))


async def fetch(url: str, deadline_s: float = 5.0, **settings: object) -> SourceImage:
    fetcher = make_fetcher(**settings)
    try:
        async with fetcher.fetch(url, Deadline.after(deadline_s)) as source:
            return source
    finally:
        await fetcher.aclose()


async def failure(url: str, deadline_s: float = 5.0, **settings: object) -> CaptionError:
    with pytest.raises(CaptionError) as caught:
        await fetch(url, deadline_s, **settings)
    return caught.value


async def test_an_image_comes_back_byte_for_byte() -> None:
    """Its format is told from its bytes, whatever the label says."""
    async with Origin(answer(PICTURE, headers={"Content-Type": "text/html"})) as origin:
        source = await fetch(origin.url())
    assert source == SourceImage(data=PICTURE, format="jpeg", host=f"127.0.0.1:{origin.port}")
    head = origin.heads[0].lower()
    assert b"accept-encoding: identity" in head
    assert f"host: 127.0.0.1:{origin.port}".encode() in head
    assert b"cookie" not in head


async def test_a_signed_target_goes_out_as_it_was_written() -> None:
    """Signatures are over the spelling: nothing is encoded anew or put in order."""
    target = "/a/../b%2Fc/'x'(1)!*.jpg?X-Sig=a%2fb+c/d==&&q='1'|2&e=%zz~"
    async with Origin(answer(PICTURE)) as origin:
        await fetch(origin.url(target + "#frag"))
    assert origin.heads[0].split(b" ")[1] == target.encode()


async def test_letters_outside_ascii_are_percent_encoded() -> None:
    """A path that was copied from a browser's bar works."""
    async with Origin(answer(PICTURE)) as origin:
        await fetch(origin.url("/bäume.jpg?q=é"))
    assert origin.heads[0].split(b" ")[1] == b"/b%C3%A4ume.jpg?q=%C3%A9"


async def test_no_cookie_goes_from_one_fetch_to_the_next() -> None:
    """One caller's session must not reach another's request."""
    fetcher = make_fetcher()
    async with Origin(answer(PICTURE, headers={"Set-Cookie": "id=1; Path=/"})) as origin:
        for _ in range(2):
            async with fetcher.fetch(origin.url(), Deadline.after(5)):
                pass
    assert b"cookie" not in b"".join(origin.heads).lower()
    await fetcher.aclose()


async def test_a_proxy_variable_is_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would go around the guard."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    async with Origin(answer(PICTURE)) as origin:
        assert (await fetch(origin.url())).data == PICTURE


@pytest.mark.parametrize(
    ("status", "code"),
    [
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
async def test_a_status_has_its_code(status: str, code: str) -> None:
    """Whatever the body is: an error page with a picture on it is still an error."""
    body = b"" if status[:3] in ("204", "304") else PICTURE
    async with Origin(answer(body, status)) as origin:
        error = await failure(origin.url())
    assert error.code == code


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "image_unsupported", "empty"),
        (b"<html><body>hello</body></html>", "image_unsupported", "HTML"),
        (LOGIN, "image_denied", "login page"),
        (b"<html>" + b" " * 30_000 + LOGIN, "image_denied", "login page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image_unsupported", "SVG"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "image_unsupported", "video"),
        (b"%PDF-1.7\n", "image_unsupported", "PDF"),
    ],
)
async def test_a_body_that_is_no_image_is_named(body: bytes, code: str, says: str) -> None:
    """Its label says image/jpeg all the while."""
    async with Origin(answer(body, headers={"Content-Type": "image/jpeg"})) as origin:
        error = await failure(origin.url("/photo.jpg"))
    assert error.code == code
    assert says in error.detail


async def test_a_redirect_is_followed() -> None:
    """Relative and absolute, up to the limit."""

    async def handler(target, writer) -> None:
        if target == "/c.jpg":
            return await answer(PICTURE)(target, writer)
        place = {"/a.jpg": "b.jpg", "/b.jpg": origin.url("/c.jpg")}[target]
        return await answer(status="302 Found", headers={"Location": place})(target, writer)

    async with Origin(handler) as origin:
        assert (await fetch(origin.url("/a.jpg"))).data == PICTURE
        error = await failure(origin.url("/a.jpg"), max_redirects=1)
        assert error.code == "image_denied"
        assert "more than 1" in error.detail
        assert (await failure(origin.url("/a.jpg"), max_redirects=0)).code == "image_denied"


async def test_a_redirect_in_a_circle_is_told() -> None:
    """It often means that a cookie was expected."""

    async def handler(target, writer) -> None:
        place = "/b" if target == "/a" else "/a"
        await answer(status="302 Found", headers={"Location": place})(target, writer)

    async with Origin(handler) as origin:
        error = await failure(origin.url("/a"), max_redirects=20)
    assert error.code == "image_denied"
    assert "circle" in error.detail
    assert origin.accepted == 2


@pytest.mark.parametrize("path", ["/signin?next=/", "/users/sign_in", "/log-in"])
async def test_a_redirect_to_a_sign_in_page_is_a_login(path: str) -> None:
    """Many such pages draw their form by script, so that no password field is there."""

    async def handler(target, writer) -> None:
        if target == path:
            return await answer(b"<html><script></script></html>")(target, writer)
        return await answer(status="302 Found", headers={"Location": path})(target, writer)

    async with Origin(handler) as origin:
        error = await failure(origin.url("/a.jpg"))
    assert error.code == "image_denied"
    assert "login page" in error.detail


@pytest.mark.parametrize(
    "place",
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
async def test_a_redirect_is_judged_like_a_url_of_its_own(place: str) -> None:
    """The first hop is allowed; the second is not."""
    async with Origin(answer(status="302 Found", headers={"Location": place})) as origin:
        assert (await failure(origin.url())).code == "image_url_forbidden"


async def test_a_compressed_body_is_refused() -> None:
    """264 bytes can become 60 MB."""
    async with Origin(answer(PICTURE, headers={"Content-Encoding": "gzip"})) as origin:
        error = await failure(origin.url())
    assert error.code == "image_unsupported"
    assert "Content-Encoding" in error.detail


async def test_identity_is_no_compression() -> None:
    """Some servers say so in words."""
    async with Origin(answer(PICTURE, headers={"Content-Encoding": "identity"})) as origin:
        assert (await fetch(origin.url())).data == PICTURE


@pytest.mark.parametrize(
    ("content_range", "works"),
    [
        (f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}", True),
        (f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE) + 1}", False),
        (f"bytes 0-{len(PICTURE)}/{len(PICTURE) + 1}", False),
        (f"bytes 0-{len(PICTURE) - 1}/*", False),
        (f"bytes 5-{len(PICTURE) - 1}/{len(PICTURE)}", False),
        ("", False),
    ],
)
async def test_a_partial_answer_is_taken_only_where_it_is_the_whole(
    content_range: str, works: bool
) -> None:
    """Nobody asked for a range."""
    handler = answer(PICTURE, "206 Partial Content", {"Content-Range": content_range})
    async with Origin(handler) as origin:
        if works:
            assert (await fetch(origin.url())).data == PICTURE
        else:
            assert (await failure(origin.url())).code == "image_corrupt"


async def test_a_closed_and_a_filtered_port_give_one_answer() -> None:
    """A full backlog drops connection requests, as a filter does."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
            waiting.append(sock)
        await asyncio.sleep(0.05)
        filtered = await failure(
            f"http://127.0.0.1:{full.getsockname()[1]}/a.jpg", timeout_s=0.4, max_bytes=4096
        )
        for sock in waiting:
            sock.close()
    closed = await failure(f"http://127.0.0.1:{closed_port()}/a.jpg")
    assert "not connected in time" in filtered.log_reason, "the port was not filtered after all"
    assert closed.code == filtered.code == "image_unreachable"
    assert closed.detail == filtered.detail


async def test_connected_and_then_silent_is_a_timeout() -> None:
    """Our own limit ends it."""
    async with Origin(silence) as origin:
        assert (await failure(origin.url(), timeout_s=0.2)).code == "image_timeout"


async def test_the_requests_own_deadline_ends_a_fetch() -> None:
    """With the answer of the stage in which it passed."""
    async with Origin(silence) as origin:
        began = time.monotonic()
        assert (await failure(origin.url(), deadline_s=0.2)).code == "image_timeout"
    assert time.monotonic() - began < 0.5


async def test_a_connection_is_used_again() -> None:
    """Jobs that name one origin do not connect for each image."""

    async def handler(target, writer) -> None:
        writer.stay = True
        await answer(PICTURE)(target, writer)

    fetcher = make_fetcher()
    async with Origin(handler) as origin:
        for _ in range(5):
            async with fetcher.fetch(origin.url(), Deadline.after(5)) as source:
                assert source.data == PICTURE
        assert origin.accepted == 1
        await fetcher.aclose()


async def test_a_kept_connection_that_dies_is_not_the_callers_failure() -> None:
    """The origin hangs up without an answer when the connection is used again."""

    async def handler(target, writer) -> None:
        if getattr(writer, "stay", False):
            writer.stay = False
            return
        writer.stay = True
        await answer(PICTURE)(target, writer)

    fetcher = make_fetcher()
    async with Origin(handler) as origin:
        for _ in range(3):
            async with fetcher.fetch(origin.url(), Deadline.after(5)) as source:
                assert source.data == PICTURE
        assert len(origin.heads) > origin.accepted
        await fetcher.aclose()


@pytest.mark.parametrize("padding", [0, 32_000, 65_536])
async def test_what_comes_behind_an_answer_answers_no_other_request(padding: int) -> None:
    """Else whoever makes an origin send two answers to one request picks the next one's picture.

    Behind an answer of 64 KiB in all, what follows has not reached the parser.
    """
    other = jpeg(32, 24)

    async def handler(target, writer) -> None:
        writer.stay = True
        if target != "/evil":
            await answer(PICTURE)(target, writer)
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        fill = padding - len(head % 65_000) - len(PICTURE)
        body = PICTURE + b"\0" * max(0, fill)
        behind = head % len(other) + other
        writer.write(head % len(body) + body + behind)

    fetcher = make_fetcher()
    async with Origin(handler) as origin:
        for _ in range(5):
            async with fetcher.fetch(origin.url("/evil"), Deadline.after(5)) as source:
                assert bytes(source.data[: len(PICTURE)]) == PICTURE
            async with fetcher.fetch(origin.url("/good"), Deadline.after(5)) as source:
                assert source.data == PICTURE
        assert origin.accepted == 6
        await fetcher.aclose()


async def test_a_data_url_needs_no_origin() -> None:
    """It carries the image itself."""
    url = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    assert await fetch(url) == SourceImage(data=PICTURE, format="jpeg")


async def test_cancelling_closes_the_connection_and_frees_the_budget() -> None:
    """A caller that has gone leaves nothing behind."""
    budget = WeightedSemaphore(1 << 28)
    fetcher = make_fetcher(budget, timeout_s=30)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    async with Origin(raw(head + PICTURE, silence)) as origin:

        async def one() -> None:
            async with fetcher.fetch(origin.url(), Deadline.after(30)):
                pass

        tasks = [asyncio.create_task(one()) for _ in range(40)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0.002 * (number % 5))
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(r, asyncio.CancelledError) for r in results)
        assert fetcher.transport.open_connections == 0
        assert budget.used == 0
    await fetcher.aclose()


async def test_a_fetch_that_is_cancelled_at_any_step_leaves_no_connection() -> None:
    """Also between connecting and sending, where httpcore alone forgets it for ever."""
    fetcher = make_fetcher(timeout_s=30)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    async with Origin(raw(head + PICTURE, silence)) as origin:

        async def one() -> None:
            async with fetcher.fetch(origin.url(), Deadline.after(30)):
                pass

        for steps in range(80):
            task = asyncio.create_task(one())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert fetcher.transport.open_connections == 0, f"after {steps} steps"
    await fetcher.aclose()


async def test_nothing_is_logged_of_a_query(caplog: pytest.LogCaptureFixture) -> None:
    """It may be a signature, and so may a redirect's."""
    caplog.set_level("INFO")

    async def handler(target, writer) -> None:
        if target.startswith("/a"):
            place = "/b?sig=hush"
            return await answer(status="302 Found", headers={"Location": place})(target, writer)
        return await answer(status="403 Forbidden")(target, writer)

    async with Origin(handler) as origin:
        error = await failure(origin.url("/a?sig=hush"))
    records = [r for r in caplog.records if r.name == "app.fetching.fetcher"]
    assert records
    assert records[0].place == f"127.0.0.1:{origin.port}/b"
    assert not any("hush" in str(vars(r)) for r in caplog.records)
    assert "hush" not in error.detail + error.log_reason


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"allowed_networks": ["10.0.0.1/8"]}, "did you mean 10.0.0.0/8"),
        ({"allowed_networks": ["intranet"]}, "is no network"),
        ({"timeout_s": 0}, "greater than 0"),
        ({"timeout_s": 61}, "less than or equal to 60"),
        ({"allowed_ports": [0]}, "greater than or equal to 1"),
        ({"allowed_ports": []}, "at least 1"),
        ({"max_redirects": -1}, "greater than or equal to 0"),
    ],
)
def test_a_wrong_setting_says_what_is_wrong(settings: dict[str, object], says: str) -> None:
    """The start ends with this sentence."""
    with pytest.raises(ValidationError, match=says):
        FetchSettings(**settings)
