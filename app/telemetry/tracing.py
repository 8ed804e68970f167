"""Spans: the steps of a request, as OpenTelemetry exports them; where that is off, at no cost.

Attributes have names, numbers and hosts, never a text, a path or a query. An error has its kind
(`error.type`), never its message. The conventions: opentelemetry.io/docs/specs/semconv.
"""

import asyncio
import importlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal

from app.errors import CaptionError
from app.telemetry.request_context import RequestContext, current_request

if TYPE_CHECKING:  # the extra may be missing
    from opentelemetry.trace import Span as RecordedSpan

    from app.telemetry.otel import Tracer

SpanKind = Literal["internal", "server", "client"]
Attributes = Mapping[str, str | bool | int | float | Sequence[str] | None]

_logger = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"

_tracer: ContextVar["Tracer | None"] = ContextVar("tracer", default=None)


def find_obstacle(environment: Mapping[str, str]) -> str | None:
    """Why traces that the OTEL_ variables ask for cannot be sent, and what to do; None: they can.

    None as well where they ask for no traces.
    """
    variable = _variable_that_asks(environment)
    if variable is None:
        return None
    for name in _PROTOCOLS:
        protocol = environment.get(name, "").strip()
        if protocol and protocol != _PROTOCOL:
            return (
                f"{name}={protocol} is not supported: set it to {_PROTOCOL}, and the endpoint to "
                "the collector's port for it, mostly 4318"
            )
        if protocol:
            break
    try:
        importlib.import_module("app.telemetry.otel")
    except ImportError:
        return f"{variable} is set, and the extra otel is not installed: install it, or unset it"
    return None


def open_tracer(environment: Mapping[str, str], version: str) -> "Tracer | None":
    """What records spans and exports them; None where nothing asks for it, or it cannot be.

    It is closed by its `aclose`.
    """
    if _variable_that_asks(environment) is None or find_obstacle(environment) is not None:
        return None
    from app.telemetry.otel import Tracer

    try:
        return Tracer(version)
    except Exception as error:  # noqa: BLE001 - without traces captions are made all the same
        reason = f"the value of an OTEL_ variable cannot be used ({type(error).__name__})"
        _logger.warning("tracing.not_started", extra={"reason": reason})
        return None


def _variable_that_asks(environment: Mapping[str, str]) -> str | None:
    """The variable that asks for traces, by OpenTelemetry's specification of them."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_disabled or exporter not in ("", "otlp"):
        return None
    if exporter:
        return "OTEL_TRACES_EXPORTER"
    return next((name for name in _ENDPOINTS if environment.get(name, "").strip()), None)


class Span:
    """One step of a request. Where no trace is recorded, nothing is done."""

    __slots__ = ("_recorded",)

    def __init__(self, recorded: "RecordedSpan | None" = None) -> None:
        self._recorded = recorded

    def set_name(self, name: str) -> None:
        """Replace the name."""
        if self._recorded is not None:
            self._recorded.update_name(name)

    def set_attributes(self, attributes: Attributes) -> None:
        """Set attributes; those that are None are left out."""
        if self._recorded is not None:
            self._recorded.set_attributes(
                {name: value for name, value in attributes.items() if value is not None}
            )

    def set_error(self, error_type: str) -> None:
        """Mark the step as failed."""
        if self._recorded is not None:
            from opentelemetry.trace import StatusCode

            self._recorded.set_attribute("error.type", error_type)
            self._recorded.set_status(StatusCode.ERROR)


@contextmanager
def request_span(tracer: "Tracer | None", name: str, request: RequestContext) -> Iterator[Span]:
    """The span of a request; steps in this block are below it."""
    if tracer is None:
        yield Span()
        return
    token = _tracer.set(tracer)
    try:
        with tracer.request_span(name, request) as span:
            yield span
    finally:
        _tracer.reset(token)


@contextmanager
def step_span(
    name: str, attributes: Attributes | None = None, *, kind: SpanKind = "internal"
) -> Iterator[Span]:
    """The span of a step of the request in work. What is raised in the block is its error."""
    tracer = _tracer.get()
    if tracer is None:
        yield Span()
        return
    with tracer.span(name, kind) as span:
        if attributes:
            span.set_attributes(attributes)
        try:
            yield span
        except BaseException as error:
            span.set_error(error_type_of(error))
            raise


def outgoing_trace_headers() -> Mapping[str, str]:
    """`traceparent` and `tracestate` for a model server: the current span's, else the caller's."""
    tracer = _tracer.get()
    if tracer is not None:
        return tracer.headers()
    request = current_request()
    return {} if request is None or request.trace is None else request.trace.headers


def error_type_of(error: BaseException) -> str:
    """`error.type`: the code that callers see, else the name of the class."""
    if isinstance(error, CaptionError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__
