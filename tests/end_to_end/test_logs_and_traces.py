"""One run of a server, followed through its log lines, its spans and what its model received."""

import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from testing.images import data_url, jpeg
from testing.ports import free_port
from testing.servers.altwright import Altwright
from testing.servers.chat_completions_server import (
    ChatCompletionsServer,
    chat_completion,
    message_texts,
)
from testing.servers.origin import Origin, OriginRequest
from testing.servers.otlp_collector import CLIENT, SERVER, OtlpCollector, ReceivedSpan

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
IMAGE = jpeg((320, 240))
GOOD = "A brown wooden bench beside a gravel path in a park with tall green trees."
SECRETS = (
    "s3cret", "signed.jpg", "Top Secret", "hushhush", "wooden bench", "sk-model", "collector-t0ken",
)  # fmt: skip


class MarkedModel(ChatCompletionsServer):
    """Refuses the key, or writes a bad draft first, where the context says so."""

    def __init__(self) -> None:
        super().__init__()
        self._rejected = False

    def _respond(self, body: dict[str, Any]) -> tuple[int, bytes]:
        if any("Refuse the key" in text for text in message_texts(body)):
            return 401, b'{"error": {"code": "invalid_api_key", "message": "wrong key sk-model"}}'
        return super()._respond(body)

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        is_bad = any("Reject once" in text for text in message_texts(body)) and not self._rejected
        self._rejected |= is_bad
        usage = {"prompt_tokens": 900, "completion_tokens": 18}
        return chat_completion("Bench." if is_bad else GOOD, usage=usage)


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen of the run from outside."""

    lines: Sequence[str]
    spans: Sequence[ReceivedSpan]
    model_headers: Sequence[Mapping[str, str]]
    origin_requests: Sequence[OriginRequest]

    def events(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """All log events, or those of one request."""
        events: list[dict[str, Any]] = [json.loads(line) for line in self.lines]
        return [e for e in events if request_id is None or e.get("request_id") == request_id]

    def named(self, event: str, request_id: str | None = None) -> list[dict[str, Any]]:
        """The events of one name."""
        return [one for one in self.events(request_id) if one["event"] == event]

    def trace(self) -> dict[str, ReceivedSpan]:
        """The spans of the first request, by name."""
        return {span.name: span for span in self.spans if span.trace_id == TRACE_ID}


def send_requests(server: Altwright, url: str) -> None:
    """Each with the ID that the tests look for."""

    def caption(request_id: str, image_url: str = url, **fields: object) -> int:
        headers = {"X-Request-ID": request_id, "Authorization": "Bearer api-s3cret"}
        if request_id == "r-traced":
            headers |= {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "tracestate": "proxy=1"}
        body = {"image_url": image_url, **fields}
        path = "/v1/image/captions" if "styles" in fields else "/v1/image/caption"
        return server.post(path, body, headers=headers).status_code

    locale = "en-GB-x-hushhush"
    assert caption("r-traced", context="Top Secret Mug", locale=locale, verify=True) == 200
    assert caption("r-several", styles=["concise", "seo"], locales=["en", "en-US"]) == 200
    assert caption("r-rejected", context="Reject once") == 200
    assert caption("r-key", context="Refuse the key") == 502
    assert caption("r-missing", image_url=url.replace("signed", "missing")) == 422
    uploaded = server.http.post(
        server.url + "/v1/image/caption",
        files={"image": ("s3cret.jpg", IMAGE)},
        headers={"X-Request-ID": "r-upload", "Authorization": "Bearer api-s3cret"},
    )
    assert uploaded.status_code == 200
    assert server.get("/readyz").status_code == 200


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """A server with JSON logs and traces, from its start to its stop."""
    origin = Origin()
    origin.start()
    url = origin.serve("/signed.jpg", IMAGE) + "?X-Amz-Signature=s3cret"
    with OtlpCollector() as collector, MarkedModel() as model:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20collector-t0ken",
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true",  # its own spans have paths and errors' texts
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }
        with Altwright(
            variables,
            MODEL="vision-1", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="sk-model",
            API_KEYS='["api-s3cret"]', LOG_FORMAT="json",
        ) as server:  # fmt: skip
            send_requests(server, url)
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(20) == 0
            lines = server.log
        assert {headers["authorization"] for headers in collector.headers} == {
            "Bearer collector-t0ken"
        }
        yield Run(lines, collector.spans, model.headers, origin.requests)
    origin.stop()


def test_start_and_stop_are_told_and_every_line_is_a_json_object(run: Run) -> None:
    names = [one["event"] for one in run.events() if one["event"].startswith("server.")]
    assert names == ["server.listening", "server.ready", "server.draining", "server.stopped"]
    assert run.named("server.listening")[0]["text"].startswith("listening on http://127.0.0.1:")


def test_every_line_of_a_request_has_its_id(run: Run) -> None:
    assert [one["event"] for one in run.events("r-traced")] == [
        "image.fetched", "model.called", "draft.validated", "caption.verified", "request.finished",
    ]  # fmt: skip
    of_requests = {"image.fetched", "model.called", "draft.validated", "request.finished"}
    assert all("request_id" in one for one in run.events() if one["event"] in of_requests)


def test_the_last_line_of_a_request_says_who_asked_for_what_and_what_it_cost(run: Run) -> None:
    [last] = run.named("request.finished", "r-traced")
    assert {
        "caller": "key-1", "style": "concise", "locale": "en-GB", "model": "vision-1",
        "outcome": "caption", "input_tokens": 900, "output_tokens": 18, "model_calls": 1,
        "status": 200, "code": "ok", "trace_id": TRACE_ID,
    }.items() <= last.items()  # fmt: skip
    stages = ["wait_ms", "fetch_ms", "normalise_ms", "caption_ms"]
    assert all(isinstance(last[stage], int) for stage in stages)
    assert last["ms"] >= last["caption_ms"]


def test_the_tokens_of_every_call_of_a_request_are_added(run: Run) -> None:
    [several] = run.named("request.finished", "r-several")
    assert (several["style"], several["locale"]) == ("concise,seo", "en,en-US")
    assert (several["model_calls"], several["input_tokens"]) == (4, 3_600)
    [rejected] = run.named("request.finished", "r-rejected")
    assert (rejected["model_calls"], rejected["output_tokens"]) == (2, 36)
    assert [one["hard"] != "" for one in run.named("draft.validated", "r-rejected")] == [
        True, False,
    ]  # fmt: skip


def test_a_refused_model_key_is_a_warning_that_says_what_to_change(run: Run) -> None:
    [warning] = run.named("model.misconfigured", "r-key")
    assert warning["level"] == "warning"
    assert "the key was refused: check ALTWRIGHT_MODEL_API_KEY" in warning["reason"]
    [last] = run.named("request.finished", "r-key")
    assert (last["code"], last["outcome"]) == ("model_error", "model_error")


def test_an_image_that_was_not_fetched_is_told_with_its_request(run: Run) -> None:
    [event] = run.named("image.not_fetched", "r-missing")
    assert event["code"] == "image_not_found"
    [last] = run.named("request.finished", "r-missing")
    assert (last["style"], last["outcome"]) == ("concise", "image_not_found")


def test_no_secret_and_no_text_of_a_caller_is_in_a_line_or_a_span(run: Run) -> None:
    seen = "\n".join(run.lines) + repr(run.spans)
    assert [secret for secret in SECRETS if secret in seen] == []


def test_a_trace_has_a_span_for_each_step_below_that_of_the_request(run: Run) -> None:
    trace = run.trace()
    root = trace["POST /v1/image/caption"]
    assert (root.kind, root.parent_id) == (SERVER, PARENT_ID)
    steps = ["image.fetch", "image.decode", "chat vision-1", "draft.validate", "caption.verify"]
    assert {name: trace[name].parent_id for name in steps} == dict.fromkeys(steps, root.span_id)
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["altwright.request_id"] == "r-traced"
    assert trace["image.fetch"].attributes["server.address"] == "127.0.0.1"
    assert trace["image.decode"].attributes["altwright.image.width"] == 320
    assert root.resource["service.name"] == "altwright"
    assert root.resource["deployment.environment.name"] == "test"


def test_an_upload_has_a_span_in_place_of_the_download(run: Run) -> None:
    [upload] = [span for span in run.spans if span.name == "image.upload"]
    assert upload.attributes == {"altwright.image.bytes": len(IMAGE)}
    beside = {span.name for span in run.spans if span.trace_id == upload.trace_id}
    assert {"POST /v1/image/caption", "image.decode"} < beside
    assert "image.fetch" not in beside


def test_a_call_of_the_model_follows_the_conventions_for_generative_ai(run: Run) -> None:
    chat = run.trace()["chat vision-1"]
    assert chat.kind == CLIENT
    assert {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "vision-1", "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 18, "server.address": "127.0.0.1",
    }.items() <= chat.attributes.items()  # fmt: skip


def test_a_failed_step_has_the_kind_of_its_error_and_no_words(run: Run) -> None:
    failed = {(span.name, span.attributes["error.type"]) for span in run.spans if span.is_error}
    assert failed == {
        ("image.fetch", "image_not_found"),
        ("chat vision-1", "misconfigured"),
        ("POST /v1/image/caption", "model_error"),
    }
    assert not any(span.status_message or span.events for span in run.spans)


def test_the_model_server_gets_the_trace_and_an_origin_does_not(run: Run) -> None:
    chat = run.trace()["chat vision-1"]
    assert run.model_headers[0]["traceparent"] == f"00-{TRACE_ID}-{chat.span_id}-01"
    assert run.model_headers[0]["tracestate"] == "proxy=1"
    names = {name for request in run.origin_requests for name in request.headers}
    assert not names & {"traceparent", "tracestate", "baggage", "x-request-id"}


def test_requests_without_a_traceparent_have_traces_of_their_own_and_probes_have_none(
    run: Run,
) -> None:
    roots = [span for span in run.spans if span.kind == SERVER]
    assert sorted(root.attributes["altwright.request_id"] for root in roots) == [
        "r-key", "r-missing", "r-rejected", "r-several", "r-traced", "r-upload",
    ]  # fmt: skip
    assert len({root.trace_id for root in roots}) == 6


@pytest.mark.slow
@pytest.mark.parametrize("is_down", [False, True], ids=["hangs", "is down"])
def test_a_collector_that_hangs_or_is_down_delays_neither_captions_nor_the_stop(
    is_down: bool,
) -> None:
    with OtlpCollector(hangs=True) as collector:
        endpoint = f"http://127.0.0.1:{free_port()}" if is_down else collector.endpoint
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        if is_down:
            variables["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1"
        with Altwright(variables, LOG_LEVEL="warning") as server:
            image = data_url(jpeg())
            assert all(server.caption(image).status_code == 200 for _ in range(20))
            if is_down:  # the exporter tries for a second before it gives up
                server._wait_until(
                    lambda: any("tracing.export_failed" in line for line in server.log),
                    "log that the traces were not taken",
                )
            else:
                assert collector.requests
            server.process.send_signal(signal.SIGINT)
            # It may wait a second for the collector. The SDK alone would wait for thirty.
            assert server.process.wait(15) == 0
