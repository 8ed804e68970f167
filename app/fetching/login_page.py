"""Tells a login page from other web pages that came in place of an image."""

import re

from app.errors import CaptionError
from app.fetching.errors import ImageDenied
from app.fetching.urls import ImageUrl
from app.imaging.errors import ImageUnsupported
from app.imaging.sniff import SNIFF_BYTES, sniff

PAGE_BYTES = 64 * 1024
"""How much of a page is searched: a login form stands in the first 64 KiB."""

# No bracket between the tag's name and its type, so that the search is linear on hostile pages.
_PASSWORD_FIELD = re.compile(rb"<input\b[^<>]*\btype\s*=\s*[\"']?password\b", re.IGNORECASE)
_LOGIN_PATH = re.compile(
    r"(?:^|[/._-])(?:log[-_]?in|sign[-_]?in|log[-_]?on|sso|auth|authorize|oauth2?|saml2?|idp|adfs)"
    r"(?:[/._-]|$)"
)


def web_page_error(page: bytes, url: ImageUrl, *, redirected: bool) -> CaptionError:
    """The error for a web page from `url`: ImageDenied for a login page, else ImageUnsupported.

    A page that draws its form by script has no password field; then the path that a redirect led
    to decides.
    """
    if _PASSWORD_FIELD.search(page) or (
        redirected and _LOGIN_PATH.search((url.host_header + url.path).lower())
    ):
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
