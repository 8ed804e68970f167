"""Address policy: which addresses and host names a fetch may connect to. Pure, no I/O.

The tables are our own. Python's `ipaddress.is_global` differs between versions, and on 3.11 it is
true for NAT64, 6to4, IPv4-compatible addresses and Azure's metadata address.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What the operator allows."""

    allowed_ports: frozenset[int] = frozenset({80, 443})
    """Ports of public addresses."""
    allowed_networks: tuple[Network, ...] = ()
    """The operator's own networks, with every port."""

    def may_allow_port(self, port: int) -> bool:
        """Whether there is any address to which this port is allowed."""
        return 0 < port < 1 << 16 and (port in self.allowed_ports or bool(self.allowed_networks))


_V4_SPECIAL: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this network; 0.0.0.0 reaches this machine (RFC 1122)"),
        ("10.0.0.0/8", "private (RFC 1918)"),
        ("100.64.0.0/10", "shared by carrier-grade NAT (RFC 6598)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("169.254.0.0/16", "link-local (RFC 3927)"),
        ("172.16.0.0/12", "private (RFC 1918)"),
        ("192.0.0.0/24", "protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "documentation (RFC 5737)"),
        ("192.31.196.0/24", "AS112, anycast (RFC 7535)"),
        ("192.52.193.0/24", "AMT relays, anycast (RFC 7450)"),
        ("192.88.99.0/24", "6to4 relays (RFC 3068, withdrawn by RFC 7526)"),
        ("192.168.0.0/16", "private (RFC 1918)"),
        ("192.175.48.0/24", "AS112, anycast (RFC 7534)"),
        ("198.18.0.0/15", "benchmarks (RFC 2544)"),
        ("198.51.100.0/24", "documentation (RFC 5737)"),
        ("203.0.113.0/24", "documentation (RFC 5737)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("240.0.0.0/4", "reserved, and broadcast (RFC 1112, RFC 919)"),
    )
)

# All public IPv6 addresses (RFC 4291, IANA's unicast registry). Everything outside is refused:
# loopback, mapped, NAT64, unique local, link-local, site-local, multicast.
_V6_PUBLIC = IPv6Network("2000::/3")

_V6_SPECIAL: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("2001::/23", "protocol assignments: Teredo, ORCHID, benchmarks (RFC 2928)"),
        ("2001:db8::/32", "documentation (RFC 3849)"),
        ("2002::/16", "6to4 carries an IPv4 address (RFC 3056)"),
        ("2620:4f:8000::/48", "AS112, anycast (RFC 7534)"),
        ("3ffe::/16", "6bone, returned (RFC 3701)"),
        ("3fff::/20", "documentation (RFC 9637)"),
    )
)

# Metadata services give a machine's credentials to every program on it. An allowed network that
# contains such an address (169.254.0.0/16) does not allow it; only the address itself does.
_METADATA_ADDRESSES: frozenset[Address] = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Google, Azure, DigitalOcean, Hetzner, OpenStack, Oracle, IBM...
        "169.254.169.253",  # AWS, the VPC's DNS
        "169.254.169.123",  # AWS, time
        "169.254.170.2",  # AWS ECS, a task's credentials
        "169.254.170.23",  # AWS EKS, a pod's credentials
        "169.254.0.23",  # Tencent
        "169.254.42.42",  # Scaleway
        "168.63.129.16",  # Azure's WireServer: a public number, so no range covers it
        "100.100.100.200",  # Alibaba
        "100.96.0.96",  # Volcengine
        "192.0.0.192",  # Oracle Cloud Classic
        "fd00:ec2::254",  # AWS
        "fd00:ec2::253",  # AWS, the VPC's DNS
        "fd00:ec2::123",  # AWS, time
        "fd00:ec2::23",  # AWS EKS
        "fd20:ce::254",  # Google
        "fd00:c1::a9fe:a9fe",  # Oracle
        "fd00:42::42",  # Scaleway
        "fe80::a9fe:a9fe",  # OpenStack
    )
)

_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.azure.com",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "api.metadata.cloud.ibm.com",
        "instance-data",
        "instance-data.ec2.internal",
        "rancher-metadata",
    }
)

# Domains that are never public, each with its source.
_LOCAL_DOMAINS: tuple[tuple[str, str], ...] = (
    ("localhost", "RFC 6761"),
    ("localdomain", "the hosts file of many systems"),
    ("localdomain6", "the hosts file of many systems"),
    ("local", "RFC 6762"),
    ("svc", "Kubernetes services"),
    ("internal", "ICANN, 2024-07-29"),
    ("home.arpa", "RFC 8375"),
    ("intranet", "RFC 6762, appendix G"),
    ("private", "RFC 6762, appendix G"),
    ("corp", "RFC 6762, appendix G"),
    ("home", "RFC 6762, appendix G"),
    ("lan", "RFC 6762, appendix G"),
)


