"""Connecting: DNS, several addresses, TLS, and what one connection may send."""

import asyncio
import socket
import ssl
import threading
from pathlib import Path

import httpcore
import pytest

from app.errors import CaptionError
from app.fetching.network_backend import BoundedStream
from app.fetching.resolver import Resolver
from testing.images import jpeg
from testing.ports import free_port
from tests.fetching.certificates import make_certificate, resolve_to_loopback, server_tls
from tests.fetching.fetches import fail, fetch, make_fetcher
from tests.fetching.scripted_origin import KEEP_OPEN, ScriptedOrigin, reset, respond, send

IMAGE = jpeg((64, 48))


# DNS and addresses


async def test_a_name_that_does_not_resolve_reads_like_a_closed_port() -> None:
    """Slow names too: neither tells a caller which names exist."""
    end_of_test = threading.Event()

    def unknown(_: str) -> list[str]:
        raise OSError("Name or service not known")

    def slow(_: str) -> list[str]:
        end_of_test.wait(60)
        return ["127.0.0.1"]

    def fetcher_with(lookup: object, dns_timeout_s: float = 30, **settings: float) -> object:
        resolver = Resolver(lookup=lookup, timeout_s=dns_timeout_s)
        return make_fetcher(resolver=resolver, **settings)

    errors = [
        await fail("http://a.example/", fetcher_with(unknown)),
        await fail("http://a.example/", fetcher_with(lambda _: [])),
        await fail("http://a.example/", fetcher_with(slow, dns_timeout_s=0.1)),
        await fail("http://a.example/", fetcher_with(slow, timeout_s=0.1)),
        await fail("http://127.0.0.1:9/"),
    ]
    end_of_test.set()
    assert {error.code for error in errors} == {"image_unreachable"}
    assert len({error.detail for error in errors}) == 1


async def test_several_addresses_are_tried_in_order() -> None:
    """The first refuses the connection; the second is the origin."""
    resolver = Resolver(lookup=lambda _: ["127.0.0.9", "127.0.0.1"])
    fetcher = make_fetcher(resolver=resolver)
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        assert (await fetch(origin.url(host="a.example"), fetcher)).data == IMAGE
    await fetcher.aclose()


async def test_an_ipv6_origin_is_fetched_from_like_any_other() -> None:
    try:
        origin = await ScriptedOrigin(respond(IMAGE), address="::1").__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    fetcher = make_fetcher(allowed_networks=["::1"])
    assert (await fetch(origin.url(host="[0:0::1]"), fetcher)).data == IMAGE
    assert f"host: [::1]:{origin.port}".encode() in origin.heads[0].lower()
    await fetcher.aclose()
    await origin.__aexit__()


async def test_a_closed_and_a_filtered_port_give_the_same_response() -> None:
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
        filtered = await fail(
            f"http://127.0.0.1:{full.getsockname()[1]}/a.jpg", make_fetcher(timeout_s=0.4)
        )
        for sock in waiting:
            sock.close()
    closed = await fail(f"http://127.0.0.1:{free_port()}/a.jpg")
    assert "not connected in time" in filtered.log_reason, "the port was not filtered after all"
    assert closed.code == filtered.code == "image_unreachable"
    assert closed.detail == filtered.detail


async def test_running_out_of_descriptors_is_not_the_origins_failure() -> None:
    """The caller is asked to come back, and the next fetch works."""
    resource = pytest.importorskip("resource", reason="limits of descriptors need a POSIX system")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        fetcher = make_fetcher()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            with pytest.raises(CaptionError) as caught:
                await fetch(origin.url(), fetcher)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert caught.value.code == "overloaded"
        assert (await fetch(origin.url(), fetcher)).data == IMAGE
        await fetcher.aclose()


# TLS


