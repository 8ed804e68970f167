"""Fetching from origins that misbehave on the wire: each fetch ends, and soon."""

import asyncio
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import httpcore
import pytest

from app.errors import CaptionError
from app.fetching.fetcher import Fetcher, FetchSettings
from app.fetching.network_backend import GuardedStream
from app.fetching.resolver import Resolver
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from tests.fetching.origin import Handler, Origin, answer, jpeg, raw, repeated, silence

PICTURE = jpeg()
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NOISE = b"\xff\xd8\xff" + b"\x00" * 65_533


def make_fetcher(
    resolver: Resolver | None = None, tls: ssl.SSLContext | None = None, **settings: object
) -> Fetcher:
    values = {"allowed_networks": ["127.0.0.0/8"], "timeout_s": 0.6, "max_bytes": 1 << 20}
    return Fetcher(
        FetchSettings(**values | settings),
        WeightedSemaphore(1 << 28),
        resolver=resolver,
        ssl_context=tls,
    )


async def failure(url: str, fetcher: Fetcher) -> CaptionError:
    try:
        with pytest.raises(CaptionError) as caught:
            async with fetcher.fetch(url, Deadline.after(5)):
                pass
        assert fetcher._budget.used == 0
        assert fetcher.transport.open_connections == 0
    finally:
        await fetcher.aclose()
    return caught.value


async def hang_up(_: str, writer: asyncio.StreamWriter) -> None:
    await writer.drain()


