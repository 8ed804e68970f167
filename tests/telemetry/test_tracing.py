"""Traces are recorded where the OTEL_ variables ask for them, and cost nothing elsewhere."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import Overloaded
from app.telemetry.request_context import RequestContext, work_for
from app.telemetry.trace_context import TraceContext
from app.telemetry.tracing import (
    error_type_of,
    find_obstacle,
    open_tracer,
    outgoing_trace_headers,
    request_span,
    step_span,
)

ROOT = Path(__file__).parents[2]
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
HEADERS = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_SERVICE_NAME": "a"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_where_no_variable_asks_for_it(environment: dict[str, str]) -> None:
    assert find_obstacle(environment) is None
    assert open_tracer(environment, "1") is None


def test_where_nothing_is_traced_opentelemetrys_sdk_is_not_imported() -> None:
    """Its API is: FastAPI imports it."""
    program = (
        "import sys, app.main, app.cli.serve\n"
        "from app.telemetry.tracing import find_obstacle, open_tracer\n"
        "assert find_obstacle({}) is open_tracer({}, '1') is None\n"
        "sys.exit(bool({'opentelemetry.sdk', 'google.protobuf', 'requests'} & set(sys.modules)))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_a_missing_extra_is_one_sentence_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "app.telemetry.otel", None)
    assert find_obstacle(ENDPOINT) == (
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, and the extra otel is not installed: install it, or "
        "unset it"
    )
    assert open_tracer(ENDPOINT, "1") is None


def test_a_protocol_that_is_not_supported_is_named() -> None:
    obstacle = find_obstacle({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert obstacle is not None
    assert obstacle.startswith("OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported: set it to http")
    both = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
    }
    assert find_obstacle({**ENDPOINT, **both}) is None


def test_a_value_that_cannot_be_used_costs_the_traces_and_not_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("s3cret")

    monkeypatch.setattr("app.telemetry.otel.OTLPSpanExporter", refuse)
    assert open_tracer(ENDPOINT, "1") is None
    [record] = caplog.records
    assert record.getMessage() == "tracing.not_started"
    assert "s3cret" not in caplog.text


async def test_without_a_tracer_steps_do_nothing_and_headers_are_passed_on_as_they_came() -> None:
    request = RequestContext("r-1", TraceContext.from_headers(HEADERS))
    with work_for(request), request_span(None, "POST", request) as root:
        root.set_name("x")
        root.set_error("x")
        with step_span("image.fetch", {"a": 1}) as span:
            span.set_attributes({"b": None})
        assert outgoing_trace_headers() == HEADERS
    assert outgoing_trace_headers() == {}


def test_the_kind_of_an_error_is_the_code_that_callers_see() -> None:
    kinds = [error_type_of(one) for one in (Overloaded(), asyncio.CancelledError(), KeyError("x"))]
    assert kinds == ["overloaded", "cancelled", "KeyError"]
