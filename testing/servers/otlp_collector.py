"""An OpenTelemetry collector for tests: receives traces by OTLP over HTTP, with OpenTelemetry's own
messages (opentelemetry-proto)."""

import gzip
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from testing.servers.loopback_http_server import LoopbackHTTPServer, QuietHandler

SERVER, CLIENT = 2, 3
"""Kinds of spans, as OTLP numbers them."""


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it came over the wire. IDs are in hex; the parent of a root is empty."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    is_error: bool
    status_message: str
    events: int
    took_s: float
    resource: Mapping[str, Any]


class OtlpCollector(LoopbackHTTPServer):
    """Serves while the `with` block runs."""

    def __init__(self, status: int = 200, *, hangs: bool = False) -> None:
        """`status` of every response; with `hangs` none is sent while the block runs."""
        self.spans: list[ReceivedSpan] = []
        self.requests = 0
        self.headers: list[Mapping[str, str]] = []
        self._released = threading.Event()
        collector = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = self.read_body()
                collector.requests += 1
                collector.headers.append(dict(self.headers))
                if hangs:
                    collector._released.wait()
                    return
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                if status == 200 and self.path == "/v1/traces":
                    collector._store(body)
                data = ExportTraceServiceResponse().SerializeToString()
                self.send_response(status if self.path == "/v1/traces" else 404)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        super().__init__(Handler)

    @property
    def endpoint(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return self.origin

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        super().__exit__(kind, error, trace)

    def wait_for_trace(self, trace_id: str, timeout_s: float = 30.0) -> list[ReceivedSpan]:
        """The spans of a trace, once the span of its request has come: that ends last."""
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            found = [span for span in self.spans if span.trace_id == trace_id]
            if any(span.kind == SERVER for span in found):
                return found
            time.sleep(0.02)
        raise TimeoutError(f"no span of a request in trace {trace_id}")

    def _store(self, body: bytes) -> None:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = {one.key: _value(one.value) for one in resource_spans.resource.attributes}
            for scope_spans in resource_spans.scope_spans:
                self.spans += [
                    ReceivedSpan(
                        name=span.name,
                        kind=span.kind,
                        trace_id=span.trace_id.hex(),
                        span_id=span.span_id.hex(),
                        parent_id=span.parent_span_id.hex(),
                        attributes={one.key: _value(one.value) for one in span.attributes},
                        is_error=span.status.code == 2,
                        status_message=span.status.message,
                        events=len(span.events),
                        took_s=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                        resource=resource,
                    )
                    for span in scope_spans.spans
                ]


def _value(value: AnyValue) -> Any:
    name = value.WhichOneof("value")
    if name == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, name) if name else None
