"""Tells a login page from other web pages: the one needs another URL, the other another link."""

import re

from app.errors import CaptionError
from app.fetching.errors import ImageDenied
from app.fetching.urls import ImageUrl
from app.imaging.errors import ImageUnsupported
from app.imaging.sniff import SNIFF_BYTES, sniff

PAGE_BYTES = 64 * 1024
"""A login form stands in the first 64 KiB of its page."""

# No bracket between the tag's name and its type: the search stays linear on hostile pages.
_PASSWORD_FIELD = re.compile(rb"<input\b[^<>]*\btype\s*=\s*[\"']?password\b", re.IGNORECASE)
_LOGIN_URL = re.compile(
    r"(?:^|[/._-])(?:log[-_]?in|sign[-_]?in|log[-_]?on|sso|auth|authorize|oauth2?|saml2?|idp|adfs)"
    r"(?:[/._-]|$)"
)


def page_refusal(page: bytes, url: ImageUrl, *, redirected: bool) -> CaptionError:
    """The refusal that fits a web page that came from `url` in place of an image."""
    if _PASSWORD_FIELD.search(page) or (redirected and _LOGIN_URL.search(url.place.lower())):
        return ImageDenied(
            "The URL leads to a login page. Use a URL that opens without logging in, for instance "
            "a signed one.",
            log_reason="login page",
        )
    try:
        sniff(page[:SNIFF_BYTES])
    except ImageUnsupported as error:
        return error
    return ImageUnsupported()
