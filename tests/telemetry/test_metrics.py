"""Metrics are exposed in the Prometheus text format."""

from app.telemetry.metrics import Metrics


def test_a_request_is_counted_and_timed_in_the_prometheus_text_format() -> None:
    metrics = Metrics()
    metrics.observe_request("/v1/image/caption", "ok", 0.2)
    text = metrics.exposition().decode()
    assert 'altwright_requests_total{code="ok",route="/v1/image/caption"} 1.0' in text
    assert 'altwright_request_seconds_count{route="/v1/image/caption"} 1.0' in text
