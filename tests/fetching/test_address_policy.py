"""Which addresses, ports and names a fetch may connect to."""

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

DEFAULT = AddressPolicy()


def allowing(*networks: str) -> AddressPolicy:
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
]

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
def test_a_public_address_is_allowed(address: str) -> None:
    """Among them the neighbours of every special range."""
    assert check_address(ip_address(address), 443, DEFAULT) is None
    assert check_address(ip_address(address), 80, DEFAULT) is None


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_special_address_is_forbidden(address: str) -> None:
    """The reason names it, for the log."""
    reason = check_address(ip_address(address), 443, DEFAULT)
    assert reason is not None
    assert str(ip_address(address)) in reason


@pytest.mark.parametrize("port", [-1, 0, 1, 22, 25, 81, 6379, 8080, 65535, 65536])
def test_a_public_address_is_allowed_on_the_allowed_ports_only(port: int) -> None:
    """Port 0 and what is not a port are never allowed."""
    assert check_address(ip_address("8.8.8.8"), port, DEFAULT) is not None
    if port < 1 or port > 65535:
        assert check_address(ip_address("8.8.8.8"), port, allowing("8.8.8.0/24")) is not None
        assert not allowing("8.8.8.0/24").may_allow_port(port)
    else:
        assert check_address(ip_address("8.8.8.8"), port, allowing("8.8.8.0/24")) is None


def test_an_allowed_network_allows_exactly_what_it_names() -> None:
    """No neighbour, and no other format of the same address."""
    policy = allowing("10.1.0.0/16", "fd12::/48")
    assert check_address(ip_address("10.1.2.3"), 8080, policy) is None
    assert check_address(ip_address("fd12::5"), 9000, policy) is None
    for other in (
        *("10.2.0.0", "10.0.255.255", "127.0.0.1", "fd12:0:1::", "::ffff:10.1.2.3"),
        *("64:ff9b::a01:203", "2002:a01:203::", "::10.1.2.3", "fe80::1"),
    ):
        assert check_address(ip_address(other), 80, policy) is not None, other


def test_an_allowed_network_does_not_allow_ports_elsewhere() -> None:
    """8080 is allowed in the own network only."""
    assert check_address(ip_address("8.8.8.8"), 8080, allowing("10.0.0.0/8")) is not None


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"]
)
def test_a_metadata_address_is_allowed_only_when_it_is_named_itself(address: str) -> None:
    """A network that contains it must not give callers the machine's credentials."""
    ip = ip_address(address)
    for bits in (0, 8, ip.max_prefixlen - 1):
        around = str(ip_network((ip, bits), strict=False))
        assert check_address(ip, 80, allowing(around)) is not None, around
    assert check_address(ip, 80, allowing(address)) is None
    assert (
        check_address(ip, 80, allowing("0.0.0.0/0", "::/0", f"{address}/{ip.max_prefixlen}"))
        is None
    )


def test_a_metadata_address_inside_ipv6_stays_forbidden() -> None:
    """Even where the gateway's prefix is allowed."""
    policy = allowing("64:ff9b::/96")
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
    """In each format that a standard defines."""
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
def test_a_local_name_is_not_looked_up(name: str) -> None:
    """So that a caller does not learn which local names exist."""
    assert check_host_name(name, DEFAULT) is not None


def test_local_names_are_looked_up_where_a_network_is_allowed() -> None:
    """Their addresses are checked then; metadata names stay forbidden."""
    policy = allowing("10.0.0.0/8")
    for name in ("localhost", "images.internal", "minio"):
        assert check_host_name(name, policy) is None
    for name in ("metadata", "metadata.google.internal", "instance-data"):
        assert check_host_name(name, policy) is not None


@pytest.mark.parametrize(
    "name", ["example.com", "local.example.com", "localhost.example.com", "x.metadata.com"]
)
def test_a_public_name_is_looked_up(name: str) -> None:
    """Only the last labels of a name make it local."""
    assert check_host_name(name, DEFAULT) is None


def test_networks_are_parsed_strictly() -> None:
    """Bits after the prefix are a typo; the error says what was probably meant."""
    assert parse_networks((" 10.0.0.0/8", "::1")) == (ip_network("10.0.0.0/8"), ip_network("::1"))
    with pytest.raises(ValueError, match=r"did you mean 10\.0\.0\.0/8"):
        parse_networks(("10.1.0.0/8",))
    with pytest.raises(ValueError, match="is not a network"):
        parse_networks(("10.0.0.0/33",))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(1, 65535))
def test_no_ipv6_address_outside_2000_is_allowed(number: int, port: int) -> None:
    """Nor one that contains an IPv4 address."""
    ip = IPv6Address(number)
    if check_address(ip, port, DEFAULT) is None:
        assert number >> 125 == 1
        assert not list(embedded_ipv4(ip))
        assert port in (80, 443)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_python_calls_not_global_is_forbidden(number: int) -> None:
    """Our table forbids at least what the newest Python's does."""
    ip = IPv4Address(number)
    if check_address(ip, 80, DEFAULT) is None and sys.version_info >= (3, 13):
        assert ip.is_global
    if ip.is_private or ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_link_local:
        assert check_address(ip, 80, DEFAULT) is not None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1))
def test_no_ipv6_format_of_an_ipv4_address_is_allowed(v4: int, high: int, low: int) -> None:
    """Also of a public one."""
    isatap = (high | 1 << 61) & (1 << 62) - 1  # anywhere in 2000::/3
    for number in (
        *(0xFFFF << 32 | v4, v4, 0xFFFF << 48 | v4, 0x64FF9B << 96 | v4),
        *(0x2002 << 112 | v4 << 80 | low, 0x2001 << 112 | v4 << 64 | low),
        *(isatap << 64 | 0x5EFE << 32 | v4, isatap << 64 | 0x02005EFE << 32 | v4),
    ):
        assert check_address(IPv6Address(number), 443, DEFAULT) is not None
