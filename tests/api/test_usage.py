"""What keys use is counted before it is answered, and a used-up quota is refused."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.settings.keys_file import KeyEntry, KeysFile, hash_key, write_keys_file
from app.usage.months import Month
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin
from testing.servers.redis import RedisServer
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams

IMAGE_URL = data_url(jpeg((64, 64)))
KEYS = {"shop": None, "small": "3/month", "none": "0/month"}


def authorization(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer key-of-{name}"}


def write_keys(path: Path) -> None:
    entries = [
        KeyEntry(name=name, sha256=hash_key(f"key-of-{name}"), quota=quota)
        for name, quota in KEYS.items()
    ]
    write_keys_file(path, KeysFile(keys=entries))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Altwright]:
    """A server that counts in its memory, with a key without and two with a quota."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path)
    with Altwright(KEYS_FILE=str(path), RATE_LIMIT="1000/minute") as server:
        yield server


def usage(server: Altwright, name: str, query: str = "") -> dict[str, object]:
    response = server.get(f"/v1/usage{query}", headers=authorization(name))
    assert response.status_code == 200, response.text
    body: dict[str, object] = response.json()
    return body


def test_usage_has_the_shape_of_the_contract_and_counts_every_outcome(
    server: Altwright, origin: Origin
) -> None:
    headers = authorization("shop")
    server.post("/v1/image/caption", {"image_url": IMAGE_URL}, headers=headers)
    both = {"image_url": IMAGE_URL, "styles": ["concise"], "locales": ["en", "cy"]}
    server.post("/v1/image/captions", both, headers=headers)
    server.post("/v1/image/caption", {"image_url": origin.url("/404")}, headers=headers)
    server.post("/v1/image/caption", {}, headers=headers)
    server.post("/v1/caption/check", {"caption": "A red sofa."}, headers=headers)
    server.post("/v1/image/caption", {"image_url": IMAGE_URL})
    body = usage(server, "shop")
    period = body.pop("period")
    assert isinstance(period, dict)
    month = Month.parse(period["start"][:7])
    assert period == {"start": f"{month.start:%FT%TZ}", "end": f"{month.end:%FT%TZ}"}
    assert body == {
        "key": "shop",
        "requests": 5,
        "captions": {
            "caption": 2, "caption_uncertain": 1, "image_not_found": 1, "invalid_request": 1,
        },
        "input_tokens": 0,
        "output_tokens": 0,
        "cost": None,
        "unknown": {"tokens": 0, "cost": 0},
        "quota": None,
    }  # fmt: skip


def test_a_quota_counts_captions_and_refuses_before_anything_is_fetched(
    server: Altwright, origin: Origin
) -> None:
    url = origin.serve("/disc.jpg", jpeg((64, 64)))
    body = {"image_url": url, "styles": ["concise", "seo"]}
    headers = authorization("small")
    assert server.post("/v1/image/captions", body, headers=headers).status_code == 200
    origin.requests.clear()
    refused = server.post("/v1/image/captions", body, headers=headers)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (429, "quota_exceeded")
    assert problem["retryable"] is True
    assert "1 of 3 captions are left" in problem["detail"]
    assert origin.requests == []
    found = usage(server, "small")
    assert isinstance(found["quota"], dict)
    assert found["quota"]["limit"] == 3
    assert found["quota"]["remaining"] == 1
    resets_at = found["quota"]["resets_at"]
    assert isinstance(found["period"], dict)
    assert resets_at == found["period"]["end"]
    assert 0 < int(refused.headers["retry-after"]) <= 31 * 24 * 3600


@pytest.mark.parametrize("path", ["/v1/image/caption", "/v1/image/captions"])
def test_a_used_up_quota_refuses_a_file_before_it_is_received(server: Altwright, path: str) -> None:
    """The client asks whether it shall send the file, as curl does."""

    def first_answer(name: str) -> bytes:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-of-{name}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 60000000\r\n"
            "Expect: 100-continue\r\n\r\n"
        )
        address = ("127.0.0.1", urlsplit(server.url).port or 0)
        with socket.create_connection(address, timeout=60) as client:
            client.sendall(head.encode())
            return client.recv(4096)

    assert first_answer("shop").startswith(b"HTTP/1.1 100 ")
    refused = first_answer("none")
    assert refused.startswith(b"HTTP/1.1 429 ")