async def test_tls_is_verified_for_the_name_in_the_url(certificates: Path) -> None:
    """The connection goes to a numeric address; the certificate must be for the URL's name."""
    made = make_certificate(certificates, "images.example")
    trust = ssl.create_default_context(cafile=made)
    async with ScriptedOrigin(respond(IMAGE), server_tls(made)) as origin:
        fetcher = make_fetcher(resolver=resolve_to_loopback(), tls=trust)
        url = origin.url(host="images.example")
        assert (await fetch(url, fetcher)).data == IMAGE
        await fetcher.aclose()
        other_name = await fail(
            origin.url(host="other.example"),
            make_fetcher(resolver=resolve_to_loopback(), tls=trust),
        )
        untrusted = await fail(url, make_fetcher(resolver=resolve_to_loopback()))
        by_number = await fail(origin.url(), make_fetcher(tls=trust))
    for error in (other_name, untrusted, by_number):
        assert error.code == "image_unreachable"
        assert "certificate" in error.detail
        assert error.log_reason.startswith("TLS: ")


async def test_an_expired_certificate_is_refused(certificates: Path) -> None:
    """Even where its issuer is trusted."""
    made = make_certificate(certificates, "images.example", is_expired=True)
    trust = ssl.create_default_context(cafile=made)
    async with ScriptedOrigin(respond(IMAGE), server_tls(made)) as origin:
        url = origin.url(host="images.example")
        error = await fail(url, make_fetcher(resolver=resolve_to_loopback(), tls=trust))
    assert error.code == "image_unreachable"
    assert "expired" in error.log_reason


async def test_a_server_without_tls_that_waits_for_a_head_is_a_timeout() -> None:
    async with ScriptedOrigin(respond(IMAGE)) as origin:
        url = f"https://127.0.0.1:{origin.port}/a.jpg"
        error = await fail(url, make_fetcher(timeout_s=0.4))
    assert error.code == "image_timeout"


async def test_a_server_without_tls_that_responds_is_unreachable() -> None:
    async def respond_in_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond_in_plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await fail(f"https://127.0.0.1:{port}/a.jpg")
    server.close()
    assert error.code == "image_unreachable"


async def test_tls_that_breaks_off_in_the_body_is_unreachable(certificates: Path) -> None:
    made = make_certificate(certificates, "images.example")
    trust = ssl.create_default_context(cafile=made)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"
    async with ScriptedOrigin(send(head + IMAGE, reset), server_tls(made)) as origin:
        url = origin.url(host="images.example")
        error = await fail(url, make_fetcher(resolver=resolve_to_loopback(), tls=trust))
    assert error.code == "image_unreachable"


# One connection


async def test_a_head_is_read_in_small_pieces_and_a_body_in_large_ones() -> None:
    """Parsing 64 KiB of interim responses in one piece would hold the event loop for 0.1 s."""

    class RecordingStream(httpcore.AsyncNetworkStream):
        def __init__(self) -> None:
            self.read_sizes: list[int] = []

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            self.read_sizes.append(max_bytes)
            return b"\n"  # a whole line, so that one read is enough

        async def write(self, buffer: bytes, timeout: float | None = None) -> None:
            """The next response has a head of its own."""

    recording = RecordingStream()
    stream = BoundedStream(recording)
    await stream.read(65_536)
    stream.begin_body(1_000_000)
    await stream.read(65_536)
    await stream.write(b"GET / HTTP/1.1")
    await stream.read(65_536)
    assert [size <= 8_192 for size in recording.read_sizes] == [True, False, True]


async def test_a_broken_tls_record_is_the_origins_failure(certificates: Path) -> None:
    """Not an internal error: httpcore passes the error of the TLS library on."""

    async def handler(_: str, writer: asyncio.StreamWriter) -> object:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        await writer.drain()
        writer.transport._ssl_protocol._transport.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        return KEEP_OPEN

    made = make_certificate(certificates, "images.example")
    tls = ssl.create_default_context(cafile=made)
    fetcher = make_fetcher(resolver=resolve_to_loopback(), tls=tls)
    async with ScriptedOrigin(handler, server_tls(made)) as origin:
        error = await fail(origin.url(host="images.example"), fetcher)
        assert error.code == "image_unreachable"
        await fetcher.aclose()
