"""Removes secrets from text that is logged: paths and queries of URLs, credentials, inline images.

Of a URL only scheme, host and port are logged: a signature or a token may stand in its query or in
its path, in any spelling. A short hash tells one URL from another.
"""

import hashlib
import re
from urllib.parse import urlsplit

_URL = re.compile(r"(https?)://([^\s\"'<>/?#\\]*)([^\s\"'<>]*)", re.IGNORECASE)
_HOST = re.compile(r"(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HASH_CHARS = 12
_LOGGABLE = re.compile(rf"https?://{_HOST.pattern}/#[0-9a-f]{{{_HASH_CHARS}}}")
"""What `loggable_url` returns."""

_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@\"']{1,500}@", re.IGNORECASE)

_DATA_URL = re.compile(r"data:[^\s\"']{1,100};base64,[A-Za-z0-9+/=_%-]+", re.IGNORECASE)

_BEARER = re.compile(r"(bearer\s+)[^\s\"']+", re.IGNORECASE)


def loggable_url(url: str) -> str:
    """The URL as it may be logged: `https://host:port/#` and the first digits of its SHA-256."""
    if url[:5].lower() == "data:":
        return "data:"
    try:
        parts = urlsplit(url)
        # Raises ValueError for "user:pass/word@host", where the password looks like a port.
        _ = parts.port
    except ValueError:
        return "(unreadable URL)"
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme not in ("http", "https") or _HOST.fullmatch(host) is None:
        return "(unreadable URL)"
    digest = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
    return f"{parts.scheme}://{host}/#{digest[:_HASH_CHARS]}"


def redact(text: str) -> str:
    """The text without paths and queries of URLs, userinfo, inline images and bearer tokens."""
    if ":" not in text and "bearer" not in text.lower():
        return text  # most values: each pattern has one of these
    if _LOGGABLE.fullmatch(text):
        return text
    text = _DATA_URL.sub("data:…", text)
    text = _USERINFO.sub(r"\1…@", text)
    text = _URL.sub(_without_path, text)
    return _BEARER.sub(r"\1…", text)


def _without_path(url: re.Match[str]) -> str:
    scheme, authority, rest = url.groups()
    host = authority.rpartition("@")[2]
    if _HOST.fullmatch(host.rstrip(".,;:)]…")) is None and host != "…":
        return f"{scheme}://…"
    has_hash = re.fullmatch(rf"/#[0-9a-f]{{{_HASH_CHARS}}}", rest) is not None
    return f"{scheme}://{host}{rest if rest == '/' or has_hash else '/…' if rest else ''}"
