"""No secret and no signature reaches the log."""

import io
import logging
import time

import pytest

from app.telemetry.logging import LineFormatter
from app.telemetry.metrics import Metrics
from app.telemetry.redaction import redact, safe_url

SIGNED = "https://u:pw@cdn.example.com:8443/a/b.jpg?X-Amz-Signature=abcdef&Expires=1#frag"


def test_a_url_is_logged_without_query_fragment_and_userinfo() -> None:
    assert safe_url(SIGNED) == "https://cdn.example.com:8443/a/b.jpg"
    assert safe_url("data:image/png;base64,AAAA") == "data:"
    assert safe_url("http://[broken") == "(unreadable URL)"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"could not fetch {SIGNED}", "abcdef"),
        (f"could not fetch {SIGNED}", "pw"),
        ("redis://:hunter2@10.0.0.1:6379/0 is gone", "hunter2"),
        ("got data:image/jpeg;base64,/9j/4AAQ+abc== here", "4AAQ"),
        ("sent Authorization: Bearer altw_s3cret", "s3cret"),
        ("'https://cdn.example.com/a.jpg?sig=zzz' refused", "zzz"),
        ("HTTPS://cdn.example.com/a.jpg?sig=zzz", "zzz"),
    ],
)
def test_secrets_are_taken_out_of_any_text(text: str, secret: str) -> None:
    assert secret not in redact(text)


def logged(emit: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter())
    logger = logging.getLogger("altwright.test.formatter")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    logger.propagate = False
    emit(logger)  # type: ignore[operator]
    return stream.getvalue()


def test_a_long_line_is_redacted_in_no_time() -> None:
    """It takes the event loop, and an origin may have made it."""
    record = logging.makeLogRecord({"msg": "http://" * 100_000, "levelname": "INFO", "name": "a"})
    began_s = time.process_time()
    assert len(LineFormatter().format(record)) <= 8_000
    assert time.process_time() - began_s < 1


def test_the_query_of_a_long_url_is_taken_out() -> None:
    assert "secret" not in redact("see http://host/" + "a" * 5_000 + "?sig=secret")


@pytest.mark.parametrize("url", ["http://user:hunter2/x@host/a.jpg", "http://u:hunter2?@host/"])
def test_a_password_with_a_slash_is_not_taken_for_a_port(url: str) -> None:
    assert "hunter2" not in safe_url(url)


def test_an_exception_is_one_line_and_redacted() -> None:
    def emit(logger: logging.Logger) -> None:
        try:
            raise RuntimeError(f"no route to {SIGNED}\nsecond line")
        except RuntimeError:
            logger.exception("internal error", extra={"request_id": "r1"})

    line = logged(emit)
    assert line.count("\n") == 1
    assert "abcdef" not in line
    assert "RuntimeError" in line
    assert "test_observability.py" in line


def test_a_caller_cannot_forge_a_line() -> None:
    line = logged(lambda log: log.info("request", extra={"path": "/a\n2026 CRITICAL forged"}))
    assert line.count("\n") == 1


def test_metrics_are_the_prometheus_text_format() -> None:
    metrics = Metrics()
    metrics.requests.labels("/v1/image/caption", "ok").inc()
    text = metrics.exposition().decode()
    assert 'altwright_requests_total{code="ok",route="/v1/image/caption"} 1.0' in text
