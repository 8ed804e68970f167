"""Log line, span and token count of one call to a model server.

The attributes are OpenTelemetry's conventions for generative AI (opentelemetry.io/docs/specs/
semconv/gen-ai). Prompts and texts are left out.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.captioning.openai_compat.error_classifier import Failure
from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.openai_compat.response import ModelResponse
from app.telemetry.request_context import record_model_response
from app.telemetry.tracing import Span, error_type_of, step_span

_logger = logging.getLogger(__name__)

_OPERATORS_FAULT = frozenset({
    FailureKind.MISCONFIGURED, FailureKind.NO_IMAGE_INPUT, FailureKind.QUOTA_EXHAUSTED,
})  # fmt: skip
"""Nothing succeeds until the operator changes something: a key, a name, a model, a budget."""


@dataclass(slots=True, eq=False)
class ModelCall:
    """A call while it is made."""

    span: Span
    log_fields: dict[str, object]

    def set_parameters(self, parameters: Mapping[str, Any]) -> None:
        """What is sent beside the texts and the image."""
        names = ("max_completion_tokens", "max_tokens")
        limits = [parameters[name] for name in names if isinstance(parameters.get(name), int)]
        temperature = parameters.get("temperature")
        self.span.set_attributes(
            {
                "gen_ai.request.max_tokens": limits[0] if limits else None,
                "gen_ai.request.temperature": temperature
                if isinstance(temperature, int | float)
                else None,
            }
        )

    def end(self, outcome: ModelResponse | Failure) -> None:
        """What came of it: tokens and `ok`, or the kind of failure."""
        if isinstance(outcome, Failure):
            self.log_fields["outcome"] = outcome.kind.value
            self.span.set_attributes({"http.response.status_code": outcome.status})
            self.span.set_error(outcome.kind.value)
            return
        tokens = {"input_tokens": outcome.input_tokens, "output_tokens": outcome.output_tokens}
        self.log_fields |= {"outcome": "refused" if outcome.refused else "ok", **tokens}
        self.span.set_attributes({f"gen_ai.usage.{name}": count for name, count in tokens.items()})
        self.span.set_attributes({"gen_ai.response.model": outcome.model})
        record_model_response(outcome.input_tokens, outcome.output_tokens)


@contextmanager
def observe_call(model: str, server: tuple[str, int | None]) -> Iterator[ModelCall]:
    """Logs and traces the call that is made in the block. `server` is its host and port."""
    began_s = time.monotonic()
    host, port = server
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",  # whose API it speaks
        "gen_ai.request.model": model,
        "server.address": host,
        "server.port": port,
    }
    with step_span(f"chat {model}", attributes, kind="client") as span:
        call = ModelCall(span, {"model": model})
        try:
            yield call
        except BaseException as error:
            call.log_fields["outcome"] = error_type_of(error)
            raise
        finally:
            ms = round((time.monotonic() - began_s) * 1000)
            _logger.info("model.called", extra={**call.log_fields, "ms": ms})


def log_operators_fault(model: str, failure: Failure, reason: str) -> None:
    """Warn of a failure that lasts until the operator changes something."""
    if failure.kind in _OPERATORS_FAULT:
        _logger.warning("model.misconfigured", extra={"model": model, "reason": reason})