def test_a_quota_of_0_refuses_the_first_caption_and_no_check(server: Altwright) -> None:
    headers = authorization("none")
    refused = server.post("/v1/image/caption", {"image_url": IMAGE_URL}, headers=headers)
    assert refused.json()["code"] == "quota_exceeded"
    check = server.post("/v1/caption/check", {"caption": "A red sofa."}, headers=headers)
    assert check.status_code == 200


@pytest.mark.parametrize("month", ["2026-13", "november", "", "2026-1"])
def test_a_month_that_is_no_month_is_an_invalid_request(server: Altwright, month: str) -> None:
    response = server.get(f"/v1/usage?month={month}", headers=authorization("shop"))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["errors"][0]["field"] == "month"


def test_another_month_has_its_own_counts_and_no_quota(server: Altwright) -> None:
    body = usage(server, "small", "?month=2020-02")
    assert (body["requests"], body["captions"], body["quota"]) == (0, {}, None)
    assert body["period"] == {"start": "2020-02-01T00:00:00Z", "end": "2020-03-01T00:00:00Z"}


def test_a_server_that_counts_quotas_in_its_memory_says_so_at_its_start(server: Altwright) -> None:
    assert any("usage_store.in_memory" in line for line in server.log)


def test_the_log_names_who_asks_for_usage(server: Altwright) -> None:
    usage(server, "small")
    lines = [line for line in server.log if "request.finished" in line and "/v1/usage" in line]
    assert "caller='small'" in lines[-1]


def test_usage_needs_a_key(server: Altwright) -> None:
    assert server.get("/v1/usage").status_code == 401


def test_readyz_and_metrics_tell_of_the_usage_store_and_of_each_key(server: Altwright) -> None:
    assert server.get("/readyz").json()["usage_store"] == "memory"
    server.post("/v1/image/caption", {"image_url": IMAGE_URL}, headers=authorization("shop"))
    metrics = server.get("/metrics").text
    assert 'altwright_key_requests_total{key="shop"}' in metrics
    assert 'altwright_key_captions_total{key="shop",outcome="caption"}' in metrics


def test_without_keys_all_callers_are_counted_together(altwright: Altwright) -> None:
    altwright.caption(IMAGE_URL)
    body = altwright.get("/v1/usage").json()
    assert body["key"] == "anonymous"
    assert body["requests"] >= 1


@pytest.mark.slow
def test_a_key_with_a_quota_is_refused_while_redis_is_away_and_others_are_counted_later(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    write_keys(tmp_path / "keys.json")
    settings = {
        "KEYS_FILE": str(tmp_path / "keys.json"),
        "RATE_LIMIT": "1000/minute",
        "USAGE_STORE": redis_server.url,
        "MODEL_PRICE": '{"input": 0.15, "output": 0.60, "currency": "USD"}',
    }
    body = {"image_url": IMAGE_URL}
    with stub_upstreams() as model, Altwright(**settings, **stub_model_settings(model)) as server:
        server.post("/v1/image/caption", body, headers=authorization("small"))
        redis_server.pause()
        try:
            refused = server.post("/v1/image/caption", body, headers=authorization("small"))
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert refused.headers["retry-after"] == "5"
            served = server.post("/v1/image/caption", body, headers=authorization("shop"))
            assert served.status_code == 200
            assert server.get("/readyz").json()["usage_store"] == "down"
            unread = server.get("/v1/usage", headers=authorization("shop"))
            assert (unread.status_code, unread.json()["code"]) == (503, "overloaded")
            assert "altwright_usage_store_up 0.0" in server.get("/metrics").text
        finally:
            redis_server.resume()
        server._wait_until(
            lambda: server.get("/readyz").json()["usage_store"] == "up", "find Redis again"
        )
        found = usage(server, "shop")
        assert (found["requests"], found["input_tokens"], found["output_tokens"]) == (1, 900, 18)
        assert found["cost"] == {"currency": "USD", "amount": 0.0001458}
        assert usage(server, "small")["captions"] == {"caption": 1, "overloaded": 1}
        server.process.kill()
        server.process.wait()
    with Altwright(**settings, **stub_model_settings(model)) as again:
        assert usage(again, "shop")["captions"] == {"caption": 1}
        assert json.dumps(usage(again, "small")["quota"]).startswith('{"limit": 3, "remaining": 2')
