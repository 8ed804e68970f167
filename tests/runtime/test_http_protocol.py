"""A connection that asks for nothing is not held for ever."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.api.middleware import render_malformed_request
from app.runtime.http_protocol import bounded
from app.runtime.server import listen

HEAD_TIMEOUT_S = 0.6
MOST = 20
SEND_TIMEOUT_S = 0.4
LARGE_BYTES = 64 * 1024 * 1024
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    while scope["path"] == "/read" and (await receive()).get("more_body"):
        pass
    body = b"x" * LARGE_BYTES if scope["path"] == "/large" else b"here"
    await PlainTextResponse(body)(scope, receive, send)


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """A server with little patience."""
    config = uvicorn.Config(
        answer,
        http=bounded(
            most=MOST,
            refusal=render_malformed_request,
            head_timeout_s=HEAD_TIMEOUT_S,
            send_timeout_s=SEND_TIMEOUT_S,
        ),
        log_config=None,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    sock = listen("127.0.0.1", 0)
    where: tuple[str, int] = sock.getsockname()
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    yield where
    server.should_exit = True
    thread.join(10)
    sock.close()


def until_closed(client: socket.socket) -> float:
    """Seconds until the server hangs up."""
    began = time.monotonic()
    try:
        while client.recv(65536):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo", ASK + b"GET / HT"])
def test_a_head_that_does_not_end_is_given_up(address: tuple[str, int], sent: bytes) -> None:
    """The third connection was answered once and then began a second request."""
    with socket.create_connection(address, 10) as client:
        client.sendall(sent)
        assert HEAD_TIMEOUT_S / 2 < until_closed(client) < HEAD_TIMEOUT_S + 3


def test_a_header_now_and_then_does_not_buy_more_time(address: tuple[str, int]) -> None:
    with socket.create_connection(address, 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        try:
            while time.monotonic() - began < 5:
                client.sendall(b"X-A: 1\r\n")
                time.sleep(0.1)
        except ConnectionError:
            pass
        assert time.monotonic() - began < HEAD_TIMEOUT_S + 3


def test_an_idle_connection_between_requests_is_kept(address: tuple[str, int]) -> None:
    with socket.create_connection(address, 10) as client:
        for _ in range(3):
            client.sendall(ASK)
            told = b""
            while not told.endswith(b"here"):
                told += client.recv(65536)
            time.sleep(HEAD_TIMEOUT_S * 1.5)


def test_an_answer_s_head_and_body_come_in_one_piece(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=5) as client:
        for _ in range(3):
            client.sendall(ASK)
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert answer.endswith(b"\r\n\r\nhere")


def test_an_answer_that_ends_its_connection_is_sent_first(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.endswith(b"\r\n\r\nhere")


def test_a_client_that_takes_nothing_is_dropped(address: tuple[str, int]) -> None:
    """An answer that nobody reads is memory."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(SEND_TIMEOUT_S * 3)
        got = 0
        with contextlib.suppress(ConnectionError):
            while data := client.recv(1 << 20):
                got += len(data)
    assert got < LARGE_BYTES


def test_one_connection_too_many_is_closed_and_the_others_work(address: tuple[str, int]) -> None:
    clients = [socket.create_connection(address, 10) for _ in range(MOST)]
    with socket.create_connection(address, 10) as last:
        assert until_closed(last) < HEAD_TIMEOUT_S / 2
    clients[0].sendall(ASK)
    assert clients[0].recv(65536).startswith(b"HTTP/1.1 200")
    for client in clients:
        client.close()


@pytest.mark.parametrize("path", ["/read", "/"])
def test_a_body_in_crumbs_is_no_request(address: tuple[str, int], path: str) -> None:
    """Before its end; where it has been answered already, the connection ends."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(address, 10) as client:
        client.sendall(head.encode())
        time.sleep(0.1)
        client.sendall(b"1\r\nx\r\n" * 1_000)
        client.settimeout(3)
        told = b""
        with contextlib.suppress(ConnectionError):
            while more := client.recv(65536):
                told += more
    assert told.startswith(b"HTTP/1.1 400 ") if path == "/read" else told.endswith(b"here")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 300_000,
        b"hello\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_problem(
    address: tuple[str, int], sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And is no error of the application's, though that had begun to work on it."""
    with socket.create_connection(address, 10) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(sent)
        told = b""
        with contextlib.suppress(ConnectionError):
            while more := client.recv(65536):
                told += more
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head.lower()
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "invalid_request")
    assert f"x-request-id: {problem['request_id']}".encode() in head.lower()
    assert not [line for line in caplog.records if line.levelname == "ERROR"]


def test_a_body_in_small_chunks_is_a_request(address: tuple[str, int]) -> None:
    """As clients send it that write a body word by word; over and over again."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(address, 10) as client:
        for _ in range(5):
            client.sendall(head + b"4\r\nwhat\r\n" * 200 + b"0\r\n\r\n")
            told = b""
            while not told.endswith(b"here"):
                told += client.recv(65536)
            assert told.startswith(b"HTTP/1.1 200 ")
