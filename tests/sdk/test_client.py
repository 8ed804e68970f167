"""Both clients against a real server: results, errors, options, connections."""

import inspect
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import altwright as sdk
import httpx
import pytest
from altwright import AsyncAltwright, Caption, FailedCaption

from testing.images import data_url, jpeg
from testing.ports import free_port
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy, problem, raw
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin
from tests.sdk.client_under_test import MakeClient

KEY = "a-key-for-tests"
URL = data_url(jpeg((200, 150)))


def test_a_caption_has_the_values_of_the_response(
    altwright: Altwright, make_client: MakeClient
) -> None:
    response = altwright.caption(URL, style="seo", metadata={"row": "7"}).json()
    caption = make_client(base_url=altwright.url).caption(URL, style="seo", metadata={"row": "7"})
    assert isinstance(caption, Caption)
    assert str(caption) == caption.caption == response["caption"]
    assert (caption.style, caption.locale, caption.model) == ("seo", "en", "embedded")
    assert caption.metadata == {"row": "7"}
    assert caption.image.sha256 == response["image"]["sha256"]
    assert caption.usage.input_tokens is None
    assert caption.request_id


def test_every_argument_is_sent_under_its_name(proxy: FaultProxy, make_client: MakeClient) -> None:
    fields = {
        "style": "seo",
        "max_tokens": 96,
        "locale": "de",
        "context": "Hafenbecher",
        "role": "product",
        "visible_text": "Unser Becher",
        "keywords": ["becher"],
        "metadata": {"a": "b"},
    }
    make_client(base_url=proxy.url).caption(URL, **fields)
    assert proxy.requests[-1].json() == {"image_url": URL, **fields}
    assert proxy.requests[-1].path == "/v1/image/caption"


