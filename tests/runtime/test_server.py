"""Listening sockets."""

import socket

import pytest

from app.runtime.fair_loop import FairEventLoop
from app.runtime.server import Application, DrainingServer, listen, serve


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


def test_callers_share_the_time_of_the_servers_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loops = []

    def run(self: DrainingServer, sockets: list[socket.socket]) -> None:
        assert sockets
        create_loop = self.config.get_loop_factory()
        assert create_loop is not None
        loops.append(create_loop())
        self.started = True

    monkeypatch.setattr(DrainingServer, "run", run)
    application = Application(lambda _drain: None, lambda: ([], b""), drain_notice_s=0)
    with listen("127.0.0.1", 0) as sock:
        assert serve(application, sock) == 0
    [loop] = loops
    loop.close()
    assert isinstance(loop, FairEventLoop)
