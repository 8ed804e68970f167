"""What the SDK says in the log (logger `altwright`): no key, no URL, no picture."""

from __future__ import annotations

import logging

from altwright.errors import AltwrightError

_logger = logging.getLogger("altwright")


def log_retry(error: AltwrightError, wait_s: float) -> None:
    """Retries are no secret, and nothing to warn of."""
    _logger.info("trying again in %.2f s: %s", wait_s, error.code or type(error).__name__)


def log_default(error: AltwrightError) -> None:
    """caption_or swallowed an error: whoever runs the pipeline should be able to see it."""
    _logger.warning(
        "no caption (%s, request %s): the default is used",
        error.code or type(error).__name__,
        error.request_id,
    )
