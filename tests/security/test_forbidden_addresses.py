"""No forbidden address gets a connection: real sockets listen on all of them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest

from app.errors import CaptionError
from app.fetching.errors import ImageUrlForbidden
from app.fetching.resolver import Resolver
from app.runtime.deadline import Deadline
from testing.images import jpeg
from testing.ports import free_port
from tests.fetching.fetches import make_fetcher
from tests.fetching.scripted_origin import ScriptedOrigin, respond

FIRST_HOP = "127.0.0.5"
"""The only address that these tests allow, so that redirects have somewhere to start."""


@dataclass
class Listeners:
    """Sockets that listen on every address of this machine, on one port."""

    port: int
    sockets: list[socket.socket] = field(default_factory=list)

    def connections(self) -> int:
        """How many connections arrived since the last call, counted without waiting."""
        count = 0
        for sock in self.sockets:
            while True:
                try:
                    sock.accept()[0].close()
                except BlockingIOError:
                    break
                count += 1
        return count


@pytest.fixture(scope="module")
def listeners() -> Iterator[Listeners]:
    """0.0.0.0 and :: receive what is sent to 127.0.0.1, 127.1.2.3, ::1 and every own address."""
    v4 = socket.socket(socket.AF_INET)
    v4.bind(("0.0.0.0", 0))
    found = Listeners(v4.getsockname()[1], [v4])
    if socket.has_ipv6:
        v6 = socket.socket(socket.AF_INET6)
        try:
            v6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            v6.bind(("::", found.port))
            found.sockets.append(v6)
        except OSError:  # a machine without IPv6
            v6.close()
    for sock in found.sockets:
        sock.listen(200)
        sock.setblocking(False)
    yield found
    for sock in found.sockets:
        sock.close()


def _own_addresses() -> list[str]:
    """Addresses of this machine's other interfaces."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.254", 9))  # sends nothing, only finds the route
            return [sock.getsockname()[0]]
        except OSError:
            return []


V4 = [
    *("127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "0.0.0.0", "0.0.0.1"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.170.2"),
    *("168.63.129.16", "100.100.100.200", "100.64.0.1", "192.0.0.192", "198.18.0.1"),
    *("192.88.99.1", "192.0.2.2", "224.0.0.1", "255.255.255.255"),
]

V6 = [
    *("::1", "::", "::2", "0:0:0:0:0:0:0:1", "fc00::1", "fd00::2", "fd00:ec2::254", "fe80::1"),
    *("fec0::1", "ff02::1", "2001:db8::1", "2001::1", "2001:20::1", "3fff::1", "5f00::1"),
    *("100::1", "4000::1", "fd20:ce::254", "::1%25lo", "fe80::1%25eth0", "::1%lo"),
]


def _groups(n: int) -> str:
    return f"{n >> 16:x}:{n & 0xFFFF:x}"


def _dotted(ip: str, form: str) -> str:
    return ".".join(form.format(int(part)) for part in ip.split("."))


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text)


def _n(ip: str) -> int:
    return int(IPv4Address(ip))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda ip: ip,
    "one decimal number": lambda ip: str(_n(ip)),
    "one hexadecimal number": lambda ip: hex(_n(ip)),
    "one octal number": lambda ip: f"0{_n(ip):o}",
    "octal parts": lambda ip: _dotted(ip, "0{:o}"),
    "hexadecimal parts": lambda ip: _dotted(ip, "0x{:x}"),
    "padded parts": lambda ip: _dotted(ip, "{:03d}"),
    "two parts": lambda ip: f"{_n(ip) >> 24}.{_n(ip) & 0xFFFFFF}",
    "three parts": lambda ip: f"{_n(ip) >> 24}.{_n(ip) >> 16 & 255}.{_n(ip) & 0xFFFF}",
    "over 32 bits": lambda ip: str(_n(ip) + (1 << 32)),
    "final dot": lambda ip: ip + ".",
    "ideographic dots": lambda ip: ip.replace(".", "。"),
    "full-width dots": lambda ip: ip.replace(".", "．"),
    "full-width digits": _wide,
    "percent-encoded": lambda ip: "".join(f"%{ord(c):02x}" for c in ip),
    "percent-encoded dots": lambda ip: ip.replace(".", "%2e"),
    "in brackets": lambda ip: f"[{ip}]",
    "mapped, dotted": lambda ip: f"[::ffff:{ip}]",
    "mapped, hexadecimal": lambda ip: f"[::ffff:{_groups(_n(ip))}]",
    "mapped, in full": lambda ip: f"[0:0:0:0:0:FFFF:{_groups(_n(ip))}]",
    "translated": lambda ip: f"[::ffff:0:{ip}]",
    "compatible": lambda ip: f"[::{ip}]",
    "NAT64": lambda ip: f"[64:ff9b::{ip}]",
    "NAT64 for local use": lambda ip: f"[64:ff9b:1::{ip}]",
    "6to4": lambda ip: f"[2002:{_groups(_n(ip))}::1]",
    "Teredo": lambda ip: f"[2001:0:808:808:0:0:{_groups(_n(ip) ^ 0xFFFFFFFF)}]",
    "ISATAP": lambda ip: f"[2a00:1450::5efe:{ip}]",
}


