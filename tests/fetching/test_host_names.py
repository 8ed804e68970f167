"""Host names become what Chromium makes of them (`new URL(...).hostname`)."""

import pytest

from app.fetching.host_names import to_ascii_name
from app.fetching.urls import parse_image_url


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("I\u2764.ws", "xn--i-7iq.ws"),
        ("i\u2764\ufe0f.ws", "xn--i-7iq.ws"),  # with a variation selector
        ("\U0001f4a9.la", "xn--ls8h.la"),
        ("xn--ls8h.la", "xn--ls8h.la"),
        ("\U0001fa77.example", "xn--1z9h.example"),  # newer than this Python's Unicode
        ("-a.b", "-a.b"),
        ("a-.b-.c", "a-.b-.c"),
        ("my--shop.example", "my--shop.example"),
        ("ab--c.example", "ab--c.example"),
        ("_a_.example", "_a_.example"),
        ("\xe4-.example", "xn----zfa.example"),
        ("fa\xdf.de", "xn--fa-hia.de"),  # no longer fass.de
        ("\u03b2\u03cc\u03bb\u03bf\u03c2.com", "xn--nxasmm1c.com"),
        ("\u0915\u094d\u200d\u0937.com", "xn--11b2ezcw70k.com"),  # a joiner where it joins
        ("\u216c\u216b.example", "lxii.example"),
        ("\u05d0\u05d1.example", "xn--4dbc.example"),
    ],
)
def test_names_that_browsers_accept_are_accepted(host, name):
    """Emoji, hyphens and underscores anywhere, and what IDNA 2008 allows."""
    assert to_ascii_name(host) == name
    assert parse_image_url(f"https://{host}/a.jpg").host == name


@pytest.mark.parametrize(
    "host",
    [
        "\u0301a.com",  # begins with a combining mark
        "a\u200db.com",  # a joiner that joins nothing
        "1.\u05d0\u05d1",  # directions that would swap labels
        "\u05d0-.com",
        "xn--fa-hia\xdf.de",
        "xn--0.pt",
        "xn--zzzzzzzzzzzz.com",
        "xn--a-.com",
        "xn--",
        "a\ufffdb.com",
        "\ud800.com",
    ],
)
def test_names_that_mislead_are_refused(host):
    with pytest.raises(ValueError, match=r"."):
        to_ascii_name(host)
