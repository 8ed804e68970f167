"""Strict parsing of image URLs.

A URL is parsed once, and the connection is made to exactly the host and port found here. Lenient
parsers disagree about what a URL means, and attacks use that. A spelling that two parsers could
read differently is therefore refused, not corrected.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

from app.fetching.errors import ImageUrlForbidden
from app.fetching.host_names import to_ascii_name
from app.telemetry.redaction import loggable_url

MAX_CHARS = 8192
"""As the API's field `image_url`: signed URLs are long."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_AUTHORITY_END = re.compile(r"[/?#]")
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.ASCII)
"""RFC 1123, with the underscores and the hyphens at an end that buckets, users and hosts have in
their names, and browsers accept."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NAME_MAX_CHARS = 253
# C0 controls, space, DEL and backslash: line breaks split requests; parsers drop or replace others.
_FORBIDDEN_CHARS = re.compile(r"[\x00-\x20\x7f\\]")
# Characters that IDNA maps to a dot (UTS 46): they must not disguise an address.
_OTHER_DOTS = "\u3002\uff0e\uff61"
# Printable characters that RFC 3986 allows, and others that servers accept. Signatures cover the
# target as it was written, so it is not rewritten more than HTTP requires.
_TARGET_SAFE = "!#$%&'()*+,-./:;=?@[]^_|~"

_NO_SCHEME = (
    "The image URL must begin with http:// or https://, or be a data: URL. Send a file in a form "
    "(multipart/form-data, part `image`)."
)
_USERINFO = "The image URL must not carry a user name or password. Use a signed URL instead."
_CONTROLS = (
    "The image URL contains a space, a backslash or a control character. "
    "Percent-encode it (a space is %20)."
)
_BAD_PORT = "The image URL's port is not a number from 1 to 65535."
_BAD_NAME = "The image URL's host is not a valid host name."
_FINAL_DOT = "The image URL's host ends with a dot. Write it without the final dot."
_TOO_LONG = f"The image URL is longer than {MAX_CHARS} characters."


@dataclass(frozen=True, slots=True)
class ImageUrl:
    """An http(s) URL with a canonical host. Connections and requests use exactly these values."""

    scheme: str
    host: str
    """A name (lower case, ASCII, no final dot) or an IP address without brackets."""
    port: int
    target: str
    """Path and query as they are sent: printable ASCII that begins with a slash."""

    @property
    def host_header(self) -> str:
        """The value of `Host`: IPv6 in brackets, the port only where it is not the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def loggable(self) -> str:
        """Scheme and host for the log, and a hash: path and query may have a signature."""
        return loggable_url(f"{self.scheme}://{self.host_header}{self.target}")

    @property
    def path(self) -> str:
        """The path, without the query."""
        return self.target.partition("?")[0]

    def follow(self, location: bytes) -> "ImageUrl":
        """The URL that a `Location` header in a response to this one means.

        Raises ImageUrlForbidden.
        """
        try:
            text = location.decode("utf-8")
        except UnicodeDecodeError:
            text = location.decode("latin-1")
        # Many servers send a bare space in a path. In a host, %20 is still an error.
        text = text.strip(" \t").replace(" ", "%20")
        if _FORBIDDEN_CHARS.search(text) or len(text) > MAX_CHARS:
            raise ImageUrlForbidden(_CONTROLS, log_reason="redirect with a control character")
        # urljoin only joins paths: a host is parsed by parse_image_url alone.
        if text.startswith("//"):
            return parse_image_url(f"{self.scheme}:{text}")
        if _URL.match(text):
            return parse_image_url(text)
        try:
            return parse_image_url(
                urljoin(f"{self.scheme}://{self.host_header}{self.target}", text)
            )
        except ValueError:  # from urljoin
            raise ImageUrlForbidden(_BAD_NAME, log_reason="redirect to an invalid URL") from None


def parse_image_url(url: str) -> ImageUrl:
    """Parse an http(s) URL (RFC 3986, host names by UTS 46, as in browsers).

    Raises ImageUrlForbidden for any other scheme, for user names, spaces and control characters,
    and for a host in any spelling but the canonical one. Does not check the address.
    """
    if len(url) > MAX_CHARS:
        raise ImageUrlForbidden(_TOO_LONG)
    if _FORBIDDEN_CHARS.search(url):
        raise ImageUrlForbidden(_CONTROLS)
    found = _URL.fullmatch(url)
    scheme = found["scheme"].lower() if found else ""
    if found is None or scheme not in _DEFAULT_PORTS or not found["rest"].startswith("//"):
        raise ImageUrlForbidden(_NO_SCHEME, log_reason="another scheme")
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
    """The host as written, and the port or None."""
    host, colon, digits = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        return authority, None
    if not digits:
        return host, None
    if not _PORT.fullmatch(digits) or not 0 < int(digits) < 1 << 16:
        raise ImageUrlForbidden(_BAD_PORT, log_reason="invalid port")  # which may be a password
    return host, int(digits)


def _canonical_host(host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            # A zone id names an interface of this machine (RFC 6874), never a public address.
            if "%" in host:
                raise ImageUrlForbidden(log_reason="zone id")
            return str(IPv6Address(host[1:-1]))
        except AddressValueError:
            raise ImageUrlForbidden(log_reason="brackets without an IPv6 address") from None
    if "%" in host or any(dot in host for dot in _OTHER_DOTS):
        raise ImageUrlForbidden(log_reason="host with a disguised dot or an escape")
    if host.endswith("."):
        is_number = _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2].lower())
        raise ImageUrlForbidden(None if is_number else _FINAL_DOT, log_reason="final dot")
    if len(host) > _NAME_MAX_CHARS:
        raise ImageUrlForbidden(_BAD_NAME, log_reason="host name too long")
    try:
        name = to_ascii_name(host)
    except ValueError:
        raise ImageUrlForbidden(_BAD_NAME, log_reason="invalid IDNA name") from None
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _canonical_ipv4(name, host)
    if len(name) > _NAME_MAX_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ImageUrlForbidden(_BAD_NAME, log_reason="invalid host name")
    return name


def _canonical_ipv4(name: str, host: str) -> str:
    """Four decimal numbers. Every other spelling of an IPv4 address is refused.

    2130706433, 0x7f.1, 0177.0.0.1, 127.1 and full-width digits are loopback to one parser and a
    host name to the next. WHATWG's "ends in a number" rule finds them all.
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
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can contain
        raise ImageUrlForbidden(_CONTROLS, log_reason="lone surrogate") from None