def test_there_are_more_than_500_cases() -> None:
    assert len(V4) * len(SPELLINGS) + len(V6) > 500


@asynccontextmanager
async def fetching(
    listeners: Listeners, lookup: Callable[[str], list[str]] | None = None, **settings: object
) -> AsyncIterator[Callable[[str], "asyncio.Future[CaptionError]"]]:
    """A fetcher for which the listeners' port is allowed: only the address can be refused."""
    values = {"allowed_ports": [80, 443, listeners.port], "allowed_networks": []} | settings
    resolver = Resolver(lookup=lookup) if lookup else None
    fetcher = make_fetcher(resolver=resolver, **values)

    async def refused(url: str) -> CaptionError:
        with pytest.raises(CaptionError) as caught:
            async with fetcher.fetch(url, Deadline.after(60)):
                pass
        return caught.value

    yield refused
    assert fetcher.transport.open_connections == 0
    await fetcher.aclose()


def assert_forbidden(error: CaptionError, case: str) -> None:
    """All of them have one code and one text."""
    assert error.code == "image_url_forbidden", (case, error.detail, error.log_reason)
    assert error.detail == ImageUrlForbidden.public, case
    assert error.log_reason, case


async def test_the_listeners_would_see_a_connection(listeners: Listeners) -> None:
    """Where the network is allowed, the same fetch connects."""
    async with fetching(listeners, allowed_networks=["127.0.0.0/8"], timeout_s=0.1) as refused:
        assert (await refused(f"http://127.0.0.1:{listeners.port}/")).code == "image_timeout"
    assert listeners.connections() == 1


@pytest.mark.parametrize("form", SPELLINGS)
async def test_no_spelling_of_a_forbidden_address_is_connected_to(
    listeners: Listeners, form: str
) -> None:
    """Over http and https."""
    async with fetching(listeners) as refused:
        for ip in V4 + _own_addresses():
            for scheme in ("http", "https"):
                url = f"{scheme}://{SPELLINGS[form](ip)}:{listeners.port}/a.jpg?x=1"
                assert_forbidden(await refused(url), url)
    assert listeners.connections() == 0


async def test_no_forbidden_ipv6_address_is_connected_to(listeners: Listeners) -> None:
    """Zone ids included."""
    async with fetching(listeners) as refused:
        for ip in V6:
            url = f"http://[{ip}]:{listeners.port}/a.jpg"
            assert_forbidden(await refused(url), url)
    assert listeners.connections() == 0


async def test_no_name_that_resolves_to_a_forbidden_address_is_connected_to(
    listeners: Listeners,
) -> None:
    """Even where only one of its records is forbidden, in any order."""
    public = ["8.8.8.8", "2606:4700:4700::1111"]
    forbidden = V4 + [ip for ip in V6 if "%" not in ip] + ["::ffff:127.0.0.1", "64:ff9b::7f00:1"]
    records: dict[str, list[str]] = {}
    for number, ip in enumerate(forbidden):
        records[f"only{number}.example"] = [ip]
        records[f"first{number}.example"] = [ip, *public]
        records[f"last{number}.example"] = [*public, ip]
    async with fetching(listeners, records.__getitem__) as refused:
        for name in records:
            assert_forbidden(await refused(f"http://{name}:{listeners.port}/a.jpg"), name)
    assert listeners.connections() == 0