async def reset(_: str, writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset."""
    await asyncio.sleep(0.05)
    writer.transport.abort()


WIRE: dict[str, tuple[Handler, str]] = {
    "closed without a word": (hang_up, "image_unreachable"),
    "reset without a word": (reset, "image_unreachable"),
    "silence": (silence, "image_timeout"),
    "not HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "image_unreachable"),
    "half a head": (raw(OK + b"Content-Le"), "image_unreachable"),
    "head drip": (raw(OK, repeated(b"x: y\r\n", 0.02)), "image_timeout"),
    "one endless header": (raw(OK + b"x: ", repeated(b"y" * 65_536)), "image_unreachable"),
    "endless headers": (raw(OK, repeated(b"x: y\r\n" * 9_000)), "image_unreachable"),
    "103 flood": (
        repeated(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1_000),
        "image_unreachable",
    ),
    "100 drip": (repeated(b"HTTP/1.1 100 Continue\r\n\r\n", 0.02), "image_timeout"),
    "101": (raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), "image_unreachable"),
    "body drip": (raw(OK + b"Content-Length: 9999\r\n\r\n", repeated(b"x", 0.02)), "image_timeout"),
    "image drip": (
        raw(OK + b"Content-Length: 99999\r\n\r\n" + NOISE[:5000], repeated(b"x", 0.02)),
        "image_timeout",
    ),
    "endless body": (raw(OK + b"\r\n", repeated(NOISE)), "image_too_large"),
    "endless chunks": (raw(CHUNKED, repeated(b"10000\r\n" + NOISE + b"\r\n")), "image_too_large"),
    "chunks of one byte, with extensions": (
        raw(
            CHUNKED + b"1000\r\n" + NOISE[:4096] + b"\r\n",
            repeated(b"1;e=%b\r\nx\r\n" % (b"y" * 900)),
        ),
        "image_too_large",
    ),
    "chunks of one byte": (
        raw(CHUNKED + b"1000\r\n" + NOISE[:4096] + b"\r\n", repeated(b"1\r\nx\r\n" * 1_000)),
        "image_corrupt",
    ),
    "a chunk that is said to be huge": (
        raw(CHUNKED + b"FFFFFFFFFFFFFFFFFFF\r\n", repeated(NOISE)),
        "image_too_large",
    ),
    "no number of a chunk": (raw(CHUNKED + b"zz\r\n"), "image_unreachable"),
    "10 GB announced": (answer(NOISE, length=10_000_000_000), "image_too_large"),
    "one byte too many announced": (answer(NOISE, length=(1 << 20) + 1), "image_too_large"),
    "10**30 bytes announced": (answer(NOISE, length=10**30), "image_unreachable"),
    "a length below zero": (answer(NOISE, length=-1), "image_unreachable"),
    "two lengths": (
        raw(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + PICTURE),
        "image_unreachable",
    ),
    "shorter than announced": (answer(PICTURE, length=len(PICTURE) + 1), "image_unreachable"),
    "reset in the body": (
        raw(OK + b"Content-Length: 99999\r\n\r\n" + NOISE[:9000], reset),
        "image_unreachable",
    ),
    "chunks that break off": (raw(CHUNKED + b"1000\r\n" + NOISE[:100]), "image_unreachable"),
    "unknown coding": (raw(OK + b"Transfer-Encoding: gzip\r\n\r\n"), "image_unreachable"),
    "endless page": (raw(OK + b"\r\n<html>", repeated(b"<p>x</p>" * 1_000)), "image_unsupported"),
    "endless video": (
        raw(OK + b"\r\n\x1aE\xdf\xa3" + bytes(5_000), repeated(bytes(100), 0.05)),
        "image_unsupported",
    ),
    "status 999": (answer(PICTURE, "999 Odd"), "image_unreachable"),
    "status 099": (answer(PICTURE, "099 Odd"), "image_unreachable"),
    "redirect without a place": (answer(status="302 Found"), "image_denied"),
    "redirect to two places": (
        raw(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"),
        "image_denied",
    ),
    "redirect to nonsense": (
        answer(status="302 Found", headers={"Location": "http://[::1"}),
        "image_url_forbidden",
    ),
    "redirect to a bare byte": (
        raw(b"HTTP/1.1 302 Found\r\nLocation: http://\x80.example\r\nContent-Length: 0\r\n\r\n"),
        "image_url_forbidden",
    ),
    "redirect of 9,000 characters": (
        answer(status="302 Found", headers={"Location": "/" + "a" * 9_000}),
        "image_url_forbidden",
    ),
}


@pytest.mark.parametrize("name", WIRE)
async def test_a_misbehaving_origin_costs_little_and_has_its_code(name: str) -> None:
    """Well within the deadline and a second; connection and budget are given back."""
    handler, code = WIRE[name]
    began = time.monotonic()
    async with Origin(handler) as origin:
        error = await failure(origin.url(), make_fetcher())
    assert error.code == code, (error.detail, error.log_reason)
    assert time.monotonic() - began < 1.6


async def test_a_length_beside_chunks_says_nothing_of_the_body() -> None:
    """Believed, it made a copy of all that had come for each chunk: 140 s of the event loop."""
    body = NOISE * 40
    parts = [b"%x\r\n%b\r\n" % (len(NOISE), NOISE)] * 40
    head = OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    asked: list[int] = []

    class Counted(WeightedSemaphore):
        async def acquire(self, amount: int) -> None:
            asked.append(amount)
            await super().acquire(amount)

    settings = FetchSettings(allowed_networks=["127.0.0.0/8"], max_bytes=1 << 23)
    fetcher = Fetcher(settings, Counted(1 << 23))
    async with (
        Origin(raw(head + b"".join(parts) + b"0\r\n\r\n")) as origin,
        fetcher.fetch(origin.url(), Deadline.after(5)) as source,
    ):
        assert source.data == body
    assert len(asked) == 1  # whoever asks twice may wait for another who does
    await fetcher.aclose()


async def test_a_small_picture_may_come_in_small_pieces() -> None:
    parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (NOISE[at : at + 32]
             for at in range(0, len(NOISE), 32))]  # fmt: skip
    async with Origin(raw(CHUNKED + b"".join(parts) + b"0\r\n\r\n")) as origin:
        fetcher = make_fetcher(timeout_s=10)
        async with fetcher.fetch(origin.url(), Deadline.after(10)) as source:
            assert source.data == NOISE
        await fetcher.aclose()


async def test_endless_redirects_share_one_deadline() -> None:
    """Each hop is quick enough by itself."""
    count = iter(range(1_000))

    async def handler(target: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        place = f"/{next(count)}"
        await answer(status="302 Found", headers={"Location": place})(target, writer)

    began = time.monotonic()
    async with Origin(handler) as origin:
        error = await failure(origin.url(), make_fetcher(max_redirects=20))
    assert error.code == "image_timeout"
    assert time.monotonic() - began < 1.2


def open_descriptors() -> int:
    """How many this process has, where the system says so."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


async def test_no_descriptor_is_left_behind() -> None:
    """After failures of every kind, the process holds what it held before."""
    before = open_descriptors()
    for name in ("reset in the body", "endless page", "two lengths", "10 GB announced"):
        async with Origin(WIRE[name][0]) as origin:
            for _ in range(5):
                await failure(origin.url(), make_fetcher())
    await asyncio.sleep(0.05)
    after = open_descriptors()
    assert after <= before + 1


async def test_running_out_of_descriptors_is_not_the_origins_fault() -> None:
    """The caller is told to come back, and the next fetch works."""
    resource = pytest.importorskip("resource", reason="limits of descriptors need a POSIX system")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with Origin(answer(PICTURE)) as origin:
        fetcher = make_fetcher()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            with pytest.raises(CaptionError) as caught:
                async with fetcher.fetch(origin.url(), Deadline.after(5)):
                    pass
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert caught.value.code == "overloaded"
        async with fetcher.fetch(origin.url(), Deadline.after(5)) as source:
            assert source.data == PICTURE
        await fetcher.aclose()


async def test_ipv6_is_fetched_like_any_other() -> None:
    """Where the operator opened it; in public without asking."""
    try:
        origin = await Origin(answer(PICTURE), address="::1").__aenter__()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    fetcher = make_fetcher(allowed_networks=["::1"])
    url = origin.url(host="[0:0::1]")
    async with fetcher.fetch(url, Deadline.after(5)) as source:
        assert source.data == PICTURE
    assert f"host: [::1]:{origin.port}".encode() in origin.heads[0].lower()
    await fetcher.aclose()
    await origin.__aexit__()


# TLS: certificates are made with the openssl command, once for the session.


_CA = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{name}
basicConstraints = critical, CA:true
"""


def _make_certificate(folder: Path, name: str, *, expired: bool = False) -> Path:
    """A certificate that signs itself; its key stands in the same file."""
    made = folder / f"{name}-{expired}.pem"
    key, request, config = (folder / f"{made.stem}.{end}" for end in ("key", "csr", "cnf"))
    config.write_text(_CA.format(folder=folder, name=name))
    (folder / "index.txt").write_text("")
    dates = (
        ("20200101000000Z", "20200102000000Z")
        if expired
        else ("20200101000000Z", "20991231235959Z")
    )
    ask = f"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {key}"
    sign = f"openssl ca -batch -notext -selfsign -config {config} -keyfile {key} -out {made}"
    commands = (
        f"{ask} -subj /CN={name} -out {request}",
        f"{sign} -in {request} -startdate {dates[0]} -enddate {dates[1]}",
    )
    for command in commands:
        done = subprocess.run(command.split(), capture_output=True, check=False, timeout=20)
        assert done.returncode == 0, done.stderr
    made.write_text(made.read_text() + key.read_text())
    return made


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("install the openssl command to run the tests over TLS")
    return tmp_path_factory.mktemp("certificates")


def _server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _loopback_names() -> Resolver:
    return Resolver(lookup=lambda _: ["127.0.0.1"])


async def test_tls_is_verified_for_the_urls_own_name(certificates: Path) -> None:
    """The numeric address is dialled, and the name of the URL is what the certificate must say."""
    made = _make_certificate(certificates, "images.example")
    trust = ssl.create_default_context(cafile=made)
    async with Origin(answer(PICTURE), _server_tls(made)) as origin:
        fetcher = make_fetcher(_loopback_names(), trust)
        url = origin.url(host="images.example")
        async with fetcher.fetch(url, Deadline.after(5)) as source:
            assert source.data == PICTURE
        await fetcher.aclose()
        wrong_name = origin.url(host="other.example")
        by_name = await failure(wrong_name, make_fetcher(_loopback_names(), trust))
        untrusted = await failure(url, make_fetcher(_loopback_names()))
        by_number = await failure(origin.url(), make_fetcher(tls=trust))
    for error in (by_name, untrusted, by_number):
        assert error.code == "image_unreachable"
        assert "certificate" in error.detail
        assert error.log_reason.startswith("TLS: ")


async def test_over_tls_a_second_answer_ends_the_connection_too(certificates: Path) -> None:
    """It may lie undecrypted behind the first: neither the socket nor the parser knows of it."""

    async def handler(target: str, writer: asyncio.StreamWriter) -> None:
        writer.stay = True  # type: ignore[attr-defined]
        await answer(PICTURE)(target, writer)
        if target == "/evil":
            await answer(jpeg(32, 24))(target, writer)

    made = _make_certificate(certificates, "images.example")
    fetcher = make_fetcher(_loopback_names(), ssl.create_default_context(cafile=made))
    async with Origin(handler, _server_tls(made)) as origin:
        for target in ("/good", "/good", "/evil", "/good", "/evil", "/good"):
            url = origin.url(target, host="images.example")
            async with fetcher.fetch(url, Deadline.after(5)) as source:
                assert source.data == PICTURE
        assert origin.accepted == 3
        await fetcher.aclose()


async def test_an_expired_certificate_is_refused(certificates: Path) -> None:
    """Even where its issuer is trusted."""
    made = _make_certificate(certificates, "images.example", expired=True)
    trust = ssl.create_default_context(cafile=made)
    async with Origin(answer(PICTURE), _server_tls(made)) as origin:
        url = origin.url(host="images.example")
        error = await failure(url, make_fetcher(_loopback_names(), trust))
    assert error.code == "image_unreachable"
    assert "expired" in error.log_reason


async def test_a_server_without_tls_on_an_https_url_is_unreachable() -> None:
    """And so is one that hangs up in the handshake; one that says nothing is too slow."""
    async with Origin(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as origin:
        url = f"https://127.0.0.1:{origin.port}/a.jpg"
        error = await failure(url, make_fetcher())
    assert error.code == "image_timeout"  # a plain server waits for the end of a request's head

    async def first_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(first_bytes, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await failure(f"https://127.0.0.1:{port}/a.jpg", make_fetcher())
    server.close()
    assert error.code == "image_unreachable"


async def test_nonsense_after_the_handshake_is_no_server_error_of_ours(certificates: Path) -> None:
    """The origin's TLS layer is cut off in the middle of the body."""
    made = _make_certificate(certificates, "images.example")
    trust = ssl.create_default_context(cafile=made)
    handler = raw(OK + b"Content-Length: 99999\r\n\r\n" + NOISE[:9000], reset)
    async with Origin(handler, _server_tls(made)) as origin:
        url = origin.url(host="images.example")
        error = await failure(url, make_fetcher(_loopback_names(), trust))
    assert error.code == "image_unreachable"


# DNS


async def test_a_name_that_does_not_resolve_reads_like_a_closed_port() -> None:
    """Slow names too: the wait is bounded."""

    def unknown(_: str) -> list[str]:
        raise OSError("Name or service not known")

    def slow(_: str) -> list[str]:
        time.sleep(0.5)
        return ["127.0.0.1"]

    errors = [
        await failure("http://a.example/", make_fetcher(Resolver(lookup=unknown))),
        await failure("http://a.example/", make_fetcher(Resolver(lookup=lambda _: []))),
        await failure("http://a.example/", make_fetcher(Resolver(lookup=slow, timeout_s=0.1))),
        await failure("http://a.example/", make_fetcher(Resolver(lookup=slow), timeout_s=0.1)),
        await failure("http://127.0.0.1:9/", make_fetcher()),
    ]
    assert {error.code for error in errors} == {"image_unreachable"}
    assert len({error.detail for error in errors}) == 1


async def test_several_addresses_are_tried_in_turn() -> None:
    """The first is closed; the second is the origin."""
    resolver = Resolver(lookup=lambda _: ["127.0.0.9", "127.0.0.1"])
    fetcher = make_fetcher(resolver)
    async with (
        Origin(answer(PICTURE)) as origin,
        fetcher.fetch(origin.url(host="a.example"), Deadline.after(5)) as source,
    ):
        assert source.data == PICTURE
    await fetcher.aclose()


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 ", OK, CHUNKED])
async def test_an_origin_that_sends_the_request_back_puts_no_signature_in_the_log(
    before: bytes,
) -> None:

    async def echo(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(before + origin.heads[-1])

    async with Origin(echo) as origin:
        error = await failure(origin.url("/a.jpg?sig=secret"), make_fetcher())
    assert error.code == "image_unreachable"
    assert "secret" not in error.log_reason
    assert len(error.log_reason) < 300


async def test_a_head_is_taken_in_small_pieces_and_a_body_in_large_ones() -> None:
    """64 KiB of interim answers in one piece would hold everybody up for a tenth of a second."""

    class Asked(httpcore.AsyncNetworkStream):
        def __init__(self) -> None:
            self.most: list[int] = []

        async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            self.most.append(max_bytes)
            return b"x"

        async def write(self, buffer: bytes, timeout: float | None = None) -> None:
            """The next answer has a head of its own."""

    asked = Asked()
    stream = GuardedStream(asked)
    await stream.read(65_536)
    stream.head_done(1_000_000)
    await stream.read(65_536)
    await stream.write(b"GET / HTTP/1.1")
    await stream.read(65_536)
    assert [most <= 8_192 for most in asked.most] == [True, False, True]


async def test_a_large_body_leaves_the_event_loop_time_for_others() -> None:
    """40 MB from a near origin come in a quarter of a second, and not as fast as they can."""
    size = 40 << 20
    body = NOISE * (size // len(NOISE))
    async with Origin(answer(body)) as origin:
        fetcher = make_fetcher(max_bytes=64 << 20, timeout_s=5)
        began = time.monotonic()
        async with fetcher.fetch(origin.url(), Deadline.after(5)) as source:
            assert len(source.data) == len(body)
            took_s = time.monotonic() - began
        await fetcher.aclose()
    assert took_s > 0.15
