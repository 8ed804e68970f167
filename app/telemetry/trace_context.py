"""W3C Trace Context: the headers `traceparent` and `tracestate` (www.w3.org/TR/trace-context)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Version, trace, parent span, flags. A later version may append parts.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")
"""512 characters are what everybody must pass on."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace that a request belongs to."""

    trace_id: str
    """32 hex digits."""
    headers: Mapping[str, str]
    """What a participant that records no spans passes on: the headers as they came."""

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "TraceContext | None":
        """The trace that these headers (names in lower case) name; None for none or a wrong one."""
        match = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
        if match is None:
            return None
        version, trace_id, parent_id, flags, rest = match.groups()
        if (
            version == "ff"
            or (version == "00" and rest)
            or not (int(trace_id, 16) and int(parent_id, 16))
        ):
            return None
        # Of a later version only what version 00 has is understood, and so passed on.
        passed_on = {"traceparent": f"00-{trace_id}-{parent_id}-{flags}"}
        tracestate = headers.get("tracestate", "")
        if _TRACESTATE.fullmatch(tracestate):
            passed_on["tracestate"] = tracestate
        return cls(trace_id, passed_on)