def test_arguments_that_are_not_passed_are_not_sent(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    make_client(base_url=proxy.url).caption(URL)
    assert proxy.requests[-1].json() == {"image_url": URL}


def test_several_styles_and_locales_are_returned_in_the_order_of_the_request(
    altwright: Altwright, make_client: MakeClient
) -> None:
    client = make_client(base_url=altwright.url)
    results = client.captions(URL, styles=["concise", "seo"], locales=["en", "de"])
    assert [(each.style, each.locale) for each in results] == [
        ("concise", "en"), ("concise", "de"), ("seo", "en"), ("seo", "de"),
    ]  # fmt: skip
    assert all(isinstance(each, Caption) for each in results)


def test_a_failed_result_does_not_affect_the_others(
    altwright: Altwright, make_client: MakeClient
) -> None:
    # The embedded captioner writes no Japanese.
    good, bad = make_client(base_url=altwright.url).captions(
        URL, styles=["concise"], locales=["en", "ja"]
    )
    assert isinstance(good, Caption)
    assert isinstance(bad, FailedCaption)
    assert isinstance(bad.problem, sdk.CaptionUncertain)
    assert (bad.locale, bad.problem.status, bad.problem.retryable) == ("ja", 422, False)


def test_a_text_is_checked_and_cleaned(altwright: Altwright, make_client: MakeClient) -> None:
    client = make_client(base_url=altwright.url)
    good = client.check("A white mug on a plain white ground.", style="concise", locale="en")
    assert good.ok
    assert str(good) == good.caption == "A white mug on a plain white ground."
    bad = client.check("IMG_2041.jpg")
    assert not bad.ok
    assert bad.hard


def test_styles_have_a_purpose_limits_and_rules(
    altwright: Altwright, make_client: MakeClient
) -> None:
    styles = {style.name: style for style in make_client(base_url=altwright.url).styles()}
    assert {"concise", "seo", "detailed"} <= set(styles)
    assert styles["concise"].limits.max_chars == 160
    assert styles["seo"].uses_keywords
    assert {rule.severity for rule in styles["concise"].rules} <= {"hard", "soft"}


def test_usage_is_that_of_the_key_in_a_month(altwright: Altwright, make_client: MakeClient) -> None:
    client = make_client(base_url=altwright.url)
    client.caption(data_url(jpeg()))
    usage = client.usage()
    assert str(usage) == usage.key == "anonymous"
    assert usage.captions["caption"] >= 1
    assert (usage.quota, usage.cost) == (None, None)
    assert 28 <= (usage.period.end - usage.period.start).days <= 31
    assert client.usage(month="2020-02").requests == 0
    with pytest.raises(sdk.InvalidRequest, match="2026-11"):
        client.usage(month="2026-13&month=2026-11")


def test_a_used_up_quota_is_raised_at_once_with_the_time_to_wait(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    proxy.always(problem(429, "quota_exceeded", retry_after="864000"))
    with pytest.raises(sdk.QuotaExceeded) as raised:
        make_client(base_url=proxy.url).caption("https://example.com/a.jpg")
    assert (raised.value.retry_after, raised.value.retryable) == (864_000, True)


@pytest.mark.slow
def test_a_wrong_key_raises_unauthorized_and_appears_in_no_text(make_client: MakeClient) -> None:
    with Altwright(API_KEYS=json.dumps([KEY])) as server:
        right = make_client(api_key=KEY + "\n", base_url=server.url)
        assert right.caption(URL).caption
        wrong = make_client(api_key="wrong-key", base_url=server.url)
        with pytest.raises(sdk.Unauthorized) as caught:
            wrong.caption(URL)
        assert (caught.value.status, caught.value.code) == (401, "unauthorized")
        assert not caught.value.retryable
        assert "wrong-key" not in f"{caught.value} {caught.value!r} {wrong.client!r}"
        assert KEY not in repr(right.client)


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"style": "poem"}, sdk.InvalidRequest, "style"),
        ({"max_tokens": 31}, sdk.InvalidRequest, "max_tokens"),
        ({"locale": "english please"}, sdk.InvalidRequest, "locale"),
        ({"role": "banner"}, sdk.InvalidRequest, "role"),
    ],
)
def test_a_wrong_field_is_named(
    altwright: Altwright,
    make_client: MakeClient,
    fields: dict[str, object],
    error: type[sdk.Problem],
    field: str,
) -> None:
    with pytest.raises(error) as caught:
        make_client(base_url=altwright.url).caption(URL, **fields)
    assert caught.value.errors[0].field == field
    assert caught.value.errors[0].message
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/404", sdk.ImageNotFound),
        ("/403", sdk.ImageDenied),
        ("/huge", sdk.ImageTooLarge),
        ("/html.jpg", sdk.ImageUnsupported),
        ("/500", sdk.ImageUnreachable),
    ],
)
def test_an_image_that_cannot_be_downloaded_raises_an_image_problem(
    server_with_model: Altwright,
    origin: Origin,
    make_client: MakeClient,
    path: str,
    error: type[sdk.ImageProblem],
) -> None:
    with pytest.raises(error) as caught:
        make_client(base_url=server_with_model.url, max_retries=0).caption(origin.url(path))
    assert caught.value.status == error.expected_status
    assert caught.value.code == error.code
    assert caught.value.request_id
    assert caught.value.retryable == (caught.value.status >= 500)


def test_a_private_address_raises_image_url_forbidden(
    altwright: Altwright, make_client: MakeClient
) -> None:
    with pytest.raises(sdk.ImageUrlForbidden):
        make_client(base_url=altwright.url).caption("http://10.0.0.1/a.jpg")


def test_a_rejected_caption_has_its_draft_and_reasons(
    server_with_model: Altwright, model_server: LlmockModelServer, make_client: MakeClient
) -> None:
    model_server.reply("IMG_2041.jpg", times=None)
    with pytest.raises(sdk.CaptionRejected) as caught:
        make_client(base_url=server_with_model.url).caption(URL)
    assert caught.value.draft
    assert caught.value.reasons[0].code
    assert caught.value.reasons[0].reason


def test_an_uncertain_model_raises_a_caption_problem(
    server_with_model: Altwright, model_server: LlmockModelServer, make_client: MakeClient
) -> None:
    model_server.reply("UNCERTAIN", times=None)
    with pytest.raises(sdk.CaptionProblem) as caught:
        make_client(base_url=server_with_model.url).caption(URL)
    assert isinstance(caught.value, sdk.CaptionUncertain)


