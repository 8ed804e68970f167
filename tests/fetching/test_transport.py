"""Connections are reused only where nothing can be mistaken, and none is left behind."""

import asyncio
import ssl
from pathlib import Path

import pytest

from testing.images import jpeg
from testing.ports import free_port
from tests.fetching.certificates import make_certificate, resolve_to_loopback, server_tls
from tests.fetching.fetches import fetch, make_fetcher
from tests.fetching.scripted_origin import KEEP_OPEN, ScriptedOrigin, respond, send, stay_silent

IMAGE = jpeg((64, 48))
OTHER_IMAGE = jpeg((32, 24))


async def respond_and_stay(target: str, writer: asyncio.StreamWriter) -> object:
    await respond(IMAGE)(target, writer)
    return KEEP_OPEN


async def test_a_connection_is_reused() -> None:
    """Requests that name one origin do not connect for each image."""
    fetcher = make_fetcher()
    async with ScriptedOrigin(respond_and_stay) as origin:
        for _ in range(5):
            assert (await fetch(origin.url(), fetcher)).data == IMAGE
        assert origin.connections == 1
        await fetcher.aclose()


async def test_a_kept_connection_that_closes_is_not_a_failure() -> None:
    """The origin closes it without a response at the moment of its reuse."""
    served: set[asyncio.StreamWriter] = set()

    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        if writer in served:
            return None
        served.add(writer)
        return await respond_and_stay(target, writer)

    fetcher = make_fetcher()
    async with ScriptedOrigin(handler) as origin:
        for _ in range(3):
            assert (await fetch(origin.url(), fetcher)).data == IMAGE
        assert len(origin.heads) > origin.connections
        await fetcher.aclose()


@pytest.mark.parametrize("padding", [0, 32_000, 65_536])
async def test_bytes_after_a_response_do_not_answer_another_request(padding: int) -> None:
    """Otherwise whoever makes an origin send two responses chooses the next caller's image.

    After a response of 64 KiB in all, what follows has not reached the parser.
    """

    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        if target != "/evil":
            return await respond_and_stay(target, writer)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
        body = IMAGE + b"\0" * max(0, padding - len(head % 65_000) - len(IMAGE))
        writer.write(head % len(body) + body + head % len(OTHER_IMAGE) + OTHER_IMAGE)
        return KEEP_OPEN

    fetcher = make_fetcher()
    async with ScriptedOrigin(handler) as origin:
        for _ in range(5):
            source = await fetch(origin.url("/evil"), fetcher)
            assert bytes(source.data[: len(IMAGE)]) == IMAGE
            assert (await fetch(origin.url("/good"), fetcher)).data == IMAGE
        assert origin.connections == 6
        await fetcher.aclose()


async def test_over_tls_a_second_response_ends_the_connection_too(certificates: Path) -> None:
    """It may lie undecrypted behind the first: neither the socket nor the parser knows of it."""

    async def handler(target: str, writer: asyncio.StreamWriter) -> object:
        await respond(IMAGE)(target, writer)
        if target == "/evil":
            await respond(OTHER_IMAGE)(target, writer)
        return KEEP_OPEN

    made = make_certificate(certificates, "images.example")
    fetcher = make_fetcher(
        resolver=resolve_to_loopback(), tls=ssl.create_default_context(cafile=made)
    )
    async with ScriptedOrigin(handler, server_tls(made)) as origin:
        for target in ("/good", "/good", "/evil", "/good", "/evil", "/good"):
            url = origin.url(target, host="images.example")
            assert (await fetch(url, fetcher)).data == IMAGE
        assert origin.connections == 3
        await fetcher.aclose()


async def test_a_fetch_that_is_cancelled_at_any_step_leaves_no_connection() -> None:
    """Also between connecting and sending, where httpcore alone keeps it for ever."""
    fetcher = make_fetcher()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    async with ScriptedOrigin(send(head + IMAGE, stay_silent)) as origin:
        for steps in range(80):
            task = asyncio.create_task(fetch(origin.url(), fetcher))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert fetcher.transport.open_connections == 0, f"after {steps} steps"
    await fetcher.aclose()


async def test_no_cookie_is_sent_in_a_later_fetch() -> None:
    """One caller's session must not reach another caller's request."""
    fetcher = make_fetcher()
    async with ScriptedOrigin(respond(IMAGE, headers={"Set-Cookie": "id=1; Path=/"})) as origin:
        for _ in range(2):
            await fetch(origin.url(), fetcher)
    assert b"cookie" not in b"".join(origin.heads).lower()
    await fetcher.aclose()


async def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would bypass the address policy."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        assert (await fetch(origin.url())).data == IMAGE
