"""Each request, however odd, gets an answer; one with two meanings or a price is refused."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.runtime.test_http_protocol import Address, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /read HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    with serving() as address:
        yield address


def receive(client: socket.socket) -> bytes:
    received = client.recv(65_536)
    assert received, "the server closed without a whole response"
    return received


def exchange(address: Address, sent: bytes) -> tuple[int, bytes, bool]:
    """The status and body of the response, and whether the server closed after it."""
    with socket.create_connection(address, 10) as client:
        client.sendall(sent)
        received = b""
        while b"\r\n\r\n" not in received:
            received += receive(client)
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        while len(body) < length:
            body += receive(client)
        is_closing = b"connection: close" in head.lower()
        if is_closing:
            assert client.recv(1) == b""
        return int(head[9:12]), body, is_closing


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET http://host/a HTTP/1.1\r\nHost: x\r\n\r\n", id="absolute form"),
        pytest.param(b"GET HTTPS://u:p@h:1/a?b=/c HTTP/1.1\r\nHost: x\r\n\r\n", id="of https"),
        pytest.param(b"GET http://host HTTP/1.1\r\nHost: x\r\n\r\n", id="without a path"),
        pytest.param(b"GET http://[::1]:80?b HTTP/1.1\r\nHost: x\r\n\r\n", id="of IPv6"),
        pytest.param(b"GET //host/a HTTP/1.1\r\nHost: x\r\n\r\n", id="two slashes"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", id="asterisk form"),
        pytest.param(b"\r\n\r\n" + GET + b"\r\n", id="empty lines before it"),
        pytest.param(b"get /a HTTP/1.1\r\nHost: x\r\n\r\n", id="a method in lower case"),
        pytest.param(b"GET /a HTTP/1.2\r\nHost: x\r\n\r\n", id="a later minor version"),
        pytest.param(GET + b"A: b\r\n c\r\n\r\n", id="a folded header"),
        pytest.param(GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", id="an upgrade"),
        pytest.param(GET + b"Content-Length: 2\r\n\r\n{}", id="GET with a body"),
        pytest.param(POST + b"Content-Length: 2, 2\r\n\r\n{}", id="one length twice"),
        pytest.param(POST + b"Transfer-Encoding:\tCHUNKED\r\n\r\n" + END, id="coding in capitals"),
        pytest.param(CHUNKED + b"2;a=b\r\n{}\r\n" + END, id="a chunk extension"),
        pytest.param(CHUNKED + b"0" * 17 + b"2\r\n{}\r\n" + END, id="zeros before a chunk size"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\nA: b\r\n\r\n", id="a trailer"),
        pytest.param(GET.replace(b" x", b" [::1]:8000") + b"\r\n", id="a host of IPv6"),
        pytest.param(GET.replace(b" x", b"") + b"\r\n", id="an empty host"),
    ],
)
def test_a_request_of_an_unusual_form_is_served(server: Address, sent: bytes) -> None:
    status, body, is_closing = exchange(server, sent)
    assert (status, body, is_closing) == (200, b"here", False)


def test_the_target_in_absolute_form_reaches_its_path_and_names_the_host(server: Address) -> None:
    """So that a route is found, and a rule of the host cannot be passed by another header."""
    sent = b"GET http://other.example/large?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(server, 10) as client:
        client.sendall(sent)
        assert b"content-length: 67108864" in client.recv(65_536).lower()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET ftp://host/a HTTP/1.1\r\nHost: x\r\n\r\n", id="another scheme"),
        pytest.param(b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", id="a target without a slash"),
        pytest.param(b"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", id="no authority"),
        pytest.param(b"GET http://a b/ HTTP/1.1\r\nHost: x\r\n\r\n", id="a space in it"),
        pytest.param(b"CONNECT host:443 HTTP/1.1\r\nHost: host:443\r\n\r\n", id="authority form"),
        pytest.param(b"GET /a\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n", id="HTTP/2"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="the preface of HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, id="TLS"),
        pytest.param(b"GET /a HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(GET + b"Host: y\r\n\r\n", id="two hosts"),
        pytest.param(GET.replace(b" x", b" a b/c@d") + b"\r\n", id="a host that is none"),
        pytest.param(b"G@T /a HTTP/1.1\r\nHost: x\r\n\r\n", id="a method that is none"),
        pytest.param(b"A" * 70_000 + b" /a HTTP/1.1\r\nHost: x\r\n\r\n", id="a long method"),
        pytest.param(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="long target"),
        pytest.param(b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", id="NUL in the target"),
        pytest.param(GET + b"A: b\0c\r\n\r\n", id="NUL in a header"),
        pytest.param(GET + b"A: b\rc\r\n\r\n", id="CR in a header"),
        pytest.param(GET + b"A : b\r\n\r\n", id="a space before the colon"),
        pytest.param(GET + b"A\r\n\r\n", id="no colon"),
        pytest.param(GET.replace(b"Host", b" Host") + b"\r\n", id="a folded first line"),
        pytest.param(GET + b"a: b\r\n" * 300 + b"\r\n", id="many headers"),
        pytest.param(GET + b"a: " + b"b" * 70_000 + b"\r\n\r\n", id="a long header"),
        pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", id="two lengths"),
        pytest.param(POST + b"Content-Length: -2\r\n\r\n{}", id="a negative length"),
        pytest.param(POST + b"Content-Length: +2\r\n\r\n{}", id="a length with a sign"),
        pytest.param(POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{}", id="a long length"),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + END, id="two codings"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n" + END, id="another coding"),
        pytest.param(CHUNKED + b"f" * 18 + b"\r\n{}", id="a chunk size of 18 digits"),
        pytest.param(CHUNKED + b"7fffffffffffffff\r\n{}", id="of 16"),
        pytest.param(CHUNKED + b"ffffffff\r\n{}", id="of four gigabytes"),
        pytest.param(CHUNKED + b"f" * 21 + b"\r\n{}", id="of 21 digits"),
        pytest.param(CHUNKED + b"-2\r\n{}\r\n" + END, id="a negative chunk size"),
        pytest.param(CHUNKED + b"0x2\r\n{}\r\n" + END, id="a chunk size with a prefix"),
        pytest.param(CHUNKED + b"2\r\n{}xx" + END, id="a chunk without an end"),
        pytest.param(CHUNKED + b"0\r\nA\r\n\r\n", id="a malformed trailer"),
    ],
)
def test_what_is_not_http_or_costs_more_than_a_request_is_a_400_and_closes(
    server: Address, sent: bytes
) -> None:
    status, body, is_closing = exchange(server, sent)
    problem = json.loads(body)
    assert (status, problem["code"], is_closing) == (400, "invalid_request", True)


def test_with_a_second_request_behind_it_each_is_answered(server: Address) -> None:
    """Pipelined, in one packet."""
    with socket.create_connection(server, 10) as client:
        client.sendall((GET + b"\r\n") * 3)
        received = b""
        while received.count(b"here") < 3:
            received += receive(client)


def test_a_body_that_is_expected_to_be_asked_for_is(server: Address) -> None:
    with socket.create_connection(server, 10) as client:
        client.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"{}")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
