"""The server's Prometheus metrics."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector


class Metrics:
    """The numbers under GET /metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        registry = None if several else self.registry
        if several:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
        self.requests = Counter(
            "altwright_requests_total",
            "Answers by route and by code (`ok`, or the code of the problem).",
            ["route", "code"],
            registry=registry,
        )
        self.seconds = Histogram(
            "altwright_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60),
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "altwright_stage_seconds",
            "Seconds of one caption spent in each stage.",
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
        self.captioner_up = Gauge(
            "altwright_captioner_usable",
            "1 while the captioner is asked, 0 while it is left alone after failures.",
            ["captioner"],
            registry=registry,
            multiprocess_mode="min",
        )
        self.children_lost = Gauge(
            "altwright_children_lost",
            "Decoding processes that died, hung or were told to stop, since the start.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.children_waiting = Gauge(
            "altwright_children_waiting",
            "Jobs that wait for a decoding process.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.limit_store_up = Gauge(
            "altwright_rate_limit_store_up",
            "1 while the shared store of rate limits answers, 0 while each process counts alone.",
            registry=registry,
            multiprocess_mode="min",
        )
        self.limit_store_up.set(1)

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
