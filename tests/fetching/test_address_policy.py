"""Which addresses, ports and names may be dialled."""

import sys
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fetching.address_policy import (
    AddressPolicy,
    check_address,
    check_host_name,
    embedded_ipv4,
    parse_networks,
)

CLOSED = AddressPolicy()


def opening(*networks: str) -> AddressPolicy:
    return AddressPolicy(allowed_networks=parse_networks(networks))


PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "168.63.129.15",
    "168.63.129.17",
    "2001:200::",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001:830::200e",
    "2001:db7:ffff::",
    "2001:db9::",
    "2003::",
    "2400:cb00:2048:1::c629:d7a2",
    "3ffd:ffff::",
    "3fff:1000::",
    "3ffe:ffff::1",
]
PUBLIC.remove("3ffe:ffff::1")  # 6bone was given back: nobody has it

FORBIDDEN = [
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.8",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "100.100.100.200",
    "192.31.196.1",
    "192.52.193.1",
    "192.175.48.1",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1:7f00:0:1::",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "2620:4f:8000::1",
    "3ffe::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "2a00:1450::5efe:7f00:1",
    "2a00:1450::200:5efe:a00:1",
    "4000::1",
    "5f00::1",
    "1fff:ffff::1",
    "8000::1",
    "c000::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_dialled(address: str) -> None:
    """The neighbours of every special range among them."""
    assert check_address(ip_address(address), 443, CLOSED) is None
    assert check_address(ip_address(address), 80, CLOSED) is None


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_special_address_may_not_be_dialled(address: str) -> None:
    """On no port; the reason names it, for the log."""
    verdict = check_address(ip_address(address), 443, CLOSED)
    assert verdict is not None
    assert str(ip_address(address)) in verdict.reason


@pytest.mark.parametrize("port", [-1, 0, 1, 22, 25, 81, 6379, 8080, 65535, 65536])
def test_a_public_address_has_the_allowed_ports_only(port: int) -> None:
    """Port 0 and what is no port never."""
    assert check_address(ip_address("8.8.8.8"), port, CLOSED) is not None
    if port < 1 or port > 65535:
        assert check_address(ip_address("8.8.8.8"), port, opening("8.8.8.0/24")) is not None
        assert not opening("8.8.8.0/24").could_open(port)
    else:
        assert check_address(ip_address("8.8.8.8"), port, opening("8.8.8.0/24")) is None


def test_an_allowed_network_opens_exactly_what_it_names() -> None:
    """No neighbour, and no other form of the same address."""
    policy = opening("10.1.0.0/16", "fd12::/48")
    assert check_address(ip_address("10.1.2.3"), 8080, policy) is None
    assert check_address(ip_address("fd12::5"), 9000, policy) is None
    for other in (
        *("10.2.0.0", "10.0.255.255", "127.0.0.1", "fd12:0:1::", "::ffff:10.1.2.3"),
        *("64:ff9b::a01:203", "2002:a01:203::", "::10.1.2.3", "fe80::1"),
    ):
        assert check_address(ip_address(other), 80, policy) is not None, other


def test_an_opened_network_does_not_open_ports_elsewhere() -> None:
    """8080 is free in the own network, and stays shut in public."""
    assert check_address(ip_address("8.8.8.8"), 8080, opening("10.0.0.0/8")) is not None


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"]
)
def test_a_metadata_address_opens_only_when_it_is_named_itself(address: str) -> None:
    """A network around it is no leave to hand out the machine's credentials."""
    ip = ip_address(address)
    for bits in (0, 8, ip.max_prefixlen - 1):
        around = str(ip_network((ip, bits), strict=False))
        assert check_address(ip, 80, opening(around)) is not None, around
    assert check_address(ip, 80, opening(address)) is None
    assert (
        check_address(ip, 80, opening("0.0.0.0/0", "::/0", f"{address}/{ip.max_prefixlen}")) is None
    )


def test_a_metadata_address_inside_ipv6_stays_shut_too() -> None:
    """Even where the gateway's prefix was opened."""
    policy = opening("64:ff9b::/96")
    assert check_address(ip_address("64:ff9b::808:808"), 80, policy) is None
    assert check_address(ip_address("64:ff9b::a9fe:a9fe"), 80, policy) is not None


