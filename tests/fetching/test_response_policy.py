"""What the status and the headers of an origin's response mean."""

import httpx
import pytest

from app.errors import CaptionError
from app.fetching.errors import ImageDenied, ImageUnreachable
from app.fetching.response_policy import ResponseHead, check_head, redirect_location
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported

MAX_BYTES = 1000


NOW_S = 1_795_953_600.0
"""2026-11-29T12:00:00Z."""


def check(status: int = 200, **headers: str) -> ResponseHead:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return check_head(httpx.Response(status, headers=names), MAX_BYTES, NOW_S)


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
        (202, "image_unreachable"),
        (409, "image_unreachable"),
        (420, "image_unreachable"),
        (423, "image_unreachable"),
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


@pytest.mark.parametrize(
    ("retry_after", "wait_s"),
    [
        (["120"], 120),
        ([" 7 "], 7),
        (["0"], 0),
        (["1.5"], 1.5),
        (["3600"], 3600),
        (["3601"], 3600),
        (["999999999999999"], 3600),
        (["Sun, 29 Nov 2026 12:02:00 GMT"], 120),
        (["Sunday, 29-Nov-26 12:02:00 GMT"], 120),
        (["Sun Nov 29 12:02:00 2026"], 120),
        (["Mon, 30 Nov 2026 12:02:00 GMT"], 3600),
        (["Sun, 29 Nov 2026 11:00:00 GMT"], 0),
        (["5", "60"], 60),
        (["5", "soon"], 5),
        ([], None),
        ([""], None),
        (["-5"], None),
        (["+5"], None),
        (["soon"], None),
        (["inf"], None),
        (["1e9"], None),
        (["٥"], None),
        (["9" * 5000], None),
        (["Sun, 29 Nov 99999 12:02:00 GMT"], None),
        (["Sun, 29 Nov 2026 12:02:00 +99999999999999"], None),
    ],
)
@pytest.mark.parametrize("status", [202, 408, 409, 420, 423, 425, 429, 500, 502, 503])
def test_a_wait_that_the_origin_asks_for_is_passed_on_up_to_an_hour(
    status: int, retry_after: list[str], wait_s: float | None
) -> None:
    headers = [(b"Retry-After", value.encode()) for value in retry_after]
    with pytest.raises(ImageUnreachable) as caught:
        check_head(httpx.Response(status, headers=headers), MAX_BYTES, NOW_S)
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize("status", [204, 301, 401, 403, 404])
def test_a_final_error_names_no_wait(status: int) -> None:
    response = httpx.Response(status, headers={"Retry-After": "120"})
    with pytest.raises(CaptionError) as caught:
        redirect_location(response) or check_head(response, MAX_BYTES, NOW_S)
    assert caught.value.retry_after_s is None
    assert not caught.value.retryable()


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        (202, "x-amzn-waf-action", "challenge"),
        (405, "x-amzn-waf-action", "captcha"),
        (200, "X-AMZN-WAF-Action", "Challenge"),
        (403, "cf-mitigated", "challenge"),
        (503, "cf-mitigated", "challenge"),
        (429, "x-vercel-mitigated", "challenge"),
        (403, "x-vercel-mitigated", "deny"),
        (202, "sg-captcha", "challenge"),
    ],
)
def test_a_browser_check_is_denied_with_any_status(status: int, name: str, value: str) -> None:
    """A program cannot pass it, however often it asks."""
    response = httpx.Response(status, headers={name: value, "Retry-After": "1"})
    with pytest.raises(ImageDenied, match=name.lower()) as caught:
        check_head(response, MAX_BYTES, NOW_S)
    assert "browser check" in caught.value.detail


def test_a_coding_that_is_unpacked_hides_the_length_of_the_body() -> None:
    """The Content-Length is that of the compressed data."""
    assert check(content_encoding="gzip", content_length="9") == ResponseHead(None, coding="gzip")
    with pytest.raises(ImageTooLarge):
        check(content_encoding="gzip", content_length="1001")
    with pytest.raises(ImageUnsupported, match="br"):
        check(content_encoding="br")


def test_a_partial_response_that_is_compressed_is_not_the_complete_file() -> None:
    """Its range counts compressed bytes."""
    with pytest.raises(ImageCorrupt, match="206"):
        check(206, content_encoding="gzip", content_range="bytes 0-499/500")


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
