"""Reads an image URL strictly, once: what is dialled is exactly what was read here.

Lenient parsers disagree with each other about what a URL means, and hostile URLs live off that.
A spelling that two parsers could read differently is refused, not mended.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

import idna

from app.fetching.errors import ImageUrlForbidden

MAX_CHARS = 8192
"""Signed URLs are long; what is longer than the API's own field is none."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_AUTHORITY_END = re.compile(r"[/?#]")
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
"""RFC 1123, and the underscore that some buckets and hosts have in their names."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NAME_MAX_CHARS = 253
# C0 controls, space, DEL and backslash: line breaks split requests, and parsers drop or turn them.
_NEVER = re.compile(r"[\x00-\x20\x7f\\]")
# Label separators that IDNA maps to a dot (UTS 46): an address must not hide behind them.
_OTHER_DOTS = "\u3002\uff0e\uff61"
# Printable characters that RFC 3986 allows, and those that servers take anyway. A signature is
# over the target as it was written, so it is not rewritten beyond what HTTP demands.
_TARGET_SAFE = "!#$%&'()*+,-./:;=?@[]^_|~"

_NO_SCHEME = "The image URL must begin with http:// or https://, or be a data: URL."
_USERINFO = "The image URL must not carry a user name or password. Use a signed URL instead."
_CONTROLS = (
    "The image URL contains a space, a backslash or a control character. "
    "Percent-encode it (a space is %20)."
)
_BAD_PORT = "The image URL's port is not a number from 1 to 65535."
_BAD_NAME = "The image URL's host is not a valid host name."
_TOO_LONG = f"The image URL is longer than {MAX_CHARS} characters."


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An http(s) URL whose host is canonical: what is here is dialled and sent as it stands."""

    scheme: str
    host: str
    """A name (lower case, ASCII, no final dot) or an IP address without brackets."""
    port: int
    target: str
    """Path and query as they go on the wire: printable ASCII that begins with a slash."""

    @property
    def host_header(self) -> str:
        """The host in brackets where it must be, with the port where it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def place(self) -> str:
        """Host and path for the log: a query may be a signature, and does not belong there."""
        return (self.host_header + self.target.partition("?")[0])[:200]

    def follow(self, location: bytes) -> "ImageUrl":
        """Where a `Location` header leads from here. Raises ImageUrlForbidden."""
        try:
            text = location.decode("utf-8")
        except UnicodeDecodeError:
            text = location.decode("latin-1")
        # Many servers send a bare space in a path; in a host it stays an error (%20).
        text = text.strip(" \t").replace(" ", "%20")
        if _NEVER.search(text) or len(text) > MAX_CHARS:
            raise ImageUrlForbidden(_CONTROLS, log_reason="redirect with a control character")
        # Only paths are joined: whatever names a host is read by our own parser alone.
        if text.startswith("//"):
            return parse(f"{self.scheme}:{text}")
        if _URL.match(text):
            return parse(text)
        try:
            return parse(urljoin(f"{self.scheme}://{self.host_header}{self.target}", text))
        except ValueError:  # urljoin's own refusals
            raise ImageUrlForbidden(_BAD_NAME, log_reason="redirect that is no URL") from None


def parse(url: str) -> ImageUrl:
    """Read an http(s) URL (RFC 3986, hosts by IDNA 2008).

    Raises ImageUrlForbidden for every other scheme, for user names, spaces and control
    characters, and for hosts in any spelling but the plain one. Does not judge the address.
    """
    if len(url) > MAX_CHARS:
        raise ImageUrlForbidden(_TOO_LONG)
    if _NEVER.search(url):
        raise ImageUrlForbidden(_CONTROLS)
    found = _URL.fullmatch(url)
    scheme = found["scheme"].lower() if found else ""
    if found is None or scheme not in _DEFAULT_PORTS or not found["rest"].startswith("//"):
        raise ImageUrlForbidden(_NO_SCHEME, log_reason=f"scheme {scheme[:20]!r}")
    rest = found["rest"][2:]
    end = _AUTHORITY_END.search(rest)
    authority, target = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if "@" in authority:
        raise ImageUrlForbidden(_USERINFO, log_reason="userinfo")
    host, port = _split_port(authority)
    return ImageUrl(
        scheme=scheme,
        host=_canonical_host(host),
        port=_DEFAULT_PORTS[scheme] if port is None else port,
        target=_wire_target(target),
    )


def _split_port(authority: str) -> tuple[str, int | None]:
    """Host as written, and the port; None where none stands there."""
    host, colon, digits = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority, None
    if not digits:
        return host, None
    if not _PORT.fullmatch(digits) or not 0 < int(digits) < 1 << 16:
        raise ImageUrlForbidden(_BAD_PORT, log_reason="not a port")  # may be a password
    return host, int(digits)


def _canonical_host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            # A zone id names one of our own interfaces (RFC 6874): never a public address.
            if "%" in host:
                raise ImageUrlForbidden(log_reason="zone id")
            return str(IPv6Address(host[1:-1]))
        except AddressValueError:
            raise ImageUrlForbidden(log_reason="brackets around no IPv6 address") from None
    if "%" in host or host.endswith(".") or any(dot in host for dot in _OTHER_DOTS):
        raise ImageUrlForbidden(log_reason="host with a disguised or final dot, or an escape")
    if len(host) > _NAME_MAX_CHARS:
        raise ImageUrlForbidden(_BAD_NAME, log_reason="host name too long")
    name = _ascii_name(host)
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _plain_ipv4(name, host)
    if len(name) > _NAME_MAX_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ImageUrlForbidden(_BAD_NAME, log_reason="host name not valid")
    return name


def _ascii_name(host: str) -> str:
    """The name in lower-case ASCII; what is no valid IDNA name is refused here, not in DNS."""
    try:
        if not host.isascii():
            return idna.encode(host, uts46=True).decode("ascii")
        name = host.lower()
        for label in name.split("."):
            if label.startswith("xn--"):
                idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        raise ImageUrlForbidden(_BAD_NAME, log_reason="not a valid IDNA name") from None
    return name


def _plain_ipv4(name: str, host: str) -> str:
    """Four decimal numbers, as they were written; every other spelling of IPv4 is refused.

    2130706433, 0x7f.1, 0177.0.0.1, 127.1 and full-width digits are loopback to one parser and a
    name to the next (WHATWG's "ends in a number" rule finds them all).
    """
    try:
        address = str(IPv4Address(name))
    except AddressValueError:
        raise ImageUrlForbidden(log_reason="unusual spelling of an IPv4 address") from None
    if address != host:
        raise ImageUrlForbidden(log_reason="unusual spelling of an IPv4 address")
    return address


def _wire_target(target: str) -> str:
    target = target.partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    try:
        return quote(target, safe=_TARGET_SAFE)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        raise ImageUrlForbidden(_CONTROLS, log_reason="lone surrogate") from None