@pytest.mark.parametrize(
    ("address", "inner"),
    [
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::ffff:0:1.2.3.4", "1.2.3.4"),
        ("::1.2.3.4", "1.2.3.4"),
        ("64:ff9b::1.2.3.4", "1.2.3.4"),
        ("64:ff9b:1::1.2.3.4", "1.2.3.4"),
        ("64:ff9b:1:102:3:400::", "1.2.3.4"),
        ("2002:102:304::1", "1.2.3.4"),
        ("2001:0:102:304:0:0:fefd:fcfb", "1.2.3.4"),
        ("fe80::5efe:1.2.3.4", "1.2.3.4"),
        ("2a00::200:5efe:1.2.3.4", "1.2.3.4"),
    ],
)
def test_an_ipv4_address_inside_ipv6_is_found(address: str, inner: str) -> None:
    """In each form of which a standard speaks."""
    found = {ip for _, ip in embedded_ipv4(IPv6Address(address))}
    assert IPv4Address(inner) in found


@pytest.mark.parametrize("address", ["::1", "::", "2606:4700::1111", "8.8.8.8"])
def test_no_ipv4_address_is_found_where_none_is(address: str) -> None:
    """::1 is loopback, not 0.0.0.1."""
    assert not list(embedded_ipv4(ip_address(address)))


@pytest.mark.parametrize(
    "name",
    [
        *("localhost", "a.localhost", "printer.local", "x.internal", "metadata.google.internal"),
        *("metadata", "instance-data", "redis", "router.lan", "nas.home.arpa", "a.corp"),
    ],
)
def test_a_local_name_is_not_even_looked_up(name: str) -> None:
    """So the answer does not tell which local names exist."""
    assert check_host_name(name, CLOSED) is not None


def test_with_a_network_opened_local_names_are_looked_up() -> None:
    """Their addresses are judged then; metadata names stay shut."""
    policy = opening("10.0.0.0/8")
    for name in ("localhost", "images.internal", "minio"):
        assert check_host_name(name, policy) is None
    for name in ("metadata", "metadata.google.internal", "instance-data"):
        assert check_host_name(name, policy) is not None


@pytest.mark.parametrize(
    "name", ["example.com", "local.example.com", "localhost.example.com", "x.metadata.com"]
)
def test_a_public_name_is_looked_up(name: str) -> None:
    """Only the end of a name makes it local."""
    assert check_host_name(name, CLOSED) is None


def test_networks_are_read_strictly() -> None:
    """Bits behind the prefix are a slip of the pen, and are answered with what was meant."""
    assert parse_networks((" 10.0.0.0/8", "::1")) == (ip_network("10.0.0.0/8"), ip_network("::1"))
    with pytest.raises(ValueError, match=r"did you mean 10\.0\.0\.0/8"):
        parse_networks(("10.1.0.0/8",))
    with pytest.raises(ValueError, match="is no network"):
        parse_networks(("10.0.0.0/33",))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(1, 65535))
def test_no_ipv6_address_outside_2000_is_dialled(number: int, port: int) -> None:
    """Nor one that carries an IPv4 address."""
    ip = IPv6Address(number)
    if check_address(ip, port, CLOSED) is None:
        assert number >> 125 == 1
        assert not list(embedded_ipv4(ip))
        assert port in (80, 443)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_python_calls_not_global_is_never_dialled(number: int) -> None:
    """Our table is at least as strict as Python's newest; it is stricter, not other."""
    ip = IPv4Address(number)
    if check_address(ip, 80, CLOSED) is None and sys.version_info >= (3, 13):
        assert ip.is_global
    if ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local:
        assert check_address(ip, 80, CLOSED) is not None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
def test_no_ipv6_form_of_an_ipv4_address_is_dialled(v4: int, high: int, low: int) -> None:
    """Whether the IPv4 address is public or not."""
    isatap = (high | 1 << 61) & (1 << 62) - 1  # anywhere in 2000::/3
    for number in (
        *(0xFFFF << 32 | v4, v4, 0xFFFF << 48 | v4, 0x64FF9B << 96 | v4),
        *(0x2002 << 112 | v4 << 80 | low, 0x2001 << 112 | v4 << 64 | low),
        *(isatap << 64 | 0x5EFE << 32 | v4, isatap << 64 | 0x02005EFE << 32 | v4),
    ):
        assert check_address(IPv6Address(number), 443, CLOSED) is not None