def check_address(ip: Address, port: int, policy: AddressPolicy) -> str | None:
    """Why `ip` must not be connected to on `port`, for the log; None where it may be."""
    if not 0 < port < 1 << 16:
        return f"{port} is not a port"
    allowing = [net for net in policy.allowed_networks if ip.version == net.version and ip in net]
    if _is_metadata(ip):
        is_named = any(net.prefixlen == net.max_prefixlen for net in allowing)
        return None if is_named else f"{ip} is a cloud's metadata address"
    if allowing:
        return None
    reason = _special_v4(ip) if isinstance(ip, IPv4Address) else _special_v6(ip)
    if reason:
        return f"{ip}: {reason}"
    if port not in policy.allowed_ports:
        return f"port {port} is not allowed"
    return None


def check_host_name(name: str, policy: AddressPolicy) -> str | None:
    """Why `name` must not be looked up, for the log; None where it may be.

    `name` is canonical: lower case, ASCII, no final dot. Where the operator allows a network, local
    names are looked up and their addresses are checked. Otherwise all are refused alike, so that a
    caller does not learn which local names exist.
    """
    if name in _METADATA_NAMES:
        return "a cloud's metadata name"
    if policy.allowed_networks:
        return None
    if "." not in name:
        return "a name without a dot is local"
    for domain, source in _LOCAL_DOMAINS:
        if name.endswith("." + domain):
            return f".{domain} is local ({source})"
    return None


def is_own_address(ip: Address) -> bool:
    """Whether an operator may have reason to permit it: special, and not a cloud's metadata."""
    if _is_metadata(ip):
        return False
    return bool(_special_v4(ip) if isinstance(ip, IPv4Address) else _special_v6(ip))


def is_own_name(name: str) -> bool:
    """Whether a local name may be of the operator's own network: it is not a cloud's metadata."""
    return name not in _METADATA_NAMES


def embedded_ipv4(ip: Address) -> Iterator[tuple[str, IPv4Address]]:
    """Every IPv4 address that an IPv6 address contains, with the name of the format."""
    if isinstance(ip, IPv4Address):
        return
    number, low = int(ip), IPv4Address(int(ip) & 0xFFFF_FFFF)
    if ip in _MAPPED:
        yield "IPv4-mapped (RFC 4291)", low
    elif ip in _TRANSLATED:
        yield "IPv4-translated (RFC 2765)", low
    elif ip in _COMPATIBLE and number > 1:
        yield "IPv4-compatible (RFC 4291)", low
    elif ip in _NAT64:
        yield "NAT64 (RFC 6052)", low
    elif ip in _NAT64_LOCAL:
        yield "NAT64 for local use (RFC 8215)", low
        # Under a prefix of /48 the address is split around bits 64 to 71 (RFC 6052, section 2.2).
        yield (
            "NAT64 for local use (RFC 8215)",
            IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF),
        )
    elif ip in _6TO4:
        yield "6to4 (RFC 3056)", IPv4Address(number >> 80 & 0xFFFF_FFFF)
    elif ip in _TEREDO:
        yield "Teredo server (RFC 4380)", IPv4Address(number >> 64 & 0xFFFF_FFFF)
        yield "Teredo client (RFC 4380)", IPv4Address(~number & 0xFFFF_FFFF)
    # Bits 64 to 95 mark the format under any prefix, with the universal bit set or not.
    if number >> 32 & 0xFFFF_FFFF in (0x0000_5EFE, 0x0200_5EFE):
        yield "ISATAP (RFC 5214)", low


_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def _is_metadata(ip: Address) -> bool:
    return ip in _METADATA_ADDRESSES or any(
        inner in _METADATA_ADDRESSES for _, inner in embedded_ipv4(ip)
    )


def _special_v4(ip: IPv4Address) -> str | None:
    return next((reason for network, reason in _V4_SPECIAL if ip in network), None)


def _special_v6(ip: IPv6Address) -> str | None:
    # Also where the embedded address is public: a gateway decides where the packets go.
    for format_name, inner in embedded_ipv4(ip):
        return f"{format_name} of {inner}"
    if ip.scope_id is not None:
        return "has a zone id"
    if ip not in _V6_PUBLIC:
        return "outside 2000::/3, not public unicast (RFC 4291)"
    return next((reason for network, reason in _V6_SPECIAL if ip in network), None)


def parse_networks(values: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse CIDRs such as `10.1.0.0/16` or `fd12::/48`; an address alone means only itself.

    Raises ValueError with the value and how to write it.
    """
    return tuple(_parse_network(value.strip()) for value in values)


def _parse_network(value: str) -> Network:
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(
            f"{value!r} is not a network; write it as 10.1.0.0/16 or fd12:3456::/48"
        ) from None
    raise ValueError(f"{value!r} has bits set after its prefix; did you mean {meant}?")
