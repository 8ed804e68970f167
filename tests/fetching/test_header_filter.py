"""Malformed header lines: the image is fetched, and no response can be mistaken for another."""

import asyncio
import ssl
from pathlib import Path

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runtime.header_filter import HeaderFilter
from testing.images import jpeg
from tests.fetching.certificates import make_certificate, resolve_to_loopback, server_tls
from tests.fetching.fetches import fail, fetch, make_fetcher
from tests.fetching.scripted_origin import KEEP_OPEN, ScriptedOrigin, respond, send

IMAGE = jpeg((64, 48))
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(IMAGE)

DROPPED = {
    "no colon": b"some line without a colon\r\n",
    "a second status line": b"HTTP/1.1 200 OK\r\n",
    "a line of markup": b"<br />\r\n",
    "a name with spaces": b"PHP Warning:  Module 'gd' is already loaded in Unknown on line 0\r\n",
    "a space before the colon": b"Content-Type : image/jpeg\r\n",
    "an empty name": b": value\r\n",
    "a name outside ASCII": "Größe: 5\r\n".encode(),
    "a bare line feed": b"no colon\n",
    "a continuation of a dropped line": b"no colon\r\n and its: rest\r\n\tContent-Length: 5\r\n",
    "several": b"one\r\ntwo\r\nX-Real: yes\r\nthree\r\n",
}


@pytest.mark.parametrize("name", DROPPED)
@pytest.mark.parametrize("is_first", [True, False])
async def test_a_malformed_header_line_costs_nothing_but_the_connection(
    name: str, is_first: bool
) -> None:
    """As in browsers. The connection is closed with the response, not when it is needed again."""
    line = DROPPED[name]
    head = OK + (line + LENGTH if is_first else LENGTH + line) + b"\r\n"

    async def handler(_: str, writer: asyncio.StreamWriter) -> object:
        writer.write(head + IMAGE)
        return KEEP_OPEN

    fetcher = make_fetcher()
    async with ScriptedOrigin(handler) as origin:
        for number in range(1, 4):
            assert (await fetch(origin.url(), fetcher)).data == IMAGE
            assert fetcher.transport.open_connections == 0
            assert origin.connections == number
        await fetcher.aclose()


async def test_the_head_may_arrive_byte_by_byte() -> None:
    head = OK + DROPPED["no colon"] + LENGTH + DROPPED["several"] + b"\r\n"

    async def handler(_: str, writer: asyncio.StreamWriter) -> None:
        for number in range(len(head)):
            writer.write(head[number : number + 1])
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(IMAGE)

    async with ScriptedOrigin(handler) as origin:
        assert (await fetch(origin.url())).data == IMAGE


async def test_a_continuation_of_no_line_is_dropped() -> None:
    """RFC 9112, 2.2."""
    async with ScriptedOrigin(send(OK + b" of: nothing\r\n" + LENGTH + b"\r\n" + IMAGE)) as origin:
        assert (await fetch(origin.url())).data == IMAGE


@pytest.mark.parametrize("rest", [b"", LENGTH, b"Transfer-Encoding: chunked\r\n"])
async def test_the_body_has_the_framing_that_the_other_lines_say(rest: bytes) -> None:
    is_chunked = b"chunked" in rest
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(IMAGE), IMAGE) if is_chunked else IMAGE
    async with ScriptedOrigin(send(OK + b"no colon\r\n" + rest + b"\r\n" + body)) as origin:
        assert (await fetch(origin.url())).data == IMAGE


async def test_a_malformed_line_in_an_interim_response_closes_the_connection_too() -> None:
    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nno colon\r\n\r\n")
        await respond(IMAGE)(target, writer)
        return KEEP_OPEN

    fetcher = make_fetcher()
    async with ScriptedOrigin(handler) as origin:
        assert (await fetch(origin.url(), fetcher)).data == IMAGE
        assert fetcher.transport.open_connections == 0
        await fetcher.aclose()


async def test_a_second_response_behind_a_malformed_line_reaches_nobody() -> None:
    """Response splitting: what follows is the origin's answer to no request."""
    evil = jpeg((32, 24))

    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        if target != "/evil":
            await respond(IMAGE)(target, writer)
            return KEEP_OPEN
        writer.write(OK + b"no colon\r\n" + LENGTH + b"\r\n" + IMAGE)
        await respond(evil)(target, writer)
        return KEEP_OPEN

    fetcher = make_fetcher()
    async with ScriptedOrigin(handler) as origin:
        for _ in range(3):
            for target in ("/evil", "/good", "/good"):
                assert (await fetch(origin.url(target), fetcher)).data == IMAGE
        assert origin.connections == 4  # each evil one begins or ends a connection
        await fetcher.aclose()


