"""Removes secrets from text that is logged: query strings, credentials, inline images."""

import re
from urllib.parse import urlsplit

# The query string of a private image URL usually has a signature or a token, so no URL is logged
# with its query string. A data: URL is the image itself.
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)

_USERINFO = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/@\"']{1,500}@", re.IGNORECASE)

_DATA_URL = re.compile(r"data:[^\s\"']{1,100};base64,[A-Za-z0-9+/=_%-]+", re.IGNORECASE)

_BEARER = re.compile(r"(bearer\s+)[^\s\"']+", re.IGNORECASE)


def loggable_url(url: str) -> str:
    """The URL as it may be logged: scheme, host, port and path; no query, fragment or userinfo."""
    if url[:5].lower() == "data:":
        return "data:"
    try:
        parts = urlsplit(url)
        # Raises ValueError for "user:pass/word@host", where the password looks like a port.
        _ = parts.port
    except ValueError:
        return "(unreadable URL)"
    if not parts.netloc:
        return "(unreadable URL)"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"[:300]


def redact(text: str) -> str:
    """The text without query strings, userinfo, inline images and bearer tokens."""
    text = _DATA_URL.sub("data:…", text)
    text = _USERINFO.sub(r"\1…@", text)
    text = _URL.sub(_without_query, text)
    return _BEARER.sub(r"\1…", text)


def _without_query(url: re.Match[str]) -> str:
    head = re.split(r"[?#]", url.group(), maxsplit=1)[0]
    return head if head == url.group() else head + "?…"