async def test_a_name_is_checked_at_every_connection(listeners: Listeners) -> None:
    """DNS rebinding: it resolves to an allowed address first, then to a forbidden one."""
    answers = iter([[FIRST_HOP]])

    def lookup(_: str) -> list[str]:
        return next(answers, ["127.0.0.1"])

    async with fetching(listeners, lookup, allowed_networks=[FIRST_HOP], timeout_s=0.3) as refused:
        await refused(f"https://rebinding.example:{listeners.port}/")  # the listeners speak no TLS
        assert listeners.connections() == 1
        error = await refused(f"https://rebinding.example:{listeners.port}/")
    assert_forbidden(error, "rebinding")
    assert listeners.connections() == 0


async def test_no_local_or_metadata_name_is_looked_up(listeners: Listeners) -> None:
    """Whether such a name exists stays unknown."""

    def lookup(name: str) -> list[str]:
        raise AssertionError(name)

    names = [
        *("localhost", "LOCALHOST", "a.localhost", "localhost.localdomain", "metadata"),
        *("metadata.google.internal", "metadata.goog", "instance-data", "redis", "x.internal"),
        *("host.docker.internal", "kubernetes.default.svc.cluster.local", "printer.local"),
        *("router.lan", "nas.home", "nas.home.arpa", "wiki.corp", "wiki.intranet"),
        *("kubernetes.default.svc", "localhost6.localdomain6"),
        *("ｌocalhost", "local\u00adhost", "ⓛocalhost", "metadata.google.ｉnternal"),
    ]
    async with fetching(listeners, lookup) as refused:
        for name in names:
            assert_forbidden(await refused(f"http://{name}:{listeners.port}/a.jpg"), name)
    assert listeners.connections() == 0


async def test_a_port_that_is_not_allowed_is_refused_before_dns(listeners: Listeners) -> None:
    """With the same text, so that the port reveals nothing about the address."""

    def lookup(name: str) -> list[str]:
        raise AssertionError(name)

    async with fetching(listeners, lookup, allowed_ports=[80, 443]) as refused:
        for host in ("example.com", "8.8.8.8", "127.0.0.1", "[2606:4700::1111]", "[::1]"):
            assert_forbidden(await refused(f"http://{host}:{listeners.port}/"), host)
    assert listeners.connections() == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 T", "308 P"])
async def test_no_redirect_to_a_forbidden_address_is_followed(
    listeners: Listeners, status: str
) -> None:
    """From an allowed origin, in every spelling."""
    locations = [
        f"http://{spell(ip)}:{listeners.port}/" for spell in SPELLINGS.values() for ip in V4[:3]
    ]
    locations += [f"http://[{ip}]:{listeners.port}/" for ip in V6]
    locations += [f"//127.0.0.1:{listeners.port}/", f"http://localhost:{listeners.port}/"]

    async def handler(target: str, writer: asyncio.StreamWriter) -> None:
        location = locations[int(target[1:])].encode("utf-8")
        head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: ".encode() + location
        writer.write(head + b"\r\n\r\n")

    def lookup(_: str) -> list[str]:
        return ["127.0.0.1", "::1"]

    async with (
        ScriptedOrigin(handler, address=FIRST_HOP) as origin,
        fetching(listeners, lookup, allowed_networks=[FIRST_HOP]) as refused,
    ):
        for number, location in enumerate(locations):
            assert_forbidden(await refused(origin.url(f"/{number}")), location)
        assert origin.connections == len(locations)
    assert listeners.connections() == 0


async def test_an_open_and_a_closed_port_of_a_forbidden_address_give_the_same_error(
    listeners: Listeners,
) -> None:
    closed = free_port()
    async with fetching(listeners, allowed_ports=[listeners.port, closed]) as refused:
        at_open = await refused(f"http://127.0.0.1:{listeners.port}/")
        at_closed = await refused(f"http://127.0.0.1:{closed}/")
    assert (at_open.code, at_open.detail) == (at_closed.code, at_closed.detail)
    assert listeners.connections() == 0


async def test_an_allowed_network_allows_nothing_else(listeners: Listeners) -> None:
    """One address of loopback is allowed; its neighbours and its IPv6 formats are not."""
    async with (
        ScriptedOrigin(respond(jpeg()), address=FIRST_HOP) as origin,
        fetching(listeners, allowed_networks=[FIRST_HOP]) as refused,
    ):
        for host in ("127.0.0.1", "127.0.0.4", "127.0.0.6", f"[::ffff:{FIRST_HOP}]", "[::1]"):
            for port in (listeners.port, origin.port):
                assert_forbidden(await refused(f"http://{host}:{port}/"), host)
        assert origin.connections == 0
    assert listeners.connections() == 0
