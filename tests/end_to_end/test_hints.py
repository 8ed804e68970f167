"""A refusal says what to do to those who can do it, and no more to others."""

import base64
from collections.abc import Iterator

import pytest

from testing.images import jpeg, photograph_like
from testing.servers.altwright import Altwright

SETTING = "FETCH__ALLOWED_NETWORKS"
LOCAL_URLS = ("http://127.0.0.1:9/a.jpg", "http://10.1.2.3/a.jpg", "http://localhost/a.jpg")


@pytest.fixture(scope="module")
def closed() -> Iterator[Altwright]:
    """A server without keys that may fetch from public addresses only."""
    with Altwright(FETCH__ALLOWED_NETWORKS="[]") as server:
        yield server


@pytest.mark.parametrize("url", LOCAL_URLS)
def test_the_operator_is_told_how_to_permit_a_local_address(closed: Altwright, url: str) -> None:
    """Who calls from the same machine without a key; and who reads the log."""
    problem = closed.caption(url).json()
    assert problem["code"] == "image_url_forbidden"
    assert SETTING in problem["detail"]
    lines = [line for line in closed.log if problem["request_id"] in line]
    assert any(SETTING in line for line in lines), lines


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/a", "http://metadata/", "http://a.test:25/"]
)
def test_nobody_is_advised_to_permit_metadata_or_a_port(closed: Altwright, url: str) -> None:
    problem = closed.caption(url).json()
    assert problem["code"] == "image_url_forbidden"
    assert SETTING not in problem["detail"]


def test_a_caller_behind_a_proxy_is_not_told(closed: Altwright) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7"}
    body = {"image_url": LOCAL_URLS[0]}
    problem = closed.post("/v1/image/caption", body, headers=headers).json()
    assert SETTING not in problem["detail"]


@pytest.mark.parametrize(
    "image_url",
    [
        base64.b64encode(jpeg()).decode(),
        base64.b64encode(photograph_like((900, 700))).decode(),
        base64.b64encode(bytes(range(256)) * 4).decode(),
        base64.encodebytes(jpeg()).decode(),
        "image/jpeg;base64," + base64.b64encode(jpeg()).decode(),
        ";base64,/9j/4AAQ",
    ],
)
def test_bare_base64_is_told_as_what_it_is(closed: Altwright, image_url: str) -> None:
    response = closed.caption(image_url)
    assert response.status_code == 422
    [error] = response.json()["errors"]
    assert error["field"] == "image_url"
    assert "base64" in error["message"]
    assert "data:image/jpeg;base64," in error["message"]


@pytest.mark.parametrize("image_url", ["photos/mug.jpg", "mug", "a" * 300, "ftp://a.example/a"])
def test_another_text_is_told_how_a_url_begins(closed: Altwright, image_url: str) -> None:
    problem = closed.caption(image_url).json()
    assert problem["code"] == "image_url_forbidden"
    assert "http://" in problem["detail"]
    assert "multipart/form-data" in problem["detail"]
