"""What runs out: descriptors, connections, patience, memory for bodies, a disk for logs."""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from testing import load, process_tree
from testing.images import data_url, jpeg
from testing.ports import free_port
from testing.servers.altwright import Altwright

ROOT = Path(__file__).parents[2]
PICTURE = data_url(jpeg((320, 240)))
POST = b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def connect(server: Altwright, timeout_s: float = 10.0) -> socket.socket:
    """A bare connection."""
    address = urlsplit(server.url)
    assert address.hostname
    return socket.create_connection((address.hostname, address.port or 0), timeout_s)


def told(client: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    parts = []
    with client:
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


@contextmanager
def few_descriptors(pid: int, amount: int) -> Iterator[None]:
    """The process may open so many files and sockets from now on, and no more."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (amount, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_running_out_of_descriptors_is_survived() -> None:
    """200 idle connections for a process that may open 100: afterwards all is as before."""
    with Altwright() as server:
        pid = server.process.pid
        before = process_tree.open_descriptors(pid)
        with few_descriptors(pid, 100), ExitStack() as held:
            for _ in range(200):
                held.enter_context(connect(server))
            time.sleep(0.5)
            assert server.process.poll() is None
            burnt = process_tree.cpu_s(pid)
            time.sleep(1)
            assert process_tree.cpu_s(pid) - burnt < 0.5, "it waits instead of spinning"
            assert len(server.log) < 500, "not a line for every accept that failed"
        time.sleep(1.5)
        answer = httpx.post(server.url + "/v1/image/caption", json={"image_url": PICTURE})
        assert answer.status_code == 200, answer.text
        assert server.get("/readyz").status_code == 200
        assert process_tree.open_descriptors(pid) < before + 10


def test_a_child_is_replaced_where_descriptors_are_short() -> None:
    """It cannot be started then; once there are some again, it is."""
    with Altwright(REQUEST_TIMEOUT_S="2") as server:
        pid = server.process.pid
        with few_descriptors(pid, 8):
            for child in process_tree.descendants(pid):
                os.kill(child, 9)
            time.sleep(0.5)
            # Over the connection that is open already.
            with_none = server.post("/v1/image/caption", {"image_url": PICTURE}, timeout=40)
            assert with_none.status_code in (422, 503), with_none.text
            assert server.get("/healthz").status_code == 200
        until = time.monotonic() + 10
        while server.caption(PICTURE).status_code != 200:
            assert time.monotonic() < until, server.log[-5:]
            time.sleep(0.2)


def test_a_thousand_idle_connections_keep_nobody_out() -> None:
    """They cost memory by the kilobyte, and the next caller is served."""
    with Altwright() as server, ExitStack() as held:
        server.caption(PICTURE)
        before = process_tree.tree_memory_bytes(server.process.pid)
        for number in range(1000):
            client = held.enter_context(connect(server))
            if number % 2:
                client.sendall(POST + b"X-Slow: ")  # a head that never ends
        answers = [server.caption(PICTURE) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert process_tree.tree_memory_bytes(server.process.pid) - before < 100 * 1024 * 1024


def test_a_slow_body_is_cut_off_and_holds_no_place() -> None:
    """More of them than there are places and queue: the next caller comes through at once."""
    with (
        Altwright(CONCURRENCY="2", QUEUE="2", REQUEST_TIMEOUT_S="3") as server,
        ExitStack() as held,
    ):
        server.warm_up(PICTURE)
        slow = [held.enter_context(connect(server, 15)) for _ in range(50)]
        for client in slow:
            client.sendall(POST + b"Content-Length: 5000\r\n\r\n{")
        began = time.monotonic()
        assert server.caption(PICTURE).status_code == 200
        assert time.monotonic() - began < 1.5
        answers = [client.recv(65536) for client in slow]
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
        assert time.monotonic() - began < 3 + 1.5


def test_a_huge_head_is_refused(altwright: Altwright) -> None:
    """A single line, many lines, and lines without an end."""
    for head in (b"X: " + b"a" * 200_000, b"".join(b"X-%d: a\r\n" % n for n in range(20_000))):
        with connect(altwright) as client:
            try:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
                answer = client.recv(65536)
            except ConnectionError:
                answer = b""  # it hung up while we still wrote
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert altwright.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0" * 1000,
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        POST + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_no_sound_request_gets_no_5xx_and_harms_nobody(
    altwright: Altwright, junk: bytes
) -> None:
    """Refused, or answered as what it is."""
    with connect(altwright, 2) as client:
        client.sendall(junk)
        try:
            answer = client.recv(65536)
        except (TimeoutError, ConnectionError):
            answer = b""
    assert answer == b"" or answer[9:10] in b"234", answer[:200]
    assert altwright.get("/healthz").status_code == 200


@pytest.mark.parametrize("framing", ["chunked", "declared"])
def test_large_bodies_in_parallel_are_capped_while_they_arrive(framing: str) -> None:
    """16 callers send 8 MiB each at the same time: some wait their turn elsewhere, none is lost."""
    text = b'{"image_url": "data:image/jpeg;base64,' + b"/9j/" * (8 * 1024 * 256 - 30) + b'"}'
    head = POST + (
        b"Transfer-Encoding: chunked\r\n\r\n"
        if framing == "chunked"
        else b"Content-Length: %d\r\n\r\n" % len(text)
    )
    piece = 256 * 1024

    async def one(url: str) -> int:
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(head)
            for at in range(0, len(text), piece):
                part = text[at : at + piece]
                writer.write(b"%x\r\n%b\r\n" % (len(part), part) if framing == "chunked" else part)
                await writer.drain()
                await asyncio.sleep(0.01)
            if framing == "chunked":
                writer.write(b"0\r\n\r\n")
            return int((await reader.readuntil(b"\r\n\r\n"))[9:12])
        except ConnectionError:
            # It answers before the body is through, and then hangs up.
            return int((await reader.read(65536))[9:12] or 0)
        finally:
            writer.close()

    async def everyone(url: str) -> list[int]:
        return await asyncio.gather(*(one(url) for _ in range(16)))

    with Altwright() as server:
        server.caption(PICTURE)
        with process_tree.watch_memory(server.process.pid, 0.2) as peak:
            statuses = asyncio.run(everyone(server.url))
        assert set(statuses) <= {422, 503, 0}, statuses
        assert 422 in statuses, "some got through to the decoder"
        assert peak.mib < 700, peak.mib
        assert server.caption(PICTURE).status_code == 200


@contextmanager
def server_with_stderr(stderr: int) -> Iterator[str]:
    """Start a server that logs to this file descriptor; it must exit with 0."""
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("ALTWRIGHT_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"],
        cwd=ROOT,
        env=env | {"ALTWRIGHT_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        end_s = time.monotonic() + 60
        while not is_ready(url):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < end_s
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        assert process.wait(20) == 0


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def caption_statuses(url: str, count: int) -> list[int]:
    body = {"image_url": PICTURE}
    return [
        httpx.post(f"{url}/v1/image/caption", json=body, timeout=60).status_code
        for _ in range(count)
    ]


def test_a_full_disk_for_logs_is_survived() -> None:
    """Every write to standard error fails, and captions are made all the same."""
    with Path("/dev/full").open("w") as full, server_with_stderr(full.fileno()) as url:
        assert caption_statuses(url, 3) == [200] * 3


def test_a_closed_pipe_for_logs_is_survived() -> None:
    """The program that reads the log has ended."""
    reader, writer = os.pipe()
    with server_with_stderr(writer) as url:
        os.close(writer)
        os.close(reader)
        assert caption_statuses(url, 5) == [200] * 5


MANY = 2_000_000
ABSURD: dict[str, Callable[[], bytes]] = {
    "deep lists": lambda: b"[" * 4_000_000,
    "deep objects": lambda: b'{"a":' * 1_000_000,
    "a huge number": lambda: b'{"image_url": ' + b"9" * 4_000_000 + b"}",
    "unknown fields": lambda: b"{" + b",".join(b'"k%d": 1' % n for n in range(400_000)) + b"}",
    "lists in an unknown field": lambda: b'{"zz": [' + b"[]," * MANY + b"1]}",
    "nested lists": lambda: b'{"zz": [' + b"[[[[[[]]]]]]," * (MANY // 4) + b"1]}",
    "objects in metadata": lambda: (
        b'{"image_url": "x", "metadata": {"a": [' + b"{}," * MANY + b"1]}}"
    ),
    "keywords": lambda: json.dumps({"image_url": "x", "keywords": ["a"] * 1_000_000}).encode(),
    "metadata": lambda: json.dumps(
        {"image_url": "x", "metadata": {str(n): "" for n in range(200_000)}}
    ).encode(),
    "escapes": lambda: b'{"image_url": "' + b"\\u0000" * 1_000_000 + b'"}',
}


@pytest.mark.parametrize("name", ABSURD)
def test_an_absurd_json_body_costs_little(altwright: Altwright, name: str) -> None:
    """Deep, wide, with huge numbers and endless keys: refused at once, and nobody else notices."""
    body = ABSURD[name]()

    async def beside() -> load.Responses:
        return await load.closed_loop(
            altwright.url,
            [load.http_request("GET", "/healthz")],
            in_flight=1,
            seconds=1,
            pause_s=0.005,
        )

    altwright.warm_up(PICTURE)
    before = process_tree.tree_memory_bytes(altwright.process.pid)
    with (
        process_tree.watch_memory(altwright.process.pid, 0.02) as peak,
        ThreadPoolExecutor(1) as others,
    ):
        health = others.submit(asyncio.run, beside())
        began = time.monotonic()
        answer = altwright.http.post(
            altwright.url + "/v1/image/caption",
            content=body,
            headers={"Content-Type": "application/json"},
        )
        took = time.monotonic() - began
        told = health.result()
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert len(answer.content) < 100_000
    assert took < 1.5
    assert told.percentile_ms(1) < 600, "the event loop was held up"
    assert peak.bytes - before < 100 * 1024 * 1024


def test_health_answers_while_everything_is_taken(altwright: Altwright) -> None:
    """Callers without an end on every caption route; the three service paths stay quick."""

    async def run() -> tuple[load.Responses, load.Responses]:
        captions = [
            load.caption_request(PICTURE, style=style) for style in ("concise", "seo", "detailed")
        ]
        service = [load.http_request("GET", path) for path in ("/healthz", "/readyz", "/metrics")]
        taken, asked = await asyncio.gather(
            load.closed_loop(altwright.url, captions, in_flight=230, seconds=4),
            load.closed_loop(altwright.url, service, in_flight=1, seconds=4, pause_s=0.02),
        )
        return taken, asked

    taken, asked = asyncio.run(run())
    assert set(taken.codes()) == {"ok", "overloaded"}
    assert set(asked.codes()) == {"ok"}
    assert asked.percentile_ms(0.5) < 100
    assert asked.percentile_ms(0.99) < 1000
