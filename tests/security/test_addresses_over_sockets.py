"""Forbidden addresses over real sockets: listeners wait on all of them, and none is dialled."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import pytest

from app.errors import CaptionError
from app.fetching.errors import ImageUrlForbidden
from app.fetching.fetcher import Fetcher, FetchSettings
from app.fetching.resolver import Resolver
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from tests.fetching.origin import Origin, answer, jpeg

FIRST_HOP = "127.0.0.5"
"""The one address that is opened here, so that redirects have somewhere to start."""


@dataclass
class Trap:
    """Sockets that listen on every address of this machine, on one port."""

    port: int
    sockets: list[socket.socket] = field(default_factory=list)

    def accepted(self) -> int:
        """How many connections came, counted without waiting."""
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
def trap() -> Iterator[Trap]:
    """0.0.0.0 and :: receive what is sent to 127.0.0.1, 127.1.2.3, ::1 and every own address."""
    v4 = socket.socket(socket.AF_INET)
    v4.bind(("0.0.0.0", 0))
    found = Trap(v4.getsockname()[1], [v4])
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
    """Addresses of this machine's other interfaces: the kernel answers on them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.254", 9))  # sends nothing: asks for the route
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


def test_there_are_enough_cases() -> None:
    """300 is the promise; each is sent over the socket layer below."""
    assert len(V4) * len(SPELLINGS) + len(V6) > 500


@asynccontextmanager
async def fetching(
    trap: Trap, lookup: Callable[[str], list[str]] | None = None, **settings: object
) -> AsyncIterator[Callable[[str], "asyncio.Future[CaptionError]"]]:
    """A fetcher for which the trap's port is an allowed one: only the address is in the way."""
    values = {"allowed_ports": [80, 443, trap.port], "timeout_s": 2.0} | settings
    resolver = Resolver(lookup=lookup) if lookup else None
    fetcher = Fetcher(FetchSettings(**values), WeightedSemaphore(1 << 28), resolver=resolver)

    async def refused(url: str) -> CaptionError:
        with pytest.raises(CaptionError) as caught:
            async with fetcher.fetch(url, Deadline.after(3)):
                pass
        return caught.value

    yield refused
    assert fetcher.transport.open_connections == 0
    await fetcher.aclose()


def assert_forbidden(error: CaptionError, case: str) -> None:
    """One code and one text for all of them."""
    assert error.code == "image_url_forbidden", (case, error.detail, error.log_reason)
    assert error.detail == ImageUrlForbidden.public, case
    assert error.log_reason, case


async def test_the_trap_would_notice(trap: Trap) -> None:
    """Once the network is opened, the same fetch does connect."""
    async with fetching(trap, allowed_networks=["127.0.0.0/8"], timeout_s=0.1) as refused:
        assert (await refused(f"http://127.0.0.1:{trap.port}/")).code == "image_timeout"
    assert trap.accepted() == 1


@pytest.mark.parametrize("form", SPELLINGS)
async def test_no_spelling_of_a_forbidden_address_is_dialled(trap: Trap, form: str) -> None:
    """On the trap's port, over http and https."""
    async with fetching(trap) as refused:
        for ip in V4 + _own_addresses():
            for scheme in ("http", "https"):
                url = f"{scheme}://{SPELLINGS[form](ip)}:{trap.port}/a.jpg?x=1"
                assert_forbidden(await refused(url), url)
    assert trap.accepted() == 0


async def test_no_forbidden_ipv6_address_is_dialled(trap: Trap) -> None:
    """Zone ids included."""
    async with fetching(trap) as refused:
        for ip in V6:
            url = f"http://[{ip}]:{trap.port}/a.jpg"
            assert_forbidden(await refused(url), url)
    assert trap.accepted() == 0


async def test_no_name_that_leads_to_a_forbidden_address_is_dialled(trap: Trap) -> None:
    """Nor one of whose records only one does, in whatever order, nor one that changes its mind."""
    public = ["8.8.8.8", "2606:4700:4700::1111"]
    forbidden = V4 + [ip for ip in V6 if "%" not in ip] + ["::ffff:127.0.0.1", "64:ff9b::7f00:1"]
    records: dict[str, list[str]] = {}
    for number, ip in enumerate(forbidden):
        records[f"only{number}.example"] = [ip]
        records[f"first{number}.example"] = [ip, *public]
        records[f"last{number}.example"] = [*public, ip]
    async with fetching(trap, records.__getitem__) as refused:
        for name in records:
            assert_forbidden(await refused(f"http://{name}:{trap.port}/a.jpg"), name)
    assert trap.accepted() == 0


