"""Every error code of the contract, over real sockets."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from llmock.testing import LLMockServer

from app.errors import InternalError, public_error_classes
from app.usage.errors import QuotaExceeded
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import MAX_HANG_S, Origin

KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def server() -> Iterator[Altwright]:
    """A server with a key, small limits and short timeouts."""
    with Altwright(
        API_KEYS=json.dumps([KEY]),
        RATE_LIMIT="1000/minute",
        FETCH__TIMEOUT_S="1.5",
        FETCH__MAX_BYTES="2000000",
        IMAGE__MAX_MEGAPIXELS="4",
    ) as server:
        server.http.headers["Authorization"] = f"Bearer {KEY}"
        yield server


@pytest.fixture(scope="module")
def server_with_model(llmock_server: LLMockServer) -> Iterator[Altwright]:
    """A server whose captions come from a model server."""
    with Altwright(
        MODEL="gpt-4o-mini",
        MODEL_BASE_URL=llmock_server.base_url("openai"),
        MODEL_API_KEY="sk-test",
        MODEL_TIMEOUT_S="1",
        MODEL_RETRY_WAIT_MAX_S="1",
        REQUEST_TIMEOUT_S="8",
    ) as server:
        yield server


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    """Assert that the response is this problem, complete and consistent; returns its body."""
    body: dict[str, object] = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == body["request_id"]
    assert body["status"] == status
    assert body["retryable"] == (status in (408, 429) or status >= 500)
    assert body["title"]
    assert body["detail"]
    return body


def test_a_missing_and_a_wrong_key_get_the_same_response(server: Altwright) -> None:
    url = server.url + "/v1/image/caption"
    responses = [
        httpx.post(url, json={}, headers=headers)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"})
    ]
    bodies = [assert_problem(response, 401, "unauthorized") for response in responses]
    assert all("Bearer" in response.headers["www-authenticate"] for response in responses)
    assert len({json.dumps({**body, "request_id": ""}) for body in bodies}) == 1


@pytest.mark.parametrize("length", ["declared", "chunked"])
def test_a_ten_megabyte_body_is_too_large(server: Altwright, length: str) -> None:
    body = b'{"image_url": "' + b"x" * 10_000_000 + b'"}'
    content = body if length == "declared" else iter([body[:5_000_000], body[5_000_000:]])
    response = server.http.post(
        server.url + "/v1/image/caption",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert_problem(response, 413, "request_too_large")


@pytest.mark.slow
def test_a_body_that_does_not_arrive_in_time_is_a_408() -> None:
    with Altwright(REQUEST_TIMEOUT_S="1") as server:
        address = urlsplit(server.url)
        assert address.hostname
        with socket.create_connection((address.hostname, address.port or 0), 10) as client:
            client.sendall(
                b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\n"
                b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
            )
            response = b""
            while b"}" not in response:
                response += client.recv(65536)
        assert b" 408 " in response.split(b"\r\n")[0]
        assert b'"request_timeout"' in response


def test_an_unknown_path_and_an_unknown_method_have_different_codes(server: Altwright) -> None:
    assert_problem(server.get("/v1/nothing"), 404, "not_found")
    response = server.get("/v1/image/caption")
    assert_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_is_not_declared_as_json_is_refused(
    server: Altwright, kind: str | None
) -> None:
    response = server.http.post(
        server.url + "/v1/image/caption",
        content=b"{}",
        headers={"Content-Type": kind} if kind else {},
    )
    assert_problem(response, 415, "unsupported_media_type")


VALID_URL = "https://example.com/a.jpg"


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [
        (b"not json", "", "JSON"),
        (b'{"image_url": "\xff"}', "", "JSON"),
        (b"[]", "", "object"),
        (b"[" * 100_000, "", "JSON"),
        ({}, "image_url", "required"),
        ({"image_url": ""}, "image_url", "1 character"),
        ({"image_url": "  "}, "image_url", "empty"),
        ({"image_url": "https://e.com/" + "a" * 9000}, "image_url", "8,192"),
        ({"image_url": 5}, "image_url", "string"),
        ({"image_url": VALID_URL, "max_tokens": 31}, "max_tokens", "32"),
        ({"image_url": VALID_URL, "max_tokens": 257}, "max_tokens", "256"),
        ({"image_url": VALID_URL, "max_tokens": "64"}, "max_tokens", "integer"),
        ({"image_url": VALID_URL, "max_tokens": True}, "max_tokens", "integer"),
        ({"image_url": VALID_URL, "max_tokens": 64.5}, "max_tokens", "integer"),
        ({"image_url": VALID_URL, "style": "poem"}, "style", "concise"),
        ({"image_url": VALID_URL, "locale": "x"}, "locale", "'x'"),
        ({"image_url": VALID_URL, "locale": "english please"}, "locale", "english please"),
        ({"image_url": VALID_URL, "context": "a" * 2001}, "context", "2000"),
        ({"image_url": VALID_URL, "role": "banner"}, "role", "hero"),
        ({"image_url": VALID_URL, "keywords": ["a"] * 11}, "keywords", "10"),
        ({"image_url": VALID_URL, "metadata": {str(n): "" for n in range(31)}}, "metadata", "30"),
        ({"image_url": VALID_URL, "metadata": {"a": 1}}, "metadata.a", "string"),
        ({"image_url": VALID_URL, "sytle": "seo"}, "sytle", "did you mean `style`?"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(
    server: Altwright, body: object, field: str, word: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = server.http.post(
        server.url + "/v1/image/caption",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    problem = assert_problem(response, 422, "invalid_request")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert errors[0]["field"] == field
    assert word in errors[0]["message"]


@pytest.mark.parametrize(
    "image_url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/a.jpg",
        "http://10.0.0.1/a.jpg",
        "http://metadata.google.internal/a",
        "ftp://example.com/a.jpg",
        "file:///etc/passwd",
        "https://user:pw@example.com/a.jpg",
        "http://93.184.216.34:22/a.jpg",
        "example.com/a.jpg",
    ],
)
def test_a_forbidden_url_is_refused(server: Altwright, image_url: str) -> None:
    problem = assert_problem(server.caption(image_url), 422, "image_url_forbidden")
    assert "169.254" not in json.dumps(problem)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/404", 422, "image_not_found"),
        ("/410", 422, "image_not_found"),
        ("/401", 422, "image_denied"),
        ("/403", 422, "image_denied"),
        ("/login", 422, "image_denied"),
        ("/challenge", 422, "image_denied"),
        ("/redirect-loop", 422, "image_denied"),
        ("/redirect-many", 422, "image_denied"),
        ("/endless", 422, "image_too_large"),
        ("/huge", 422, "image_too_large"),
        ("/html.jpg", 422, "image_unsupported"),
        ("/empty", 422, "image_unsupported"),
        ("/gzip", 422, "image_unsupported"),
        ("/brotli", 422, "image_unsupported"),
        ("/redirect-file", 422, "image_url_forbidden"),
        ("/500", 502, "image_unreachable"),
        ("/202", 502, "image_unreachable"),
        ("/409", 502, "image_unreachable"),
        ("/420", 502, "image_unreachable"),
        ("/423", 502, "image_unreachable"),
        ("/429", 502, "image_unreachable"),
        ("/close", 502, "image_unreachable"),
        ("/reset", 502, "image_unreachable"),
        ("/nonsense", 502, "image_unreachable"),
        ("/drip", 504, "image_timeout"),
        ("/drip-head", 504, "image_timeout"),
        ("/slow-head", 504, "image_timeout"),
        ("/stall", 504, "image_timeout"),
    ],
)
@pytest.mark.slow
def test_each_failure_of_an_origin_has_its_code(
    server: Altwright, origin: Origin, path: str, status: int, code: str
) -> None:
    began = time.monotonic()
    problem = assert_problem(server.caption(origin.url(path) + "?signature=s3cret"), status, code)
    assert time.monotonic() - began < MAX_HANG_S / 3
    assert "127.0.0.1" not in json.dumps(problem)
    assert not any("s3cret" in line for line in server.log)


@pytest.mark.parametrize("route", ["caption", "captions"])
@pytest.mark.parametrize(
    ("path", "retry_after"), [("/429", "7"), ("/202", "3"), ("/423", None), ("/500", None)]
)
def test_the_wait_that_an_origin_asks_for_reaches_the_caller(
    server: Altwright, origin: Origin, route: str, path: str, retry_after: str | None
) -> None:
    styles = {"styles": ["concise"]} if route == "captions" else {}
    response = server.post(f"/v1/image/{route}", {"image_url": origin.url(path), **styles})
    assert_problem(response, 502, "image_unreachable")
    assert response.headers.get("retry-after") == retry_after


@pytest.mark.parametrize(("before", "after"), [("", "\n"), (" \t\r\n", " "), ("\f", "\r\n\r\n")])
def test_white_space_at_the_ends_is_no_part_of_an_image_url(
    server: Altwright, origin: Origin, before: str, after: str
) -> None:
    url = origin.serve("/photo.jpg", jpeg())
    for image_url in (url, data_url(jpeg())):
        assert server.caption(before + image_url + after).status_code == 200
    assert origin.requests[-1].target == "/photo.jpg"
    assert_problem(server.caption(url.replace("photo", "pho to")), 422, "image_url_forbidden")
    assert_problem(server.caption(" \n"), 422, "invalid_request")


def test_an_image_over_the_pixel_limit_is_too_large(server: Altwright, origin: Origin) -> None:
    url = origin.serve("/large.jpg", jpeg((2500, 2000)))
    problem = assert_problem(server.caption(url), 422, "image_too_large")
    assert "megapixel" in str(problem["detail"])


def test_svg_and_video_are_named(server: Altwright, origin: Origin) -> None:
    svg = origin.serve("/a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml")
    assert "SVG" in str(assert_problem(server.caption(svg), 422, "image_unsupported")["detail"])
    mp4 = origin.serve(
        "/a.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41" + bytes(500), "video/mp4"
    )
    assert "ideo" in str(assert_problem(server.caption(mp4), 422, "image_unsupported")["detail"])


def test_half_an_image_is_corrupt(server: Altwright, origin: Origin) -> None:
    whole = jpeg()
    url = origin.serve("/half.jpg", whole[: len(whole) // 2])
    assert_problem(server.caption(url), 422, "image_corrupt")
    assert_problem(server.caption(data_url(b"\xff\xd8\xff\xe0 junk")), 422, "image_corrupt")


def test_a_closed_port_is_unreachable(server: Altwright, origin: Origin) -> None:
    url = origin.url("/a.jpg")
    origin.stop()
    assert_problem(server.caption(url), 502, "image_unreachable")


IMAGE_URL = data_url(jpeg())
VALID_CAPTION = "A round blue disc in the middle of a plain white ground."


def test_a_model_that_is_uncertain_is_caption_uncertain(
    server_with_model: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.reply("UNCERTAIN")
    assert_problem(server_with_model.caption(IMAGE_URL), 422, "caption_uncertain")


def test_a_model_that_refuses_is_caption_refused(
    server_with_model: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.reply("I'm sorry, but I can't help with identifying people in images.")
    assert_problem(server_with_model.caption(IMAGE_URL), 422, "caption_refused")


def test_two_invalid_drafts_are_rejected_with_the_draft_and_reasons(
    server_with_model: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.reply("Ein großer blauer Kreis steht in der Mitte einer weißen Fläche.", times=2)
    problem = assert_problem(server_with_model.caption(IMAGE_URL), 422, "caption_rejected")
    assert "blauer Kreis" in str(problem["draft"])
    reasons = problem["reasons"]
    assert isinstance(reasons, list)
    assert [reason["code"] for reason in reasons] == ["wrong_language"]
    first, second = model_server.calls()
    assert reasons[0]["reason"] in second.text
    assert reasons[0]["reason"] not in first.text


def test_after_an_invalid_first_draft_the_model_is_called_again(
    server_with_model: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.reply("Ein großer blauer Kreis steht in der Mitte einer weißen Fläche.")
    model_server.reply(VALID_CAPTION)
    response = server_with_model.caption(IMAGE_URL)
    assert response.json()["caption"] == VALID_CAPTION
    assert len(model_server.calls()) == 2


def test_a_model_that_is_down_is_unavailable(
    server_with_model: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.fail(503, times=None)
    assert_problem(server_with_model.caption(IMAGE_URL), 503, "model_unavailable")
    assert len(model_server.calls()) == 3, "one call and two retries"


@pytest.mark.slow
def test_a_long_retry_after_is_passed_to_the_callers_and_not_waited_out(
    model_server: LlmockModelServer,
) -> None:
    model_server.fail(429, retry_after=40, times=None)
    with Altwright(MODEL="m", MODEL_BASE_URL=model_server.base_url, MODEL_API_KEY="k") as server:
        for _ in range(2):
            response = server.caption(IMAGE_URL)
            assert_problem(response, 503, "model_unavailable")
            assert 10 < int(response.headers["retry-after"]) <= 40
        assert len(model_server.calls()) == 1
        assert server.get("/readyz").json()["status"] == "no captioner"


def test_a_request_that_the_model_server_refuses_is_a_model_error(
    llmock_server: LLMockServer,
) -> None:
    server = LlmockModelServer(llmock_server)
    with Altwright(
        MODEL="m", MODEL_BASE_URL=server.base_url, MODEL_API_KEY="sk-very-secret"
    ) as altwright:
        server.fail(401, times=None, message="Incorrect API key provided: sk-very-secret")
        response = altwright.caption(IMAGE_URL)
        assert_problem(response, 502, "model_error")
        assert len(server.calls()) == 1
        assert "secret" not in response.text
        assert not any("very-secret" in line for line in altwright.log)


def test_a_model_that_hangs_is_a_model_timeout(
    server_with_model: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.delay(6, times=None)
    assert_problem(server_with_model.caption(IMAGE_URL), 504, "model_timeout")


@pytest.mark.slow
def test_the_rate_limit_is_reported_and_enforced(origin: Origin) -> None:
    with Altwright(RATE_LIMIT="2/minute") as server:
        responses = [server.caption(IMAGE_URL) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert [a.headers["x-ratelimit-remaining"] for a in responses] == ["1", "0", "0"]
        assert all(a.headers["x-ratelimit-limit"] == "2" for a in responses)
        assert "retry-after" not in responses[0].headers
        assert_problem(responses[2], 429, "rate_limited")
        assert 1 <= int(responses[2].headers["retry-after"]) <= 60
        response = server.post("/v1/caption/check", {"caption": VALID_CAPTION})
        assert_problem(response, 429, "rate_limited")


def test_a_full_server_refuses_before_it_fetches(
    llmock_server: LLMockServer, origin: Origin
) -> None:
    model = LlmockModelServer(llmock_server)
    model.delay(2, times=None)
    with (
        Altwright(
            MODEL="m", MODEL_BASE_URL=model.base_url, CONCURRENCY="1", QUEUE="0", MODEL_API_KEY="k"
        ) as server,
        httpx.Client(timeout=30) as other,
    ):
        url = origin.serve("/a.jpg", jpeg())
        first = threading.Thread(
            target=other.post,
            args=(server.url + "/v1/image/caption",),
            kwargs={"json": {"image_url": url}},
        )
        first.start()
        until = time.monotonic() + 30
        while not origin.requests and time.monotonic() < until:
            time.sleep(0.01)
        response = server.caption(url)
        assert_problem(response, 503, "overloaded")
        assert int(response.headers["retry-after"]) >= 1
        assert len(origin.requests) == 1
        assert server.get("/healthz").status_code == 200
        first.join()


def test_every_code_of_the_contract_has_a_test_here() -> None:
    """No request can cause a bug: `internal` is tested in tests/api/test_middleware.py.

    And a used-up quota in tests/api/test_usage.py.
    """
    text = Path(__file__).read_text(encoding="utf-8")
    missing = {leaf.code for leaf in public_error_classes() if f'"{leaf.code}"' not in text}
    assert missing == {InternalError.code, QuotaExceeded.code}
