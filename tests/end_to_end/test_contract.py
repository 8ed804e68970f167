"""The wire contract, over real sockets with the embedded captioner."""

import hashlib
import io
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from llmock.testing import LLMockServer
from PIL import Image

from app.telemetry.redaction import loggable_url
from testing.images import data_url, jpeg, photograph_like
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin

ROOT = Path(__file__).parents[2]
STYLES = {"concise", "seo", "detailed"}


def test_an_image_behind_a_url_is_captioned(altwright: Altwright, origin: Origin) -> None:
    source = jpeg((1600, 1200))
    url = origin.serve("/disc.jpg", source)
    response = altwright.caption(url, metadata={"row": "7"})
    body = response.json()
    assert response.status_code == 200
    assert set(body) == {
        "caption", "style", "locale", "decorative", "truncated", "warnings", "model", "usage",
        "image", "metadata", "checks",
    }  # fmt: skip
    assert "blue" in body["caption"].lower()
    assert body["model"] == "embedded"
    assert body["metadata"] == {"row": "7"}
    assert (body["decorative"], body["truncated"]) == (False, False)
    image = body["image"]
    assert (image["width"], image["height"], image["format"]) == (1600, 1200, "jpeg")
    assert image["bytes"] == len(source)
    assert image["sha256"] == hashlib.sha256(source).hexdigest()
    assert 900 <= image["sent_width"] <= 1200
    assert set(body["usage"]) == {"input_tokens", "output_tokens"}


def test_equal_requests_get_equal_responses(altwright: Altwright) -> None:
    url = data_url(photograph_like())
    responses = [altwright.caption(url).json() for _ in range(3)]
    assert responses[0] == responses[1] == responses[2]


def test_several_styles_come_in_the_order_of_the_request_from_one_fetch(
    altwright: Altwright, origin: Origin
) -> None:
    url = origin.serve("/disc.jpg", jpeg())
    response = altwright.captions(url, styles=["seo", "concise", "detailed"], max_tokens=256)
    results = response.json()["results"]
    assert [one["style"] for one in results] == ["seo", "concise", "detailed"]
    assert 50 <= len(results[0]["caption"]) <= 160
    assert len(results[1]["caption"]) <= 160
    assert 120 <= len(results[2]["caption"]) <= 1000
    assert len(origin.requests) == 1


def test_a_locale_that_fails_does_not_lose_the_others(altwright: Altwright) -> None:
    """The embedded captioner writes no Welsh."""
    response = altwright.captions(data_url(jpeg()), styles=["concise"], locales=["en", "cy"])
    english, welsh = response.json()["results"]
    assert english["caption"]
    assert set(welsh) == {"style", "locale", "problem"}
    assert (welsh["locale"], welsh["problem"]["code"]) == ("cy", "caption_uncertain")


def test_where_the_image_fails_the_whole_response_is_its_problem(
    altwright: Altwright, origin: Origin
) -> None:
    response = altwright.captions(origin.url("/404"), styles=["concise", "seo"])
    assert (response.status_code, response.json()["code"]) == (422, "image_not_found")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"styles": []}, "styles"),
        ({}, "styles"),
        ({"styles": ["concise", "poem"]}, "styles"),
        ({"styles": ["concise"], "locale": "en", "locales": ["en"]}, ""),
        ({"styles": ["concise", "seo"], "locales": ["en"] * 7}, ""),
        ({"style": "concise", "styles": ["seo"]}, "style"),
    ],
)
def test_a_wrong_list_of_styles_or_locales_is_reported(
    altwright: Altwright, fields: dict[str, object], field: str
) -> None:
    response = altwright.captions(data_url(jpeg()), **fields)
    assert response.json()["code"] == "invalid_request"
    assert response.json()["errors"][0]["field"] == field


def test_a_blank_image_is_decorative(altwright: Altwright) -> None:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), "white").save(out, "PNG")
    body = altwright.caption(data_url(out.getvalue(), "image/png")).json()
    assert (body["caption"], body["decorative"]) == ("", True)


def test_a_text_can_be_checked_without_a_model(altwright: Altwright) -> None:
    good = altwright.post("/v1/caption/check", {"caption": "Two tabby cats sleep on a red sofa."})
    assert good.json() == {
        "ok": True,
        "caption": "Two tabby cats sleep on a red sofa.",
        "hard": [],
        "soft": [],
        "checks": None,
    }
    bad = altwright.post("/v1/caption/check", {"caption": "IMG_2041.jpg"}).json()
    assert (bad["ok"], bad["hard"]) == (False, ["placeholder"])


def test_styles_are_listed_with_limits_and_rules(altwright: Altwright) -> None:
    styles = altwright.get("/v1/styles").json()["styles"]
    assert {style["name"] for style in styles} == STYLES
    for style in styles:
        assert style["purpose"]
        assert {rule["severity"] for rule in style["rules"]} == {"hard", "soft"}


@pytest.mark.slow
def test_a_style_of_the_operator_is_listed_and_accepted(
    tmp_path: Path, llmock_server: LLMockServer
) -> None:
    source = (ROOT / "app/captioning/styles/concise.toml").read_text(encoding="utf-8")
    (tmp_path / "haiku.toml").write_text(source, encoding="utf-8")
    model = LlmockModelServer(llmock_server)
    model.reply("Two tabby cats sleep on a red sofa.", times=None)
    with Altwright(
        STYLES_DIR=str(tmp_path), MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k"
    ) as server:
        names = {style["name"] for style in server.get("/v1/styles").json()["styles"]}
        assert names == STYLES | {"haiku"}
        body = server.caption(data_url(jpeg()), style="haiku").json()
        assert body["style"] == "haiku"


