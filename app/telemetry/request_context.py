"""What belongs to the request in work: its ID and trace for every log line, and its last line.

It stands in a context variable, which a task inherits from the task that created it. So work that
several requests share logs the ID of the request that began it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from app.telemetry.trace_context import TraceContext

_request: ContextVar["RequestContext | None"] = ContextVar("request", default=None)


@dataclass(slots=True, eq=False)
class RequestContext:
    """One request, and what is learned about it until its last log line."""

    request_id: str
    trace: TraceContext | None = None
    """The trace that it belongs to, by its `traceparent` or because it is traced here."""
    fields: dict[str, object] = field(default_factory=dict)
    """Fields of its last line, in the order in which they were set."""
    captions: list[tuple[str, str]] = field(default_factory=list)
    """Model and outcome of each caption."""
    model_calls: int = 0
    """Calls of models that ended with a response; repeated ones count."""
    input_tokens: int | None = 0
    """Of all these calls; None where a server did not say."""
    output_tokens: int | None = 0

    def count_tokens(self, input_tokens: int | None, output_tokens: int | None) -> None:
        """Add the tokens of a model's response."""
        self.model_calls += 1
        self.input_tokens = _sum(self.input_tokens, input_tokens)
        self.output_tokens = _sum(self.output_tokens, output_tokens)

    def add_time(self, stage: str, seconds: float) -> None:
        """Note how long a stage took; the longest time of stages that ran side by side."""
        name = f"{stage}_ms"
        before = self.fields.get(name, 0)
        assert isinstance(before, int)  # noqa: S101 - no other field has such a name
        self.fields[name] = max(before, round(seconds * 1000))

    def last_fields(self, code: str = "ok") -> dict[str, object]:
        """The fields of its last line. `code` is the outcome where no caption was tried."""
        fields = dict(self.fields)
        if "style" in fields and not self.captions:
            fields["outcome"] = code
        if self.captions:
            fields["model"] = _join(model for model, _ in self.captions)
            fields["outcome"] = _join(outcome for _, outcome in self.captions)
        if self.model_calls or self.captions:
            fields["model_calls"] = self.model_calls
            fields["input_tokens"] = self.input_tokens
            fields["output_tokens"] = self.output_tokens
        return fields

    def span_attributes(self, code: str = "ok") -> dict[str, str | int | None]:
        """The same for its span, as far as other spans do not have it."""
        names = ("caller", "style", "locale", "model", "outcome", "wait_ms")
        fields = self.last_fields(code)
        return {
            f"altwright.{name}": value
            for name in names
            if isinstance(value := fields.get(name), str | int)
        }


def current_request() -> RequestContext | None:
    """The request that the running code works for."""
    return _request.get()


def current_request_id() -> str:
    """The ID of that request; empty outside of one."""
    request = _request.get()
    return "" if request is None else request.request_id


@contextmanager
def work_for(request: RequestContext) -> Iterator[None]:
    """What runs in this block, and the tasks that it creates, work for this request."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def set_log_fields(**fields: object) -> None:
    """Set fields of the last log line of the request in work."""
    if (request := _request.get()) is not None:
        request.fields.update(fields)


def record_time(stage: str, seconds: float) -> None:
    """Note how long a stage of the request in work took."""
    if (request := _request.get()) is not None:
        request.add_time(stage, seconds)


def record_caption(model: str, outcome: str) -> None:
    """Note a caption of the request in work: who was to write it, and what came of it."""
    if (request := _request.get()) is not None:
        request.captions.append((model, outcome))


def record_model_response(input_tokens: int | None, output_tokens: int | None) -> None:
    """Add the tokens of a response that a model gave to the request in work."""
    if (request := _request.get()) is not None:
        request.count_tokens(input_tokens, output_tokens)


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None or second is None else first + second


def _join(names: Iterable[str]) -> str:
    """Each name once, in order."""
    return ",".join(dict.fromkeys(names))
