"""Listening sockets."""

import socket

import pytest

from app.runtime.server import listen


def test_responses_do_not_wait_for_delayed_acknowledgements() -> None:
    """asyncio turns Nagle's algorithm off only on sockets whose protocol is named."""
    with listen("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP


def test_an_ipv6_address_can_be_listened_on() -> None:
    try:
        sock = listen("::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback: enable it to run this test")
    with sock:
        assert sock.family == socket.AF_INET6


def test_a_port_that_is_taken_is_an_error() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", first.getsockname()[1])
