"""The trace that a request names is read as W3C Trace Context says."""

import pytest

from app.telemetry.trace_context import TraceContext

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_a_valid_traceparent_names_the_trace_and_is_passed_on_unchanged() -> None:
    trace = TraceContext.from_headers({"traceparent": PARENT, "tracestate": "a=1,b=2"})
    assert trace is not None
    assert trace.trace_id == TRACE_ID
    assert trace.headers == {"traceparent": PARENT, "tracestate": "a=1,b=2"}


def test_of_a_later_version_what_is_known_is_passed_on() -> None:
    trace = TraceContext.from_headers({"traceparent": f"cc{PARENT[2:]}-what-the-future-holds"})
    assert trace is not None
    assert trace.headers == {"traceparent": PARENT}


@pytest.mark.parametrize(
    "value",
    ["", "x", PARENT.upper(), f"ff{PARENT[2:]}", f"{PARENT}-more", PARENT[:-1], f"{PARENT}\nx",
     f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE_ID}-{'0' * 16}-01"],
)  # fmt: skip
def test_an_invalid_traceparent_names_none(value: str) -> None:
    assert TraceContext.from_headers({"traceparent": value, "tracestate": "a=1"}) is None


@pytest.mark.parametrize("value", ["a=1\r\nx: y", "ä=1", "a" * 513])
def test_an_invalid_tracestate_is_not_passed_on(value: str) -> None:
    trace = TraceContext.from_headers({"traceparent": PARENT, "tracestate": value})
    assert trace is not None
    assert trace.headers == {"traceparent": PARENT}
