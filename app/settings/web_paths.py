"""Settings about where browsers find the API: origins of pages (CORS) and the path prefix."""

import re
from urllib.parse import urlsplit

ANY_ORIGIN = "*"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_EXAMPLE = "https://www.example.com"
_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")


def check_origin(origin: str) -> None:
    """Raise ValueError, with what is right, for what no browser sends as `Origin` (RFC 6454, 6)."""
    if origin == ANY_ORIGIN:
        return
    usual = _to_origin(origin)
    if usual is None:
        raise ValueError(
            f"{origin!r} is not an origin; write scheme and host, for instance {_EXAMPLE}, or *"
        )
    if usual != origin:
        raise ValueError(f"{origin!r} is not an origin as browsers send it; write {usual}")


def _to_origin(text: str) -> str | None:
    """The origin of a URL; None where it has none."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if "@" in parts.netloc or not host:
        return None
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}"
    origin = f"{parts.scheme}://{shown_host}{shown_port}"
    return origin if _ORIGIN.fullmatch(origin) else None


def check_root_path(path: str) -> None:
    """Raise ValueError for what is no path prefix. Empty means none."""
    if path and not _ROOT_PATH.fullmatch(path):
        raise ValueError(
            "must begin with / and not end with one, of letters, digits and . _ ~ -, for instance "
            "/altwright"
        )
