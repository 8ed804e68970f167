"""What the status and the headers of an origin's response mean."""

import httpx
import pytest

from app.errors import CaptionError
from app.fetching.errors import ImageDenied
from app.fetching.response_policy import ResponseHead, check_head, redirect_location
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported

MAX_BYTES = 1000


def check(status: int = 200, **headers: str) -> ResponseHead:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return check_head(httpx.Response(status, headers=names), MAX_BYTES)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "image_not_found"),
        (410, "image_not_found"),
        (400, "image_denied"),
        (401, "image_denied"),
        (402, "image_denied"),
        (403, "image_denied"),
        (405, "image_denied"),
        (451, "image_denied"),
        (408, "image_unreachable"),
        (425, "image_unreachable"),
        (429, "image_unreachable"),
        (500, "image_unreachable"),
        (503, "image_unreachable"),
        (599, "image_unreachable"),
        (204, "image_unsupported"),
        (205, "image_unsupported"),
    ],
)
def test_each_status_has_its_code(status: int, code: str) -> None:
    with pytest.raises(CaptionError) as caught:
        check(status)
    assert caught.value.code == code
    assert str(status) in caught.value.log_reason + caught.value.detail


@pytest.mark.parametrize("status", [200, 201, 203, 226])
def test_other_statuses_below_300_come_with_an_image(status: int) -> None:
    assert check(status) == ResponseHead(None)


def test_a_compressed_body_is_refused() -> None:
    """264 bytes can become 60 MB."""
    with pytest.raises(ImageUnsupported, match="gzip") as caught:
        check(content_encoding="gzip")
    assert "Content-Encoding" in caught.value.detail


def test_identity_is_not_a_compression() -> None:
    """Some servers state it."""
    assert check(content_encoding=" Identity ") == ResponseHead(None)


def test_a_length_over_the_limit_is_refused_before_the_body_is_read() -> None:
    assert check(content_length="1000") == ResponseHead(1000)
    with pytest.raises(ImageTooLarge):
        check(content_length="1001")


def test_a_length_beside_chunks_has_no_meaning() -> None:
    """RFC 9112, 6.3."""
    assert check(content_length="9999", transfer_encoding="chunked") == ResponseHead(None)


@pytest.mark.parametrize(
    ("content_range", "complete_bytes"),
    [
        ("bytes 0-499/500", 500),
        ("bytes 0-499/501", None),
        ("bytes 0-499/*", None),
        ("bytes 5-499/500", None),
        ("", None),
    ],
)
def test_a_partial_response_must_be_the_complete_file(
    content_range: str, complete_bytes: int | None
) -> None:
    """No range was asked for."""
    if complete_bytes is not None:
        assert check(206, content_range=content_range) == ResponseHead(None, complete_bytes)
        return
    with pytest.raises(ImageCorrupt, match="206"):
        check(206, content_range=content_range)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_has_a_location(status: int) -> None:
    response = httpx.Response(status, headers=[(b"Location", b"/b\xe4ume")])
    assert redirect_location(response) == b"/b\xe4ume"


def test_another_response_has_none() -> None:
    assert redirect_location(httpx.Response(200, headers={"Location": "/a"})) is None


@pytest.mark.parametrize(
    ("status", "locations"), [(300, 1), (304, 0), (305, 1), (302, 0), (302, 2)]
)
def test_a_redirect_that_leads_nowhere_is_denied(status: int, locations: int) -> None:
    headers = [("Location", f"/{number}") for number in range(locations)]
    with pytest.raises(ImageDenied, match=str(status)):
        redirect_location(httpx.Response(status, headers=headers))


def test_an_empty_location_is_denied() -> None:
    with pytest.raises(ImageDenied):
        redirect_location(httpx.Response(302, headers={"Location": " "}))