def test_a_valid_request_id_is_returned_and_an_invalid_one_is_replaced(
    altwright: Altwright,
) -> None:
    valid = altwright.get("/healthz", headers={"X-Request-ID": "job-17:a"})
    assert valid.headers["x-request-id"] == "job-17:a"
    for invalid in ("a b", "x" * 500, "ä", '"<script>"'):
        response = altwright.get("/healthz", headers={"X-Request-ID": invalid.encode("utf-8")})
        assert response.headers["x-request-id"] not in ("", invalid)


def test_liveness_readiness_and_metrics_respond(altwright: Altwright) -> None:
    assert altwright.get("/healthz").json() == {"status": "ok"}
    ready = altwright.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    metrics = altwright.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "altwright_requests_total" in metrics.text


def test_the_document_in_the_repository_is_what_the_server_serves(altwright: Altwright) -> None:
    served = altwright.get("/openapi.json").json()
    stored = json.loads((ROOT / "openapi/openapi.json").read_text(encoding="utf-8"))
    assert served.pop("servers") == [{"url": "/"}]  # itself
    assert stored.pop("servers")[0]["url"] == "http://127.0.0.1:8000"  # as `make serve` starts it
    assert served == stored


@pytest.mark.parametrize("path", ["/v1/image/caption", "/v1/image/captions", "/v1/caption/check"])
def test_the_first_example_of_the_document_succeeds(altwright: Altwright, path: str) -> None:
    """Tools such as Postman send it. Its picture is in it, so that it needs no network."""
    document = json.loads((ROOT / "openapi/openapi.json").read_text(encoding="utf-8"))
    content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    response = altwright.post(path, content["examples"]["minimal"]["value"])
    assert response.status_code == 200
    assert "problem" not in response.text


@pytest.mark.parametrize(
    "path",
    ["/", "/playground/playground.js", "/playground/playground.css", "/docs",
     "/playground/pages.css", "/playground/reference.css", "/playground/reference.js"],
)  # fmt: skip
def test_pages_and_their_assets_load_nothing_from_other_servers(
    altwright: Altwright, path: str
) -> None:
    response = altwright.get(path)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "unsafe" not in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    if response.headers["content-type"].startswith("text/html"):
        loaded = re.findall(r'(?:src|<link[^>]* href)="([^"]*)"', response.text)
        assert loaded
        assert not [url for url in loaded if "//" in url and not url.startswith("data:")]
        assert "<style" not in response.text


def test_the_type_of_a_problem_is_a_link_to_its_explanation(altwright: Altwright) -> None:
    problem = altwright.caption("file:///etc/passwd").json()
    path, _, anchor = problem["type"].partition("#")
    assert f'id="{anchor}"' in altwright.get(path).text


@pytest.mark.parametrize("name", ["../keys.py", "%2e%2e/keys.py", "nothing.js", "__init__.py"])
def test_no_other_file_is_served(altwright: Altwright, name: str) -> None:
    assert altwright.get(f"/playground/{name}").status_code == 404


def test_a_signed_url_and_the_context_never_reach_the_log(
    altwright: Altwright, origin: Origin
) -> None:
    url = origin.serve("/signed.jpg", jpeg())
    assert altwright.caption(url + "?X-Amz-Signature=s1gned", context="Top Secret Mug").is_success
    altwright.caption("https://u:passw0rd@example.com/x?token=t0ken")
    log = "\n".join(altwright.log)
    assert loggable_url(url + "?X-Amz-Signature=s1gned") in log
    for secret in ("s1gned", "signed.jpg", "Top Secret", "passw0rd", "t0ken"):
        assert secret not in log


@pytest.fixture
def server_with_a_slow_model(
    llmock_server: LLMockServer,
) -> Iterator[tuple[Altwright, LlmockModelServer]]:
    """A server with one place to work, whose model takes 20 seconds for the first request."""
    model = LlmockModelServer(llmock_server)
    with Altwright(
        MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k", CONCURRENCY="1", QUEUE="5"
    ) as server:
        model.delay(20, times=1)
        model.reply("Two tabby cats sleep on a red sofa.", times=None)
        yield server, model


def test_a_client_that_disconnects_frees_its_place(
    server_with_a_slow_model: tuple[Altwright, LlmockModelServer],
) -> None:
    server, _ = server_with_a_slow_model
    body = json.dumps({"image_url": data_url(jpeg())}).encode()
    address = urlsplit(server.url)
    assert address.hostname
    with socket.create_connection((address.hostname, address.port or 0)) as client:
        client.sendall(
            b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        time.sleep(0.7)
    began = time.monotonic()
    response = server.caption(data_url(jpeg()))
    assert response.status_code == 200
    assert time.monotonic() - began < 10, "the place was not free at once"
    assert any("client_gone" in line for line in server.log)


@pytest.mark.slow
def test_two_replicas_return_the_same_and_one_may_die(origin: Origin) -> None:
    """No state is kept between requests, so a load balancer may choose either."""
    url = origin.serve("/disc.jpg", photograph_like())
    with Altwright() as one, Altwright() as two:
        responses = [server.caption(url).json() for server in (one, two, one, two)]
        assert responses[0] == responses[1] == responses[2] == responses[3]
        one.process.kill()
        one.process.wait()
        assert two.caption(url).json() == responses[0]
