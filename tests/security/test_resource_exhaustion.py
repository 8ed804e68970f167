"""The server survives running out of descriptors, connections, memory for bodies and log space."""

import asyncio
import json
import os
import resource
import signal
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
from testing.images import BLUE, data_url, jpeg
from testing.overload import SERVICE_REQUESTS
from testing.ports import free_port
from testing.servers.altwright import Altwright

ROOT = Path(__file__).parents[2]
IMAGE_URL = data_url(jpeg((320, 240)))
PLAIN_IMAGE_URL = data_url(jpeg((320, 240), BLUE))
REQUEST_START = b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def connect(server: Altwright, timeout_s: float = 10.0) -> socket.socket:
    """A TCP connection to the server."""
    address = urlsplit(server.url)
    assert address.hostname
    return socket.create_connection((address.hostname, address.port or 0), timeout_s)


@contextmanager
def descriptor_limit(pid: int, amount: int) -> Iterator[None]:
    """Limit the open files and sockets of a process."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (amount, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_running_out_of_descriptors_is_survived() -> None:
    """200 idle connections to a process that may open 100 descriptors."""
    with Altwright() as server:
        pid = server.process.pid
        before = process_tree.open_descriptors(pid)
        with descriptor_limit(pid, 100), ExitStack() as held:
            for _ in range(200):
                held.enter_context(connect(server))
            time.sleep(0.5)
            assert server.process.poll() is None
            before_s = process_tree.cpu_s(pid)
            time.sleep(1)
            assert process_tree.cpu_s(pid) - before_s < 0.5, "it does not spin"
            assert len(server.log) < 500, "failed accepts are not logged one by one"
        time.sleep(1.5)
        response = httpx.post(
            server.url + "/v1/image/caption", json={"image_url": IMAGE_URL}, timeout=60
        )
        assert response.status_code == 200, response.text
        assert server.get("/readyz").status_code == 200
        assert process_tree.open_descriptors(pid) < before + 10


@pytest.mark.slow
def test_a_killed_child_process_is_replaced_once_descriptors_are_available() -> None:
    with Altwright(REQUEST_TIMEOUT_S="2") as server:
        pid = server.process.pid
        with descriptor_limit(pid, 8):
            for child in process_tree.descendants(pid):
                os.kill(child, 9)
            time.sleep(0.5)
            # The client's connection is already open.
            response = server.post("/v1/image/caption", {"image_url": IMAGE_URL}, timeout=40)
            assert response.status_code in (422, 503), response.text
            assert server.get("/healthz").status_code == 200
        end_s = time.monotonic() + 60
        # Two seconds are enough for decoding on a busy machine, and not for OCR.
        while server.caption(PLAIN_IMAGE_URL).status_code != 200:
            assert time.monotonic() < end_s, server.log[-5:]
            time.sleep(0.2)


def test_a_thousand_idle_connections_do_not_keep_other_callers_out() -> None:
    """They cost less than 100 kB each."""
    with Altwright() as server, ExitStack() as held:
        server.caption(IMAGE_URL)
        before = process_tree.tree_memory_bytes(server.process.pid)
        for number in range(1000):
            client = held.enter_context(connect(server))
            if number % 2:
                client.sendall(REQUEST_START + b"X-Slow: ")  # an unfinished request head
        assert [server.caption(IMAGE_URL).status_code for _ in range(5)] == [200] * 5
        assert process_tree.tree_memory_bytes(server.process.pid) - before < 100 * 1024 * 1024


@pytest.mark.slow
def test_slow_bodies_are_cut_off_and_take_no_place_to_work() -> None:
    """50 slow bodies for two places and a queue of two; the next caller is served meanwhile."""
    with (
        Altwright(CONCURRENCY="2", QUEUE="2", REQUEST_TIMEOUT_S="5") as server,
        ExitStack() as held,
    ):
        server.warm_up(IMAGE_URL)
        slow = [held.enter_context(connect(server, 60)) for _ in range(50)]
        for client in slow:
            client.sendall(REQUEST_START + b"Content-Length: 5000\r\n\r\n{")
        assert server.caption(IMAGE_URL).status_code == 200
        assert all(client.recv(65536).startswith(b"HTTP/1.1 408 ") for client in slow)


def test_a_huge_request_head_is_refused(altwright: Altwright) -> None:
    """One long line, and many lines."""
    for head in (b"X: " + b"a" * 200_000, b"".join(b"X-%d: a\r\n" % n for n in range(20_000))):
        with connect(altwright) as client:
            try:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
                response = client.recv(65536)
            except ConnectionError:
                response = b""  # the server closed before everything was sent
        assert response == b"" or response.startswith(b"HTTP/1.1 4"), response[:100]
    assert altwright.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain HTTP port
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0" * 1000,
        REQUEST_START + b"Content-Length: -1\r\n\r\n",
        REQUEST_START + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        REQUEST_START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        REQUEST_START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        REQUEST_START + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        REQUEST_START + b"Content-Length: 99999999999999999999999999\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_a_malformed_request_gets_no_5xx_and_the_server_goes_on(
    altwright: Altwright, data: bytes
) -> None:
    with connect(altwright, 1) as client:
        client.sendall(data)
        try:
            response = client.recv(65536)
        except (TimeoutError, ConnectionError):
            response = b""
    assert response == b"" or response[9:10] in b"234", response[:200]
    assert altwright.get("/healthz").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("framing", ["chunked", "content_length"])
def test_large_bodies_in_parallel_stay_within_a_memory_limit(framing: str) -> None:
    """16 callers send 8 MiB each at the same time; some are refused as overloaded."""
    text = b'{"image_url": "data:image/jpeg;base64,' + b"/9j/" * (8 * 1024 * 256 - 30) + b'"}'
    head = REQUEST_START + (
        b"Transfer-Encoding: chunked\r\n\r\n"
        if framing == "chunked"
        else b"Content-Length: %d\r\n\r\n" % len(text)
    )
    chunk_bytes = 256 * 1024

    async def send_one(url: str) -> int:
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(head)
            for at in range(0, len(text), chunk_bytes):
                part = text[at : at + chunk_bytes]
                writer.write(b"%x\r\n%b\r\n" % (len(part), part) if framing == "chunked" else part)
                await writer.drain()
                await asyncio.sleep(0.01)
            if framing == "chunked":
                writer.write(b"0\r\n\r\n")
            return int((await reader.readuntil(b"\r\n\r\n"))[9:12])
        except ConnectionError:
            # The server responds before the body is complete, and closes.
            return int((await reader.read(65536))[9:12] or 0)
        finally:
            writer.close()

    async def send_all(url: str) -> list[int]:
        return await asyncio.gather(*(send_one(url) for _ in range(16)))

    with Altwright() as server:
        server.caption(IMAGE_URL)
        with process_tree.watch_memory(server.process.pid, 0.2) as peak:
            statuses = asyncio.run(send_all(server.url))
        assert set(statuses) <= {422, 503, 0}, statuses
        assert 422 in statuses, "some reached the decoder"
        assert peak.mib < 700, peak.mib
        assert server.caption(IMAGE_URL).status_code == 200


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
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def caption_statuses(url: str, count: int) -> list[int]:
    body = {"image_url": IMAGE_URL}
    return [
        httpx.post(f"{url}/v1/image/caption", json=body, timeout=60).status_code
        for _ in range(count)
    ]


@pytest.mark.slow
def test_a_full_disk_for_logs_is_survived() -> None:
    """Every write to standard error fails, and captions are made all the same."""
    with Path("/dev/full").open("w") as full, server_with_stderr(full.fileno()) as url:
        assert caption_statuses(url, 3) == [200] * 3


@pytest.mark.slow
def test_a_closed_pipe_for_logs_is_survived() -> None:
    """The program that reads the log has ended."""
    reader, writer = os.pipe()
    with server_with_stderr(writer) as url:
        os.close(writer)
        os.close(reader)
        assert caption_statuses(url, 5) == [200] * 5


_MANY = 2_000_000
EXPENSIVE_JSON: dict[str, Callable[[], bytes]] = {
    "deep lists": lambda: b"[" * 4_000_000,
    "deep objects": lambda: b'{"a":' * 1_000_000,
    "a huge number": lambda: b'{"image_url": ' + b"9" * 4_000_000 + b"}",
    "unknown fields": lambda: b"{" + b",".join(b'"k%d": 1' % n for n in range(400_000)) + b"}",
    "lists in an unknown field": lambda: b'{"zz": [' + b"[]," * _MANY + b"1]}",
    "nested lists": lambda: b'{"zz": [' + b"[[[[[[]]]]]]," * (_MANY // 4) + b"1]}",
    "objects in metadata": lambda: (
        b'{"image_url": "x", "metadata": {"a": [' + b"{}," * _MANY + b"1]}}"
    ),
    "keywords": lambda: json.dumps({"image_url": "x", "keywords": ["a"] * 1_000_000}).encode(),
    "metadata": lambda: json.dumps(
        {"image_url": "x", "metadata": {str(n): "" for n in range(200_000)}}
    ).encode(),
    "escapes": lambda: b'{"image_url": "' + b"\\u0000" * 1_000_000 + b'"}',
}


def post_body(server: Altwright, body: bytes) -> httpx.Response:
    return server.http.post(
        server.url + "/v1/image/caption",
        content=body,
        headers={"Content-Type": "application/json"},
    )


@pytest.mark.parametrize("name", EXPENSIVE_JSON)
def test_an_expensive_json_body_is_refused_and_costs_little_memory(
    altwright: Altwright, name: str
) -> None:
    """Deep, wide, with huge numbers or many keys."""
    body = EXPENSIVE_JSON[name]()
    altwright.warm_up(IMAGE_URL)
    before_bytes = process_tree.tree_memory_bytes(altwright.process.pid)
    with process_tree.watch_memory(altwright.process.pid, 0.02) as peak:
        response = post_body(altwright, body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert len(response.content) < 100_000
    assert peak.bytes - before_bytes < 100 * 1024 * 1024


@pytest.mark.measures
def test_an_expensive_json_body_does_not_hold_up_the_event_loop(altwright: Altwright) -> None:
    """Compared with a plain body of the same size, which is invalid at its last byte."""
    altwright.warm_up(IMAGE_URL)
    plain = b'{"image_url": "' + b"a" * 8_000_000 + b'", 1}'
    post_body(altwright, plain)
    plain_s = longest_health_check_s(altwright, plain)
    for name, make_body in EXPENSIVE_JSON.items():
        assert longest_health_check_s(altwright, make_body()) < 10 * max(plain_s, 0.05), name


def longest_health_check_s(altwright: Altwright, body: bytes) -> float:
    """The longest time of a GET /healthz while the server reads this body."""

    async def check_health() -> load.Responses:
        return await load.closed_loop(
            altwright.url,
            [load.http_request("GET", "/healthz")],
            in_flight=1,
            seconds=1,
            pause_s=0.005,
        )

    with ThreadPoolExecutor(1) as executor:
        checks = executor.submit(asyncio.run, check_health())
        assert post_body(altwright, body).status_code == 422
        return checks.result().percentile_ms(1) / 1000


@pytest.mark.measures
def test_the_service_paths_stay_quick_under_overload(altwright: Altwright) -> None:
    """/healthz, /readyz and /metrics beside 230 clients that send caption requests."""

    async def run() -> tuple[load.Responses, load.Responses]:
        messages = [
            load.caption_request(IMAGE_URL, style=style) for style in ("concise", "seo", "detailed")
        ]
        return await asyncio.gather(
            load.closed_loop(altwright.url, messages, in_flight=230, seconds=4),
            load.closed_loop(altwright.url, SERVICE_REQUESTS, in_flight=1, seconds=4, pause_s=0.02),
        )

    altwright.warm_up(IMAGE_URL)
    captions, service = asyncio.run(run())
    assert set(captions.codes()) == {"ok", "overloaded"}
    assert set(service.codes()) == {"ok"}
    accepted = captions.with_codes("ok")
    assert service.percentile_ms(0.5) < accepted.percentile_ms(0.5) / 5
    assert service.percentile_ms(0.99) < accepted.percentile_ms(0.99)