def test_caption_or_returns_the_default_after_any_error(
    altwright: Altwright, make_client: MakeClient, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    client = make_client(base_url=altwright.url, max_retries=0)
    assert client.caption_or(URL, None).caption
    assert client.caption_or(URL, "a photo", locale="ja") == "a photo"
    assert client.caption_or(tmp_path / "missing.jpg", None) is None
    assert client.caption_or("mug.jpg", None) is None
    unreachable = make_client(base_url=f"http://127.0.0.1:{free_port()}", max_retries=0)
    assert unreachable.caption_or("https://example.com/a.jpg?secret=1", "") == ""
    assert "caption_uncertain" in caplog.text
    assert "secret" not in caplog.text


def test_an_unreachable_server_raises_one_sentence(make_client: MakeClient) -> None:
    port = free_port()
    with pytest.raises(sdk.ConnectionFailed) as caught:
        make_client(base_url=f"http://127.0.0.1:{port}", max_retries=0).styles()
    assert f"127.0.0.1:{port} cannot be reached" in str(caught.value)
    assert caught.value.retryable
    assert caught.value.status is None
    assert caught.value.request_id


def test_a_response_of_another_program_raises_unexpected_response(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    page = (
        b"HTTP/1.1 %d OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    )
    client = make_client(base_url=proxy.url, max_retries=0)
    for status in (200, 404, 502):
        proxy.then(raw(page[0] % status))
        with pytest.raises(sdk.UnexpectedResponse) as caught:
            client.styles()
        assert caught.value.status == status
        assert caught.value.retryable == (status >= 500)
        assert "text/html" in str(caught.value)
    proxy.then(raw(page[0] % 413))
    with pytest.raises(sdk.UnexpectedResponse, match="nginx: client_max_body_size") as caught:
        client.caption(jpeg())
    assert not caught.value.retryable
    proxy.then(raw(page[1]))
    with pytest.raises(sdk.UnexpectedResponse, match="redirects"):
        client.styles()


def test_an_endless_response_is_cut_off(proxy: FaultProxy, make_client: MakeClient) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b" " * 20_000_000
    proxy.then(raw(endless, then_close=True))
    with pytest.raises(sdk.UnexpectedResponse, match="too large"):
        make_client(base_url=proxy.url, max_retries=0).styles()


def test_an_unknown_error_code_raises_a_plain_problem(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    proxy.then(problem(418, "teapot"))
    with pytest.raises(sdk.Problem) as caught:
        make_client(base_url=proxy.url).styles()
    assert type(caught.value) is sdk.Problem
    assert (caught.value.code, caught.value.status, caught.value.retryable) == (
        "teapot",
        418,
        False,
    )


def test_key_and_address_are_read_from_the_environment(
    proxy: FaultProxy, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTWRIGHT_URL", proxy.url + "/")
    monkeypatch.setenv("ALTWRIGHT_API_KEY", KEY)
    make_client().styles()
    assert proxy.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert proxy.requests[-1].path == "/v1/styles"
    monkeypatch.setenv("ALTWRIGHT_API_KEY", "")
    make_client().styles()
    assert "authorization" not in proxy.requests[-1].headers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"base_url": "captions.example.com"}, "not an http"),
        ({"base_url": "https://user:pw@example.com"}, "without user"),
        ({"base_url": "http://example.com:99999"}, "not a valid URL"),
        ({"base_url": "https://example.com/?key=1"}, "without \\?"),
        ({"api_key": "two words"}, "API key"),
        ({"api_key": "schlüssel"}, "API key"),
        ({"timeout": 0}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
    ],
)
def test_an_invalid_argument_raises_at_once(
    make_client: MakeClient, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(sdk.UsageError, match=words) as caught:
        make_client(**arguments)
    assert isinstance(caught.value, ValueError)
    assert "pw" not in str(caught.value)
    assert "schlüssel" not in str(caught.value)


def test_with_options_changes_the_given_options_and_shares_the_connections(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    tested = make_client(base_url=proxy.url, api_key=KEY)
    tested.styles()
    first = tested.client
    tested.client = first.with_options(api_key=None, timeout=None)
    tested.styles()
    assert "authorization" not in proxy.requests[-1].headers
    assert "timeout=None" in repr(tested.client)
    tested.client = first
    tested.styles()
    assert proxy.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert proxy.connections == 1


def test_a_callers_http_client_is_used_and_not_closed(altwright: Altwright) -> None:
    seen: list[str] = []
    hooks = {"request": [lambda request: seen.append(request.url.path)]}
    with httpx.Client(event_hooks=hooks) as http:
        with sdk.Altwright(base_url=altwright.url, http_client=http) as client:
            client.styles()
            assert list(client.caption_many([URL]))
        assert seen == ["/v1/styles", "/v1/image/caption"]
        assert not http.is_closed


async def test_a_callers_async_http_client_is_used_and_not_closed(
    altwright: Altwright,
) -> None:
    async with httpx.AsyncClient() as http:
        async with AsyncAltwright(base_url=altwright.url, http_client=http) as client:
            await client.styles()
        assert not http.is_closed


def test_a_closed_client_raises(altwright: Altwright) -> None:
    with sdk.Altwright(base_url=altwright.url) as client:
        client.styles()
    with pytest.raises(sdk.UsageError, match="closed"):
        client.styles()


def test_threads_share_a_client_and_its_connections(proxy: FaultProxy) -> None:
    captions: list[Caption] = []
    with sdk.Altwright(base_url=proxy.url) as client:
        threads = [
            threading.Thread(target=lambda: captions.append(client.caption(URL))) for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(captions) == 12
        opened = proxy.connections
        assert opened <= 12
        client.caption(URL)
        assert proxy.connections == opened


def run_script(script: str) -> None:
    """In a separate process, which may fork and leave event loops behind."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_opens_its_own_connections(proxy: FaultProxy) -> None:
    run_script(
        "import os, altwright\n"
        f"client = altwright.Altwright(base_url={proxy.url!r})\n"
        "client.styles()\n"
        "child = os.fork()\n"
        "client.styles()\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    assert len(proxy.requests) == 3
    assert proxy.connections == 2


def test_an_async_client_works_on_a_second_event_loop(proxy: FaultProxy) -> None:
    run_script(
        "import asyncio, altwright\n"
        f"client = altwright.AsyncAltwright(base_url={proxy.url!r})\n"
        "assert asyncio.run(client.styles()) == asyncio.run(client.styles())\n"
    )
    assert len(proxy.requests) == 2


def test_errors_can_be_pickled() -> None:
    error = sdk.CaptionRejected(
        "no", status=422, request_id="r", draft="d", reasons=[sdk.Reason("a", "b")]
    )
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is sdk.CaptionRejected
    assert (str(again), again.draft, again.reasons, again.status, again.request_id) == (
        "no", "d", (sdk.Reason("a", "b"),), 422, "r",
    )  # fmt: skip


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    def shape(client: type, names: Callable[[str], str]) -> dict[str, list[str]]:
        members = inspect.getmembers(client, inspect.isfunction)
        return {
            names(name): list(inspect.signature(member).parameters)
            for name, member in members
            if not name.startswith("_")
        }

    assert shape(sdk.Altwright, str) == shape(
        AsyncAltwright, lambda name: {"aclose": "close"}.get(name, name)
    )
    assert inspect.signature(sdk.Altwright) == inspect.signature(AsyncAltwright).replace(
        parameters=[
            parameter.replace(annotation=str(parameter.annotation).replace("AsyncClient", "Client"))
            for parameter in inspect.signature(AsyncAltwright).parameters.values()
        ]
    )


def test_the_embedded_captioner_is_expected_to_take_no_tokens(
    altwright: Altwright, make_client: MakeClient
) -> None:
    expected = make_client(base_url=altwright.url).expected_tokens()
    assert expected is not None
    assert (expected.model, expected.image_tokens, expected.price) == ("embedded", 0, None)
    assert (expected.image_width, expected.image_height) == (1200, 900)
