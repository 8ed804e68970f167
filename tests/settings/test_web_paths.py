"""Origins are written as browsers send them, and a prefix as proxies have it."""

import pytest

from app.settings.web_paths import check_origin, check_root_path


@pytest.mark.parametrize(
    "origin",
    [
        "*", "https://www.example.com", "http://localhost:3000", "http://[::1]:8080",
        "https://xn--bcher-kva.example", "capacitor://localhost", "chrome-extension://abcdef",
        "https://a_b.example:8443",
    ],
)  # fmt: skip
def test_origins_are_accepted(origin: str) -> None:
    check_origin(origin)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("https://www.example.com/", "write https://www.example.com$"),
        ("https://www.example.com/shop?x", "write https://www.example.com$"),
        ("https://WWW.Example.com", "write https://www.example.com$"),
        ("https://www.example.com:443", "write https://www.example.com$"),
        ("http://a.example:80", "write http://a.example$"),
        (" https://a.example", "write https://a.example$"),
        ("www.example.com", "for instance"),
        ("https://", "for instance"),
        ("https://*.example.com", "for instance"),
        ("https://user:pw@a.example", "for instance"),
        ("https://a.example:x", "for instance"),
        ("https://b\xfccher.example", "for instance"),
        ("null", "for instance"),
        ("", "for instance"),
    ],
)
def test_what_no_browser_sends_is_refused_with_what_is_right(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        check_origin(text)


@pytest.mark.parametrize("path", ["", "/altwright", "/tools/alt-wright.v1", "/~a/_b"])
def test_prefixes_are_accepted(path: str) -> None:
    check_root_path(path)


@pytest.mark.parametrize(
    "path",
    ["/", "altwright", "/a/", "//a", "/a//b", "/a/../b", "/.", "/a b", '/a"', "/a?b", "/%61"],
)
def test_other_prefixes_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="/altwright"):
        check_root_path(path)
