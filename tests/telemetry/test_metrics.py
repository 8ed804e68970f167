"""Metrics are exposed in the Prometheus text format."""

from app.errors import public_error_classes
from app.telemetry.metrics import Metrics


def test_a_request_is_counted_and_timed_in_the_prometheus_text_format() -> None:
    metrics = Metrics()
    metrics.observe_request("/v1/image/caption", "ok", 0.2)
    text = metrics.exposition().decode()
    assert 'altwright_requests_total{code="ok",route="/v1/image/caption"} 1.0' in text
    assert 'altwright_request_seconds_count{route="/v1/image/caption"} 1.0' in text


def test_each_code_of_a_caption_request_is_exposed_before_its_first_response() -> None:
    """Prometheus would see no increase of a series that begins with 20."""
    lines = Metrics().exposition().decode().splitlines()
    for error_class in public_error_classes():
        labels = f'code="{error_class.code}",route="/v1/image/caption"'
        assert f"altwright_requests_total{{{labels}}} 0.0" in lines


def test_usage_is_counted_by_key_up_to_two_hundred_of_them() -> None:
    metrics = Metrics()
    for number in range(250):
        counts = {"requests": 1, "captions caption": 2, "input_tokens": 9, "unknown_tokens": 1}
        metrics.observe_usage(f"key-{number}", counts)
    text = metrics.exposition().decode()
    assert 'altwright_key_requests_total{key="key-0"} 1.0' in text
    assert 'altwright_key_captions_total{key="(other)",outcome="caption"} 100.0' in text
    assert 'altwright_key_tokens_total{direction="input",key="key-0"} 9.0' in text
    assert 'altwright_key_unknown_tokens_total{key="key-0"} 1.0' in text
    assert 'key="key-249"' not in text
