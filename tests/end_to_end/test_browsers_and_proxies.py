"""What browsers of other origins and proxies with a path prefix see, on one real server."""

from collections.abc import Iterator

import httpx
import pytest

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright

ORIGIN, OTHER = "https://shop.example", "https://evil.example"
PREFIX = "/tools/altwright"
READABLE = (
    "X-Request-ID, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    "Retry-After, X-Cache"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Altwright]:
    """On loopback, without keys and without RATE_LIMIT."""
    settings = {"CORS_ORIGINS": f'["{ORIGIN}"]', "ROOT_PATH": PREFIX, "RATE_LIMIT": ""}
    with Altwright(**settings) as running:
        yield running


def preflight(server: Altwright, origin: str, path: str = "/v1/image/caption") -> httpx.Response:
    return server.http.options(
        server.url + path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, x-request-id",
        },
    )


def test_a_page_of_a_named_origin_may_ask_for_captions(server: Altwright) -> None:
    allowed = preflight(server, ORIGIN)
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in allowed.headers["access-control-allow-methods"]
    headers = allowed.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "x-request-id"} <= set(headers)
    assert "access-control-allow-credentials" not in allowed.headers
    assert allowed.headers["x-request-id"]


def test_what_the_page_may_read(server: Altwright) -> None:
    """Of problems, too."""
    for body in ({"image_url": data_url(jpeg())}, {"image_url": "ftp://x"}, {}):
        response = server.post("/v1/image/caption", body, headers={"Origin": ORIGIN})
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-expose-headers"] == READABLE
        assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize("origin", [OTHER, "null", "http://shop.example", ORIGIN + ".evil.example"])
def test_pages_of_other_origins_may_not(server: Altwright, origin: str) -> None:
    for response in (
        preflight(server, origin),
        server.post("/v1/image/caption", {}, headers={"Origin": origin}),
    ):
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/v1/styles",
        "/playground/playground.js",
    ],
)  # fmt: skip
def test_head_works_wherever_get_does(server: Altwright, path: str) -> None:
    head, get = server.http.head(server.url + path), server.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":  # which counts the request before
        assert head.headers["content-length"] == get.headers["content-length"]
    assert server.get(path).status_code == 200  # the connection is in order


def test_head_of_what_is_not_there(server: Altwright) -> None:
    assert server.http.head(server.url + "/nowhere").status_code == 404
    post_only = server.http.head(server.url + "/v1/image/caption")
    assert (post_only.status_code, post_only.headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/image/caption", "POST, OPTIONS"),
        ("/v1/styles", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
        (PREFIX + "/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_options_says_what_is_allowed(server: Altwright, path: str, allow: str) -> None:
    options = server.http.options(server.url + path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allow, b"")
    refused = server.http.delete(server.url + path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allow)
    assert refused.json()["code"] == "method_not_allowed"
    assert server.http.options(server.url + "/nowhere").status_code == 404


@pytest.mark.parametrize("prefix", ["", PREFIX])
def test_pages_work_under_a_prefix(server: Altwright, prefix: str) -> None:
    """Whether the proxy strips it or not; links of pages are relative."""
    for path in (
        "/",
        "/docs",
        "/playground/playground.js",
        "/playground/reference.css",
        "/healthz",
    ):
        assert server.get(prefix + path).status_code == 200, path
    for path in ("/", "/docs"):
        page = server.get(prefix + path).text
        assert 'href="/' not in page
        assert 'src="/' not in page
    assert f"{server.url}{PREFIX}/v1/image/caption" in server.get(prefix + "/docs").text
    document = server.get(prefix + "/openapi.json").json()
    assert document["servers"] == [{"url": PREFIX}]
    caption = server.post(prefix + "/v1/image/caption", {"image_url": data_url(jpeg())})
    assert caption.status_code == 200
    problem = server.post(prefix + "/v1/image/caption", {})
    assert problem.json()["type"] == PREFIX + "/docs#problem-invalid_request"
    failed = server.post(
        prefix + "/v1/image/captions",
        {"image_url": data_url(jpeg()), "styles": ["concise"], "locale": "cy"},
    ).json()["results"][0]
    assert failed["problem"]["type"] == PREFIX + "/docs#problem-caption_uncertain"


def test_the_bare_prefix_leads_to_the_playground(server: Altwright) -> None:
    response = server.get(PREFIX)
    assert (response.status_code, response.headers["location"]) == (308, PREFIX + "/")
    assert server.get(PREFIX + "s/").status_code == 404


def test_there_is_no_rate_limit_on_loopback_without_keys(server: Altwright) -> None:
    """And the first line says so."""
    [line] = [line for line in server.log if "listening on" in line]
    assert line.endswith("; no key is needed, no rate limit")
    statuses = set()
    for _ in range(70):
        response = server.post("/v1/caption/check", {"caption": "A red chair by a window."})
        statuses.add(response.status_code)
        assert "x-ratelimit-limit" not in response.headers
    assert statuses == {200}


def test_keywords_without_use_are_warned_of(server: Altwright) -> None:
    asked = {"image_url": data_url(jpeg()), "keywords": ["blue disc"]}

    def warnings(path: str, **more: object) -> list[list[str]]:
        body = server.post(path, {**asked, **more}).json()
        return [one["warnings"] for one in body.get("results", [body])]

    assert "keywords_unused" in warnings("/v1/image/caption", style="concise")[0]
    assert "keywords_unused" not in warnings("/v1/image/caption", style="seo")[0]
    assert "keywords_unused" not in warnings("/v1/image/caption", style="concise", keywords=[])[0]
    for one in warnings("/v1/image/captions", styles=["concise", "detailed"]):
        assert "keywords_unused" in one
    for one in warnings("/v1/image/captions", styles=["concise", "seo"]):
        assert "keywords_unused" not in one


@pytest.mark.parametrize(
    ("field", "meant"),
    [("image_uri", "image_url"), ("url", "image_url"), ("Image-URL", "image_url"), ("zzz", None)],
)
def test_a_misspelt_field_is_named_in_the_detail(
    server: Altwright, field: str, meant: str | None
) -> None:
    """Also where another error comes first."""
    problem = server.post("/v1/image/caption", {field: data_url(jpeg())}).json()
    hint = f"did you mean `{meant}`?" if meant else "check its spelling"
    assert problem["detail"].startswith("image_url: ")
    assert problem["detail"].endswith(f"{field}: There is no such field; {hint}")
    assert {"field": field, "message": f"There is no such field; {hint}"} in problem["errors"]


def test_the_locale_of_a_file_system_suggests_the_tag(server: Altwright) -> None:
    problem = server.caption(data_url(jpeg()), locale="de_DE").json()
    assert problem["code"] == "invalid_request"
    assert "write de-DE" in problem["detail"]