async def test_a_name_that_changes_its_mind_is_judged_at_each_dial(trap: Trap) -> None:
    """Rebinding: allowed at the first look, forbidden at the next."""
    answers = iter([[FIRST_HOP]])

    def lookup(_: str) -> list[str]:
        return next(answers, ["127.0.0.1"])

    async with fetching(trap, lookup, allowed_networks=[FIRST_HOP], timeout_s=0.3) as refused:
        await refused(f"https://rebinding.example:{trap.port}/")  # the trap speaks no TLS
        assert trap.accepted() == 1
        error = await refused(f"https://rebinding.example:{trap.port}/")
    assert_forbidden(error, "rebinding")
    assert trap.accepted() == 0


async def test_no_local_or_metadata_name_is_looked_up(trap: Trap) -> None:
    """The resolver of the system is asked nothing: whether such a name exists stays unknown."""

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
    async with fetching(trap, lookup) as refused:
        for name in names:
            assert_forbidden(await refused(f"http://{name}:{trap.port}/a.jpg"), name)
    assert trap.accepted() == 0


async def test_a_port_that_is_not_allowed_is_refused_before_dns(trap: Trap) -> None:
    """With the same text, so that the port tells nothing of the address."""

    def lookup(name: str) -> list[str]:
        raise AssertionError(name)

    async with fetching(trap, lookup, allowed_ports=[80, 443]) as refused:
        for host in ("example.com", "8.8.8.8", "127.0.0.1", "[2606:4700::1111]", "[::1]"):
            assert_forbidden(await refused(f"http://{host}:{trap.port}/"), host)
    assert trap.accepted() == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 T", "308 P"])
async def test_no_redirect_leads_to_a_forbidden_address(trap: Trap, status: str) -> None:
    """From an origin that is allowed, in every spelling."""
    places = [f"http://{spell(ip)}:{trap.port}/" for spell in SPELLINGS.values() for ip in V4[:3]]
    places += [f"http://[{ip}]:{trap.port}/" for ip in V6]
    places += [f"//127.0.0.1:{trap.port}/", f"http://localhost:{trap.port}/"]

    async def handler(target: str, writer: asyncio.StreamWriter) -> None:
        place = places[int(target[1:])].encode("utf-8")
        head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nLocation: ".encode() + place
        writer.write(head + b"\r\n\r\n")

    def lookup(_: str) -> list[str]:
        return ["127.0.0.1", "::1"]

    async with (
        Origin(handler, address=FIRST_HOP) as origin,
        fetching(trap, lookup, allowed_networks=[FIRST_HOP]) as refused,
    ):
        for number, place in enumerate(places):
            assert_forbidden(await refused(origin.url(f"/{number}")), place)
        assert origin.accepted == len(places)
    assert trap.accepted() == 0


async def test_the_refusal_does_not_tell_whether_something_listens(trap: Trap) -> None:
    """Open or closed behind it: the same code, the same text."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = sock.getsockname()[1]
    async with fetching(trap, allowed_ports=[trap.port, closed]) as refused:
        at_open = await refused(f"http://127.0.0.1:{trap.port}/")
        at_closed = await refused(f"http://127.0.0.1:{closed}/")
    assert (at_open.code, at_open.detail) == (at_closed.code, at_closed.detail)
    assert trap.accepted() == 0


async def test_an_opened_network_opens_nothing_else(trap: Trap) -> None:
    """One address of loopback is opened; its neighbours and its IPv6 forms are not."""
    picture = jpeg()
    async with (
        Origin(answer(picture), address=FIRST_HOP) as origin,
        fetching(trap, allowed_networks=[FIRST_HOP]) as refused,
    ):
        for host in ("127.0.0.1", "127.0.0.4", "127.0.0.6", f"[::ffff:{FIRST_HOP}]", "[::1]"):
            for port in (trap.port, origin.port):
                assert_forbidden(await refused(f"http://{host}:{port}/"), host)
        assert origin.accepted == 0
    assert trap.accepted() == 0
