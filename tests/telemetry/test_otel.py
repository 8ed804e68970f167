"""Spans are exported in batches, by a thread that nobody waits for."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.telemetry.otel import ReportingExporter, Tracer
from app.telemetry.request_context import RequestContext, work_for
from app.telemetry.tracing import outgoing_trace_headers, request_span, step_span
from testing.servers.loopback_http_server import LoopbackHTTPServer, QuietHandler


class ListExporter(SpanExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to do."""


class HangingExporter(ListExporter):
    """Waits until it is released, as for a collector that accepts a connection and says nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = threading.Event()
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.has_begun.set()
        self.released.wait(60)
        return super().export(spans)


class ScriptedExporter(ListExporter):
    """Gives results, or raises errors, in turn."""

    def __init__(self, *script: SpanExportResult | Exception) -> None:
        super().__init__()
        self._script = list(script)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._script.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def trace_request(tracer: Tracer, steps: int) -> None:
    request = RequestContext("r-1")
    with work_for(request), request_span(tracer, "POST", request):
        for _ in range(steps):
            with step_span("step"):
                pass


async def test_a_collector_that_hangs_delays_neither_requests_nor_the_stop() -> None:
    exporter = HangingExporter()
    tracer = Tracer("1", exporter)
    try:
        # More than the queue holds (2,048), while nothing is exported.
        for _ in range(6):
            trace_request(tracer, 1_000)
        assert exporter.has_begun.wait(30)
        trace_request(tracer, 3_000)
        began_s = time.monotonic()
        await tracer.aclose()
        assert time.monotonic() - began_s < 20, "it waited for the collector"
        assert not exporter.spans
    finally:
        exporter.released.set()


@pytest.mark.parametrize(
    ("status", "events"),
    [(200, []), (302, ["tracing.export_failed"]), (400, ["tracing.export_failed"])],
)
async def test_of_a_collectors_response_no_more_than_a_little_is_read(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    events: list[str],
) -> None:
    """It would fill the memory: 2 GB in ten seconds. A redirect is not followed, and no success."""
    has_ended = threading.Event()
    sent = 0

    class Endless(QuietHandler):
        def do_POST(self) -> None:
            nonlocal sent
            self.read_body()
            self.send_response(status)
            self.send_header("location", "/elsewhere")
            self.end_headers()
            with suppress(OSError):
                for _ in range(2_000):
                    sent += self.wfile.write(b"x" * 65_536)
            has_ended.set()

    with LoopbackHTTPServer(Endless) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.origin)
        tracer = Tracer("1")
        trace_request(tracer, 1)
        await tracer.aclose()
        assert has_ended.wait(60)
        assert sent < 50_000_000

    def logged() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.name == "app.telemetry.otel"]

    end_s = time.monotonic() + 30
    while len(logged()) < len(events) and time.monotonic() < end_s:
        await asyncio.sleep(0.02)
    assert logged() == events


async def test_what_waits_is_exported_at_the_end() -> None:
    exporter = ListExporter()
    tracer = Tracer("1", exporter)
    trace_request(tracer, 2)
    await tracer.aclose()
    assert [span.name for span in exporter.spans] == ["step", "step", "POST"]


async def test_a_request_over_a_kept_connection_begins_a_trace_of_its_own() -> None:
    """Its task may have been created by that of the request before it."""
    exporter = ListExporter()
    tracer = Tracer("1", exporter)
    first, second = RequestContext("r-1"), RequestContext("r-2")
    with (
        work_for(first), request_span(tracer, "POST", first),
        work_for(second), request_span(tracer, "POST", second),
    ):  # fmt: skip
        headers = outgoing_trace_headers()
    await tracer.aclose()
    assert all(span.parent is None for span in exporter.spans)
    assert first.trace is not None
    assert second.trace is not None
    assert first.trace.trace_id != second.trace.trace_id
    assert headers["traceparent"].split("-")[1] == second.trace.trace_id


async def test_tasks_of_a_request_are_below_its_span_and_an_error_has_no_words() -> None:
    exporter = ListExporter()
    tracer = Tracer("1", exporter)
    request = RequestContext("r-1")

    async def fail() -> None:
        with step_span("chat m", kind="client"):
            raise ValueError("s3cret")

    with work_for(request), request_span(tracer, "POST", request):
        await asyncio.gather(fail(), return_exceptions=True)
    await tracer.aclose()
    step, root = exporter.spans
    assert step.parent is not None
    assert step.parent.span_id == root.context.span_id
    assert step.attributes == {"error.type": "ValueError"}
    assert "s3cret" not in step.to_json()


def test_failures_are_logged_once_a_minute_and_the_recovery_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    failure, success = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    now_s = [1_000.0]
    exporter = ReportingExporter(
        ScriptedExporter(failure, ValueError("s3cret"), failure, success, success),
        clock=lambda: now_s[0],
    )
    span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("s")
    assert isinstance(span, ReadableSpan)
    for passed_s in (0, 1, 61, 62, 63):
        now_s[0] = 1_000.0 + passed_s
        exporter.export([span])
    logged = [(record.getMessage(), getattr(record, "spans", None)) for record in caplog.records]
    assert logged == [
        ("tracing.export_failed", 1), ("tracing.export_failed", 2), ("tracing.recovered", None),
    ]  # fmt: skip
    assert "s3cret" not in caplog.text
