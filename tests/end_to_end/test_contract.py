"""What a caller is promised, over real sockets with the embedded captioner."""

import hashlib
import io
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from llmock.testing import LLMockServer
from PIL import Image

from testing.images import data_url, jpeg, photograph_like
from testing.servers.altwright import Altwright
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin

ROOT = Path(__file__).parents[2]
STYLES = {"concise", "seo", "detailed"}


def test_a_picture_behind_a_url_is_captioned(altwright: Altwright, origin: Origin) -> None:
    picture = jpeg((1600, 1200))
    url = origin.serve("/disc.jpg", picture)
    answer = altwright.caption(url, metadata={"row": "7"})
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {
        "caption", "style", "locale", "decorative", "truncated", "warnings", "model", "usage",
        "image", "metadata",
    }  # fmt: skip
    assert "blue" in body["caption"].lower()
    assert body["model"] == "embedded"
    assert body["metadata"] == {"row": "7"}
    assert (body["decorative"], body["truncated"]) == (False, False)
    image = body["image"]
    assert (image["width"], image["height"], image["format"]) == (1600, 1200, "jpeg")
    assert image["bytes"] == len(picture)
    assert image["sha256"] == hashlib.sha256(picture).hexdigest()
    assert 900 <= image["sent_width"] <= 1200
    assert set(body["usage"]) == {"input_tokens", "output_tokens"}


def test_equal_jobs_get_equal_answers(altwright: Altwright) -> None:
    url = data_url(photograph_like())
    answers = [altwright.caption(url).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


def test_several_styles_come_in_the_order_asked_from_one_fetch(
    altwright: Altwright, origin: Origin
) -> None:
    url = origin.serve("/disc.jpg", jpeg())
    answer = altwright.captions(url, styles=["seo", "concise", "detailed"], max_tokens=256)
    results = answer.json()["results"]
    assert [one["style"] for one in results] == ["seo", "concise", "detailed"]
    assert 50 <= len(results[0]["caption"]) <= 160
    assert len(results[1]["caption"]) <= 160
    assert 120 <= len(results[2]["caption"]) <= 1000
    assert len(origin.requests) == 1


def test_one_failing_locale_does_not_lose_the_others(altwright: Altwright) -> None:
    """The embedded captioner knows no Welsh and says so."""
    answer = altwright.captions(data_url(jpeg()), styles=["concise"], locales=["en", "cy"])
    english, welsh = answer.json()["results"]
    assert english["caption"]
    assert set(welsh) == {"style", "locale", "problem"}
    assert (welsh["locale"], welsh["problem"]["code"]) == ("cy", "caption_uncertain")


def test_a_failing_image_is_the_whole_answer(altwright: Altwright, origin: Origin) -> None:
    answer = altwright.captions(origin.url("/404"), styles=["concise", "seo"])
    assert (answer.status_code, answer.json()["code"]) == (422, "image_not_found")


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
def test_a_wrong_list_is_named(altwright: Altwright, fields: dict[str, object], field: str) -> None:
    answer = altwright.captions(data_url(jpeg()), **fields)
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["errors"][0]["field"] == field


def test_a_blank_picture_is_decorative(altwright: Altwright) -> None:
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
    }
    bad = altwright.post("/v1/caption/check", {"caption": "IMG_2041.jpg"}).json()
    assert (bad["ok"], bad["hard"]) == (False, ["placeholder"])


def test_styles_are_listed_with_limits_and_rules(altwright: Altwright) -> None:
    styles = altwright.get("/v1/styles").json()["styles"]
    assert {style["name"] for style in styles} == STYLES
    for style in styles:
        assert style["purpose"]
        assert {rule["severity"] for rule in style["rules"]} == {"hard", "soft"}


def test_an_operators_style_is_listed_and_accepted(
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


def test_a_sane_request_id_comes_back_and_an_odd_one_is_replaced(altwright: Altwright) -> None:
    sane = altwright.get("/healthz", headers={"X-Request-ID": "job-17:a"})
    assert sane.headers["x-request-id"] == "job-17:a"
    for odd in ("a b", "x" * 500, "ä", '"<script>"'):
        answer = altwright.get("/healthz", headers={"X-Request-ID": odd.encode("utf-8")})
        assert answer.headers["x-request-id"] not in ("", odd)


def test_health_readiness_and_metrics_answer(altwright: Altwright) -> None:
    assert altwright.get("/healthz").json() == {"status": "ok"}
    ready = altwright.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    metrics = altwright.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "altwright_requests_total" in metrics.text


def test_the_document_in_the_repository_is_what_the_server_serves(altwright: Altwright) -> None:
    served = altwright.get("/openapi.json").json()
    stored = json.loads((ROOT / "openapi/openapi.json").read_text(encoding="utf-8"))
    assert served == stored


@pytest.mark.parametrize(
    "path",
    ["/", "/playground/playground.js", "/playground/playground.css", "/docs",
     "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/playground/docs.js"],
)  # fmt: skip
def test_pages_and_their_assets_are_served_by_us_alone(altwright: Altwright, path: str) -> None:
    answer = altwright.get(path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.headers["content-type"].startswith("text/html"):
        assert "http://" not in answer.text.replace("http://www.w3.org", "")
        assert 'src="//' not in answer.text


def test_the_type_of_a_problem_leads_to_its_explanation(altwright: Altwright) -> None:
    told = altwright.caption("file:///etc/passwd").json()
    path, _, anchor = told["type"].partition("#")
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
    assert "/signed.jpg" in log
    for secret in ("s1gned", "Top Secret", "passw0rd", "t0ken"):
        assert secret not in log


@pytest.fixture
def slow_model(llmock_server: LLMockServer) -> Iterator[tuple[Altwright, LlmockModelServer]]:
    """A server whose model takes two seconds."""
    model = LlmockModelServer(llmock_server)
    with Altwright(
        MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k", CONCURRENCY="1", QUEUE="5"
    ) as server:
        model.delay(3, times=1)
        model.reply("Two tabby cats sleep on a red sofa.", times=None)
        yield server, model


def test_a_client_that_goes_away_frees_its_place(
    slow_model: tuple[Altwright, LlmockModelServer],
) -> None:
    server, _ = slow_model
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
    answer = server.caption(data_url(jpeg()))
    assert answer.status_code == 200
    assert time.monotonic() - began < 2, "the one place was free at once"
    assert any("client_gone" in line for line in server.log)


def test_two_replicas_answer_alike_and_one_may_die(origin: Origin) -> None:
    """Nothing is kept between requests, so any round robin will do."""
    url = origin.serve("/disc.jpg", photograph_like())
    with Altwright() as one, Altwright() as two:
        answers = [server.caption(url).json() for server in (one, two, one, two)]
        assert answers[0] == answers[1] == answers[2] == answers[3]
        one.process.kill()
        one.process.wait()
        assert two.caption(url).json() == answers[0]
