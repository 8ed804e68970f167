"""Traces by OpenTelemetry's SDK (the extra `otel`), set up by its standard OTEL_ variables.

Imported only where one of them asks for traces. Spans wait in the SDK's bounded queue for a thread
that exports them, so a collector that hangs delays no request; what does not fit is dropped.
"""

import asyncio
import io
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind as RecordedKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from requests.adapters import HTTPAdapter

from app.telemetry.request_context import RequestContext
from app.telemetry.trace_context import TraceContext
from app.telemetry.tracing import Span, SpanKind

_logger = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S = 1.0
"""For the spans of the last requests. The process must end within 20 s of SIGTERM."""
_LOG_PAUSE_S = 60.0
_MAX_RESPONSE_BYTES = 64 * 1024
_RESPONSE_TIMEOUT_S = 10.0
_KINDS: Mapping[SpanKind, RecordedKind] = {
    "internal": RecordedKind.INTERNAL,
    "server": RecordedKind.SERVER,
    "client": RecordedKind.CLIENT,
}


class Tracer:
    """Records spans and exports them in batches."""

    def __init__(self, version: str, exporter: SpanExporter | None = None) -> None:
        """`exporter` None: OTLP over HTTP, as the OTEL_ variables say.

        Raises ValueError where one of them has a value that cannot be used.
        """
        # The SDK's own lines quote what it was given, headers with secrets among it.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._provider = TracerProvider(resource=_resource(version), shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                ReportingExporter(exporter or OTLPSpanExporter(session=_create_session()))
            )
        )
        self._tracer = self._provider.get_tracer("altwright", version)
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request_span(self, name: str, request: RequestContext) -> Iterator[Span]:
        """The span of a request, in the trace that its caller named. Sets `request.trace`."""
        headers = request.trace.headers if request.trace is not None else {}
        # With a context of its own: over one connection a request may inherit that of the last.
        parent = self._propagator.extract(headers, context=Context())
        with self._tracer.start_as_current_span(
            name,
            context=parent,
            kind=RecordedKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            request.trace = TraceContext(f"{span.get_span_context().trace_id:032x}", headers)
            yield Span(span)

    @contextmanager
    def span(self, name: str, kind: SpanKind) -> Iterator[Span]:
        """A span below the current one."""
        with self._tracer.start_as_current_span(
            name, kind=_KINDS[kind], record_exception=False, set_status_on_exception=False
        ) as span:
            yield Span(span)

    def headers(self) -> Mapping[str, str]:
        """The `traceparent` of the current span, and the `tracestate` of its trace."""
        headers: dict[str, str] = {}
        self._propagator.inject(headers)
        return headers

    async def aclose(self) -> None:
        """Export what waits, for a second at most."""
        # A thread that Python does not wait for at its end: the SDK's own call may take 30 s.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_TIMEOUT_S)


class BoundedAdapter(HTTPAdapter):
    """Reads of a response no more than a collector has to say, and nothing after its time."""

    def send(self, *arguments: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - requests'
        """As requests does. The body is discarded: the exporter looks at status and headers."""
        response = super().send(*arguments, **{**options, "stream": True})
        with response:
            until_s, left = time.monotonic() + _RESPONSE_TIMEOUT_S, _MAX_RESPONSE_BYTES
            # Up to its end, where that comes: then the connection is used again.
            while left > 0 and time.monotonic() < until_s:
                piece = response.raw.read1(left)
                if not piece:
                    break
                left -= len(piece)
        if response.is_redirect:
            # It is not followed, and the exporter would take it for a success.
            raise requests.TooManyRedirects
        response.raw = io.BytesIO()  # what requests reads of it
        return response


def _create_session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter())
    return session


class ReportingExporter(SpanExporter):
    """Another exporter, with a log line where it fails, once a minute, and one when it recovers."""

    def __init__(self, exporter: SpanExporter, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        self._exporter = exporter
        self._clock = clock
        self._lost = 0
        """Spans since the last line."""
        self._has_failed = False
        self._log_again_s = 0.0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export in the SDK's thread. Never raises."""
        try:
            result = self._exporter.export(spans)
            reason = "the collector did not take them"
        except Exception as error:  # noqa: BLE001 - whatever it is, these spans are lost
            result, reason = SpanExportResult.FAILURE, type(error).__name__
        if result is SpanExportResult.SUCCESS:
            if self._has_failed:
                self._has_failed = False
                _logger.info("tracing.recovered")
        else:
            self._report_failure(len(spans), reason)
        return result

    def shutdown(self) -> None:
        """Stop, in the middle of a retry if need be."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether everything was exported in time."""
        return self._exporter.force_flush(timeout_millis)

    def _report_failure(self, spans: int, reason: str) -> None:
        self._has_failed = True
        self._lost += spans
        if self._clock() >= self._log_again_s:
            _logger.warning("tracing.export_failed", extra={"reason": reason, "spans": self._lost})
            self._log_again_s = self._clock() + _LOG_PAUSE_S
            self._lost = 0


def _resource(version: str) -> Resource:
    """What the spans are of. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first."""
    named = OTELResourceDetector().detect().attributes
    ours = {"service.name": "altwright", "service.version": version}
    return Resource.create({key: text for key, text in ours.items() if key not in named})
