"""Every row of the contract's error table, over real sockets."""

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

from app.errors import InternalError, leaves
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin

KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def keyed() -> Iterator[Altwright]:
    """A server with a key, a small limit and impatient settings."""
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
def modelled(llmock_server: LLMockServer) -> Iterator[Altwright]:
    """A server whose captions come from a model's server."""
    with Altwright(
        MODEL="gpt-4o-mini",
        MODEL_BASE_URL=llmock_server.base_url("openai"),
        MODEL_API_KEY="sk-test",
        MODEL_TIMEOUT_S="1",
        MODEL_RETRY_WAIT_MAX_S="1",
        REQUEST_TIMEOUT_S="8",
    ) as server:
        yield server


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The answer is this problem, whole and honest; returned for more questions."""
    body: dict[str, object] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == body["request_id"]
    assert body["status"] == status
    assert body["retryable"] == (status in (408, 429) or status >= 500)
    assert body["title"]
    assert body["detail"]
    return body


def test_no_key_and_a_wrong_key_get_the_same_answer(keyed: Altwright) -> None:
    url = keyed.url + "/v1/image/caption"
    answers = [
        httpx.post(url, json={}, headers=headers)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"})
    ]
    bodies = [assert_problem(answer, 401, "unauthorized") for answer in answers]
    assert all("Bearer" in answer.headers["www-authenticate"] for answer in answers)
    assert len({json.dumps({**b, "request_id": ""}) for b in bodies}) == 1


@pytest.mark.parametrize("length", ["declared", "chunked"])
def test_a_ten_megabyte_body_is_too_large(keyed: Altwright, length: str) -> None:
    body = b'{"image_url": "' + b"x" * 10_000_000 + b'"}'
    content = body if length == "declared" else iter([body[:5_000_000], body[5_000_000:]])
    answer = keyed.http.post(
        keyed.url + "/v1/image/caption",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert_problem(answer, 413, "request_too_large")


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with Altwright(REQUEST_TIMEOUT_S="1") as server:
        address = urlsplit(server.url)
        assert address.hostname
        with socket.create_connection((address.hostname, address.port or 0), 10) as client:
            client.sendall(
                b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\n"
                b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
            )
            told = b""
            while b"}" not in told:
                told += client.recv(65536)
        assert b" 408 " in told.split(b"\r\n")[0]
        assert b'"request_timeout"' in told


def test_an_unknown_path_and_method_are_told_apart(keyed: Altwright) -> None:
    assert_problem(keyed.get("/v1/nothing"), 404, "not_found")
    answer = keyed.get("/v1/image/caption")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", None])
def test_a_body_that_is_not_called_json_is_not_read(keyed: Altwright, kind: str | None) -> None:
    answer = keyed.http.post(
        keyed.url + "/v1/image/caption",
        content=b"{}",
        headers={"Content-Type": kind} if kind else {},
    )
    assert_problem(answer, 415, "unsupported_media_type")


OK = "https://example.com/a.jpg"


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
        ({"image_url": OK, "max_tokens": 31}, "max_tokens", "32"),
        ({"image_url": OK, "max_tokens": 257}, "max_tokens", "256"),
        ({"image_url": OK, "max_tokens": "64"}, "max_tokens", "integer"),
        ({"image_url": OK, "max_tokens": True}, "max_tokens", "integer"),
        ({"image_url": OK, "max_tokens": 64.5}, "max_tokens", "integer"),
        ({"image_url": OK, "style": "poem"}, "style", "concise"),
        ({"image_url": OK, "locale": "x"}, "locale", "'x'"),
        ({"image_url": OK, "locale": "english please"}, "locale", "english please"),
        ({"image_url": OK, "context": "a" * 2001}, "context", "2000"),
        ({"image_url": OK, "role": "banner"}, "role", "hero"),
        ({"image_url": OK, "keywords": ["a"] * 11}, "keywords", "10"),
        ({"image_url": OK, "metadata": {str(n): "" for n in range(31)}}, "metadata", "30"),
        ({"image_url": OK, "metadata": {"a": 1}}, "metadata.a", "string"),
        ({"image_url": OK, "sytle": "seo"}, "sytle", "spelling"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(
    keyed: Altwright, body: object, field: str, word: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = keyed.http.post(
        keyed.url + "/v1/image/caption",
        content=content,
        headers={"Content-Type": "application/json"},
    )
    told = assert_problem(answer, 422, "invalid_request")
    errors = told["errors"]
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
def test_a_forbidden_url_is_refused(keyed: Altwright, image_url: str) -> None:
    told = assert_problem(keyed.caption(image_url), 422, "image_url_forbidden")
    assert "169.254" not in json.dumps(told)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/404", 422, "image_not_found"),
        ("/410", 422, "image_not_found"),
        ("/401", 422, "image_denied"),
        ("/403", 422, "image_denied"),
        ("/login", 422, "image_denied"),
        ("/redirect-loop", 422, "image_denied"),
        ("/redirect-many", 422, "image_denied"),
        ("/endless", 422, "image_too_large"),
        ("/huge", 422, "image_too_large"),
        ("/html.jpg", 422, "image_unsupported"),
        ("/empty", 422, "image_unsupported"),
        ("/gzip", 422, "image_unsupported"),
        ("/redirect-file", 422, "image_url_forbidden"),
        ("/500", 502, "image_unreachable"),
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
def test_a_misbehaving_origin_gets_its_own_code(
    keyed: Altwright, origin: Origin, path: str, status: int, code: str
) -> None:
    began = time.monotonic()
    told = assert_problem(keyed.caption(origin.url(path) + "?signature=s3cret"), status, code)
    assert time.monotonic() - began < 2.5 + 1
    assert "127.0.0.1" not in json.dumps(told)
    assert not any("s3cret" in line for line in keyed.log)


def test_a_picture_over_the_pixel_limit_is_too_large(keyed: Altwright, origin: Origin) -> None:
    url = origin.serve("/large.jpg", jpeg((2500, 2000)))
    told = assert_problem(keyed.caption(url), 422, "image_too_large")
    assert "megapixel" in str(told["detail"])


def test_svg_and_video_are_named(keyed: Altwright, origin: Origin) -> None:
    svg = origin.serve("/a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml")
    assert "SVG" in str(assert_problem(keyed.caption(svg), 422, "image_unsupported")["detail"])
    mp4 = origin.serve(
        "/a.mp4", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41" + bytes(500), "video/mp4"
    )
    assert "ideo" in str(assert_problem(keyed.caption(mp4), 422, "image_unsupported")["detail"])


def test_half_a_picture_is_corrupt(keyed: Altwright, origin: Origin) -> None:
    whole = jpeg()
    url = origin.serve("/half.jpg", whole[: len(whole) // 2])
    assert_problem(keyed.caption(url), 422, "image_corrupt")
    assert_problem(keyed.caption(data_url(b"\xff\xd8\xff\xe0 junk")), 422, "image_corrupt")


def test_a_closed_port_is_unreachable(keyed: Altwright, origin: Origin) -> None:
    url = origin.url("/a.jpg")
    origin.stop()
    assert_problem(keyed.caption(url), 502, "image_unreachable")


PICTURE = data_url(jpeg())
GOOD = "A round blue disc in the middle of a plain white ground."


def test_the_model_may_say_that_it_cannot_tell(
    modelled: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.reply("UNCERTAIN")
    assert_problem(modelled.caption(PICTURE), 422, "caption_uncertain")


def test_the_model_may_refuse(modelled: Altwright, model_server: LlmockModelServer) -> None:
    model_server.reply("I'm sorry, but I can't help with identifying people in images.")
    assert_problem(modelled.caption(PICTURE), 422, "caption_refused")


def test_two_bad_drafts_are_rejected_with_draft_and_reasons(
    modelled: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.reply("Ein großer blauer Kreis steht in der Mitte einer weißen Fläche.", times=2)
    told = assert_problem(modelled.caption(PICTURE), 422, "caption_rejected")
    assert "blauer Kreis" in str(told["draft"])
    reasons = told["reasons"]
    assert isinstance(reasons, list)
    assert [reason["code"] for reason in reasons] == ["wrong_language"]
    first, second = model_server.calls()
    assert reasons[0]["reason"] in second.text
    assert reasons[0]["reason"] not in first.text


def test_a_bad_first_draft_is_asked_again(
    modelled: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.reply("Ein großer blauer Kreis steht in der Mitte einer weißen Fläche.")
    model_server.reply(GOOD)
    answer = modelled.caption(PICTURE)
    assert answer.json()["caption"] == GOOD
    assert len(model_server.calls()) == 2


def test_a_model_that_is_down_is_unavailable(
    modelled: Altwright, model_server: LlmockModelServer
) -> None:
    model_server.fail(503, times=None)
    assert_problem(modelled.caption(PICTURE), 503, "model_unavailable")
    assert len(model_server.calls()) == 3, "one try and two more"


def test_a_long_wait_is_not_waited_but_passed_on_to_all_who_follow(
    model_server: LlmockModelServer,
) -> None:
    model_server.fail(429, retry_after=40, times=None)
    with Altwright(MODEL="m", MODEL_BASE_URL=model_server.base_url, MODEL_API_KEY="k") as server:
        for _ in range(2):
            answer = server.caption(PICTURE)
            assert_problem(answer, 503, "model_unavailable")
            assert 36 <= int(answer.headers["retry-after"]) <= 40
        assert len(model_server.calls()) == 1
        assert server.get("/readyz").json()["status"] == "no captioner"


def test_our_own_mistake_is_a_model_error(llmock_server: LLMockServer) -> None:
    server = LlmockModelServer(llmock_server)
    with Altwright(
        MODEL="m", MODEL_BASE_URL=server.base_url, MODEL_API_KEY="sk-very-secret"
    ) as altwright:
        server.fail(401, times=None, message="Incorrect API key provided: sk-very-secret")
        answer = altwright.caption(PICTURE)
        assert_problem(answer, 502, "model_error")
        assert len(server.calls()) == 1
        assert "secret" not in answer.text
        assert not any("very-secret" in line for line in altwright.log)


def test_a_model_that_hangs_times_out(modelled: Altwright, model_server: LlmockModelServer) -> None:
    model_server.delay(6, times=None)
    began = time.monotonic()
    assert_problem(modelled.caption(PICTURE), 504, "model_timeout")
    assert time.monotonic() - began < 8 + 1


def test_the_callers_limit_is_honest(origin: Origin) -> None:
    with Altwright(RATE_LIMIT="2/minute") as server:
        answers = [server.caption(PICTURE) for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert [a.headers["x-ratelimit-remaining"] for a in answers] == ["1", "0", "0"]
        assert all(a.headers["x-ratelimit-limit"] == "2" for a in answers)
        assert "retry-after" not in answers[0].headers
        assert_problem(answers[2], 429, "rate_limited")
        assert 50 < int(answers[2].headers["retry-after"]) <= 60
        told = server.post("/v1/caption/check", {"caption": GOOD})
        assert_problem(told, 429, "rate_limited")


def test_a_full_server_says_so_before_it_fetches(
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
        until = time.monotonic() + 5
        while not origin.requests and time.monotonic() < until:
            time.sleep(0.01)
        answer = server.caption(url)
        assert_problem(answer, 503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        assert len(origin.requests) == 1
        assert server.get("/healthz").status_code == 200
        first.join()


def test_every_code_of_the_contract_has_a_test_here() -> None:
    """A bug cannot be asked for: `internal` is shown in tests/api/test_middleware.py."""
    text = Path(__file__).read_text(encoding="utf-8")
    missing = {leaf.code for leaf in leaves() if f'"{leaf.code}"' not in text}
    assert missing == {InternalError.code}
