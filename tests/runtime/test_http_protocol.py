"""A client that sends nothing useful does not hold a connection, and one that is slow loses it."""

import asyncio
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
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from app.api.middleware import render_malformed_request
from app.runtime.http_protocol import bounded_protocol
from app.runtime.server import listen

HEAD_TIMEOUT_S = 0.6
SEND_TIMEOUT_S = 0.4
MAX_CONNECTIONS = 20
LARGE_BYTES = 64 * 1024 * 1024
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

Address = tuple[str, int]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `here`; /read reads the body first, /large sends a large one."""
    while scope["path"] == "/read" and (await receive()).get("more_body"):
        pass
    body = b"x" * LARGE_BYTES if scope["path"] == "/large" else b"here"
    await PlainTextResponse(body)(scope, receive, send)


@contextlib.contextmanager
def serving(**limits: float) -> Iterator[Address]:
    config = uvicorn.Config(
        application,
        http=bounded_protocol(
            max_connections=MAX_CONNECTIONS, malformed_response=render_malformed_request, **limits
        ),
        log_config=None,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    sock = listen("127.0.0.1", 0)
    address: Address = sock.getsockname()
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()


@pytest.fixture(scope="module")
def impatient() -> Iterator[Address]:
    """A server with short timeouts."""
    with serving(head_timeout_s=HEAD_TIMEOUT_S, send_timeout_s=SEND_TIMEOUT_S) as address:
        yield address


@pytest.fixture(scope="module")
def patient() -> Iterator[Address]:
    """A server whose timeouts do not pass within a test."""
    with serving(head_timeout_s=60, send_timeout_s=60) as address:
        yield address


def until_closed(client: socket.socket) -> bytes:
    """All that the server sends until it closes. Raises TimeoutError if it does not."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65536):
            received += part
    return received


def until_answered(client: socket.socket) -> bytes:
    """One whole response of `application`."""
    received = b""
    while not received.endswith(b"here"):
        part = client.recv(65536)
        assert part, "closed without a response"
        received += part
    return received


def send_slowly(client: socket.socket, lines: bytes) -> None:
    """A line every 0.1 s."""
    for line in lines.splitlines(keepends=True):
        client.sendall(line)
        time.sleep(0.1)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo", REQUEST + b"GET / HT"])
def test_a_head_that_does_not_end_closes_the_connection(impatient: Address, sent: bytes) -> None:
    """Not before the timeout. The third connection began a second request after a response."""
    with socket.create_connection(impatient, 10) as client:
        began_s = time.monotonic()
        client.sendall(sent)
        until_closed(client)
        assert time.monotonic() - began_s > HEAD_TIMEOUT_S / 2


def test_a_header_now_and_then_does_not_extend_the_timeout(impatient: Address) -> None:
    with socket.create_connection(impatient, 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            send_slowly(client, b"X-A: 1\r\n" * 200)


def test_an_idle_connection_between_requests_is_kept(impatient: Address) -> None:
    with socket.create_connection(impatient, 10) as client:
        for _ in range(3):
            client.sendall(REQUEST)
            until_answered(client)
            time.sleep(HEAD_TIMEOUT_S * 1.5)


def test_a_client_that_reads_nothing_loses_its_connection(impatient: Address) -> None:
    """A response that is not read occupies memory."""
    with socket.socket() as client:
        client.settimeout(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(impatient)
        client.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(SEND_TIMEOUT_S * 3)
        assert len(until_closed(client)) < LARGE_BYTES


def test_the_head_and_the_body_of_a_response_come_in_one_piece(patient: Address) -> None:
    with socket.create_connection(patient, 10) as client:
        for _ in range(3):
            client.sendall(REQUEST)
            response = client.recv(65536)
            assert response.startswith(b"HTTP/1.1 200 OK\r\n")
            assert response.endswith(b"\r\n\r\nhere")


def test_a_response_is_sent_before_its_connection_closes(patient: Address) -> None:
    with socket.create_connection(patient, 10) as client:
        client.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert until_closed(client).endswith(b"\r\n\r\nhere")


def test_one_connection_too_many_is_closed_and_the_others_work(patient: Address) -> None:
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(patient, 10))
            for _ in range(MAX_CONNECTIONS)
        ]
        with socket.create_connection(patient, 10) as last:
            assert until_closed(last) == b""
        clients[0].sendall(REQUEST)
        assert until_answered(clients[0]).startswith(b"HTTP/1.1 200")


def test_a_body_in_chunks_of_a_byte_is_malformed(patient: Address) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(patient, 10) as client:
        client.sendall(head + b"1\r\nx\r\n" * 1_000)
        assert until_closed(client).startswith(b"HTTP/1.1 400 ")


def test_chunks_of_a_byte_after_the_response_close_the_connection(patient: Address) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(patient, 10) as client:
        client.sendall(head)
        until_answered(client)
        client.sendall(b"1\r\nx\r\n" * 1_000)
        assert until_closed(client) == b""


def test_a_body_in_small_chunks_is_a_request(patient: Address) -> None:
    """As clients send it that write a body word by word; several on one connection."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(patient, 10) as client:
        for _ in range(5):
            client.sendall(head + b"4\r\nwhat\r\n" * 200 + b"0\r\n\r\n")
            assert until_answered(client).startswith(b"HTTP/1.1 200 ")


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
def test_what_is_not_http_gets_a_problem(
    patient: Address, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And is not logged as an error of the application, which had begun to work on one of them."""
    with socket.create_connection(patient, 10) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(sent)
        response = until_closed(client)
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head.lower()
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "invalid_request")
    assert f"x-request-id: {problem['request_id']}".encode() in head.lower()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_client_is_read_in_pieces_of_what_may_wait_for_the_application() -> None:
    """With asyncio's 256 KiB each of many clients with a large body holds as much."""
    protocol_class = bounded_protocol(
        max_connections=MAX_CONNECTIONS, malformed_response=render_malformed_request
    )
    config = uvicorn.Config(application, http=protocol_class, log_config=None, lifespan="off")
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: protocol_class(config, ServerState(), {}, loop), "127.0.0.1", 0
    )
    opened: list[asyncio.Transport] = []
    made = protocol_class.connection_made

    def connection_made(self: asyncio.Protocol, transport: asyncio.Transport) -> None:
        opened.append(transport)
        made(self, transport)

    protocol_class.connection_made = connection_made
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(REQUEST)
    while not opened:
        await asyncio.sleep(0.01)
    writer.close()
    server.close()
    assert opened[0].max_size == HIGH_WATER_LIMIT
