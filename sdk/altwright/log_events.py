"""Log events of the SDK (logger `altwright`). They contain no key, no URL and no image."""

from __future__ import annotations

import logging

from altwright.errors import AltwrightError

_logger = logging.getLogger("altwright")


def log_retry(error: AltwrightError, wait_s: float) -> None:
    """A call failed and is tried again after `wait_s` seconds."""
    _logger.info("request.retry error=%s wait_s=%.2f", _error_name(error), wait_s)


def log_default_used(error: AltwrightError) -> None:
    """`caption_or` returned its default: a warning, for the error is not raised."""
    _logger.warning(
        "caption.default_used error=%s request_id=%s", _error_name(error), error.request_id
    )


def _error_name(error: AltwrightError) -> str:
    return error.code or type(error).__name__
