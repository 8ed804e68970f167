"""Image URLs are parsed strictly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.fetching.errors import ImageUrlForbidden
from app.fetching.urls import ImageUrl, parse_image_url


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("http://example.com", ImageUrl("http", "example.com", 80, "/")),
        ("HTTPS://Example.COM:443/A?b#c", ImageUrl("https", "example.com", 443, "/A?b")),
        ("http://example.com?x=/y", ImageUrl("http", "example.com", 80, "/?x=/y")),
        ("http://example.com:/a", ImageUrl("http", "example.com", 80, "/a")),
        ("http://example.com:0080/", ImageUrl("http", "example.com", 80, "/")),
        ("http://8.8.8.8/", ImageUrl("http", "8.8.8.8", 80, "/")),
        ("http://[2606:4700::1111]:8080/", ImageUrl("http", "2606:4700::1111", 8080, "/")),
        ("http://[2606:4700:0:0::1111]/", ImageUrl("http", "2606:4700::1111", 80, "/")),
        ("https://my_bucket.s3.example/", ImageUrl("https", "my_bucket.s3.example", 443, "/")),
        ("https://bücher.example/ä", ImageUrl("https", "xn--bcher-kva.example", 443, "/%C3%A4")),
        ("https://例え.example/", ImageUrl("https", "xn--r8jz45g.example", 443, "/")),
        ("https://xn--bcher-kva.example", ImageUrl("https", "xn--bcher-kva.example", 443, "/")),
        ("http://ｅxample.com/", ImageUrl("http", "example.com", 80, "/")),
        ("http://a.b/@x:y@z", ImageUrl("http", "a.b", 80, "/@x:y@z")),
    ],
)
def test_a_url_is_parsed(url: str, parsed: ImageUrl) -> None:
    """The host becomes canonical; the target stays as it was."""
    assert parse_image_url(url) == parsed


FORBIDDEN = [
    *("", "x", "example.com/a.jpg", "//example.com/a", "/a.jpg", "http:", "http:/", "http:///a"),
    *("http:example.com", "http:/example.com/", "http://", "http://:80/", "http://?x", "http://#"),
    *("file:///etc/passwd", "ftp://example.com/", "gopher://example.com/", "javascript:alert(1)"),
    *(
        "data:image/png;base64,AAAA",
        "ws://example.com",
        "unix:/run/x",
        "about:blank",
        "1http://a.b",
    ),
    *("http://user@example.com/", "http://user:pw@example.com/", "http://@example.com/"),
    *("http://example.com@127.0.0.1/", "http://127.0.0.1#@example.com@/x\\", "http://a.b\\@c.d/"),
    *("http://example.com\\x", "http:\\\\example.com", "http://exa mple.com/", "http://a.b/c d"),
    *(" http://a.b/", "http://a.b/ ", "\thttp://a.b/", "http://a.b/\r\nHost: x", "http://a\n.b/"),
    *("http://a.b/\0", "http://a.b\0.c/", "ht\ntp://a.b/", "http://a.b/\x7f", "http://a.b/\x1b"),
    *("http://a.b:0/", "http://a.b:65536/", "http://a.b:99999999/", "http://a.b:-1/"),
    *(
        "http://a.b:8o/",
        "http://a.b:80:80/",
        "http://a.b:+80/",
        "http://a.b:٨٠/",
        "http://a.b:8_0/",
    ),
    *("http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/"),
    *("http://127.1/", "http://127.0.1/", "http://017700000001/", "http://127.0.0.01/"),
    *("http://127.0.0.1./", "http://127.0.0.1../", "http://127.0.0.256/", "http://1.2.3.4.5/"),
    *("http://127。0。0。1/", "http://127．0．0．1/", "http://127｡0｡0｡1/", "http://１２７.0.0.1/"),
    *("http://①②⑦.0.0.1/", "http://𝟏𝟐𝟕.0.0.1/", "http://example。com/", "http://127.0.0.1%2e/"),
    *("http://0/", "http://0x/", "http://0x0/", "http://a.0x7f/", "http://a.b.1/", "http://00/"),
    *("http://%31%32%37.0.0.1/", "http://example%2ecom/", "http://127.0.0.1%00.a.b/", "http://%/"),
    *("http://example.com./", "http://localhost./", "http://./", "http://.a.b/", "http://a..b/"),
    *("http://[::1%25lo]/", "http://[fe80::1%eth0]/", "http://[fe80::1%1]/", "http://[::1"),
    *("http://::1/", "http://[]/", "http://[v1.x]/", "http://[127.0.0.1]/", "http://[::1]x/"),
    *("http://x[::1]/", "http://[[::1]]/", "http://[::1]:x/", "http://[a.b]/", "http://[::g]/"),
    *("http://xn--/", "http://xn--a/", "http://xn--999999999.com/", "http://xn--ñ.com/"),
    *("http://xn--zzzzzzzzzzzz.com", "http://xn--a-.com/", "http://a.xn--.b/", "http://xn--.b/"),
    *("http://a;b.c/", "http://a,b.c/", "http://a!b.c/", "http://a*b.c/", "http://a'b.c/"),
    *(
        "http://" + "a" * 64 + ".com/",
        "http://" + "a." * 127 + "com/",
        "http://" + "ä" * 64 + ".b/",
    ),
    *("http://127.0.0\u200b.1/", "http://a\u00adb.c\u3000/", "http://℀.com/", "http://\ud800.com/"),
    *(
        "http://a.b/\ud800",
        "http://a.b/" + "c" * 8192,
        "http://a\u2028.b/",
        "http://\u20e3☃/",
    ),
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_every_other_spelling_is_forbidden(url: str) -> None:
    """With a sentence that says what to do, and no query in the log."""
    with pytest.raises(ImageUrlForbidden) as caught:
        print(parse_image_url(url))
    assert caught.value.detail.endswith(".")
    assert "?" not in caught.value.log_reason


@pytest.mark.parametrize(
    ("url", "names_the_dot"),
    [
        ("http://example.com./a.jpg", True),
        ("http://localhost./", True),
        ("http://bücher.example.:8080", True),
        ("http://example.com../", True),
        ("http://127.0.0.1./", False),
        ("http://0x7f.1./", False),
        ("http://2130706433./", False),
        ("http://example.com/a.", None),
        ("http://example.com", None),
    ],
)
def test_a_final_dot_of_a_name_is_named(url: str, names_the_dot: bool | None) -> None:
    """It has nothing to do with a private address. Addresses with a dot have the common text."""
    if names_the_dot is None:
        assert parse_image_url(url).host == "example.com"
        return
    with pytest.raises(ImageUrlForbidden, match="final dot") as caught:
        parse_image_url(url)
    assert ("final dot" in caught.value.detail) == names_the_dot
    assert names_the_dot or caught.value.detail == ImageUrlForbidden.public


def test_a_redirect_is_resolved_against_the_url_that_it_came_from() -> None:
    """As browsers do; a bare space is only accepted in a path."""
    here = parse_image_url("https://example.com:8443/a/b?c")
    assert here.follow(b"d.jpg").target == "/a/d.jpg"
    assert here.follow(b"?x").target == "/a/b?x"
    assert here.follow(b" /my picture.jpg ").target == "/my%20picture.jpg"
    assert here.follow("/bäume".encode()).target == "/b%C3%A4ume"
    assert here.follow(b"/b\xe4ume").target == "/b%C3%A4ume"
    assert here.follow(b"//other.example/x") == ImageUrl("https", "other.example", 443, "/x")
    assert here.follow(b"http://a.example").port == 80
    assert (
        parse_image_url("http://[2606:4700::1111]:8080/").follow(b"/x").host_header
        == "[2606:4700::1111]:8080"
    )
    for location in (
        b"http://a b.c/",
        b"/a\tb",
        b"/a\\b",
        b"\\\\a.b/",
        b"http://[::1",
        b"mailto:x",
    ):
        with pytest.raises(ImageUrlForbidden):
            here.follow(location)


@settings(max_examples=500, deadline=None)
@given(
    st.text(max_size=60), st.sampled_from(["http://", "https://a.b", "http://[", "http://1", ""])
)
def test_any_text_is_parsed_or_forbidden(text: str, start: str) -> None:
    """Nothing else happens, and what is parsed can be sent."""
    try:
        url = parse_image_url(start + text)
    except ImageUrlForbidden:
        return
    assert url.target.startswith("/")
    assert (url.host + url.target).isascii()
    assert not set(url.host + url.target) & set(" \\\r\n\t\0")
    assert 0 < url.port < 65536
    again = parse_image_url(f"{url.scheme}://{url.host_header}{url.target}")
    assert again == url


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_redirect_is_parsed_or_forbidden(location: bytes) -> None:
    """Origins may send any bytes."""
    try:
        url = parse_image_url("https://example.com/a/b").follow(location)
    except ImageUrlForbidden:
        return
    assert parse_image_url(f"{url.scheme}://{url.host_header}{url.target}") == url
