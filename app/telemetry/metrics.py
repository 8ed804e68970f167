"""The server's Prometheus metrics."""

import os
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.errors import public_error_classes

_MAX_MODELS = 50
"""Different values of the label `model` in one process; further ones are counted as `other`."""
_MAX_KEY_LABELS = 200
_OTHER_KEYS = "(other)"


class KeyMetrics:
    """Usage by the name of the key; of more than 200 keys the rest has one name together."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._names: set[str] = set()
        self._requests = Counter(
            "altwright_key_requests_total",
            "Requests by key.",
            ["key"],
            registry=registry,
        )
        self._captions = Counter(
            "altwright_key_captions_total",
            "Captions and problems by key and outcome.",
            ["key", "outcome"],
            registry=registry,
        )
        self._tokens = Counter(
            "altwright_key_tokens_total",
            "Tokens that models' servers counted, by key and direction.",
            ["key", "direction"],
            registry=registry,
        )

        self._unknown_tokens = Counter(
            "altwright_key_unknown_tokens_total",
            "Captions with a draft whose tokens the model's server did not tell, by key.",
            ["key"],
            registry=registry,
        )

    def observe(self, key_name: str, counts: Mapping[str, int]) -> None:
        """Add the counts of one request, by field."""
        if key_name not in self._names:
            if len(self._names) < _MAX_KEY_LABELS:
                self._names.add(key_name)
            else:
                key_name = _OTHER_KEYS
        for field, count in counts.items():
            kind, _, outcome = field.partition(" ")
            if field == "requests":
                self._requests.labels(key_name).inc(count)
            elif kind == "captions":
                self._captions.labels(key_name, outcome).inc(count)
            elif field in ("input_tokens", "output_tokens"):
                self._tokens.labels(key_name, field.removesuffix("_tokens")).inc(count)
            elif field == "unknown_tokens":
                self._unknown_tokens.labels(key_name).inc(count)


_CAPTION_ROUTES = ("/v1/image/caption", "/v1/image/captions", "/v1/caption/check")


class Metrics:
    """The metrics of GET /metrics, in a registry of their own.

    With several server processes (WORKERS) each writes its values to files, and GET /metrics of any
    of them adds all files up.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._models: set[str] = set()
        self.is_multiprocess = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        """Whether GET /metrics of another process shows the values of this one, as last set."""
        registry = None if self.is_multiprocess else self._registry
        if self.is_multiprocess:
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        self.requests = Counter(
            "altwright_requests_total",
            "Responses by route and code (`ok`, or the code of the problem).",
            ["route", "code"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "altwright_request_seconds",
            "Seconds from the head of a request to the end of its response.",
            ["route"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "altwright_stage_seconds",
            "Seconds that a caption spent in each stage.",
            ["stage"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.captions = Counter(
            "altwright_captions_total",
            "Captions by style, model and outcome.",
            ["style", "model", "outcome"],
            registry=registry,
        )
        self.rejected_drafts = Counter(
            "altwright_rejected_drafts_total",
            "Drafts that broke a hard rule, by rule.",
            ["rule"],
            registry=registry,
        )
        self.claims = Counter(
            "altwright_claims_total",
            "Claims of captions that were held against their picture, by kind and verdict.",
            ["kind", "verdict"],
            registry=registry,
        )
        self.in_work = Gauge(
            "altwright_requests_in_work",
            "Caption requests in work.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.waiting = Gauge(
            "altwright_requests_waiting",
            "Caption requests waiting for a place.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.captioner_usable = Gauge(
            "altwright_captioner_usable",
            "1 while the captioner is called, 0 from when its circuit breaker opens after failures "
            "until a call succeeds.",
            ["captioner"],
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.children_lost = Gauge(
            "altwright_children_lost",
            "Child processes that died, hung or were stopped, since the start.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.jobs_outgrown = Gauge(
            "altwright_jobs_outgrown",
            "Jobs that took far longer than foreseen and left the express child, since the start.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.children_waiting = Gauge(
            "altwright_children_waiting",
            "Jobs that wait for a child process.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.rate_limit_store_up = Gauge(
            "altwright_rate_limit_store_up",
            "1 while the shared rate limit store responds, 0 while each process counts by itself.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.rate_limit_store_up.set(1)
        for route in _CAPTION_ROUTES:  # Prometheus sees no increase where a series begins with 1
            for error_class in public_error_classes():
                self.requests.labels(route, error_class.code)
        self._key_metrics = KeyMetrics(registry)
        self.usage_store_up = Gauge(
            "altwright_usage_store_up",
            "1 while usage is stored, 0 while it is kept in memory and keys with a quota are "
            "refused.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.usage_store_up.set(1)

    def observe_request(self, route: str, code: str, seconds: float) -> None:
        """Count a response and its duration."""
        self.requests.labels(route, code).inc()
        self.request_seconds.labels(route).observe(seconds)

    def observe_caption(self, style: str, model: str, outcome: str) -> None:
        """Count a caption. A server chooses the name of its model: their number is bounded."""
        if len(self._models) < _MAX_MODELS:
            self._models.add(model)
        self.captions.labels(style, model if model in self._models else "other", outcome).inc()

    def observe_claim(self, kind: str, verdict: str) -> None:
        """Count a claim of a caption."""
        self.claims.labels(kind, verdict).inc()

    def observe_usage(self, key_name: str, counts: Mapping[str, int]) -> None:
        """Count what a key used, as the usage store does."""
        self._key_metrics.observe(key_name, counts)

    def exposition(self) -> bytes:
        """The metrics in the Prometheus text format."""
        return generate_latest(self._registry)