async def test_over_tls_the_connection_is_closed_too(certificates: Path) -> None:
    async def handler(_: str, writer: asyncio.StreamWriter) -> object:
        writer.write(OK + b"no colon\r\n" + LENGTH + b"\r\n" + IMAGE)
        return KEEP_OPEN

    made = make_certificate(certificates, "images.example")
    tls = ssl.create_default_context(cafile=made)
    fetcher = make_fetcher(resolver=resolve_to_loopback(), tls=tls)
    async with ScriptedOrigin(handler, server_tls(made)) as origin:
        for _ in range(2):
            url = origin.url(host="images.example")
            assert (await fetch(url, fetcher)).data == IMAGE
            assert fetcher.transport.open_connections == 0
        await fetcher.aclose()


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length : 5\r\n",
        b"Content-Length 5\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b" Transfer-Encoding: chunked\r\n",
        b"x\0y\r\n",
        b"no colon\rContent-Length: 5\r\n",
        b"\r\r\n",
        b"Transfer-Encoding\x0b: chunked\r\n",
        b"X: a\0b\r\n",
        b"X: a\rb\r\n",
        b"Content-Length: 5\r\n",  # beside another one
        b"Content-Length: +5\r\n",
        b"Content-Length: 5 bytes\r\n",
        b"Content-Length:\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ],
)
async def test_a_line_that_could_hide_the_end_of_the_message_is_refused_for_good(
    line: bytes,
) -> None:
    """Two readers could see two different bodies. Asking again would bring the same line."""
    async with ScriptedOrigin(send(OK + line + LENGTH + b"\r\n" + IMAGE)) as origin:
        error = await fail(origin.url())
    assert (error.code, error.retryable()) == ("image_corrupt", False)
    assert "header" in error.detail


LINES = st.lists(
    st.sampled_from(
        [
            *(
                b"A: b",
                b"Content-Length: 3",
                b"Transfer-Encoding: chunked",
                b"no colon",
                b" folded",
            ),
            *(b"", b"\r", b"\r\r", b"Bad Name: x", b"x\0", b":", b"HTTP/1.1 204 No Content"),
            *(b"HTTP/1.1 100 Continue", b"HTTP/1.1 103 Hints", b"HTTP/1.1 200 OK", b"\t: x"),
        ]
    ),
    max_size=9,
)
ENDS = st.sampled_from([b"\n", b"\r\n"])


def read_head(data: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes] | str | None:
    """What h11 makes of the bytes: status, fields and what follows; or its error; or unfinished."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    try:
        while isinstance(event := connection.next_event(), h11.InformationalResponse):
            pass
    except h11.RemoteProtocolError as error:
        return str(error)
    if not isinstance(event, h11.Response):
        return None
    return event.status_code, list(event.headers), connection.trailing_data[0]


@settings(max_examples=500, deadline=None)
@given(LINES, st.lists(ENDS, min_size=9, max_size=9), st.integers(1, 40), st.booleans())
def test_the_filter_agrees_with_the_parser_about_where_a_head_ends(
    lines: list[bytes], ends: list[bytes], size: int, starts_well: bool
) -> None:
    """However the bytes are cut. Without a malformed line nothing is changed."""
    data = OK * starts_well + b"".join(map(b"".join, zip(lines, ends, strict=False)))
    data += b"\r\n\r\nno colon\r\nbody"
    whole, cut = HeaderFilter(), HeaderFilter()
    passed = whole.feed(data) + whole.end()
    pieces = [cut.feed(data[start : start + size]) for start in range(0, len(data), size)]
    assert b"".join(pieces) + cut.end() == passed
    assert whole.has_dropped == cut.has_dropped == (passed != data)
    before, after = read_head(data), read_head(passed)
    if isinstance(before, tuple):
        assert passed == data  # the parser accepts it as it is
    if isinstance(after, tuple):
        assert passed.endswith(after[2])
        assert data.endswith(after[2])
    if whole.has_dropped:
        assert isinstance(before, str) or before is None
